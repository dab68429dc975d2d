"""A copy on a simulated lvm2, with its maker killed before each change and begun again, in every state that this reaches.

The simulator keeps what lvm2 would (names, tags, origins) and, beside it, what is really on each volume: a generation
that the tags promise must be there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from xen_legi.backup import copies, generations
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import Copy, Generation
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.storage import identity, lvm, merge
from xen_legi.storage.identity import Identity
from xen_legi.storage.lvm import Group, Volume

MIB = 1 << 20
PLENTY = Group("vg0", 1 << 50, 1 << 50, 4 * MIB)
# what a domU may look like from one night to the next: sizes of its disks; swap carries no files
SAME = {"disk": 64, "swap": 16}
WANTED = [SAME, {"disk": 96, "swap": 32}, {"disk": 64, "swap": 16, "data": 32}]


class Killed(BaseException):
    """The maker ends here."""


@dataclass(frozen=True)
class Disk:
    """A logical volume, and what is on it."""

    volume: Volume
    holds: str


class Store:
    """An lvm2 that remembers; after `left` changes its user is killed (None: never)."""

    def __init__(self, disks: Iterable[Disk] = (), left: int | None = None) -> None:
        self.disks = {one.volume.name: one for one in disks}
        self.left = left
        self.best = Generation(0, 0)
        self.check()

    def change(self, *gone: str, **made: Disk) -> None:
        """Change the metadata once, or die before it."""
        if self.left == 0:
            raise Killed
        self.left = None if self.left is None else self.left - 1
        self.disks = {name: one for name, one in self.disks.items() if name not in gone}
        self.disks |= {one.volume.name: one for one in made.values()}
        self.check()

    def check(self) -> None:
        """What was complete once stays complete, until something newer is; and the tags do not lie."""
        copy = self.copy
        assert (best := copy.best or Generation(0, 0)).number >= self.best.number, f"{self.best} is lost: {self.tags}"
        self.best = best
        for slot in copy.slots.values():
            if best.number and slot.holds(best) and slot.name != "swap":
                holder = slot.copy if slot.copy_holds(best) else slot.good
                assert holder and self.disks[holder.volume.name].holds == str(best), f"{slot.name}: {self.tags}"

    @property
    def copy(self) -> Copy:
        """The copy that is there."""
        return copies.among(self.volumes(), Work("web1", "vg0", "dom0a"))

    @property
    def tags(self) -> dict[str, list[str]]:
        """What a person would look at."""
        return {name: sorted(one.volume.tags) for name, one in self.disks.items()}

    @property
    def key(self) -> frozenset[tuple[object, ...]]:
        """What makes one state different from another; generations are counted from the best one."""
        def counted(text: str) -> str:
            return re.sub(r"\d+(?=/)", lambda match: str(int(match[0]) - self.best.number), text)

        return frozenset(
            (one.name, one.size, one.origin, counted(self.disks[one.name].holds), frozenset(map(counted, one.tags)))
            for one in self.volumes()
        )

    def volumes(self, select: str = "") -> list[Volume]:
        """lvs."""
        return [one.volume for one in self.disks.values()]

    def create(self, group: str, name: str, size: int, *, tags: Iterable[str] = ()) -> Path:
        """lvcreate."""
        assert name not in self.disks
        self.change(made=Disk(plain(name, size, frozenset(tags)), "nothing"))
        return Path("/dev") / group / name

    def snapshot(self, origin: Volume, name: str, size: int, *, tags: Iterable[str] = ()) -> None:
        """lvcreate -s: a volume with the tags, and then it is made a snapshot of the other; it may be cut off between."""
        assert name not in self.disks and not origin.origin
        self.change(made=Disk(plain(name, origin.size, frozenset(tags)), "nothing"))
        whole = replace(plain(name, origin.size, frozenset(tags)), origin=origin.name)
        self.change(made=Disk(whole, self.disks[origin.name].holds))

    def rename(self, group: str, old: str, new: str) -> None:
        """lvrename; snapshots follow their origin."""
        assert new not in self.disks
        moved = {one.name: Disk(replace(one, origin=new), self.disks[one.name].holds)
                 for one in self.volumes() if one.origin == old}
        self.change(old, made=replace(self.disks[old], volume=replace(self.disks[old].volume, name=new)), **moved)

    def change_tags(self, full_name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """lvchange."""
        one = self.disks[full_name.removeprefix("vg0/")]
        self.change(made=replace(one, volume=replace(one.volume, tags=(one.volume.tags - set(remove)) | set(add))))

    def merge(self, kept: Volume, *, background: bool = False) -> None:
        """lvconvert --merge; lvs shows the snapshot no more as soon as it has begun."""
        snapshot = self.disks[kept.name]
        origin = self.disks[snapshot.volume.origin]
        self.change(snapshot.volume.name, made=replace(origin, holds=snapshot.holds))

    def remove(self, group: str, name: str) -> None:
        """lvremove."""
        assert not [one for one in self.disks.values() if one.volume.origin == name]
        self.change(name)

    def write(self, slot: str, what: str) -> None:
        """What a transfer does to a volume."""
        name = f"{slot}.copy"
        self.change(made=replace(self.disks[name], holds=what))


def plain(name: str, size: int, tags: frozenset[str]) -> Volume:
    """A volume that nobody uses."""
    return Volume("vg0", name, size, "-wi-a-----", tags, "", "", name, True, False, False, None)


def use(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Put the simulator in lvm2's place."""
    for name in ("volumes", "create", "snapshot", "rename", "change_tags", "remove"):
        monkeypatch.setattr(lvm, name, getattr(store, name))
    monkeypatch.setattr(merge, "merge", store.merge)
    monkeypatch.setattr("xen_legi.backup.copies.time.time", lambda: 1700000000)
    monkeypatch.setattr(identity, "make", lambda wanted, device: None)
    monkeypatch.setattr(identity, "probe", lambda device: Identity("swap" if "swap" in device.name else "ext4", ""))


def night(store: Store, sizes: dict[str, int]) -> Generation:
    """Copy the domU once, as begin, the transfers and commit do on the receiver; return the generation that is made."""
    work = Work("web1", "vg0", "dom0a")
    copies.perform(generations.finish(work.read_copy()), work, work.read_copy())
    copy = work.read_copy()
    volumes = tuple(VolumeRequest(name, f"/dev/vg9/{name}", size * MIB, Identity("swap" if name == "swap" else "ext4", ""))
                    for name, size in sizes.items())
    wanted = CopyRequest("web1", "r", copy.newest + 1, "", volumes)
    work = replace(work, request=wanted)
    copies.perform(generations.begin(copy, copies.fits(copy, wanted, PLENTY), ["swap"]), work, copy)
    made = Generation(wanted.generation, len(volumes))
    for one in (one for one in volumes if one.files):
        store.write(one.name, "half a tree")
        store.write(one.name, str(made))
    copies.mark_good(work, work.read_copy())
    copies.perform(generations.finish(work.read_copy()), work, work.read_copy())
    return made


def killed_at_each_change(monkeypatch: pytest.MonkeyPatch, before: Store, sizes: dict[str, int]) -> list[Store]:
    """Return what a night leaves when it is killed before its first change, its second, and so on; last, not at all."""
    left: list[Store] = []
    while True:
        store = Store(before.disks.values(), left=len(left))
        use(monkeypatch, store)
        left.append(store)
        try:
            made = night(store, sizes)
        except Killed:
            continue
        assert store.best == made and sorted(store.disks) == sorted(f"{name}.copy" for name in sizes)
        return left


def killed_once_more(monkeypatch: pytest.MonkeyPatch, states: Iterable[Store]) -> list[Store]:
    """Return the different states that nights of every kind leave when they begin in these states and are killed."""
    left: dict[frozenset[tuple[object, ...]], Store] = {}
    for before in states:
        for sizes in WANTED:
            *broken, _ = killed_at_each_change(monkeypatch, before, sizes)
            left |= {one.key: one for one in broken}
    return list(left.values())


def test_the_last_good_generation_outlives_kill_upon_kill_whatever_the_nights_want(monkeypatch: pytest.MonkeyPatch) -> None:
    *_, good = killed_at_each_change(monkeypatch, Store(), SAME)
    twice = killed_once_more(monkeypatch, killed_once_more(monkeypatch, [Store(), good]))
    assert len(twice) > 300
    for before in twice:
        store = Store(before.disks.values())
        use(monkeypatch, store)
        assert night(store, SAME) == store.best and sorted(store.disks) == ["disk.copy", "swap.copy"]


def test_a_copy_is_set_back_from_every_state_in_which_a_kill_can_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    *_, good = killed_at_each_change(monkeypatch, Store(), SAME)
    work = Work("web1", "vg0", "dom0a")
    for sizes in WANTED:
        for broken in killed_at_each_change(monkeypatch, good, sizes):
            store = Store(broken.disks.values())
            use(monkeypatch, store)
            copies.perform(generations.finish(work.read_copy()), work, work.read_copy())
            copies.perform(generations.restore(work.read_copy()), work, work.read_copy())
            assert work.read_copy().clean
