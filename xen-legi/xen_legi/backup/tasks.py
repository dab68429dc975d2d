"""The work of a run: each domU with the settings that hold for it and the destinations that it goes to."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi import files
from xen_legi.backup import spread, state, wishes
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
    """A domU, its settings, the names of its destinations; `problem` tells what is wrong with its own settings, if so."""

    config: DomuConfig
    settings: Config
    to: tuple[str, ...]
    problem: Problem | None = None

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
    return any(_wish(one, 0).free_to_choose for one in work)


def placed(work: Sequence[Task], asked: Iterable[Receiver]) -> list[Task]:
    """Given what the receivers told, return the tasks with as many destinations as copies are wanted."""
    if not undecided(work):
        return list(work)
    sizes = _sizes([one.config for one in work])
    where = spread.spread((_wish(one, sizes[one.name]) for one in work), [_room(one, work) for one in asked])
    return [replace(one, to=where[one.name]) for one in work]


def remember(work: Iterable[Task], before: Iterable[Task]) -> None:
    """Keep where the domUs were sent that have a choice: when a destination does not answer, nobody else knows it."""
    for now, then in zip(work, before, strict=True):
        if now.to == then.to:
            continue
        try:
            files.replace(PLACES / now.name, "".join(f"{name}\n" for name in now.to))
        except OSError as error:
            warn(f"{PLACES / now.name} cannot be written: {error.strerror}; is the disk full?")


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
        return Task(domu, mine, settings.destinations,
                    Problem(f"{wishes.file_of(domu.name)}: {problem.message}", hint=problem.hint))
    return Task(domu, mine, tuple(dict.fromkeys(mine.destinations)))


def _wish(one: Task, size: int) -> Wish:
    """Return what the spreading needs to know. Where something is wrong, all destinations get a row that tells it."""
    wrong = one.problem or not re.fullmatch(NAME, one.name)
    return Wish(one.name, size, one.to, 0 if wrong else one.settings.copies)


def _room(one: Receiver, work: Iterable[Task]) -> Room:
    held = {domu for domu in one.copies if one.number(domu, "generation")}
    if one.problem:
        chosen = (task.name for task in work if _wish(task, 0).free_to_choose)
        held = {name for name in chosen if one.where.name in files.read(PLACES / name).split()}
    return Room(one.where.name, state.host() if one.where.local else one.where.name, one.free, frozenset(held))


def _sizes(domus: Sequence[DomuConfig]) -> dict[str, int]:
    """Return the bytes of each domU's volumes."""
    volumes = lvm.volumes()
    return {one.name: _size(one, volumes) for one in domus}


def _size(domu: DomuConfig, volumes: Sequence[Volume]) -> int:
    try:
        known = disks.devices([domu], volumes)
        found = [disks.locate(disk.path, volumes, known) for disk in domu.disks]
    except Problem:  # its copy will tell
        return 0
    return sum(one.size for one in found if one)
