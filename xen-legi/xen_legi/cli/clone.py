"""Make a domU like another one: its disks, its file, its place in the network; name, MACs and addresses are its own.

The domU may run meanwhile: all its volumes are caught at one moment, as by a backup. Thin volumes are there at once;
others (ext2 to ext4, xfs, swap) are made anew and get their files. Image files are copied as they are, beside those of the
domU; it has to be off for that, unless they are on a logical volume, where they are caught, too. In the clone, the host
name, the MACs and addresses in the files of its network, its ssh host keys and its machine-id become its own; everything
else is as it was, passwords too. PCI devices and numbers of VNC displays, which only one domU can have, are left out of its
file. The peers are asked whether a domU of theirs has the name, a MAC or an address; one that cannot be asked is told.
"""

import argparse
import contextlib
import time
import uuid
from dataclasses import replace
from functools import partial

from xen_legi import as_json
from xen_legi import config as settings
from xen_legi.backup import everywhere, ghost
from xen_legi.backup.plan import Image as Caught
from xen_legi.backup.plan import image_of
from xen_legi.cli import json_of_plan
from xen_legi.domu import cloning, config, disks, inventory, names, xl
from xen_legi.domu.cloning import Cloning, Place
from xen_legi.errors import EXIT_OK, EXIT_USAGE, die, need_root
from xen_legi.install import facts, hooks, leftovers
from xen_legi.install.clone import On, clone
from xen_legi.install.commit import start
from xen_legi.install.plan import check_domu_name
from xen_legi.install.tidy import tidy
from xen_legi.steps import lock, warn
from xen_legi.storage import grow, images, lvm
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.units import format_seconds

EXAMPLES = """\
  xen-legi clone web1 web2 --ip 192.168.72.12
  xen-legi clone web1 web2 --ip 192.168.72.12 --ip 192.168.73.12 --no-start
  xen-legi clone web1 web2 --ip 192.168.72.12 --dry-run
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("new", metavar="NEW", help="the name of its clone")
    parser.add_argument("--ip", action="append", default=[], metavar="ADDRESS",
                        help="an address of the clone in the place of one that the domU's file names (ip= of its vif), in "
                        "that order; without the network, which stays. What has its address from DHCP needs none")
    parser.add_argument("--root", default="", metavar="DISK",
                        help="the disk with its root, as the domU or dom0 calls it: xvda2 (default: as its file tells)")
    parser.add_argument("--no-start", action="store_true", help="make it, but do not start it")
    parser.add_argument("--dry-run", action="store_true", help="print what would be made, and do nothing")
    json_of_plan(parser)


def main(options: argparse.Namespace) -> int:
    """Plan it, and make it."""
    began = time.monotonic()
    need_root("xen-legi clone")
    names.check(options.name)
    check_domu_name(options.new)
    given = settings.load()
    if options.dry_run:
        plan, _ = _plan(options, given)
        told = "\n".join([f"domU {plan.new}, a clone of {plan.old}:", *(f"  {line}" for line in plan.lines)])
        print(as_json.text(plan, without=("text",)) if options.json_of_plan else told)
        return EXIT_OK
    tidy()
    with contextlib.ExitStack() as afterwards:
        with lock(leftovers.lock_name(options.new), what=f"domU {options.new}", status=EXIT_USAGE):
            plan, on = _plan(options, given)
            domu = config.parse(plan.text, config.DIRECTORY / f"{plan.new}.cfg")
            hooks.before("clone", domu)
            doubts = clone(plan, given.ghost_size, on)
            afterwards.callback(hooks.after, "clone", domu)  # without the lock, and also of one that does not start
            if not options.no_start and not doubts:
                start(plan.new)
    took = format_seconds(time.monotonic() - began)
    print(f"domU {plan.new}, a clone of {plan.old}, made in {took}:", *(f"  {line}" for line in plan.lines), sep="\n")
    if doubts:
        warn(f"{plan.new} was not started: it may still have an address of {plan.old}, in its own files or of its kernel: "
             f"{', '.join(doubts)}; change that (its root is {plan.root.path}), then: xen-legi start {plan.new}")
    return EXIT_OK


def _plan(options: argparse.Namespace, given: settings.Config) -> tuple[Cloning, On]:
    """Return what is to be made, and what images are on that are caught. Die if it cannot be, or if its name is taken."""
    found = config.all_readable()
    domu = config.by_name(options.name)
    _check_free(options.new)
    if not options.no_start:
        facts.need_memory(domu, hint="--no-start makes the clone and leaves it off")
    volumes = lvm.volumes()
    known = disks.devices(found, volumes)
    place = Place(
        found, volumes, lvm.groups(), known, facts.own_addresses(), str(uuid.uuid4()),
        vlan=partial(inventory.vlan_of, setting=given.bridge), kind=grow.kind,
        ghost=partial(ghost.size_of, given.ghost_size), images=disks.images_of(domu, known),
        others=everywhere.here(found, volumes),
    )  # fmt: skip
    plan = cloning.plan(domu, options.new, options.root, options.ip, place)
    place = replace(place, others=everywhere.with_peers(place.others))  # asked last: what is wrong here is told at once
    plan = cloning.plan(domu, options.new, options.root, options.ip, place)
    plan = replace(plan, mode=domu.file.stat().st_mode & 0o777)  # it may hold a password for vnc
    return plan, _caught(plan, volumes)


def _caught(plan: Cloning, volumes: list[Volume]) -> On:
    """Return what the images are on that are copied while the domU runs. Die if they cannot be, or if their likes have no
    place."""
    twins = [one for one in plan.twins if isinstance(one.origin, Image)]
    for twin in twins:
        images.try_out(twin.path.parent)
    files = [one.origin for one in twins if isinstance(one.origin, Image) and one.copied]
    if files and xl.answers() and xl.stays(plan.old):
        return {one.path: _on(one, plan.old, volumes) for one in files}
    if held := [one for one in files if images.used(one.path)]:  # asked now: Xen lets go of them some time after its domain
        die(f"{held[0].path} is in use, though {plan.old} is off", hint="is it mounted here? mount, lsof, losetup -a")
    return {}


def _on(file: Image, name: str, volumes: list[Volume]) -> tuple[Volume, Caught]:
    found = image_of(file.path, volumes)
    if found is None or isinstance(found, str):
        die(f"{file.path} {found or 'has vanished'}: it is copied only while {name} is off", hint=f"xen-legi stop {name}")
    return found


def _check_free(new: str) -> None:
    if other := config.find(new):
        die(f"there is a domU {new!r} already: {other.file}", hint="choose another name")
    if (config.DIRECTORY / f"{new}.cfg").exists():
        die(f"{config.DIRECTORY / new}.cfg exists already", hint="choose another name, or move the file away")
    if xl.answers() and xl.is_running(new):
        die(f"a domain {new} is running", hint="choose another name")
