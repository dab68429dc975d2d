"""Remove a domU: its file, the link that starts it, and those volumes of its file that bear its name.

What goes is named before, and asked for. Volumes and images that another domU uses too stay; those that are called otherwise
(not NAME, NAME-home, NAME_home, NAME.home) go with --all-disks only. What another file below /etc/xen names stays, too.
While a file *.cfg in /etc/xen cannot be read nothing is removed: it may use the same volumes.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from xen_legi import as_json
from xen_legi.backup import wishes
from xen_legi.cli import agreed, json_of_plan
from xen_legi.cli.stop import HINT
from xen_legi.domu import config, disks, names, xl
from xen_legi.domu.removal import Removal, removal
from xen_legi.errors import EXIT_OK, EXIT_USAGE, Problem, die, fail, need_root
from xen_legi.install import hooks
from xen_legi.install.delete import delete
from xen_legi.install.tidy import changing
from xen_legi.steps import say, step, warn
from xen_legi.storage import images, lvm

EXAMPLES = """\
  xen-legi delete web1
  xen-legi delete web1 --stop --yes
  xen-legi delete web1 --dry-run
  xen-legi delete web1 --all-disks
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--stop", action="store_true", help="shut it down first if it runs")
    parser.add_argument("--force", action="store_true", help="destroy it first if it runs, as by pulling its plug")
    parser.add_argument("--all-disks", action="store_true",
                        help="also what it writes and what is called otherwise, if no other file names it")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="print what would go, and do nothing")
    json_of_plan(parser)


def main(options: argparse.Namespace) -> int:
    """Plan it, ask, and do it."""
    need_root("xen-legi delete")
    names.check(options.name)
    if options.dry_run:
        plan = _plan(options, stopped=False)
        print(as_json.text(plan) if options.json_of_plan else f"domU {options.name}:\n{plan.described()}")
        return EXIT_OK
    with changing(options.name):
        plan = _plan(options, stopped=not _runs(options.name, options))
        question = f"This removes domU {options.name} for good:\n{plan.described()}\nRemove it?"
        if not options.yes and not agreed(question, f"whether domU {options.name} may go"):
            say("nothing was removed")
            return EXIT_USAGE
        runs = _runs(options.name, options, surely=True)
        hooks.before("delete", plan.domu)
        if runs:
            _stop(options, plan)
            now = _plan_of_stopped(options)
        else:
            now = _plan(options, stopped=True)
        if now.described() != plan.described():  # a person may have thought for an hour
            fail(f"what goes with domU {options.name} has changed meanwhile", hint="nothing was removed; look at it again")
        delete(now)
    hooks.after("delete", now.domu)
    print(f"domU {options.name} removed:\n{replace(plan, more=()).described()}")
    if (own := wishes.file_of(options.name)).exists():
        warn(f"{own} is left: it would hold for a new domU of this name")
    return EXIT_OK


def _plan(options: argparse.Namespace, *, stopped: bool) -> Removal:
    """Return what goes. Die while there are files of which nobody knows what they use."""
    files = config.all_readable()
    domu = config.by_name(options.name)
    more, texts = config.that_may_name(domu)
    files += more
    volumes, links = lvm.volumes(), [one for one in config.auto_links(domu.file) if one != domu.file]
    known = disks.devices(files, volumes)
    there = disks.images(known)
    busy = {one for one in there if images.used(Path(one))}
    return removal(domu, files, volumes, links, devices=known, images=there, busy=busy, idle=stopped,
                   all_disks=options.all_disks, texts=texts)


def _plan_of_stopped(options: argparse.Namespace) -> Removal:
    """Return what goes with a domU that we have stopped. What is refused now comes after a change."""
    try:
        return _plan(options, stopped=True)
    except Problem as problem:
        fail(f"domU {options.name} was stopped and not removed: {problem.message}", hint=problem.hint)


def _runs(name: str, options: argparse.Namespace, *, surely: bool = False) -> bool:
    """Tell whether the domU runs; die if it does and may not be stopped. `surely`: one that reboots has no domain for two
    seconds, and would come back to find its disks gone; that it does not takes five to see."""
    if not xl.answers():
        return False
    if not (_is_or_returns(name) if surely else xl.is_running(name)):
        return False
    if not options.stop and not options.force:
        die(f"domU {name} is running", hint="--stop shuts it down first, --force destroys it")
    return True


def _is_or_returns(name: str) -> bool:
    with step(f"make sure that domU {name} is off"):
        return xl.stays(name)


def _stop(options: argparse.Namespace, plan: Removal) -> None:
    """Stop the domU and wait until Xen has let go of its volumes."""
    name = options.name
    with step(f"{'destroy' if options.force else 'shut down'} domU {name}"):
        if not (xl.destroyed(name, 30) if options.force else xl.shutdown(name, 300)):
            fail(f"domU {name} is still running", hint=HINT.format("--force destroys it"))
        names = {one.full_name for one in plan.volumes}
        for _ in range(20):
            opened = any(one.open for one in lvm.volumes() if one.full_name in names)
            if not opened and not any(map(images.used, plan.images)):
                return
            time.sleep(1)
        fail(f"domU {name} is off, but its volumes are still in use", hint="nothing was removed; try again in a minute")
