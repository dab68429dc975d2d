"""Give a domU a larger disk, other memory or other processors; while it runs, too.

A volume or a raw image file grows at once. The filesystem of a domU that is off is grown here. One that runs is told of the
new size when it next uses the disk; a domU that xen-legi create made grows its filesystem then by itself, for others the
command is shown. Where a program serves an image to the domU (qemu, and no loop device), it has to be off. A disk is never
made smaller. Memory and processors of a domU that runs change within what it was started with (maxmem, maxvcpus); the file
is changed with them, so that the next start is the same.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from xen_legi import as_json, files
from xen_legi.cli import json_of_plan
from xen_legi.domu import backend, config, disks, growth, names, shape, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.growth import Growth
from xen_legi.domu.shape import Shape
from xen_legi.domu.xl import Domain
from xen_legi.errors import EXIT_OK, die, need_root
from xen_legi.install import resizing
from xen_legi.install.resizing import Resizing
from xen_legi.install.tidy import changing
from xen_legi.steps import named_point, step
from xen_legi.storage import grow, images, lvm
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.units import MIB, exact_size

_WAIT = 30  # seconds for the guest to use its disk: its journal is written every five, if there is anything to write
EXAMPLES = """\
  xen-legi resize web1 --size +1G
  xen-legi resize web1 --size 8G --disk xvda3
  xen-legi resize web1 --memory 768M --vcpus 2
  xen-legi resize web1 --size +1G --dry-run
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--size", default="", metavar="SIZE",
                        help="the new size of the disk (8G), or by how much it grows (+1G)")
    parser.add_argument("--disk", default="", metavar="DISK",
                        help="the disk, as the domU (xvda3) or dom0 (web1-home) calls it (default: the root)")
    parser.add_argument("--memory", default="", metavar="SIZE", help="its memory, as in 768M")
    parser.add_argument("--vcpus", default="", metavar="NUMBER", help="its virtual processors")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and do nothing")
    json_of_plan(parser)


def main(options: argparse.Namespace) -> int:
    """Plan it, and do it."""
    need_root("xen-legi resize")
    names.check(options.name)
    if not (options.size or options.memory or options.vcpus):
        die("nothing is to be changed", hint="say --size, --memory or --vcpus")
    wanted = Shape(shape.mebibytes(options.memory, "memory") if options.memory else 0,
                   shape.processors(options.vcpus) if options.vcpus else 0)
    left = resizing.pending(options.name)
    with changing(options.name, dry_run=options.dry_run):
        _need_new(left, options)
        domu = config.by_name(options.name)
        running = _running(domu, disk_too=bool(options.size))
        one = _growth(domu, options, running)
        if running and wanted != Shape():
            shape.check_running(domu, wanted, Shape(*xl.maxima(running.id)), running.memory, xl.free_memory())
        elif xl.answers() and (total := xl.total_memory()):
            shape.check_off(domu, wanted, total)
        if options.json_of_plan:
            print(as_json.text({"name": domu.name, "disk": one, "settings": shape.settings(domu, wanted)}))
            return EXIT_OK
        if options.dry_run:
            told = [one.described()] if one else []
            told += [_shown(shape.settings(domu, wanted))] if wanted != Shape() else []
        else:
            with resizing.noted(_note(domu, one, wanted)):
                told = [_grown(one, running)] if one else []
                told += [_shaped(domu, wanted, running)] if wanted != Shape() else []
        print(*(f"domU {domu.name}: {line}" for line in told), sep="\n")
    return EXIT_OK


def _need_new(left: Resizing | None, options: argparse.Namespace) -> None:
    """Die if what was killed still waits for its end, whose note ours would take the place of; or if a growth by so much may
    be what was killed, and was ended just now: the disk would grow twice."""
    if options.dry_run:
        return
    if waiting := resizing.pending(options.name):
        die(f"an earlier resize of {options.name} is not at its end: {waiting.words}",
            hint="mend what is in its way, told above")
    if left and left.uuid and options.size.startswith("+"):
        die(f"an earlier run that was killed has just been ended: {left.device} of {left.name} was to have "
            f"{exact_size(left.size)}", hint="if it is to grow by so much more, say it again")


def _note(domu: DomuConfig, one: Growth | None, wanted: Shape) -> Resizing:
    text = config.with_numbers(domu.text, shape.settings(domu, wanted))
    uuid, device, size = (resizing.which(one.volume), one.disk.device, one.size) if one else ("", "", 0)
    return Resizing(domu.name, domu.file, domu.text, text, uuid, device, size, wanted.memory, wanted.vcpus)


def _running(domu: DomuConfig, *, disk_too: bool) -> Domain | None:
    """Return the domain of a domU that runs. One that starts anew has none for two seconds; its disk is not ours then."""
    if not xl.answers():
        return None
    one = xl.domain(domu.name)
    if one is None and disk_too and xl.stays(domu.name):
        die(f"domU {domu.name} is starting anew", hint="try again when it is up")
    return one


def _growth(domu: DomuConfig, options: argparse.Namespace, running: Domain | None) -> Growth | None:
    """Return what becomes of a disk, if anything. Die if dom0 has the disk of a domU that is off in use."""
    if not options.size:
        if options.disk:
            die("--disk is of no use without --size", hint="--size +1G makes it larger by so much")
        return None
    volumes = lvm.volumes()
    known = disks.devices([domu], volumes)
    found = disks.images_of(domu, known)
    one = growth.plan(domu, options.disk, options.size, volumes, lvm.groups(), known, found)
    if not running and one.volume.open:
        die(f"{one.volume.path} is in use, though {domu.name} is off", hint="is it mounted here? mount, lsof, losetup -a")
    if running and isinstance(one.volume, Image) and not _loop(running.id, one.volume):
        die(f"{one.disk.device} of {domu.name} is on no loop device: what serves it tells no domU of a new size",
            hint=f"xen-legi stop {domu.name}: it grows while the domU is off")
    return one


def _loop(domain: int, image: Image) -> Path | None:
    """Return the loop device through which a domain has an image."""
    return backend.serves(domain, images.loops(image.path))


def _grown(one: Growth, running: Domain | None) -> str:
    """Let the disk grow and return what a person is told of it."""
    if one.grows:
        with step(one.described()):
            resizing.extend(one.volume, one.size)
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
        device = _seen(domain, one.volume)
        knows = device is not None and backend.tells(domain, device, one.size, _WAIT)
    kind = grow.kind(one.volume.path)
    command = grow.command(kind, one.disk.device)
    what = f"{one.disk.device} has {exact_size(one.size)}"
    when = "" if knows else "; the domU sees it when it next uses the disk"
    return f"{what}{when}" + (f"; if df in the domU does not show it soon, there: {command}" if command else "")


def _seen(domain: int, volume: Volume | Image) -> Path | None:
    """Return the device that a domain has, which knows of the new size then; None if that has gone meanwhile."""
    if not isinstance(volume, Image):
        return volume.path
    if loop := _loop(domain, volume):
        images.tell(loop)
    return loop


def _shaped(domu: DomuConfig, wanted: Shape, running: Domain | None) -> str:
    """Change memory and processors, first of the running domU: the file says nothing that could not be had."""
    if running:
        resizing.give(running, wanted)
    named_point("resize:set")
    now = config.read(domu.file)  # a person may have changed it while a disk grew
    changes = shape.settings(now, wanted)
    files.rewrite(now.file, config.with_numbers(now.text, changes))
    return _shown(changes) + (_otherwise(domu.name, wanted) if running else "")


def _otherwise(name: str, wanted: Shape) -> str:
    """Wait until a running domU has what it was given, and return what it has instead: its own kernel takes it and gives it
    back, in a moment or never."""
    with step("the domU is told"):
        for last in range(_WAIT, -1, -1):
            one = xl.domain(name)
            has = shape.otherwise(wanted, Shape(one.memory, one.vcpus)) if one else ""
            if not has or not last:
                break
            time.sleep(1)
    return f"; it has {has} so far: its kernel has not followed in {_WAIT} s, xen-legi list shows when it has" if has else ""


def _shown(changes: Mapping[str, int]) -> str:
    """Return settings as people write them."""
    shown = {key: exact_size(value * MIB) if key in ("memory", "maxmem") else str(value) for key, value in changes.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
