"""begin, resume, commit, abort: the life of a generation on the receiver, around the transfers.

The request of a run is kept in /var/lib/xen-legi/copies; the configuration of the last good generation, ready for
`xl create`, in /etc/xen/copies, where nothing starts it by itself.
"""

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xen_legi import files
from xen_legi.backup import boot, copies, generations, request, state, trusted
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import COPY, GOOD, Action, Copy, Do, Generation, Slot
from xen_legi.backup.request import NOTHING, CopyRequest
from xen_legi.domu import config as domu_config
from xen_legi.domu import xl
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die, fail
from xen_legi.steps import named_point
from xen_legi.storage import lvm, merge
from xen_legi.storage.identity import FILES
from xen_legi.storage.lvm import TAG, TEST_TAG

REQUESTS = Path("/var/lib/xen-legi/copies")
CONFIGS = Path("/etc/xen/copies")
DEVICES = Path("/sys/class/net")  # read by name alone: a chroot that builds the packages has no /sys
MANUAL = Path("/usr/share/doc/xen-legi-backup/manual-recovery.md")
_STRANGER = "take it out of the domU's file, or keep the domU's copy on its own host, in another volume group"


def config_file(domu: str, group: str) -> Path:
    """Return the file that describes the last good generation of a copy, for xl."""
    return CONFIGS / group / f"{domu}.cfg"


def begin(work: Work, wanted: CopyRequest, *, local: bool) -> dict[str, Any]:
    """Keep the last good generation, and make ready what the new one is written to. Die if that may not be."""
    volumes = lvm.volumes()
    copy = copies.among(volumes, work)
    check(copy, work)
    end_trial(copy, volumes)
    _check_names(copy, volumes, wanted)
    if not local:
        _check_stranger(wanted)
    _check_disks(wanted, work)
    copy = settle(work, copy)
    _check_content(copy, wanted)
    if wanted.generation <= copy.newest or outdated(work, wanted):
        die(f"generation {wanted.generation} of {wanted.domu} is not newer than what is here", hint="run the copy again")
    renewed = [one.name for one in wanted.volumes if not one.sent]
    group = lvm.group(work.group)
    actions = generations.begin(copy, copies.fits(copy, wanted, group), renewed)
    copies.need_space(copy, actions, wanted, group)
    files.replace(_request_file(work), request.to_json(wanted))
    named_point("receive:begun")
    held = {one.name: ghost for one in wanted.volumes if one.raw and (ghost := holds(copy, one.name, actions))}
    copies.perform(actions, Work(work.domu, work.group, work.source, wanted), copy)
    return {
        "done": [str(one) for one in actions],
        "missing": boot.missing(wanted.boot),
        "held": held,
        "anew": [one.name for one in wanted.volumes if not _has_former(copy, one.name, actions)],
        "by_content": [one.name for one in wanted.volumes if copies.UNSURE in _tags(copy, one.name)],
        "warnings": [*boot.warnings(wanted.boot), *_bridge_warnings(wanted)],
    }


def end_trial(copy: Copy, volumes: Iterable[lvm.Volume]) -> None:
    """End the trial of a copy that was killed: who calls holds the copy's lock, and it is in the way of what comes now."""
    if any(TEST_TAG in one.tags for one in volumes):
        from xen_legi.backup import trial  # here: there hardly ever is one, and a receiver starts four times for each copy

        trial.end_leftovers(copy)


def holds(copy: Copy, slot: str, actions: Iterable[Action]) -> str:
    """Return which ghost a volume holds, byte by byte, when these actions are done; nothing if that is not certain: it is
    not the last good generation, somebody has written to it since, it is being written, or gets another content now."""
    found, best = copy.slots.get(slot), copy.best
    doings = {one.do for one in actions if one.slot == slot}
    if not found or not found.copy or best is None or not found.copy_holds(best) or not doings <= {Do.KEEP, Do.DIRTY}:
        return ""
    volume = found.copy.volume
    ghost, _, generation = volume.tagged(f"{TAG}.ghost").partition("/")
    untouched = volume.tagged(f"{TAG}.written") == copies.written(volume) != ""
    sure = found.copy.state == "good" and generation == str(best.number) and untouched
    return ghost if sure and copies.BLOCKS not in volume.tags else ""


def _has_former(copy: Copy, slot: str, actions: Iterable[Action]) -> bool:
    """Tell whether a volume has the files of a last good copy when these actions are done, or what an unfinished run made of
    them: it has a snapshot of them then. Another one is new, and perhaps half filled."""
    found = copy.slots.get(slot)
    doings = {one.do for one in actions if one.slot == slot}
    return Do.MAKE not in doings and (Do.KEEP in doings or bool(found and found.snapshot))


def _tags(copy: Copy, slot: str) -> frozenset[str]:
    found = copy.slots.get(slot)
    return found.copy.volume.tags if found and found.copy else frozenset()


def resume(work: Work, run: str) -> tuple[Work, Copy]:
    """Return the work that `begin` of this run has prepared, and its copy as it is now. Die if another run is under way."""
    text = files.read(_request_file(work))
    wanted = request.from_json(text) if text else None
    if wanted is None or wanted.run != run:
        die(f"run {run} of {work.domu} is not under way", hint="another run has begun, or this one was given up")
    copy = work.read_copy()
    check(copy, work)
    best = copy.best
    if best and best.number >= wanted.generation:
        die(f"generation {wanted.generation} of {work.domu} is complete already")
    return Work(work.domu, work.group, work.source, wanted), copy


def commit(work: Work, copy: Copy) -> dict[str, Any]:
    """Make the new generation the good one. Everything has been written to stable storage before. Die if not all is."""
    wanted = work.request
    assert wanted
    for one in wanted.volumes:
        slot = copy.slots.get(one.name)
        if slot is None or slot.copy is None:
            fail(f"the copy of {work.domu} has no volume {one.name}", hint="run the copy again")
        if one.sent and f"{TAG}.synced={wanted.run}" not in slot.copy.volume.tags:
            fail(f"{one.name} was not written whole in run {wanted.run}", hint="run the copy again")
    copies.mark_good(work, copy)
    _bring_in_order(work, work.read_copy())
    return {"generation": wanted.generation}


def abort(work: Work, run: str) -> None:
    """Give a run up: its later orders are refused, and what it wrote is where the next run goes on."""
    text = files.read(_request_file(work))
    if text and request.from_json(text).run == run:
        copy = work.read_copy()
        if not (copy.best and copy.best.number >= request.from_json(text).generation):
            _request_file(work).unlink(missing_ok=True)


def reject(work: Work, copy: Copy) -> None:
    """Give a run up that is not what the copy is to be: the next one begins at the last good generation again, by the same
    mark as after too many deletions."""
    assert work.request
    for one in copy.slots.values():
        if one.copy and one.snapshot:
            copies.retag(one.copy.volume, add=[generations.LIMIT_HIT])
    _request_file(work).unlink(missing_ok=True)


def settle(work: Work, copy: Copy) -> Copy:
    """Bring in order what a killed run has left, and return the copy as it is then."""
    return work.read_copy() if _bring_in_order(work, copy) else copy


def _bring_in_order(work: Work, copy: Copy) -> bool:
    """See to the configuration of the best generation, and that no older one is kept. Tell whether a volume was changed."""
    text = files.read(_request_file(work))
    wanted = request.from_json(text) if text else None
    if wanted and copy.best == Generation(wanted.generation, len(wanted.volumes)) and not copy.promoted:
        _write_once(config_file(work.domu, work.group), startable(wanted, work, copy))
    actions = generations.finish(copy)
    copies.perform(actions, work, copy)
    return bool(actions)


def _write_once(file: Path, text: str) -> None:
    """Write the file of a generation, unless it is there: a person may have put another bridge or kernel into it."""
    if files.read(file).partition("\n")[0] != text.partition("\n")[0]:
        files.replace(file, text, mode=0o600)
        named_point("receive:config-written")


def startable(wanted: CopyRequest, work: Work, copy: Copy) -> str:
    """Return the domU's configuration with the copy's volumes in place of the original's."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(copy.time))
    head = (
        f"# {TAG}: a copy of {work.domu}, generation {wanted.generation}, of {when}, from {work.source}.\n"
        f"# The original is lost? xen-legi promote {work.domu}; by hand: {MANUAL}\n"
    )
    return head + domu_config.replace_disks(_without_head(wanted.config), _devices(wanted, work))


def _without_head(text: str) -> str:
    """Return a configuration without the two lines of a copy from which the domU was promoted before."""
    return re.sub(rf"\A(# {TAG}: a copy of .*\n|# The original is lost\? .*\n)+", "", text)


def _devices(wanted: CopyRequest, work: Work) -> dict[str, str]:
    """Return the original's paths, and the copy's devices that take their places."""
    return {one.path: str(work.device(one.name)) for one in wanted.volumes}


def check(copy: Copy, work: Work) -> None:
    """Die if this copy must not be written: whoever asks. The most dangerous of all mistakes is refused here."""
    if copy.promoted:
        die(
            f"the copy of {work.domu} in {work.group} was promoted on {state.host()}: it is the domU now",
            hint=f"has {work.domu} moved there? then its old file leaves /etc/xen of {work.source}, or this destination the"
            " settings; only after a trial: xen-legi promote --undo there, which loses its changes",
        )
    if copy.source != work.source:
        names = " ".join(one.full_name for one in copy.volumes)
        die(f"the copy of {work.domu} on {state.host()} belongs to {copy.source}",
            hint=f"two domUs of one name? rename one; has it moved from {copy.source} for good? then on {state.host()}:"
            f" lvremove {names}")
    for volume in copy.volumes:
        if volume.merging:
            merge.see_begun(volume.group, volume.name)  # a killed run may have left it before it began
            die(f"{volume.path} is still being set back to its last good generation", hint="wait until lvs shows no O there")
        if volume.open and not _closes(volume):
            die(f"{volume.path} on {state.host()} is in use", hint="does the copy run there? see xl list, mount, lsof")


def _closes(volume: lvm.Volume) -> bool:
    """Wait a moment for what opens every new device for a moment (udev); tell whether the volume is closed then."""
    for _ in range(5):
        time.sleep(1)
        now = lvm.find(volume.group, volume.name)
        if now is None or not now.open:
            return True
    return False


def _check_names(copy: Copy, volumes: Iterable[lvm.Volume], wanted: CopyRequest) -> None:
    """Die if a volume that is not of this copy has a name that we need."""
    ours = {volume.name for volume in copy.volumes}
    taken = {volume.name for volume in volumes if volume.group == copy.group} - ours
    for one in wanted.volumes:
        lvm.check_name(f"{one.name}{COPY}", what="volume")
        for name in (f"{one.name}{COPY}", f"{one.name}{GOOD}"):
            if name in taken:
                die(f"{copy.group}/{name} on {state.host()} is not a volume of this copy", hint="rename it with lvrename(8)")


def _check_disks(wanted: CopyRequest, work: Work) -> None:
    """Die unless the copy's configuration will name the copy's devices and no others. They are replaced in the text, but
    xl goes by what the text means: a path that is written with an escape would be the original's, or a disk of dom0."""
    devices = _devices(wanted, work)
    try:
        config = domu_config.parse(domu_config.replace_disks(wanted.config, devices), Path(f"{wanted.domu}.cfg"))
    except (ValueError, RecursionError) as error:
        die(f"refused: the configuration of {wanted.domu}: {error}")
    if others := trusted.foreign(config, devices.values()):
        die(
            f"refused: the copy of {wanted.domu} would start with {', '.join(map(repr, others))}, not a disk of its own",
            hint=f"in the file of {wanted.domu}, write the paths of its disks plainly, without \\",
        )


def _check_content(copy: Copy, wanted: CopyRequest) -> None:
    """Die if a volume had files at its last good copy, or anything that is known, and has not any more: a broken filesystem,
    or one that somebody has encrypted. Then that copy is what is needed."""
    for one in wanted.volumes:
        slot = copy.slots.get(one.name, Slot(one.name))
        kept = slot.good if slot.good and slot.good.generations else slot.copy
        held = kept.volume.tagged(f"{TAG}.holds") if kept else ""
        no_files = held in FILES and not one.files and one.kind != held  # an image with a filesystem goes by blocks, too
        if not wanted.allow_deletes and (no_files or held and held != NOTHING == one.kind):
            now = "nothing that is known" if one.kind == NOTHING else one.kind
            die(f"{one.name} of {wanted.domu} held {held} at its last good copy, and now {now}",
                hint="look at the domU first; if this is right, say --allow-deletes")


def outdated(work: Work, wanted: CopyRequest) -> bool:
    """Tell whether a later run than the one that is asked for is under way: an order may have been long on its way. What a
    request says of a copy that is not being written counts for nothing: its volumes may be gone, or another's."""
    text = files.read(_request_file(work))
    if not text:
        return False
    now = request.from_json(text)
    writing = any(f"{TAG}.run={now.run}" in one.tags for one in work.read_copy().volumes)
    return writing and now.generation >= wanted.generation


def _check_stranger(wanted: CopyRequest) -> None:
    """Die if what another host asks for would meet a domU of our own, or start programs of its choice some day."""
    if own := domu_config.find(wanted.domu):
        die(f"{state.host()} has a domU {wanted.domu} of its own ({own.file})", hint="which one is the domU now?")
    if xl.answers() and xl.is_running(wanted.domu):
        die(f"a domU {wanted.domu} runs on {state.host()}", hint="which one is the domU now?")
    try:
        config = domu_config.parse(wanted.config, Path(f"{wanted.domu}.cfg"))
    except (ValueError, RecursionError) as error:
        die(f"refused: the configuration of {wanted.domu}: {error}")
    paths = [one.path for one in wanted.volumes]
    if wrong := trusted.refusals(config, wanted.domu, paths, boot.directory()):
        reasons = "; ".join(wrong)
        die(f"refused: the configuration of {wanted.domu}: {reasons}", hint=_STRANGER)


def _bridge_warnings(wanted: CopyRequest) -> list[str]:
    try:
        config = domu_config.parse(wanted.config, Path("copy.cfg"))
    except ValueError:
        return []
    return [f"there is no bridge {name} here: the copy would not start" for name in missing_bridges(config)]


def missing_bridges(config: DomuConfig) -> list[str]:
    """The bridges that a domU's vifs name and this host does not have."""
    return sorted({one.device for one in config.vifs if one.device and not (DEVICES / one.device).exists()})


def _request_file(work: Work) -> Path:
    return REQUESTS / work.group / f"{work.domu}.json"
