"""Give a domU that is off another name: its file, the link that starts it, its disks that bear the name, its host name.

Volumes and image files that another domU uses too, or that are called otherwise, keep their names. An image bears the name
in that of its directory, or at the beginning of its own. Where its root is an ext or xfs filesystem of this host, the domU
calls itself by the new name as well (/etc/hostname, /etc/hosts, /etc/mailname), unless --keep-hostname is given. Copies of
it keep the old name: the next backup makes new ones. The peers of this host are asked whether the domU runs on one of them,
and whether one has a domU of the new name; one that cannot be asked is told.
"""

import argparse
from pathlib import Path

from xen_legi import as_json
from xen_legi import config as settings
from xen_legi.backup import elsewhere, everywhere, wishes
from xen_legi.backup.job import COUNTERS
from xen_legi.cli import json_of_plan
from xen_legi.domu import claims, config, disks, growth, names, renaming, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import Devices
from xen_legi.domu.removal import removal
from xen_legi.domu.renaming import Place, Renaming
from xen_legi.errors import EXIT_OK, EXIT_USAGE, Problem, die, need_root
from xen_legi.install import hooks, leftovers
from xen_legi.install.plan import check_domu_name
from xen_legi.install.rename import pending, rename, tell
from xen_legi.install.tidy import tidy
from xen_legi.steps import lock, say, warn
from xen_legi.storage import grow, images, lvm
from xen_legi.storage.identity import FILES
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume

EXAMPLES = """\
  xen-legi rename web1 www
  xen-legi rename web1 www --keep-hostname
  xen-legi rename web1 www --dry-run
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("new", metavar="NEW", help="its new name")
    parser.add_argument("--keep-hostname", action="store_true", help="leave the domU's own files as they are")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and do nothing")
    json_of_plan(parser)


def main(options: argparse.Namespace) -> int:
    """Plan it, and do it."""
    need_root("xen-legi rename")
    names.check(options.name)
    check_domu_name(options.new)
    if options.name == options.new:
        die(f"domU {options.name} has this name already", hint="say the new name last: xen-legi rename web1 www")
    if not options.dry_run:
        tidy()
    with lock(leftovers.lock_name(options.name), what=f"domU {options.name}", status=EXIT_USAGE):
        with lock(leftovers.lock_name(options.new), what=f"domU {options.new}", status=EXIT_USAGE):
            plan = _plan(options)
            if options.dry_run:
                told = "\n".join([f"domU {plan.old} becomes {plan.new}:", *(f"  {line}" for line in plan.lines)])
                print(as_json.text(plan, without=("text", "old_text")) if options.json_of_plan else told)
                return EXIT_OK
            hooks.before("rename", config.parse(plan.old_text, plan.file), plan.new)
            rename(plan)
    tell(plan)
    print(f"domU {plan.old} is {plan.new}:", *(f"  {line}" for line in plan.lines), sep="\n")
    _tell_of_copies(plan)
    return EXIT_OK


def _tell_of_copies(plan: Renaming) -> None:
    """Tell what a person who relies on copies should know."""
    if plan.old in settings.load().exclude:
        warn(f"the setting exclude names {plan.old}: until it names {plan.new}, the next backup-domu copies it")
    if told := wishes.renamed(plan.old, plan.new):
        warn(told)
    if (COUNTERS / plan.old).exists():
        say(f"copies keep the name {plan.old}: do not start one while {plan.new} is in use; "
            f"the next backup-domu makes copies of {plan.new}")
        if kept := plan.kept:
            keeps = "keep their names" if kept[1:] else "keeps its name"
            warn(f"{', '.join(kept)} {keeps}: a host with a copy of {plan.old} refuses one of {plan.new} until that is "
                 "removed there, as manual-recovery.md tells")


def _plan(options: argparse.Namespace) -> Renaming:
    """Return what becomes of the domU. Die if it is not off, here and elsewhere, or if a name is taken."""
    if left := pending(options.name, options.new):
        die(f"an earlier renaming is not at its end: {left}", hint="mend what is in its way: xen-legi list tells it")
    found = config.all_readable()
    domu = config.by_name(options.name)
    _check(domu, options.new)
    volumes = lvm.volumes()
    claims.need_free_name(options.new, everywhere.copied(volumes))
    more, _ = config.that_may_name(domu)
    known = disks.devices(found + more, volumes)
    links = config.auto_links(domu.file)
    if own := next((one for one in links if not one.is_symlink()), None):
        die(f"{own} is the file itself and no link", hint=f"move it to {config.DIRECTORY}, in place of {domu.file}")
    files = disks.images_of(domu, known)
    busy = {real for real, one in files.items() if one.open}
    going = removal(domu, found + more, volumes, links, devices=known, images=files, busy=busy)
    place = Place(found, _names(config.DIRECTORY), _names(config.AUTOSTART), volumes, known, domu.file.is_symlink())
    plan = renaming.plan(going, options.new, place, None if options.keep_hostname else _root(domu, volumes, known))
    for one in plan.images:
        images.check_free(one.old, one.new)
    claims.need_free_name(options.new, everywhere.with_peers([]))  # asked last: what is wrong here is told at once
    if not plan.root and not options.keep_hostname:
        say(f"• {domu.name} keeps its own host name: its root is no filesystem of its own that can be written here")
    elsewhere.need_off_everywhere(domu.name, defined=True, force_dead=False)
    return plan


def _names(directory: Path) -> frozenset[str]:
    return frozenset(one.name for one in directory.glob("*"))


def _check(domu: DomuConfig, new: str) -> None:
    """Die if the domU runs, or if its new name is another's."""
    for name in (domu.name, new) if xl.answers() else ():
        if xl.stays(name):
            die(f"domU {name} is running", hint=f"xen-legi stop {name}" if name == domu.name else "choose another name")
    if other := config.find(new):
        die(f"there is a domU {new!r} already: {other.file}", hint="choose another name")


def _root(domu: DomuConfig, volumes: list[Volume], known: Devices) -> Volume | Image | None:
    """Return the volume or image with the domU's root, if dom0 can write its files."""
    try:
        _, volume = growth.choose(domu, "", volumes, known, disks.images_of(domu, known))
    except Problem:
        return None
    return volume if volume.active and not volume.open and grow.kind(volume.path) in FILES else None
