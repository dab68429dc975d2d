"""Kernels that domUs boot, kept in /srv/xen apart from dom0's own.

`add` takes a kernel of dom0 (the newest, or VERSION), `list` shows what there is, `default` shows or sets the kernel of
new domUs. Without a set default it is always the newest. No domU changes its kernel by itself: its file names it. `prune`
removes VERSION, or all but the newest ones (--keep), where no domU, no copy and no other file in /etc/xen names it.
"""

import argparse
import json
from pathlib import Path

from xen_legi import config
from xen_legi.cli import no_more
from xen_legi.columns import aligned
from xen_legi.domu import config as domu_config
from xen_legi.errors import EXIT_OK, die, need_root
from xen_legi.kernels import prune
from xen_legi.kernels.add import Source, add
from xen_legi.kernels.initramfs import root_not_found
from xen_legi.kernels.store import Kernel, Store
from xen_legi.steps import say, warn

EXAMPLES = """\
  xen-legi kernel add                      # the newest kernel of dom0
  xen-legi kernel add 6.12.48+deb13-amd64
  xen-legi kernel list --json
  xen-legi kernel default 6.12.48+deb13-amd64
  xen-legi kernel default newest           # follow the newest again
  xen-legi kernel prune --dry-run          # what nobody needs any more
  xen-legi kernel prune --keep 3
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("add", "list", "default", "prune"), nargs="?", default="list", help="what to do")
    parser.add_argument("version", nargs="?", default="", help="kernel version, as uname -r prints it")
    parser.add_argument("--json", action="store_true", help="with list: print JSON")
    parser.add_argument("--keep", type=int, default=2, metavar="N", help="with prune: keep the N newest (default: 2)")
    parser.add_argument("--dry-run", action="store_true", help="with prune: print what would be removed, and remove nothing")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    settings = config.load()
    store = Store(Path(settings.srv))
    if options.what == "list":
        no_more("kernel list", options.version)
    if options.what == "list":
        return _list(store, as_json=options.json)
    if options.what == "default":
        return _default(store, options.version)
    if options.what == "prune":
        return _prune(store, options)
    need_root("xen-legi kernel add")
    version = options.version or _newest(Source())
    if add(store, version, settings.initramfs):
        _warn_of_roots(store.kernel(version), settings.initramfs)
    elif not options.version:
        say(f"domUs have kernel {version} already")
    return EXIT_OK


def _warn_of_roots(kernel: Kernel, modules: tuple[str, ...]) -> None:
    """Tell of domUs that start with this kernel and whose root the initramfs made for domUs does not find."""
    for one in domu_config.all_domus():
        if modules and Path(one.ramdisk) == kernel.ramdisk and (root := root_not_found(one)):
            warn(f"{one.name} will not start with {kernel.ramdisk}, which finds no root={root}: "
                 f"give {one.file} another ramdisk, or say initramfs = [] in {config.FILE}")


def _newest(source: Source) -> str:
    versions = source.versions()
    if not versions:
        die(f"dom0 has no kernel in {source.boot}", hint="apt install linux-image-amd64")
    return versions[-1]


def _prune(store: Store, options: argparse.Namespace) -> int:
    need_root("xen-legi kernel prune")
    if options.keep < 1:
        die(f"--keep {options.keep} would leave new domUs no kernel", hint="--keep 1 keeps the newest")
    files = prune.texts()
    one = options.version
    going = [prune.check(store, one, files)] if one else prune.superfluous(store, files, options.keep)
    if not options.dry_run:
        prune.remove(store, going)
    done = "would go" if options.dry_run else "removed"
    print(*(f"{done}: kernel {one.version}" for one in going), sep="\n") if going else say("no kernel is superfluous")
    return EXIT_OK


def _default(store: Store, version: str) -> int:
    if not version:
        print(store.default().version)
        return EXIT_OK
    need_root("xen-legi kernel default")
    if version == "newest":
        store.choose_newest()
    else:
        store.choose(version)
    say(f"new domUs get kernel {store.default().version}")
    return EXIT_OK


def _list(store: Store, *, as_json: bool) -> int:
    kernels = store.kernels()
    default = store.default().version if kernels else ""
    users = {one.version: _users(one) for one in kernels}
    if as_json:
        print(json.dumps([_facts(one, default, users[one.version]) for one in kernels], indent=2))
        return EXIT_OK
    rows = [("*" if one.version == default else "", one.version, ", ".join(users[one.version])) for one in kernels]
    if rows:
        print(*aligned([("", "VERSION", "DOMUS"), *rows]), sep="\n")
    else:
        say(f"no kernels in {store.top}/boot; xen-legi kernel add takes dom0's")
    return EXIT_OK


def _facts(one: Kernel, default: str, users: list[str]) -> dict[str, object]:
    return {
        "version": one.version,
        "default": one.version == default,
        "kernel": str(one.image),
        "ramdisk": str(one.ramdisk),
        "modules": str(one.modules),
        "domus": users,
    }


def _users(kernel: Kernel) -> list[str]:
    """Return the domUs whose file names this kernel."""
    return [one.name for one in domu_config.all_domus() if Path(one.kernel) == kernel.image]
