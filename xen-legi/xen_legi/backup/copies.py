"""What is done to the volumes of a copy, one action at a time; what to do is decided in generations.py.

Every action may be the last one before a power cut: it is one change of lvm2's metadata, or it is done in an order in
which the tags never promise more than there is.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.backup import generations
from xen_legi.backup.generations import COPY, COPY_TAG, GOOD, Action, Copy, Do, Slot
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.errors import Problem, die, fail
from xen_legi.steps import named_point
from xen_legi.storage import identity, lvm, merge, places
from xen_legi.storage.lvm import TAG, Volume
from xen_legi.units import MIB, format_size

UNSURE = f"{TAG}.content=unsure"  # files were written in place, and nobody has compared them yet
_SAME = ("ghost", "written")  # what says that a volume is byte by byte what was sent
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DEVICES = Path("/sys/dev/block")
BLOCKS = f"{TAG}.blocks=begun"  # its blocks were written, perhaps not all
LOCK_WAIT = 30  # seconds: a transfer whose client has died needs a moment to notice it
_COMMANDS = 15  # of lvm2 for one volume in one order, at most: every action looks at the copy and changes it


@dataclass(frozen=True)
class Work:
    """A copy that is worked on: where, whose, and the request if a new generation is being made."""

    domu: str
    group: str
    source: str
    request: CopyRequest | None = None

    def read_copy(self) -> Copy:
        """Return the copy as it is now, as lvs shows it."""
        return among(lvm.volumes(), self)

    def device(self, slot: str) -> Path:
        """The device that a slot is written to."""
        return Path("/dev") / self.group / f"{slot}{COPY}"

    def tags(self, slot: str, state: str) -> list[str]:
        """The tags of a volume of this copy, apart from its generations."""
        named = {"domu": self.domu, "volume": slot, "from": self.source, "state": state}
        return [TAG, COPY_TAG, *(f"{TAG}.{key}={value}" for key, value in named.items())]


def timeout(verb: str, volumes: int) -> int:
    """Return for how many seconds a sender waits for this order on a copy of so many volumes: longer than its parts may
    take, which have limits of their own, so that it is the receiver who tells what went wrong."""
    one = _COMMANDS * lvm.TIMEOUT + (lvm.MERGE_TIMEOUT + 2 * identity.MAKE_TIMEOUT if verb == "begin" else 0)
    return LOCK_WAIT + volumes * one


def lock_name(domu: str, group: str) -> str:
    """Return the name of the lock that whoever changes a copy holds."""
    return f"copy-{group}-{domu}"


def among(volumes: Iterable[Volume], work: Work) -> Copy:
    """Return the copy that is worked on, as these volumes show it; an empty one if there is none yet."""
    return generations.copies(volumes).get((work.group, work.domu)) or Copy(work.domu, work.group, work.source, {})


def all_copies() -> dict[tuple[str, str], Copy]:
    """Return the copies that this host has, by volume group and domU."""
    return generations.copies(lvm.volumes())


def fits(copy: Copy, request: CopyRequest, group: lvm.Group) -> dict[str, bool]:
    """Tell for every volume of the request whether the one that is there can go on as its copy."""
    return {one.name: _fits(copy.slots.get(one.name), one, group) for one in request.volumes}


def need_space(copy: Copy, actions: Iterable[Action], request: CopyRequest, group: lvm.Group) -> None:
    """Die unless the volume group has room for what the actions make."""
    wanted = freed = 0
    for one in actions:
        if one.do is Do.MERGE and (kept := copy.slots[one.slot].good):
            freed += kept.volume.size  # the snapshot that is set back goes before the next one is made
        if one.do is Do.KEEP and (slot := copy.slots[one.slot]).copy:
            wanted += group.rounded(_whole_snapshot(slot.copy.volume.size))
        if one.do is Do.MAKE:
            wanted += group.rounded(request.volume(one.slot).size)
    if wanted > group.free + freed:
        die(
            f"volume group {group.name} has {format_size(group.free + freed)} free, the copy of {request.domu} needs "
            f"{format_size(wanted)} to keep its last good generation while the next one is written",
            hint="make room there, or grow the group with vgextend(8); the last good copy is untouched",
        )


def perform(actions: Iterable[Action], work: Work, copy: Copy) -> None:
    """Do the actions in order; before the first one the copy is `copy`, before each other one it is looked at anew."""
    for number, one in enumerate(actions):
        copy = work.read_copy() if number else copy
        _DOINGS[one.do](work, copy, copy.slots.get(one.slot, Slot(one.slot)))
        named_point(f"receive:{one.do.name.lower().replace('_', '-')}")


def mark_good(work: Work, copy: Copy) -> None:
    """Say on every volume of the request that it holds its generation. The last one makes it complete."""
    assert work.request
    generation = generations.Generation(work.request.generation, len(work.request.volumes))
    now = int(time.time())
    for one in work.request.volumes:
        volume = _copy(work, copy.slots.get(one.name, Slot(one.name)))
        stale = _of(volume, "state", "time", "run", "synced", "merging", "limit", "content", "blocks", "holds", *_SAME)
        what = [f"{TAG}.holds={one.kind}"]
        if one.raw and one.ghost and (now_written := written(volume)):
            what += [f"{TAG}.ghost={one.ghost}/{generation.number}", f"{TAG}.written={now_written}"]
        retag(volume, add=[f"{TAG}.state=good", f"{TAG}.time={now}", *what, generation.tag], remove=stale)
        named_point("receive:tagged")


def _fits(slot: Slot | None, wanted: VolumeRequest, group: lvm.Group) -> bool:
    if slot is None or slot.copy is None:
        return False
    volume = slot.copy.volume
    if slot.copy.state == "new" or volume.size != group.rounded(wanted.size):
        return False
    if not volume.active:
        lvm.activate(volume.full_name)
    if wanted.raw:  # its blocks are compared with whatever is there
        return True
    if BLOCKS in volume.tags:  # half of one thing and half of another may look like the filesystem that is wanted
        return False
    try:
        return wanted.identity.same(identity.probe(volume.path))
    except Problem:
        return False  # what cannot even be read is made anew, beside the last good one


def _keep(work: Work, copy: Copy, slot: Slot) -> None:
    volume = _copy(work, slot)
    holds = _of(volume, "generation", "time", "files", "holds")
    tags = [*work.tags(slot.name, "good"), *holds]
    lvm.snapshot(volume, f"{slot.name}{GOOD}", _whole_snapshot(volume.size), tags=tags)


def _set_aside(work: Work, copy: Copy, slot: Slot) -> None:
    lvm.rename(work.group, _copy(work, slot).name, f"{slot.name}{GOOD}")


def _make(work: Work, copy: Copy, slot: Slot) -> None:
    assert work.request
    wanted = work.request.volume(slot.name)
    device = lvm.create(work.group, f"{slot.name}{COPY}", wanted.size, tags=work.tags(slot.name, "new"))
    named_point("receive:volume-made")
    identity.make(wanted.identity, device)
    lvm.change_tags(f"{work.group}/{slot.name}{COPY}", add=[f"{TAG}.state=dirty"], remove=[f"{TAG}.state=new"])


def _dirty(work: Work, copy: Copy, slot: Slot) -> None:
    volume = _copy(work, slot)
    stale = _of(volume, "generation", "merging", "run", "synced", "state", "time", *_SAME)
    run = [f"{TAG}.run={work.request.run}"] if work.request else []
    retag(volume, add=[f"{TAG}.state=dirty", *run], remove=stale)


def _merge(work: Work, copy: Copy, slot: Slot, *, background: bool = False) -> None:
    best, volume = copy.best, _copy(work, slot)
    assert best and slot.good
    if volume.open or slot.good.volume.open:
        fail(f"{volume.path} is in use and cannot be set back now", hint="who has it open? see lsof(8), xl list, mount")
    was = _of(slot.good.volume, "time", "files", "holds")
    stale = _of(volume, "generation", "merging", "state", "time", "files", "limit", "content", "blocks", "holds", *_SAME)
    retag(volume, add=[f"{TAG}.state=merging", f"{TAG}.merging={best}", *was], remove=stale)
    named_point("receive:merging")
    merge.merge(slot.good.volume, background=background)


def merge_in_background(work: Work, copy: Copy, slot: Slot) -> None:
    """Set a slot back to its last good generation; the volume can be used at once."""
    _merge(work, copy, slot, background=True)


def _settle(work: Work, copy: Copy, slot: Slot) -> None:
    volume = _copy(work, slot)
    merge.see_begun(volume.group, volume.name)  # else its tags would promise what it gets with its next activation only
    done = [tag.replace(".merging=", ".generation=") for tag in _of(volume, "merging")]
    retag(volume, add=[f"{TAG}.state=good", *done], remove=_of(volume, "state", "merging", "run", "synced"))


def _put_back(work: Work, copy: Copy, slot: Slot) -> None:
    assert slot.good
    lvm.rename(work.group, slot.good.volume.name, f"{slot.name}{COPY}")


def _drop_copy(work: Work, copy: Copy, slot: Slot) -> None:
    _drop(_copy(work, slot))


def _drop_good(work: Work, copy: Copy, slot: Slot) -> None:
    assert slot.good
    _drop(slot.good.volume)


def _drop(volume: Volume) -> None:
    """Remove a volume of a copy; never one that is not tagged as such, nor one that others are snapshots of."""
    there = lvm.volumes(volume.group)
    if not any(one.uuid == volume.uuid and one.name == volume.name and COPY_TAG in one.tags for one in there):
        return
    if snapshots := [one.name for one in there if one.origin == volume.name]:
        fail(f"{volume.full_name} is the origin of {', '.join(snapshots)} and is not removed", hint="remove them first")
    lvm.remove(volume.group, volume.name)


def _forget(work: Work, copy: Copy, slot: Slot) -> None:
    best, volume = copy.best, _copy(work, slot)
    retag(volume, remove=[tag for tag in _of(volume, "generation") if best and tag != best.tag])


def _copy(work: Work, slot: Slot) -> Volume:
    if slot.copy is None:
        fail(f"the volume {work.group}/{slot.name}{COPY} has vanished", hint="lvs -a -o +lv_tags shows what is there")
    return slot.copy.volume


def written(volume: Volume) -> str:
    """Return what is another text as soon as anybody writes to a volume: this boot of the host, the device's number, and the
    sectors that were written to it and given back since it is there (the kernel's iostats.rst). Nothing if it cannot be
    known: nothing was written since it is there, or the kernel does not count."""
    number = places.number(volume.path)
    device, boot = _DEVICES / number, files.read(_BOOT).strip()[:8]
    words = files.read(device / "stat").split() if number else []
    counts = len(words) > 13 and words[6] != "0" and files.read(device / "queue/iostats").strip() == "1"
    return f"{boot}.{number}.{words[6]}.{words[13]}" if boot and counts else ""


def retag(volume: Volume, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Add and remove tags; a tag that is in both stays."""
    wanted = set(add)
    lvm.change_tags(volume.full_name, add=sorted(wanted - volume.tags), remove=sorted(set(remove) - wanted))


def _of(volume: Volume, *names: str) -> list[str]:
    """Return the volume's tags of these names."""
    return sorted(tag for tag in volume.tags if tag.startswith(tuple(f"{TAG}.{name}=" for name in names)))


def _whole_snapshot(size: int) -> int:
    """Return the space in which a snapshot of `size` bytes can never overflow: all of it, and its table."""
    return size + size // 128 + 8 * MIB


_DOINGS: dict[Do, Callable[[Work, Copy, Slot], None]] = {
    Do.KEEP: _keep,
    Do.SET_ASIDE: _set_aside,
    Do.MAKE: _make,
    Do.DIRTY: _dirty,
    Do.MERGE: _merge,
    Do.SETTLE: _settle,
    Do.PUT_BACK: _put_back,
    Do.DROP_COPY: _drop_copy,
    Do.DROP_GOOD: _drop_good,
    Do.FORGET: _forget,
}
