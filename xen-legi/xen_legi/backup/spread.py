"""Which of many destinations a domU goes to: where its copies are already, else where most room is left. Pure.

Never two copies on one host, whatever its volume groups: what takes the one away takes the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """A destination: its name, the host that it is on, its free bytes (None: it cannot be used now), the domUs of which it
    has copies, and those that were sent there, whether they ever arrived or not."""

    name: str
    host: str
    free: int | None
    holds: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wish:
    """A domU: its name, the bytes of its volumes, where it may go, how many copies are wanted (0: one at each), and the
    volume groups that it is in itself."""

    domu: str
    size: int
    allowed: tuple[str, ...]
    copies: int = 0
    groups: frozenset[str] = frozenset()

    @property
    def free_to_choose(self) -> bool:
        """Tell whether there are more destinations than copies."""
        return 0 < self.copies < len(self.allowed)


def spread(wishes: Iterable[Wish], rooms: Iterable[Room]) -> dict[str, tuple[str, ...]]:
    """Return the destinations of each domU. The largest are placed first, while there is most choice."""
    by_name = {one.name: one for one in rooms}
    left = {one.name: one.free or 0 for one in by_name.values()}
    chosen = {}
    for wish in sorted(wishes, key=lambda one: (-one.size, one.domu)):
        chosen[wish.domu] = _choose(wish, by_name, left) if wish.free_to_choose else wish.allowed
        for name in chosen[wish.domu]:
            if wish.domu not in by_name[name].holds | by_name[name].chosen:
                left[name] -= wish.size
    return chosen


def _choose(wish: Wish, rooms: Mapping[str, Room], left: Mapping[str, int]) -> tuple[str, ...]:
    """Return the best destinations, one on each host, in the order in which they are allowed."""
    taken: dict[str, str] = {}
    for name in sorted(wish.allowed, key=lambda name: _rank(wish, rooms[name], left[name])):
        if len(taken) < wish.copies:
            taken.setdefault(rooms[name].host, name)
    return tuple(name for name in wish.allowed if name in taken.values())


def _rank(wish: Wish, room: Room, left: int) -> tuple[int, int]:
    """Order destinations: those with a copy (of these, where it was sent last time), those where one was begun, those with
    room for one, the domU's own volume group, those without room, those that cannot be used now."""
    if wish.domu in room.holds:
        return (0, wish.domu not in room.chosen)
    if wish.domu in room.chosen:
        return (1, 0)
    if room.free is None:
        return (5, 0)
    if left < wish.size:
        return (4, -left)
    return (3 if room.name in wish.groups else 2, -left)
