"""Copies and their generations, read from the tags of logical volumes and nothing else. Pure: tags in, actions out.

A copy of a domU has, for each of its volumes, SLOT.copy and, while a new generation is being written, SLOT.good, which
holds the last good one: a full snapshot of SLOT.copy, or the whole former SLOT.copy if its size or filesystem changed.
A volume whose content is generation 12 of a copy of two volumes has the tag xen-legi.generation=12/2. A generation is
complete when two volumes of different slots say so. That is the whole truth: whatever is killed at whatever moment, the
highest complete generation is the one to start, and what else is there is either being written or left over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from xen_legi.storage.lvm import TAG, Volume

COPY_TAG = f"{TAG}.copy"
PROMOTED_TAG = f"{TAG}.promoted"
STARTED_TAG = f"{TAG}.started"  # the promotion was done to its end
LIMIT_HIT = f"{TAG}.limit=hit"  # a run may have deleted as many files of it as one may, and has not completed it
COPY, GOOD = ".copy", ".good"


@dataclass(frozen=True)
class Generation:
    """Generation `number` of a copy; `of` volumes make it whole."""

    number: int
    of: int

    @property
    def tag(self) -> str:
        """The tag of a volume that holds this generation."""
        return f"{TAG}.generation={self}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Member:
    """One logical volume of a copy."""

    volume: Volume
    slot: str

    @property
    def good(self) -> bool:
        """Tell whether this one only keeps the last good generation."""
        return self.volume.name == f"{self.slot}{GOOD}"

    @property
    def state(self) -> str:
        """What the volume says of itself: new, dirty, good or merging."""
        return self.volume.tagged(f"{TAG}.state")

    @property
    def generations(self) -> frozenset[Generation]:
        """The generations whose content the volume has, by its tags."""
        if self.volume.invalid:
            return frozenset()
        return _generations(self.volume.tags, f"{TAG}.generation=")

    @property
    def stopped(self) -> bool:
        """Tell whether a run was stopped at its limit of deletions here."""
        return LIMIT_HIT in self.volume.tags

    @property
    def merging(self) -> frozenset[Generation]:
        """The generation that this volume is being set back to, if any."""
        return _generations(self.volume.tags, f"{TAG}.merging=")


@dataclass(frozen=True)
class Slot:
    """One volume of the domU in its copy: what is written to, what is kept, either or both."""

    name: str
    copy: Member | None = None
    good: Member | None = None

    @property
    def snapshot(self) -> bool:
        """Tell whether the kept one is a snapshot of the other, so that it can be merged back into it."""
        return self.good is not None and bool(self.good.volume.origin)

    def copy_holds(self, generation: Generation) -> bool:
        """Tell whether the copy itself has this generation's content; a merge that has begun counts as done."""
        if self.copy is None:
            return False
        return generation in self.copy.generations or (generation in self.copy.merging and self.good is None)

    def holds(self, generation: Generation) -> bool:
        """Tell whether this generation's content of the slot is there."""
        return self.copy_holds(generation) or (self.good is not None and generation in self.good.generations)


@dataclass(frozen=True)
class Copy:
    """All that a host has of a copy of one domU in one volume group."""

    domu: str
    group: str
    source: str
    slots: Mapping[str, Slot]

    @property
    def volumes(self) -> list[Volume]:
        """Every logical volume of the copy."""
        members = (member for slot in self.slots.values() for member in (slot.copy, slot.good))
        return [member.volume for member in members if member]

    @property
    def promoted(self) -> bool:
        """Tell whether the copy has become the domU itself."""
        return any(PROMOTED_TAG in volume.tags for volume in self.volumes)

    @property
    def started(self) -> bool:
        """Tell whether it has been started as the domU."""
        return any(STARTED_TAG in volume.tags for volume in self.volumes)

    @property
    def best(self) -> Generation | None:
        """The highest complete generation, or None if there never was one."""
        members = [member for slot in self.slots.values() for member in (slot.copy, slot.good) if member]
        said = {one for member in members for one in member.generations | member.merging}
        whole = [one for one in said if sum(slot.holds(one) for slot in self.slots.values()) == one.of]
        return max(whole, key=_order) if whole else None

    @property
    def newest(self) -> int:
        """The highest generation number that anything here speaks of, complete or not."""
        tags = {tag for volume in self.volumes for tag in volume.tags}
        said = _generations(tags, f"{TAG}.generation=") | _generations(tags, f"{TAG}.merging=")
        return max((one.number for one in said), default=0)

    @property
    def clean(self) -> bool:
        """Tell whether the copies themselves are the best generation: nothing to set back before a start."""
        best = self.best
        return best is not None and all(slot.copy_holds(best) for slot in self.slots.values() if slot.holds(best))

    @property
    def time(self) -> int:
        """When the best generation was committed, in seconds since 1970; 0 if there is none."""
        return self._number("time")

    @property
    def files(self) -> int:
        """How many files the best generation has."""
        best = self.best
        return sum(_number(one.tagged(f"{TAG}.files")) for one in self._holders(best)) if best else 0

    def _number(self, name: str) -> int:
        best = self.best
        return max((_number(one.tagged(f"{TAG}.{name}")) for one in self._holders(best)), default=0) if best else 0

    def _holders(self, generation: Generation) -> list[Volume]:
        found = []
        for slot in self.slots.values():
            if slot.copy and slot.copy_holds(generation):
                found.append(slot.copy.volume)
            elif slot.good and slot.holds(generation):
                found.append(slot.good.volume)
        return found


class Do(Enum):
    """What can be done with a slot."""

    KEEP = "keep the last good generation of {slot} as a snapshot"
    SET_ASIDE = "set the last good {slot} aside"
    MAKE = "make a new volume for {slot}"
    DIRTY = "mark {slot} as being written"
    MERGE = "set {slot} back to its last good generation"
    SETTLE = "mark {slot} as set back"
    PUT_BACK = "put the last good {slot} back in its place"
    DROP_COPY = "remove the unfinished volume of {slot}"
    DROP_GOOD = "remove the former generation of {slot}"
    FORGET = "forget former generations of {slot}"


@dataclass(frozen=True)
class Action:
    """One thing to do with one slot."""

    do: Do
    slot: str

    def __str__(self) -> str:
        return self.do.value.format(slot=self.slot)


def copies(volumes: Iterable[Volume]) -> dict[tuple[str, str], Copy]:
    """Given all volumes of a host, return its copies by volume group and domU."""
    slots: dict[tuple[str, str], dict[str, Slot]] = {}
    sources: dict[tuple[str, str], str] = {}
    for one in volumes:
        name, domu = one.tagged(f"{TAG}.volume"), one.tagged(f"{TAG}.domu")
        if name and domu and one.tags & {COPY_TAG, PROMOTED_TAG}:
            key = (one.group, domu)
            member = Member(one, name)
            known = slots.setdefault(key, {}).get(name, Slot(name))
            slots[key][name] = Slot(name, known.copy, member) if member.good else Slot(name, member, known.good)
            sources[key] = one.tagged(f"{TAG}.from")
    return {key: Copy(key[1], key[0], sources[key], found) for key, found in slots.items()}


def finish(copy: Copy) -> list[Action]:
    """Return what brings a copy in order without touching its best generation: the end of a commit or of a merge."""
    best = copy.best
    if best is None or copy.promoted:
        return []
    actions = []
    for slot in copy.slots.values():
        if slot.copy and slot.copy.merging and slot.copy_holds(best):
            actions.append(Action(Do.SETTLE, slot.name))
        if slot.good and (slot.copy_holds(best) or not slot.holds(best)):
            actions.append(Action(Do.DROP_GOOD, slot.name))
        if slot.copy and slot.copy.generations - {best}:
            actions.append(Action(Do.FORGET, slot.name))
    return actions


def begin(copy: Copy, fits: Mapping[str, bool], renewed: Iterable[str]) -> list[Action]:
    """Return what prepares a finished copy for a new generation.

    `fits` tells for each wanted slot whether the volume that is there has the right size and identity; `renewed` are
    the slots that carry no files (swap), which need not be written if they fit.
    """
    actions = []
    for name in sorted({*copy.slots, *fits}):
        actions += _begin(copy.slots.get(name, Slot(name)), fits.get(name), name in set(renewed), copy.best)
    # what marks comes last: until every slot is kept and made, nothing says that it is being written
    return [one for one in actions if one.do is not Do.DIRTY] + [one for one in actions if one.do is Do.DIRTY]


def _begin(slot: Slot, fits: bool | None, renewed: bool, best: Generation | None) -> list[Action]:
    def act(*things: Do) -> list[Action]:
        return [Action(thing, slot.name) for thing in things]

    new, dirty = act(Do.MAKE, Do.DIRTY), act(Do.DIRTY)
    if renewed:
        new, dirty = act(Do.MAKE), []
    if slot.copy is None:
        return new if fits is not None else []
    holds_best = best is not None and slot.copy_holds(best)
    if slot.copy.state == "new":
        return act(Do.DROP_COPY) + (new if fits is not None else [])
    if fits and slot.good is None:
        return (act(Do.KEEP) if holds_best and not renewed else []) + dirty
    if fits and slot.snapshot and slot.copy.stopped and best is not None and slot.holds(best):
        # measured against the last good one again: else each night would delete as much, until nothing is left to refuse
        return act(Do.MERGE, Do.SETTLE, Do.KEEP) + dirty
    if fits:
        return dirty
    if holds_best:
        return act(Do.SET_ASIDE) + (new if fits is not None else [])
    if slot.snapshot and best is not None and slot.holds(best):
        # settled before it is set aside: of a volume that is set aside, only what it holds is believed
        return act(Do.MERGE, Do.SETTLE, Do.SET_ASIDE) + (new if fits is not None else [])
    if slot.snapshot:  # of nothing that could ever be started; its origin cannot go before it
        return act(Do.DROP_GOOD, Do.DROP_COPY) + (new if fits is not None else [])
    return act(Do.DROP_COPY) + (new if fits is not None else [])


def restore(copy: Copy) -> list[Action]:
    """Return what makes the copies themselves the best generation, whatever a broken run has left."""
    best = copy.best
    if best is None:
        return []
    actions = []
    doings: tuple[Do, ...]
    for slot in copy.slots.values():
        if slot.copy_holds(best):
            continue
        if not slot.holds(best):
            doings = (Do.DROP_COPY,) if slot.copy else ()
        elif slot.snapshot:
            doings = (Do.MERGE,)
        else:
            doings = (Do.DROP_COPY, Do.PUT_BACK) if slot.copy else (Do.PUT_BACK,)
        actions += [Action(doing, slot.name) for doing in doings]
    return actions


def _generations(tags: Iterable[str], prefix: str) -> frozenset[Generation]:
    found = set()
    for tag in tags:
        number, slash, of = tag.removeprefix(prefix).partition("/")
        if tag.startswith(prefix) and slash and number.isdecimal() and of.isdecimal():
            found.add(Generation(int(number), int(of)))
    return frozenset(found)


def _order(one: Generation) -> int:
    return one.number


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
