"""The work of a run: each domU with the settings that hold for it and the destinations that it goes to."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi import files
from xen_legi.backup import plan, spread, state, wishes
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Receiver
from xen_legi.backup.spread import Room, Wish
from xen_legi.config import Config
from xen_legi.domu import disks
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.peers.words import NAME
from xen_legi.steps import warn
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume

PLACES = Path("/var/lib/xen-legi/backup/places")


@dataclass(frozen=True)
class Task:
    """A domU, its settings, the names of its destinations; `problem` tells what is wrong with its own settings, if so;
    `left` are those that have an older copy and get no other."""

    config: DomuConfig
    settings: Config
    to: tuple[str, ...]
    problem: Problem | None = None
    left: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The domU's name."""
        return self.config.name


def tasks(
    domus: Iterable[DomuConfig], settings: Config, to: Sequence[str], resolve: Callable[[str], Destination]
) -> list[Task]:
    """Return what is to be done for each domU: it goes to the destinations that are named on the command line (`to`), all
    of them, or to those that its settings allow. `resolve` raises Problem for a destination that is none."""
    return [_task(one, settings, tuple(to), resolve) for one in domus]


def destinations(work: Iterable[Task]) -> list[str]:
    """Return the destinations of all of them, each once."""
    return list(dict.fromkeys(name for one in work for name in one.to))


def undecided(work: Iterable[Task]) -> bool:
    """Tell whether the receivers must be asked where the copies go."""
    return any(_wish(one).free_to_choose for one in work)


def placed(work: Sequence[Task], asked: Iterable[Receiver]) -> list[Task]:
    """Given what the receivers told, return the tasks with as many destinations as copies are wanted."""
    if not undecided(work):
        return list(work)
    rooms = [_room(one, work) for one in asked]
    volumes = _volumes()
    where = spread.spread((_wish(one, volumes) for one in work), rooms)
    return [replace(one, to=where[one.name], left=tuple(_left(one, where[one.name], rooms))) for one in work]


def remember(work: Iterable[Task], asked: Iterable[Receiver]) -> None:
    """Keep where the domUs were sent that have a choice: when a destination does not answer, nobody else knows it. One that
    cannot be used now is a place only if it was one before."""
    usable = {one.where.name for one in asked if not one.problem}
    for one in work:
        if one.settings.copies and one.to != one.settings.destinations and not one.problem:
            _keep(one.name, [name for name in one.to if name in usable or name in _kept(one.name)])


def _keep(domu: str, names: Iterable[str]) -> None:
    try:
        files.replace(PLACES / domu, "".join(f"{name}\n" for name in names))
    except OSError as error:
        warn(f"{PLACES / domu} cannot be written: {error.strerror}; is the disk full?")


def _kept(domu: str) -> list[str]:
    try:
        return files.read(PLACES / domu).split()
    except OSError:
        return []


def _task(domu: DomuConfig, settings: Config, to: tuple[str, ...], resolve: Callable[[str], Destination]) -> Task:
    try:
        mine = wishes.of(domu.name, settings)
    except Problem as problem:
        return Task(domu, settings, to or settings.destinations, problem)
    if to:
        return Task(domu, replace(mine, copies=0), to)
    try:
        for name in mine.destinations:
            resolve(name)
    except Problem as problem:
        wrong = Problem(f"{wishes.file_of(domu.name)}: {problem.message}", hint=problem.hint)
        return Task(domu, mine, settings.destinations, wrong)
    return Task(domu, mine, mine.destinations)


def _wish(one: Task, volumes: Sequence[Volume] = ()) -> Wish:
    """Return what the spreading needs to know. Where something is wrong, all destinations get a row that tells it."""
    wrong = one.problem or not re.fullmatch(NAME, one.name)
    mine = [found for disk in one.config.disks if (found := _held(disk.path, volumes))]
    groups = frozenset(group for group, _ in mine)
    return Wish(one.name, sum(size for _, size in mine), one.to, 0 if wrong else one.settings.copies, groups)


def _held(path: str, volumes: Sequence[Volume]) -> tuple[str, int] | None:
    """Return in which volume group a disk is, and its bytes."""
    if volume := disks.locate(path, volumes):
        return volume.group, volume.size
    found = plan.image_of(Path(os.path.realpath(disks.absolute(path))), volumes) if volumes and "\0" not in path else None
    return (found[0].group, found[1].size) if isinstance(found, tuple) else None


def _room(one: Receiver, work: Iterable[Task]) -> Room:
    kept = {task.name for task in work if _wish(task).free_to_choose and one.where.name in _kept(task.name)}
    held = {domu for domu in one.copies if one.number(domu, "generation")}
    chosen = frozenset(kept | (set(one.copies) - held))
    host = state.host() if one.where.local else one.where.name
    return Room(one.where.name, host, None if one.problem else one.free, frozenset(kept if one.problem else held), chosen)


def _left(one: Task, to: Sequence[str], rooms: Iterable[Room]) -> Iterator[str]:
    """Yield the destinations that have a copy of a domU and get none any more."""
    yield from (room.name for room in rooms if room.name in one.to and room.name not in to and one.name in room.holds)


def _volumes() -> Sequence[Volume]:
    try:
        return lvm.volumes()
    except Problem:  # each domU's own row will tell
        return []
