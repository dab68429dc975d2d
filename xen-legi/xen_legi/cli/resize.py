"""Make a disk of a domU larger, and its filesystem with it; while the domU runs, too.

The volume grows at once. The filesystem of a domU that is off is grown here. One that runs is told of the new size when it
next uses the disk; a domU that xen-legi create made grows its filesystem then by itself, for others the command is shown.
A disk is never made smaller.
"""

import argparse

from xen_legi.domu import backend, config, disks, growth, names, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.growth import Growth
from xen_legi.errors import EXIT_OK, EXIT_USAGE, die, need_root
from xen_legi.install import leftovers
from xen_legi.steps import lock, named_point, step
from xen_legi.storage import grow, lvm
from xen_legi.units import exact_size

_WAIT = 30  # seconds for the guest to use its disk: its journal is written every five, if there is anything to write
EXAMPLES = """\
  xen-legi resize web1 --size +1G
  xen-legi resize web1 --size 8G --disk xvda3
  xen-legi resize web1 --size +1G --dry-run
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--size", required=True, metavar="SIZE", help="the new size (8G), or by how much it grows (+1G)")
    parser.add_argument("--disk", default="", metavar="DISK",
                        help="the disk, as the domU (xvda3) or dom0 (web1-home) calls it (default: the root)")
    parser.add_argument("--dry-run", action="store_true", help="print what would grow, and do nothing")


def main(options: argparse.Namespace) -> int:
    """Plan it, and do it."""
    need_root("xen-legi resize")
    names.check(options.name)
    with lock(leftovers.lock_name(options.name), what=f"domU {options.name}", status=EXIT_USAGE):
        domu = config.by_name(options.name)
        volumes = lvm.volumes()
        known = disks.devices([domu], volumes)
        one = growth.plan(domu, options.disk, options.size, volumes, lvm.groups(), known)
        if options.dry_run:
            print(f"domU {domu.name}: {one.described()}")
            return EXIT_OK
        print(f"domU {domu.name}: {_done(domu, one)}")
    return EXIT_OK


def _done(domu: DomuConfig, one: Growth) -> str:
    """Let the disk grow and return what a person is told of it. Die before it if dom0 has a disk of an off domU in use."""
    running = xl.domain(domu.name) if xl.answers() else None
    if not running and one.volume.open:
        die(f"{one.volume.path} is in use, though {domu.name} is off", hint="is it mounted here? see mount, lsof")
    if one.grows:
        with step(f"volume {one.described()}"):
            lvm.extend(one.volume.full_name, one.size)
        named_point("resize:extended")
    if running:
        return _told(running.id, one)
    if not one.volume.active:
        lvm.activate(one.volume.full_name)
    with step(f"the filesystem on {one.volume.full_name}"):
        kind = grow.grow(one.volume.path)
    named_point("resize:grown")
    size = exact_size(one.size)
    return f"{one.disk.device} has {size}, " + (f"its {kind} too" if kind else "what is on it is left")


def _told(domain: int, one: Growth) -> str:
    """Wait until the running domU knows, and return what is left to do in it."""
    with step("the domU is told"):
        knows = backend.tells(domain, one.volume.path, one.size, _WAIT)
    kind = grow.kind(one.volume.path)
    command = grow.command(kind, one.disk.device)
    what = f"{one.disk.device} has {exact_size(one.size)}"
    when = "" if knows else "; the domU sees it when it next uses the disk"
    return f"{what}{when}" + (f"; in the domU, unless it does so by itself: {command}" if command else "")
