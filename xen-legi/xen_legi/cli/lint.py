"""Tell what would keep domUs from starting: a kernel, volume or bridge that is not there, two of one name, MAC or disk.

Without names, all files *.cfg in /etc/xen are looked at, and the root of each domU that is off: has it the modules of its
kernel? Those that start with dom0 must fit into its memory together. Nothing is changed. Exit status 1 if there is an error.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from xen_legi import config as settings
from xen_legi.domu import config, disks, lint, names, xl
from xen_legi.errors import EXIT_FAILED, EXIT_OK, need_root
from xen_legi.finding import Finding, summary
from xen_legi.install.rename import tell_of_killed
from xen_legi.kernels import inside
from xen_legi.kernels.store import Store
from xen_legi.steps import say
from xen_legi.storage import lvm

EXAMPLES = """\
  xen-legi lint
  xen-legi lint web1 db1
  xen-legi lint --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="a domU (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Look, and tell."""
    need_root("xen-legi lint")
    for name in options.names:
        names.check(name)
    tell_of_killed()
    wanted = {str(config.by_name(name).file) for name in options.names}
    files, broken = config.all_files()
    domus = [one for one in files if config.is_domu(one)]
    domains = xl.domains() if xl.answers() else []
    running = {one.name for one in domains}
    off = [one for one in domus if one.name not in running and (not wanted or str(one.file) in wanted)]
    told = [*lint.lint(domus, broken, _here(domus, domains)), *_without_modules(off)]
    found = sorted(one for one in told if not wanted or one.where in wanted)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(*found, sep="\n", end="\n" if found else "")
        say(summary(found))
    return EXIT_FAILED if any(one.level == "error" for one in found) else EXIT_OK


def _without_modules(off: list[config.DomuConfig]) -> Iterator[Finding]:
    """Tell which of these domUs have no modules of their kernel."""
    store = Store(Path(settings.load().srv))
    for one in off:
        if version := inside.lacking(one, store):
            remedy = f"xen-legi kernel push {one.name}"
            yield Finding(str(one.file), "warning", f"its root has no modules of kernel {version}: {remedy}")


def _here(domus: list[config.DomuConfig], domains: list[xl.Domain]) -> lint.Here:
    volumes = lvm.volumes()
    return lint.Here(
        exists=lambda path: Path(path).exists(),
        volumes=volumes,
        devices=disks.devices(domus, volumes),
        bridges=frozenset(one.name for one in Path("/sys/class/net").iterdir()),
        memory=xl.total_memory() if domains else None,
        of_dom0=domains[0].memory if domains else 0,
        autostarted=frozenset(one.name for one in domus if one.autostart),
    )
