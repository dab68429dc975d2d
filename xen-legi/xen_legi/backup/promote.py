"""A copy becomes the domU: on the host that has it, when the domU's own host is lost. And the way back.

Everything here can be killed and run again: what is left to do is read from the volumes' tags and names.
"""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from xen_legi import files
from xen_legi.backup import commit, copies, elsewhere, former, generations, state, trusted
from xen_legi.backup.copies import Work
from xen_legi.backup.elsewhere import OwnHost
from xen_legi.backup.generations import COPY, COPY_TAG, PROMOTED_TAG, STARTED_TAG, Copy, Do
from xen_legi.backup.report import age
from xen_legi.domu import config as domu_config
from xen_legi.domu import renamed, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import absolute, locate
from xen_legi.errors import die
from xen_legi.steps import named_point, step
from xen_legi.storage import lvm, merge
from xen_legi.storage.lvm import TAG


@dataclass(frozen=True)
class Plan:
    """What a promotion will do."""

    copy: Copy
    names: dict[str, str]  # slot -> the volume's final name
    text: str
    file: Path

    @property
    def renamed(self) -> dict[str, str]:
        """The paths of the copy's volumes, and those that they get."""
        return _renamed(self.copy, self.names)

    @property
    def lines(self) -> list[str]:
        """The plan for people."""
        best = self.copy.best
        moves = [f"rename {self.copy.group}/{slot}{COPY} to {name}" for slot, name in self.names.items()]
        number, then = best.number if best else 0, age(self.copy.time)
        return [
            f"generation {number} of {self.copy.domu}, made {then} ago by {self.copy.source}",
            *(str(one) for one in generations.restore(self.copy)),
            *(move for move in moves if not move.endswith(COPY)),
            f"write {self.file}",
            f"xl create {self.file}",
        ]


def choose(domu: str, group: str = "") -> Copy:
    """Return this host's copy of a domU, the newest of several of one host. Die if there is none that could start, or if
    they come from several hosts: each of those counts its own generations, so that a lower number may be the newer."""
    known = [one for one in copies.all_copies().values() if one.domu == domu and group in ("", one.group)]
    if not known:
        there = ", ".join(sorted(f"{one.domu} in {one.group}" for one in copies.all_copies().values())) or "none"
        where = f" in {group}" if group else ""
        die(f"this host has no copy of {domu!r}{where}",
            hint=f"it has copies of: {there}; backup-domu status shows where copies are")
    if len({one.source for one in known}) > 1:
        told = "; ".join(_told(one) for one in known)
        die(f"{domu} has copies of several hosts here: {told}", hint="say which: --group GROUP")
    whole = [one for one in known if one.best]
    if not whole and any(one.promoted for one in known):
        _die_promoted(known[0])
    if not whole:
        die(
            f"no run has completed the copy of {domu} here since it was begun, or since its promotion was taken back",
            hint=f"has another host one? backup-domu status; else {commit.MANUAL}",
        )
    return max(whole, key=lambda one: (one.best.number if one.best else 0, one.time))


def _told(copy: Copy) -> str:
    """Return in short what a copy is."""
    if copy.promoted:
        return f"in {copy.group} one of {copy.source}, promoted"
    made = f"generation {copy.best.number}, made {age(copy.time)} ago" if copy.best else "never completed"
    return f"in {copy.group} one of {copy.source}, {made}"


def plan(copy: Copy) -> Plan:
    """Return what the promotion of a copy will do. Die if something is in its way."""
    source = commit.config_file(copy.domu, copy.group)
    text = files.read(source)
    if not text:
        die(f"{source} does not exist", hint="write the domU's configuration there, with the copy's volumes as its disks")
    names = _final_names(copy)
    try:
        text = domu_config.replace_disks(text, _renamed(copy, names))
        config = domu_config.parse(text, source)
    except ValueError as error:
        die(f"{source}: {error}", hint=f"xl create --dryrun {source} shows what xl thinks of it")
    _check_disks(copy, config, _renamed(copy, names).values(), source)
    for path in (Path(one) for one in (config.kernel, config.ramdisk) if one):
        if not path.exists():
            die(f"{path} does not exist on this host", hint=f"put another kernel into {source}; xen-legi kernel list")
    if lacking := commit.missing_bridges(config):
        die(f"there is no bridge {' and no '.join(lacking)} on this host",
            hint=f"bring it up, or write another into {source}; xen-legi net show")
    return Plan(copy, names, text, former.place(copy.domu, domu_config.find(copy.domu)))


def check(copy: Copy, *, force_dead: bool) -> OwnHost:
    """Die if the domU may still be running somewhere: two of one domU is worse than none. Return what its own host says."""
    for name in {copy.domu, renamed.now(copy.domu)}:
        if xl.stays(name):
            die(f"{name} runs on this host already", hint="xl list; xen-legi list")
    for volume in copy.volumes:
        if volume.open:
            die(f"{volume.path} is in use", hint="does a run write it now? does something have it mounted?")
    if copy.started:
        _die_promoted(copy)
    own = domu_config.find(copy.domu)
    local = copy.source == state.host()
    if own and not local and not copy.promoted:
        die(f"this host has a domU {copy.domu} of its own ({own.file})", hint="which of the two is to run?")
    if not local:
        return elsewhere.need_off(copy, force_dead=force_dead)
    elsewhere.need_off_everywhere(copy.domu, defined=own is not None, force_dead=force_dead)  # it may have moved away
    return OwnHost.HAS_IT if own else OwnHost.PUT_AWAY


def _die_promoted(copy: Copy) -> NoReturn:
    die(f"the copy of {copy.domu} in {copy.group} was promoted here before: it is the domU, or a former one",
        hint=f"xen-legi start {copy.domu}; to make it a copy again: xen-legi promote {copy.domu} --undo")


def promote(one: Plan) -> None:
    """Make the copy the domU and start it."""
    work = Work(one.copy.domu, one.copy.group, one.copy.source)
    if not one.copy.clean and not one.copy.promoted:
        with step("set the copy back to its last good generation"):
            _restore(work)
    for volume in work.read_copy().volumes:  # also those of an earlier attempt that was killed
        merge.see_begun(volume.group, volume.name)
    for slot, name in one.names.items():
        _take_over(work, slot, name)
    _write_config(one)
    with step(f"xl create {one.file}"):
        xl.start(one.file)
    named_point("promote:started")
    for there in work.read_copy().slots.values():
        if there.copy:
            copies.retag(there.copy.volume, add=[STARTED_TAG])


def settled(copy: Copy) -> Copy:
    """Finish the commit that a killed run has left, and return the copy as it is then."""
    work = Work(copy.domu, copy.group, copy.source)
    copy = work.read_copy()
    commit.end_trial(copy, lvm.volumes(copy.group))
    return copy if copy.promoted else commit.settle(work, copy)


def promoted(domu: str, group: str = "") -> Copy:
    """Return the promoted copy of a domU on this host. Die if there is none, or if several are meant."""
    known = [one for one in copies.all_copies().values() if one.domu == domu and one.promoted and group in ("", one.group)]
    if not known:
        die(f"no copy of {domu!r} was promoted on this host", hint="backup-domu status shows the copies of this host")
    if len(known) > 1:  # an undo throws away what the domU has written: which of them is a person's word
        groups = ", ".join(sorted(one.group for one in known))
        die(f"copies of {domu!r} were promoted in several volume groups: {groups}", hint="say which: --group GROUP")
    return known[0]


def check_off(domu: str) -> None:
    """Die if a domU runs on this host, or is about to start anew."""
    if xl.answers() and xl.stays(domu):
        die(f"{domu} runs on this host", hint=f"xl shutdown -w {domu}")


def need_former(copy: Copy, directory: Path = domu_config.DIRECTORY) -> None:
    """Die unless the domU itself is there after the undo of a copy on its own host: a file, and the disks that it names."""
    own = [one for one in domu_config.all_domus(directory) if one.name == copy.domu]
    way = former.way_back(own, former.disk_paths(copy), former.all_kept(copy.domu, directory), local=True)
    files_then = [way.kept.file] if way.kept else [one.file for one in own if one.file not in way.gone]
    hint = f"if this {copy.domu} may be lost, add --force-dead"
    if not files_then:
        die(f"this host has no other file of {copy.domu}: the one here may be the only one", hint=hint)
    volumes = lvm.volumes()  # one that is not active has no device
    paths = [absolute(one.path) for one in domu_config.read(files_then[0]).disks if one.path]
    if missing := [one for one in paths if not Path(one).exists() and locate(one, volumes) is None]:
        die(f"{files_then[0]} names {', '.join(missing)}, not there any more: the {copy.domu} here may be the only one",
            hint=hint)


def undo(copy: Copy) -> None:
    """Make a promoted copy a copy again. What the domU changed since is lost with the next run."""
    _restore_config(copy)
    named_point("promote:config-restored")
    for slot in copy.slots.values():
        if slot.copy:
            volume = slot.copy.volume
            if volume.name != f"{slot.name}{COPY}":
                lvm.rename(copy.group, volume.name, f"{slot.name}{COPY}")
            said = tuple(f"{TAG}.{name}=" for name in ("state", "generation", "merging", "run", "synced"))
            stale = [PROMOTED_TAG, STARTED_TAG, *(tag for tag in volume.tags if tag.startswith(said))]
            lvm.change_tags(f"{copy.group}/{slot.name}{COPY}", add=[TAG, COPY_TAG, f"{TAG}.state=dirty"], remove=stale)


def _final_names(copy: Copy) -> dict[str, str]:
    """Return what the volumes of a copy are called as the domU's own: as the domU's, where that name is free. A volume
    gets no new name while it is set back, be it by this promotion or by one that was cut off: lvm2 refuses it."""
    taken = {one.name for one in lvm.volumes(copy.group)} - {one.name for one in copy.volumes}
    busy = {one.slot for one in generations.restore(copy) if one.do is Do.MERGE}
    merging = {slot.name: slot.copy.volume.name for slot in copy.slots.values() if slot.copy and slot.copy.volume.merging}
    names = {slot: f"{slot}{COPY}" if slot in taken | busy else slot for slot in _slots(copy)}
    return {slot: merging.get(slot, name) for slot, name in names.items()}


def _slots(copy: Copy) -> list[str]:
    """Return the slots of the best generation; of a promotion that was cut off, all."""
    best = copy.best
    return [name for name, slot in copy.slots.items() if best is None or slot.holds(best)]


def _check_disks(copy: Copy, config: DomuConfig, devices: Iterable[str], source: Path) -> None:
    """Die if another host's domU would start with a disk that is none of its copy's: it could be any device of this host.
    A domU of this host's own may have what its administrator gave it."""
    others = trusted.foreign(config, devices) if copy.source != state.host() else []
    if others:
        die(f"{source} names {', '.join(map(repr, others))}, which is no disk of this copy", hint="correct its disk lines")


def _restore(work: Work) -> None:
    for one in generations.restore(work.read_copy()):
        copy = work.read_copy()
        if one.do is Do.MERGE:
            copies.merge_in_background(work, copy, copy.slots[one.slot])
        else:
            copies.perform([one], work, copy)
        named_point("promote:restored")


def _take_over(work: Work, slot_name: str, name: str) -> None:
    """Make one volume the domU's own: it is no copy any more, and no clean-up of ours knows it."""
    member = work.read_copy().slots[slot_name].copy
    if member is None:
        die(f"the volume of {slot_name} has vanished", hint="lvs -a -o +lv_tags")
    volume = member.volume
    if not volume.active:
        lvm.activate(volume.full_name)
    copies.retag(volume, add=[PROMOTED_TAG], remove=[TAG, COPY_TAG])
    named_point("promote:tagged")
    if volume.name != name:
        lvm.rename(volume.group, volume.name, name)
    named_point("promote:renamed")


def _write_config(one: Plan) -> None:
    """Write the domU's file. One that is there (a copy on the domU's own host) is kept beside it."""
    former.make_room(one.file, one.text, one.copy, one.renamed)
    named_point("promote:room-made")
    files.replace(one.file, one.text, mode=_mode(one.file))
    named_point("promote:config-written")


def _mode(file: Path) -> int:
    """Return the rights of a domU's file, or those of its copy's: it may hold a password for vnc."""
    return stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600


def _restore_config(copy: Copy, directory: Path = domu_config.DIRECTORY) -> None:
    """Put back what a promotion has displaced. If it was killed before it wrote its own file, there is nothing to do."""
    own = [one for one in domu_config.all_domus(directory) if one.name == copy.domu]
    kept, local = former.all_kept(copy.domu, directory), copy.source == state.host()
    former.go_back(former.way_back(own, former.disk_paths(copy), kept, local=local), _written(copy))
    former.forget_twins(own, kept)


def _written(copy: Copy) -> str:
    """Return the file that the promotion of this copy has written."""
    names = {slot.name: slot.copy.volume.name for slot in copy.slots.values() if slot.copy}
    try:
        return domu_config.replace_disks(files.read(commit.config_file(copy.domu, copy.group)), _renamed(copy, names))
    except ValueError:
        return ""  # somebody has changed it since: then nothing can be told to be what the promotion wrote


def _renamed(copy: Copy, names: Mapping[str, str]) -> dict[str, str]:
    return {f"/dev/{copy.group}/{slot}{COPY}": f"/dev/{copy.group}/{name}" for slot, name in names.items()}
