"""Bases: the ghost of a thin volume from which its copies were made last, kept until the next run.

Where it and the next ghost differ is in the table of their pool, so that of a volume that goes block by block neither side
reads all of it every night. That a receiver holds the copy of just this base is what the receiver says, not what was once
sent: see `held` in commit.py. The check by content reads everything on both sides as before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xen_legi.backup import blocks
from xen_legi.backup.ghost import GHOST_TAG, Ghost
from xen_legi.errors import CommandFailed, Problem
from xen_legi.steps import named_point, say, warn
from xen_legi.storage import lvm, thin
from xen_legi.storage.lvm import BASE_TAG, TAG, Volume
from xen_legi.units import format_size

SUFFIX = ".base"


@dataclass(frozen=True)
class Delta:
    """Which chunks of a volume may differ from those of its base, the ghost of `run`; else why that is not known."""

    run: str
    numbers: tuple[int, ...] = ()
    why: str = ""


def is_base(one: Volume) -> bool:
    """Tell whether a volume is a base of ours."""
    return one.ours and BASE_TAG in one.tags and bool(one.pool)


def of(origin: Volume, volumes: Iterable[Volume]) -> Volume | None:
    """Return the base of a volume, if it has one. Of two, which only a run killed between two steps leaves, the newest."""
    mine = sorted((one for one in volumes if is_base(one) and _same(one, origin)), key=run_of)
    return mine[-1] if mine else None


def run_of(one: Volume) -> str:
    """Return the run whose ghost a base was."""
    return one.tagged(f"{TAG}.run")


def deltas(made: Mapping[str, Ghost]) -> dict[str, Delta]:
    """Given the ghosts of the volumes that go block by block, return what is known of those that have a base."""
    if not any(one.origin.pool for one in made.values()):
        return {}
    volumes = lvm.volumes()
    found = {slot: (of(one.origin, volumes), one) for slot, one in made.items()}
    return {slot: _delta(older, one, volumes) for slot, (older, one) in found.items() if older}


def numbers(stretches: Iterable[tuple[int, int]], size: int) -> tuple[int, ...]:
    """Given stretches in bytes, in order, return the chunks of a volume of so many bytes that have any of them."""
    found: list[int] = []
    for offset, length in stretches:
        first = max(offset // blocks.CHUNK, found[-1] + 1 if found else 0)
        found += range(first, min(blocks.count(offset + length), blocks.count(size)))  # one that was cut reaches beyond
    return tuple(found)


def keep(made: Sequence[Ghost], limit: int) -> None:
    """Make ghosts of thin volumes, of which copies are good now, the bases of the next run, in place of those before. In a
    pool that is full to `limit` percent none stays. Nothing that goes wrong here is anything to the copies."""
    for one in made:
        try:
            volumes = lvm.volumes()
            former = [other for other in volumes if is_base(other) and _same(other, one.origin)]
            for other in former:
                lvm.remove(other.group, other.name)
                named_point("backup:base-removed")
            if _room(one.origin, limit):
                _keep(one, volumes, {other.name for other in former})
        except Problem as problem:
            warn(f"no base of {one.origin.full_name} is kept, the next run compares all of it: {problem.message}")


def reap() -> None:
    """Remove the bases of volumes that are gone, and give back what killed runs have reserved."""
    thin.tidy()
    for one in lvm.volumes():
        if is_base(one) and not one.origin:
            lvm.remove(one.group, one.name)
            say(f"• removed {one.full_name}, the base of a volume that is gone")


def _same(base: Volume, origin: Volume) -> bool:
    return (base.group, base.origin) == (origin.group, origin.name)


def _delta(older: Volume, one: Ghost, volumes: Iterable[Volume]) -> Delta:
    try:
        newer = next(other for other in volumes if (other.group, other.name) == (one.origin.group, one.name))
        if older.size != newer.size:
            return Delta(run_of(older), why=f"it had {format_size(older.size)} then")
        found = numbers(thin.differing(older, newer), newer.size)
    except (Problem, CommandFailed, StopIteration) as error:
        return Delta(run_of(older), why=getattr(error, "message", "") or "its ghost is not there")
    say(f"{one.origin.full_name}: {len(found)} of {blocks.count(newer.size)} chunks may have changed since {run_of(older)}")
    return Delta(run_of(older), found)


def _room(origin: Volume, limit: int) -> bool:
    full = thin.usage(origin.group, origin.pool).percent
    if limit and full >= limit:
        say(f"the thin pool {origin.group}/{origin.pool} is full to {full:.0f} %: no base of {origin.name} is kept")
    return full < limit


def _keep(one: Ghost, volumes: Iterable[Volume], gone: set[str]) -> None:
    """Change what a ghost is, then its name, which is for people; from the first on no clean-up takes it for a ghost."""
    group, name = one.origin.group, f"{one.origin.name}{SUFFIX}"
    if name in {other.name for other in volumes if other.group == group} - gone:
        return warn(f"no base of {one.origin.full_name} is kept: there is a volume {name} already, which is none of ours")
    lvm.change_tags(f"{group}/{one.name}", add=[BASE_TAG], remove=[GHOST_TAG])
    named_point("backup:base-tagged")
    lvm.rename(group, one.name, name)
    named_point("backup:base-kept")
    lvm.put_away(f"{group}/{name}")
    return None
