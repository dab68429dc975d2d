"""Kernels that domUs boot, kept in /srv/xen apart from dom0's own.

`add` takes a kernel of dom0 (the newest, or VERSION) or, with --package, of a Debian package that dom0 does not install.
`list` shows what there is ("peer": another host has sent it), `default` shows or sets the kernel of new domUs. Without a set
default it is the newest of this host's own of one flavour (see flavour and follow in xen-legi config sample). No domU
changes its kernel by itself: its file names it. `prune` removes VERSION, or all but the newest ones of this host's own of
each flavour (--keep), where no domU that runs, no copy and no file in /etc/xen names it, by a link either; those that peers
have sent are kept only while something names them. `follow` is what dom0's kernel packages call when VERSION was installed,
or removed (--removed): it adds or removes and prunes as the settings say. `sync` sends the peers what they lack of VERSION,
or of the kernels that domUs here name and that of new ones: modules, initramfs, image. What they have is never replaced, and
no kernel of a peer becomes the default by itself.

`pin` gives a domU another kernel (the default of new domUs, or VERSION): its modules, then its file; it starts with it when
it is started next (xen-legi restart; a reboot inside it keeps the kernel that it has). A kernel with which it would not find
its root is refused. `pin NAME own` has it start the kernel that is installed in it, by GRUB, which needs a grub.cfg there;
the domU must be off. `push` gives it the modules alone, of that kernel or of the one that its file names. A domU that is off
gets them on its disk, one that runs over ssh, by rsync(1), as root.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from xen_legi import config, files
from xen_legi.as_json import text as json_text
from xen_legi.cli import no_more
from xen_legi.columns import aligned
from xen_legi.domu import config as domu_config
from xen_legi.domu import loader, names, xlcfg
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import EXIT_FAILED, EXIT_OK, EXIT_PARTLY, Problem, die, need_root
from xen_legi.install import leftovers
from xen_legi.install.tidy import changing
from xen_legi.kernels import own, policy, prune, root
from xen_legi.kernels.add import Source, add, add_package
from xen_legi.kernels.pinning import pinned
from xen_legi.kernels.push import push, target
from xen_legi.kernels.store import Kernel, Store
from xen_legi.steps import named_point, say, warn

EXAMPLES = """\
  xen-legi kernel add                      # the newest kernel of dom0
  xen-legi kernel add 6.12.48+deb13-amd64
  xen-legi kernel add --package linux-image-6.12.48+deb13-cloud-amd64
  xen-legi kernel list --json
  xen-legi kernel default 6.12.48+deb13-amd64
  xen-legi kernel default newest           # follow the newest again
  xen-legi kernel prune --dry-run          # what nobody needs any more
  xen-legi kernel prune --keep 3
  xen-legi kernel sync                     # what the peers lack of the kernels that are used here
  xen-legi kernel sync 6.12.48+deb13-amd64 --to dom0b
  xen-legi kernel pin web1 6.12.48+deb13-amd64
  xen-legi kernel pin web1 own             # the kernel that is installed in it
  xen-legi kernel push web1 --address 192.168.72.11
"""
_MEANT = {
    "--json": ("list", "default", "prune", "sync", "pin", "push"), "--keep": ("prune",),
    "--dry-run": ("prune", "sync", "pin", "push"), "--removed": ("follow",),
    "--all-modules": ("pin", "push"), "--address": ("pin", "push"), "--package": ("add",), "--to": ("sync",),
}  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("add", "list", "default", "prune", "pin", "push", "sync",
                                         "follow"), nargs="?",
                        default="list", help="what to do")
    parser.add_argument("version", nargs="?", default="", metavar="VERSION|DOMU",
                        help="a kernel version, as uname -r prints it; with pin and push: the domU")
    parser.add_argument("second", nargs="?", default="", metavar="VERSION",
                        help="with pin and push: the version; with pin also: own")
    parser.add_argument("--package", default=None, metavar="PACKAGE",
                        help="with add: the kernel in a Debian package, a file .deb or a name that apt downloads")
    parser.add_argument("--json", action="store_true",
                        help="with list, default, prune, sync, and --dry-run of pin and push: print JSON")
    parser.add_argument("--keep", type=int, default=None, metavar="N",
                        help="with prune: keep the N newest of each flavour (default: the setting keep)")
    parser.add_argument("--removed", action="store_true", help="with follow: dom0 has the kernel no more")
    parser.add_argument("--to", action="append", default=[], metavar="PEER",
                        help="with sync: to this peer only; may be given again")
    parser.add_argument("--dry-run", action="store_true",
                        help="with prune, sync, pin, push: print what would be done, and do nothing")
    parser.add_argument("--all-modules", action="store_true",
                        help="with pin and push: all modules of the kernel (by itself where the file has pci=)")
    parser.add_argument("--address", default="", metavar="ADDRESS",
                        help="with pin and push: where a running domU is reached (default: the first address in its file)")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    settings = config.load()
    store = policy.store_of(settings)
    version = options.version
    _check_options(options)
    if options.what in ("pin", "push"):
        return _give(store, options, settings)
    no_more(f"kernel {options.what}", options.second or (version if options.what == "list" else ""))
    if options.what == "default":
        return _default(store, version, as_json=options.json)
    need_root(f"xen-legi kernel {options.what}")
    if options.what == "list":
        return _list(store, as_json=options.json)
    if options.what == "prune":
        return _prune(store, version, options, settings)
    if options.what == "follow":
        return _follow(store, version, options, settings)
    if options.what == "sync":
        return _sync(store, version, options)
    return _add(store, version, settings) if options.package is None else _add_package(store, options, settings)


def _check_options(options: argparse.Namespace) -> None:
    """Die if an option is given of which the word that is meant knows nothing."""
    given = {
        "--json": options.json, "--keep": options.keep is not None, "--dry-run": options.dry_run,
        "--all-modules": options.all_modules, "--address": bool(options.address), "--package": options.package is not None,
        "--to": bool(options.to), "--removed": options.removed,
    }  # fmt: skip
    for name in (one for one, said in given.items() if said and options.what not in _MEANT[one]):
        die(f"xen-legi kernel {options.what} knows no {name}", hint=f"it is for {', '.join(_MEANT[name])}")
    if options.json and options.what in ("pin", "push") and not options.dry_run:
        die(f"--json of kernel {options.what} is for a plan only", hint="add --dry-run, or leave --json out")


def _add(store: Store, version: str, settings: config.Config) -> int:
    chosen = version or _newest(Source(), settings)
    policy.hold_default(store, settings)
    if add(store, chosen, settings.initramfs):
        _warn_of_roots(store.kernel(chosen))
    elif not version:
        say(f"domUs have kernel {chosen} already")
    return EXIT_OK


def _add_package(store: Store, options: argparse.Namespace, settings: config.Config) -> int:
    no_more("kernel add --package", options.version)
    policy.hold_default(store, settings)
    version, taken = add_package(store, options.package, settings.initramfs)
    if taken:
        _warn_of_roots(store.kernel(version))
    say(f"domUs have kernel {version}" + ("" if taken else " already"))
    return EXIT_OK


def _give(store: Store, options: argparse.Namespace, settings: config.Config) -> int:
    """Give a domU the modules of a kernel and, if so wished, the kernel."""
    need_root(f"xen-legi kernel {options.what}")
    name, version, pins = options.version, options.second, options.what == "pin"
    if not name:
        die(f"xen-legi kernel {options.what} needs a domU", hint=f"xen-legi kernel {options.what} web1")
    names.check(name)
    with changing(name, dry_run=options.dry_run):
        domu = domu_config.by_name(name)
        if pins and version == own.WORD:
            return _pin_own(domu, options)
        kernel = store.find(version) if version else store.default() if pins else _own(store, domu)
        if pins:
            _check_pin(domu, kernel)
        if options.dry_run:
            return _tell(domu, kernel, options, pins=pins)
        everything = options.all_modules or "pci" in xlcfg.values(domu.text)
        push(domu, kernel, "all" if everything else settings.modules, options.address)
        named_point("kernel:before-pin")
        if pins:
            _pin(domu, kernel)
    if not pins:
        print(f"domU {name} has the modules of kernel {kernel.version}")
        return EXIT_OK
    print(f"domU {name} has kernel {kernel.version} from its next start on; hosts with a copy of it need that kernel, too")
    return EXIT_OK


def _pin_own(domu: DomuConfig, options: argparse.Namespace) -> int:
    """Have a domU start its own kernel."""
    if options.all_modules or options.address:
        die("a domU's own kernel has its modules", hint="leave --all-modules and --address out")
    own.check(domu)
    if options.dry_run:
        facts = {"name": domu.name, "kernel": own.WORD, "address": None, "volume": None, "file": domu.file}
        print(json_text(facts) if options.json else f"would write GRUB into {domu.file} in place of its kernel")
        return EXIT_OK
    now = domu_config.read(domu.file)
    files.rewrite(now.file, own.with_grub(now))
    print(f"domU {domu.name} starts its own kernel from its next start on; hosts with a copy of it need {loader.PACKAGE}")
    return EXIT_OK


def _check_pin(domu: DomuConfig, kernel: Kernel) -> None:
    """Die, while nothing is changed yet, if the domU would not start with this kernel."""
    pinned(domu, kernel)
    if why := root.unfit(domu, kernel):
        die(f"{domu.name} would not start with {kernel.ramdisk}, {why}",
            hint=f"name the module in initramfs, or say initramfs = [] in {config.FILE}; then kernel add {kernel.version}")


def _tell(domu: DomuConfig, kernel: Kernel, options: argparse.Namespace, *, pins: bool) -> int:
    """Print what would be done."""
    where, volume = target(domu, options.address)
    if options.json:
        print(json_text({"name": domu.name, "kernel": kernel.version, "address": where,
                         "volume": volume and volume.path, "file": domu.file if pins else None}))
        return EXIT_OK
    print(f"would copy the modules of kernel {kernel.version} into {domu.name}: {where or (volume and volume.path)}")
    if pins:
        print(f"would write kernel and ramdisk into {domu.file}: {kernel.image}")
    return EXIT_OK


def _pin(domu: DomuConfig, kernel: Kernel) -> None:
    """Write the kernel into the domU's file as it is now: a person may have changed it while modules were copied."""
    with prune.need_whole(kernel):
        now = domu_config.read(domu.file)
        files.rewrite(now.file, pinned(now, kernel))


def _own(store: Store, domu: DomuConfig) -> Kernel:
    """Return the kernel that a domU's file names. Die if it is none of ours."""
    known = next((one for one in store.kernels() if one.image == Path(domu.kernel)), None)
    if not known:
        die(f"{domu.file} names no kernel in {store.top}: {domu.kernel or 'it brings its own'}",
            hint=f"say which: xen-legi kernel push {domu.name} VERSION")
    return known


def _warn_of_roots(kernel: Kernel) -> None:
    """Tell of domUs that start with this kernel and whose root the initramfs made for domUs does not find."""
    for one in domu_config.all_domus():
        if Path(one.ramdisk) == kernel.ramdisk and (why := _why_unfit(one, kernel)):
            warn(f"{one.name} will not start with {kernel.ramdisk}, {why}: "
                 f"give {one.file} another ramdisk, or say initramfs = [] in {config.FILE}")


def _why_unfit(domu: DomuConfig, kernel: Kernel) -> str:
    try:
        return root.unfit(domu, kernel)
    except Problem:  # a disk of it does not answer
        return ""


def _newest(source: Source, settings: config.Config) -> str:
    version = policy.newest(source, settings.flavour)
    if not version:
        die(f"dom0 has no kernel in {source.boot}", hint="apt install linux-image-amd64")
    return version


def _follow(store: Store, version: str, options: argparse.Namespace, settings: config.Config) -> int:
    """Keep in step with dom0, and tell what went. Without a version the newest is added, and nothing goes."""
    if not version:
        if options.removed:
            die("xen-legi kernel follow --removed needs a version", hint="that of the kernel that dom0 has no more")
        newest = policy.newest(Source(), settings.flavour)
        gone = policy.came(store, newest, replace(settings, keep=0)) if newest else []
    else:
        gone = (policy.went if options.removed else policy.came)(store, version, settings)
    for one in gone:
        print(f"removed: kernel {one.version}")
    return EXIT_OK


def _prune(store: Store, version: str, options: argparse.Namespace, settings: config.Config) -> int:
    keep = settings.keep if options.keep is None else options.keep
    if options.keep is not None and keep < 1:
        die(f"--keep {keep} would leave new domUs no kernel", hint="--keep 1 keeps the newest")

    def chosen() -> list[Kernel]:
        said = prune.texts()
        if version:
            return [prune.check(store, version, said)]
        return prune.superfluous(store, said, keep or len(store.kernels()))

    if not options.dry_run:
        leftovers.remove_drafts()
    going = chosen() if options.dry_run else prune.remove(store, chosen)
    if options.json:
        print(json_text(going))
        return EXIT_OK
    done = "would go" if options.dry_run else "removed"
    print(*(f"{done}: kernel {one.version}" for one in going), sep="\n") if going else say("no kernel is superfluous")
    return EXIT_OK


def _sync(store: Store, version: str, options: argparse.Namespace) -> int:
    """Send the peers what they lack, and tell it for each."""
    from xen_legi.backup import kernels  # here, as the peers: other kernel commands need neither
    from xen_legi.peers import book

    peers = [book.by_name(one) for one in dict.fromkeys(options.to)] or book.all_peers()
    if not peers:
        die("this host has no peers", hint="xen-legi peer add makes one known")
    chosen = [store.find(version)] if version else _wanted(store)
    if not chosen:
        die(f"there is no kernel for domUs in {store.top}/boot", hint="xen-legi kernel add takes dom0's")
    verb, failed, facts = "would get" if options.dry_run else "got", set(), []
    for done in kernels.sync(chosen, peers, dry_run=options.dry_run):
        facts.append(done)
        if done.problem:
            failed.add(done.host)
            warn(done.problem.message + (f" ({done.problem.hint})" if done.problem.hint else ""))
        elif options.json:
            continue
        elif done.sent:
            print(f"{done.host} {verb} kernel {done.kernel}: {', '.join(done.sent)}")
        else:
            print(f"{done.host} has kernel {done.kernel} already")
    if options.json:
        print(json_text(facts))
    return EXIT_OK if not failed else EXIT_PARTLY if len(failed) < len(peers) else EXIT_FAILED


def _wanted(store: Store) -> list[Kernel]:
    """Return the kernels that domUs of this host name, and that of new ones."""
    said = _own_texts()
    return [one for one in store.kernels() if one == store.default_or_none() or prune.users(one, said)]


def _own_texts() -> dict[str, str]:
    return {str(one.file): one.text for one in domu_config.all_domus()}


def _texts() -> Mapping[str, str]:
    """Return what may name kernels; where not all of it is known, the domUs' files: a list removes nothing."""
    try:
        return prune.texts()
    except Problem as problem:
        warn(f"not all that may use a kernel is known: {problem.message}")
        return _own_texts()


def _default(store: Store, version: str, *, as_json: bool) -> int:
    if not version:
        found = store.default().version
        print(json_text({"version": found}) if as_json else found)
        return EXIT_OK
    need_root("xen-legi kernel default")
    if version == "newest":
        policy.choose_newest(store)
    else:
        policy.choose(store, version)
    say(f"new domUs get kernel {store.default().version}")
    return EXIT_OK


def _list(store: Store, *, as_json: bool) -> int:
    kernels = store.kernels()
    default = one.version if (one := store.default_or_none()) else ""
    said, names = _texts(), {str(one.file): one.name for one in domu_config.all_domus()}
    users = {one.version: _users(one, said, names) for one in kernels}
    if as_json:
        print(json.dumps([_facts(one, default, users[one.version]) for one in kernels], indent=2))
        return EXIT_OK
    marks = {one.version: "*" if one.version == default else "peer" if one.foreign else "" for one in kernels}
    rows = [(marks[one.version], one.version, ", ".join(users[one.version])) for one in kernels]
    if rows:
        print(*aligned([("", "VERSION", "DOMUS"), *rows]), sep="\n")
    else:
        say(f"no kernels in {store.top}/boot; xen-legi kernel add takes dom0's")
    return EXIT_OK


def _facts(one: Kernel, default: str, users: list[str]) -> dict[str, object]:
    return {
        "version": one.version,
        "default": one.version == default,
        "from_peer": one.foreign,
        "kernel": str(one.image),
        "ramdisk": str(one.ramdisk),
        "modules": str(one.modules),
        "domus": users,
    }


def _users(kernel: Kernel, said: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Return what keeps this kernel from being removed: domUs by their name, else the file that names it."""
    return list(dict.fromkeys(names.get(one, one) for one in prune.users(kernel, said)))
