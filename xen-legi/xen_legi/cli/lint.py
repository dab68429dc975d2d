"""Tell what would keep domUs from starting: a kernel, volume or bridge that is not there, two of one name, MAC or disk.

Without names, all files *.cfg in /etc/xen are looked at, also those that xl would not read, and the root of each domU that
is off: has it the modules of its kernel? What xl surely refuses or surely does not boot is an error, and what several domUs
have that one alone may have; all else is a warning. Those that start with dom0 must fit into its memory together. Names,
MACs and addresses must not be those of domUs whose copies other hosts have sent here; with --peers, nor those of any domU of
the peers, which are asked: one that does not answer is told and costs some seconds. Nothing is changed. Exit status 1 if
there is an error.
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from xen_legi import config as settings
from xen_legi import files as texts
from xen_legi.backup import everywhere
from xen_legi.domu import config, disks, lint, names, xl, xlconf
from xen_legi.domu.lint_alone import is_meant
from xen_legi.domu.lint_here import Here
from xen_legi.errors import EXIT_FAILED, EXIT_OK, need_root
from xen_legi.finding import Finding, summary
from xen_legi.install import facts
from xen_legi.install.rename import tell_of_killed
from xen_legi.kernels import inside
from xen_legi.kernels.store import Store
from xen_legi.steps import say
from xen_legi.storage import lvm

EXAMPLES = """\
  xen-legi lint
  xen-legi lint web1 db1
  xen-legi lint --peers
  xen-legi lint --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="a domU (default: all)")
    parser.add_argument("--peers", action="store_true", help="ask the peers, too: their domUs have other names and MACs?")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Look, and tell."""
    need_root("xen-legi lint")
    for name in options.names:
        names.check(name)
    tell_of_killed()
    files, broken = config.all_files()
    wanted = {str(file) for name in options.names for file in _files(name, files, broken)}
    domus = [one for one in files if is_meant(one)]
    domains = xl.domains() if xl.answers() else []
    running = {one.name for one in domains}
    off = [one for one in domus if one.name not in running]
    volumes = lvm.volumes()
    others = everywhere.here(domus, volumes)
    others = everywhere.with_peers(others) if options.peers else others
    told = [*lint.lint(domus, broken, _here(domus, domains, off, volumes)), *lint.clashes(domus, others),
            *_without_modules(one for one in off if not wanted or str(one.file) in wanted)]
    found = sorted(one for one in told if not wanted or one.where in wanted)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(*found, sep="\n", end="\n" if found else "")
        say(summary(found))
    return EXIT_FAILED if any(one.level == "error" for one in found) else EXIT_OK


def _files(name: str, files: list[config.DomuConfig], broken: list[config.Unreadable]) -> set[Path]:
    """Return the files of a domU. One that cannot be read, or has no name, is that of the domU after which it is called.
    Die if there is none."""
    found = {one.file for one in files if is_meant(one) and (one.name or one.file.stem) == name}
    line = re.compile(rf"^\s*name\s*=\s*[\"']{re.escape(name)}[\"']", re.MULTILINE)
    found |= {one.file for one in broken if one.file.stem == name or line.search(_text(one.file))}
    return found or {config.by_name(name).file}


def _text(file: Path) -> str:
    """Return what can be read of a file."""
    try:
        return texts.read(file)
    except OSError:
        return ""


def _without_modules(off: Iterable[config.DomuConfig]) -> Iterator[Finding]:
    """Tell which of these domUs have no modules of their kernel."""
    store = Store(Path(settings.load().srv))
    for one in off:
        if version := inside.lacking(one, store):
            push = f"xen-legi kernel push {one.name} {version}"
            remedy = push if store.kernel(version).complete else f"xen-legi kernel add {version}, then {push}"
            yield Finding(str(one.file), "warning", f"its root has no modules of kernel {version}: {remedy}")


def _here(
    domus: list[config.DomuConfig], domains: list[xl.Domain], off: list[config.DomuConfig], volumes: list[lvm.Volume]
) -> Here:
    said, known = xlconf.read(), disks.devices(domus, volumes)
    links = {one.name: one for one in Path("/sys/class/net").glob("*")}
    bridges = frozenset(name for name, one in links.items() if (one / "bridge").is_dir())
    return Here(
        exists=lambda path: Path(path).exists(),
        volumes=volumes,
        devices=known,
        bridges=bridges,
        memory=xl.total_memory() if domains else None,
        of_dom0=domains[0].memory if domains else 0,
        autostarted=frozenset(one.name for one in domus if one.autostart),
        free=facts.free_now(),
        off=frozenset(one.file for one in off),
        made=frozenset(str(one.ramdisk) for one in Store(Path(settings.load().srv)).kernels() if one.note.exists()),
        links=frozenset(links) - bridges,
        cards=frozenset(name for name, one in links.items() if (one / "device").exists()),
        bridge=said.get("vif.default.bridge") or Here.bridge,
        script=said.get("vif.default.script") or Here.script,
        images={real: image for one in off for real, image in disks.images_of(one, known).items()},
    )
