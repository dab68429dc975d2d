"""Start this host's copy of a domU, because the domU's own host is lost.

The copy becomes the domU: it gets its volumes' names where they are free and its file in /etc/xen, and is started. A copy
that a broken run left half written is first set back to its last good generation. Nothing is done while the domU may
still be running on its own host.
"""

import argparse
import contextlib
from collections.abc import Iterator

from xen_legi.backup import copies, elsewhere, promote, state
from xen_legi.backup.afterwards import at_boot, dangling, way_back
from xen_legi.backup.generations import Copy
from xen_legi.domu import config as domu_config
from xen_legi.domu import xl
from xen_legi.errors import EXIT_OK, EXIT_USAGE, need_root
from xen_legi.install import leftovers
from xen_legi.steps import lock

_GROUP_HELP = "the copy in this volume group (default: the newest of one host; with --undo, the only one that was promoted)"
EXAMPLES = """\
  xen-legi promote web1 --dry-run
  xen-legi promote web1 --force-dead     # its host does not answer, and I know that it is off
  xen-legi promote web1 --undo           # it was a test: make it a copy again
  xen-legi promote web1 --undo --force-dead  # and its own host does not answer, or has no web1 any more
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--group", default="", metavar="GROUP", help=_GROUP_HELP)
    parser.add_argument(
        "--force-dead", action="store_true",
        help="the domU's own host cannot be asked, and I know that it is off there; with --undo: nobody else needs it",
    )
    parser.add_argument("--undo", action="store_true", help="make a promoted copy a copy again; its changes are lost")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")


def main(options: argparse.Namespace) -> int:
    """Promote a copy, or take it back."""
    need_root("xen-legi promote")
    if options.undo:
        return _undo(options)
    xl.need_xen()
    copy = promote.choose(options.name, options.group)
    with _held(copy):
        copy = copy if options.dry_run else promote.settled(copy)
        said = promote.check(copy, force_dead=options.force_dead)
        plan = promote.plan(copy)
        print("\n".join(plan.lines))
        if options.dry_run:
            return EXIT_OK
        promote.promote(plan)
    print(f"{copy.domu} runs here now.", *way_back(plan, said), *at_boot(plan.file), sep="\n")
    return EXIT_OK


@contextlib.contextmanager
def _held(copy: Copy) -> Iterator[None]:
    """Hold the domU's name and the copy: nobody starts, makes or removes the one, or writes the other, meanwhile."""
    with lock(leftovers.lock_name(copy.domu), what=f"domU {copy.domu}", status=EXIT_USAGE):
        with lock(copies.lock_name(copy.domu, copy.group), what=f"the copy of {copy.domu}", wait=60, status=EXIT_USAGE):
            yield


def _undo(options: argparse.Namespace) -> int:
    copy = promote.promoted(options.name, options.group)
    promote.check_off(options.name)
    if copy.source != state.host():
        elsewhere.need_another(copy, force_dead=options.force_dead)
    elif not options.force_dead:
        promote.need_former(copy)
    if options.dry_run:
        print(f"make {', '.join(one.full_name for one in copy.volumes)} copies again")
        return EXIT_OK
    with _held(copy):
        promote.check_off(options.name)
        files = [one.file for one in domu_config.all_domus() if one.name == copy.domu]
        promote.undo(promote.promoted(options.name, options.group))
    told = f"{copy.domu} is a copy again, with none to start until backup-domu {copy.domu} has run on {copy.source}."
    print(told, *dangling(files), sep="\n")
    return EXIT_OK
