"""Bases: the ghost of a thin volume from which its copies were made last, kept until the next run.

Where it and the next ghost differ is in the table of their pool, so that of a volume that goes block by block neither side
reads all of it every night. That a receiver holds the copy of just this base is what the receiver says, not what was sent
once: see `holds` in commit.py. A base is named by the UUID that lvm2 gave it when it was made a ghost; its name, its tags
and its origin's name may change, and two volumes of one run are two. The check by content reads everything on both sides.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xen_legi.backup import blocks
from xen_legi.backup.ghost import GHOST_TAG, Ghost
from xen_legi.backup.request import CopyRequest
from xen_legi.errors import Problem
from xen_legi.steps import named_point, say, warn
from xen_legi.storage import lvm, thin
from xen_legi.storage.lvm import BASE_TAG, TAG, Volume
from xen_legi.units import format_size

SUFFIX = ".base"
OLD = 4  # days after which a base that no run has renewed keeps more than it saves
_DATE = "%Y%m%d"
_TROUBLE = (Problem, OSError, ValueError, LookupError, ArithmeticError)  # none of it is anything to a copy


@dataclass(frozen=True)
class Delta:
    """Which chunks of a volume may differ from those of its base; else why that is not known. `ghost` names the base, `run`
    is the run from which it is."""

    ghost: str
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


def named(wanted: CopyRequest, made: Mapping[str, Ghost], volumes: Iterable[Volume]) -> CopyRequest:
    """Return the request with what names the ghosts of thin volumes that go block by block: they may become bases."""
    uuids = {(one.group, one.name): one.uuid for one in volumes}
    known = {slot: uuids.get((one.origin.group, one.name), "") for slot, one in made.items() if one.origin.pool}
    return replace(wanted, volumes=tuple(replace(one, ghost=known.get(one.name, "")) for one in wanted.volumes))


def deltas(made: Mapping[str, Ghost], volumes: Sequence[Volume]) -> dict[str, Delta]:
    """Given the ghosts of the volumes that go block by block, and all volumes, return what is known of those with a base."""
    found = {slot: (of(one.origin, volumes), one) for slot, one in made.items() if one.origin.pool}
    return {slot: _delta(older, one, volumes) for slot, (older, one) in found.items() if older}


def numbers(stretches: Iterable[tuple[int, int]], size: int) -> tuple[int, ...]:
    """Given stretches in bytes, in order, return the chunks of a volume of so many bytes that have any of them."""
    found: list[int] = []
    for offset, length in stretches:
        first = max(offset // blocks.CHUNK, found[-1] + 1 if found else 0)
        found += range(first, min(blocks.count(offset + length), blocks.count(size)))  # one that was cut reaches beyond
    return tuple(found)


def keep(made: Iterable[Ghost], limit: int) -> None:
    """Make ghosts of thin volumes, of which copies are good now, the bases of the next run, in place of those before. In a
    pool that is full to `limit` percent none stays."""
    for one in {(one.origin.group, one.name): one for one in made if one.origin.pool}.values():
        with _no_harm(f"no base of {one.origin.full_name} may be there for the next run, which then compares all of it"):
            volumes = lvm.volumes()
            former = [other for other in volumes if is_base(other) and _same(other, one.origin)]
            for other in former:
                lvm.remove(other.group, other.name)
                named_point("backup:base-removed")
            if _room(one.origin, limit):
                _keep(one, volumes, {other.name for other in former})


def reap(limit: int) -> None:
    """Remove bases that are of no use any more, or keep room that is needed; give back what killed runs have reserved."""
    with _no_harm("what is left of thin volumes could not be looked for; the next run tries again"):
        thin.tidy()
    with _no_harm("the bases could not be looked at; the next run tries again"):
        for one in [one for one in lvm.volumes() if is_base(one)]:
            if why := _useless(one, limit):
                lvm.remove(one.group, one.name)
                say(f"• removed {one.full_name}: {why}")


@contextlib.contextmanager
def _no_harm(text: str) -> Iterator[None]:
    """Make trouble inside the context a warning."""
    try:
        yield
    except _TROUBLE as error:
        warn(f"{text}: {getattr(error, 'message', error)}")


def _useless(one: Volume, limit: int) -> str:
    """Return why a base is not to stay, or nothing."""
    if not one.origin:
        return "the volume of which it was is gone"
    if run_of(one)[:8] < time.strftime(_DATE, time.localtime(time.time() - OLD * 86400)):
        return f"no copy was made from it for {OLD} days"
    full = thin.usage(one.group, one.pool).percent
    return f"its thin pool is full to {full:.0f} %" if full >= limit else ""


def _same(base: Volume, origin: Volume) -> bool:
    return (base.group, base.origin) == (origin.group, origin.name)


def _delta(older: Volume, one: Ghost, volumes: Iterable[Volume]) -> Delta:
    known = Delta(older.uuid, run_of(older))
    try:
        newer = next(other for other in volumes if (other.group, other.name) == (one.origin.group, one.name))
        if older.size != newer.size:
            return replace(known, why=f"it had {format_size(older.size)} then")
        found = numbers(thin.differing(older, newer), newer.size)
    except (*_TROUBLE, StopIteration) as error:
        return replace(known, why=getattr(error, "message", "") or repr(error))
    say(f"{one.origin.full_name}: {len(found)} of {blocks.count(newer.size)} chunks may have changed since {known.run}")
    return replace(known, numbers=found)


def _room(origin: Volume, limit: int) -> bool:
    full = thin.usage(origin.group, origin.pool).percent
    if limit and full >= limit:
        say(f"the thin pool {origin.group}/{origin.pool} is full to {full:.0f} %: no base of {origin.name} is kept")
    return full < limit


def _keep(one: Ghost, volumes: Iterable[Volume], gone: set[str]) -> None:
    """Change what a ghost is, then its name, which is for people; from the first on no clean-up takes it for a ghost."""
    group, name = one.origin.group, f"{one.origin.name}{SUFFIX}"
    if name in {other.name for other in volumes if other.group == group} - gone:  # volumes may have changed their names
        name = f"{name}-{one.name.rpartition('-')[2]}"
    lvm.change_tags(f"{group}/{one.name}", add=[BASE_TAG], remove=[GHOST_TAG])
    named_point("backup:base-tagged")
    lvm.rename(group, one.name, name)
    named_point("backup:base-kept")
    lvm.put_away(f"{group}/{name}")
