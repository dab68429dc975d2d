"""What changed since the base of a volume: which chunks, which base, and when a receiver's copy is of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xen_legi.backup import base, blocks, commit, copies, generations, job
from xen_legi.backup.base import Delta
from xen_legi.backup.destination import Destination
from xen_legi.backup.generations import Action, Copy, Do
from xen_legi.errors import Problem
from xen_legi.storage.lvm import Volume
from xen_legi.storage.thin import Usage

CHUNK = blocks.CHUNK
STEP = 64 << 10
DISK = Volume("vg0", "web1-disk", 8 * CHUNK, "Vwi-a-tz--", frozenset(), "", "pool", "u1", True, False, False, None)


def snapshot(name: str, run: str, *tags: str) -> Volume:
    """A snapshot of the disk with these tags of ours."""
    said = frozenset({"xen-legi", f"xen-legi.run={run}", *tags})
    return replace(DISK, name=name, origin="web1-disk", tags=said, uuid=name)


def of_copy(*tags: str, name: str = "web1-disk.copy") -> Volume:
    """A volume of the copy of web1."""
    said = {"xen-legi", "xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=web1-disk", "xen-legi.from=dom0a"}
    every = frozenset(said | {f"xen-legi.{tag}" for tag in tags})
    return replace(DISK, group="vg1", pool="", name=name, tags=every, uuid=name)


def copy_of(*volumes: Volume) -> Copy:
    """The one copy that these volumes make."""
    (one,) = generations.copies(volumes).values()
    return one


@given(st.lists(st.integers(0, 200), unique=True).map(sorted), st.integers(1, 200 * STEP // 512).map(lambda one: one * 512))
def test_every_byte_that_may_differ_is_in_a_chunk_that_is_sent_once(places: list[int], size: int) -> None:
    found = base.numbers([(one * STEP, STEP) for one in places], size)
    assert list(found) == sorted({one * STEP // CHUNK for one in places} & set(range(blocks.count(size))))


def test_stretches_that_share_a_chunk_name_it_once() -> None:
    assert base.numbers([(0, STEP), (2 * STEP, 3 * STEP), (7 * STEP, STEP)], 8 * CHUNK) == (0, 1)


def test_a_base_is_a_snapshot_of_ours_of_this_volume_and_the_newest_of_two() -> None:
    old, new = (snapshot(f"web1-disk.ghost-{run}", run, "xen-legi.base") for run in ("r1", "r2"))
    others = [replace(new, origin="db1-disk"), replace(new, group="vg1"), replace(new, tags=frozenset({"xen-legi.base"})),
              snapshot("web1-disk.ghost-r3", "r3", "xen-legi.ghost"), replace(new, pool="")]
    assert base.of(DISK, [*others, old]) == old and base.of(DISK, [new, *others, old]) == new
    assert base.of(DISK, others) is None


SAME = ("ghost=u-3/3", "written=b.253:9.100")
GOOD = of_copy("state=good", "generation=3/1", *SAME)
ASIDE = of_copy("state=good", "generation=3/1", *SAME, name="web1-disk.good")
KEEP, DIRTY = Action(Do.KEEP, "web1-disk"), Action(Do.DIRTY, "web1-disk")


@pytest.mark.parametrize("volumes, doings, held", [
    ([GOOD], [KEEP, DIRTY], "u-3"), ([of_copy("state=good", "generation=3/1")], [KEEP, DIRTY], ""),
    ([of_copy("state=good", "generation=3/1", "ghost=u-3/2", SAME[1])], [KEEP, DIRTY], ""),
    ([of_copy("state=good", "generation=3/1", SAME[0], "written=b.253:9.108")], [KEEP, DIRTY], ""),
    ([of_copy("state=good", "generation=3/1", SAME[0])], [KEEP, DIRTY], ""),
    ([GOOD], [Action(Do.SET_ASIDE, "web1-disk"), Action(Do.MAKE, "web1-disk"), DIRTY], ""),
    ([GOOD], [Action(Do.MERGE, "web1-disk"), KEEP, DIRTY], ""),
    ([of_copy("state=dirty", "run=r4", *SAME)], [DIRTY], ""),
    ([of_copy("state=good", "generation=3/1", *SAME, "blocks=begun")], [KEEP, DIRTY], ""),
    ([of_copy("state=dirty", "run=r4"), ASIDE], [DIRTY], ""),
    ([of_copy("state=good", "generation=3/2", *SAME)], [KEEP, DIRTY], ""),
])
def test_a_copy_is_that_of_a_ghost_only_while_it_is_the_good_one_and_nobody_wrote_to_it(
    volumes: list[Volume], doings: list[Action], held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "written", lambda volume: "b.253:9.100")
    assert commit.holds(copy_of(*volumes), "web1-disk", doings) == held
    assert commit.holds(copy_of(*volumes), "web1-other", doings) == ""


def test_of_which_volumes_all_was_read_is_told_with_the_reason() -> None:
    dom0b = Destination("dom0b", (), local=False)
    old = Delta("u3", "r3", why="it had 1G then")
    deltas = {"disk": Delta("u1", "r3", (1,)), "data": Delta("u2", "r3", (2,)), "old": old}
    assert job.whole(dom0b, deltas, {"disk": "u1", "data": "u1", "old": "u3"}) == [  # u1: of the same run, of another volume
        "all of data was compared: dom0b does not vouch for the copy of r3", "all of old was compared: it had 1G then",
    ]
    assert job.whole(dom0b, deltas, {})[0] == "all of disk was compared: dom0b does not vouch for the copy of r3"
    assert job.whole(dom0b, {}, {}) == []


def test_a_ghost_that_has_no_base_is_not_asked_for() -> None:
    from xen_legi.backup.ghost import Ghost

    volumes = [DISK, snapshot("web1-disk.ghost-r4", "r4", "xen-legi.ghost")]
    assert base.deltas({"web1-disk": Ghost(DISK, "web1-disk.ghost-r4")}, volumes) == {}
    assert base.deltas({"web1-disk": Ghost(replace(DISK, pool=""), "web1-disk.ghost-r4")}, volumes) == {}


def test_a_ghost_is_named_by_what_stays_when_its_names_change() -> None:
    from xen_legi.backup.ghost import Ghost
    from xen_legi.backup.request import CopyRequest, VolumeRequest
    from xen_legi.storage.identity import Identity

    disk = VolumeRequest("web1-disk", "/dev/vg0/web1-disk", 512, Identity("raw", "", ""))
    wanted = CopyRequest("web1", "r4", 4, "x", (disk,))
    volumes = [DISK, replace(snapshot("web1-disk.ghost-r4", "r4", "xen-legi.ghost"), uuid="u-4")]
    made = {"web1-disk": Ghost(DISK, "web1-disk.ghost-r4")}
    assert [one.ghost for one in base.named(wanted, made, volumes).volumes] == ["u-4"]
    thick = {"web1-disk": Ghost(replace(DISK, pool=""), "web1-disk.ghost-r4")}
    assert base.named(wanted, thick, volumes) == wanted


@pytest.mark.parametrize("more, why", [
    ({"origin": ""}, "is gone"), ({}, "is full to 85 %"),
    ({"tags": frozenset({"xen-legi", "xen-legi.base", "xen-legi.run=20200101-000000-a"})}, "for 4 days"),
])
def test_a_base_that_is_of_no_use_or_in_the_way_goes(
    more: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base.thin, "usage", lambda group, pool: Usage(85.0, 10.0, 0))
    one = snapshot("web1-disk.base", "29991231-235959-abcdef", "xen-legi.base")
    assert why in base._useless(replace(one, **more), 80)
    assert base._useless(one, 90) == ""


@pytest.mark.parametrize("error", [KeyError("begin"), OSError(28, "No space left"), ValueError("x"), Problem("busy")])
def test_whatever_goes_wrong_with_a_table_all_is_compared(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from xen_legi.backup.ghost import Ghost

    def differing(older: Volume, newer: Volume) -> list[tuple[int, int]]:
        raise error

    monkeypatch.setattr(base.thin, "differing", differing)
    older = replace(snapshot("web1-disk.base", "r3", "xen-legi.base"), uuid="u-3")
    volumes = [DISK, older, snapshot("web1-disk.ghost-r4", "r4", "xen-legi.ghost")]
    (found,) = base.deltas({"web1-disk": Ghost(DISK, "web1-disk.ghost-r4")}, volumes).values()
    assert (found.ghost, found.numbers) == ("u-3", ()) and found.why


def test_a_base_of_another_size_says_why_all_is_compared() -> None:
    from xen_legi.backup.ghost import Ghost

    older = replace(snapshot("web1-disk.base", "r3", "xen-legi.base"), size=4 * CHUNK)
    volumes = [DISK, older, snapshot("web1-disk.ghost-r4", "r4", "xen-legi.ghost")]
    found = base.deltas({"web1-disk": Ghost(DISK, "web1-disk.ghost-r4")}, volumes)
    assert found == {"web1-disk": Delta("web1-disk.base", "r3", why="it had 1M then")}


def test_a_deleted_domu_takes_the_bases_of_its_volumes_along() -> None:
    from xen_legi.domu import config, removal

    domu = config.parse("name = 'web1'\ndisk = ['phy:/dev/vg0/web1-disk,xvda,w']\n", Path("/etc/xen/web1.cfg"))
    mine, other = snapshot("web1-disk.base", "r3", "xen-legi.base"), snapshot("web1-disk.mine", "r3")
    going = removal.removal(domu, [domu], [DISK, mine, other], [])
    assert ([one.name for one in going.volumes], [one.name for one in going.bases]) == (["web1-disk"], ["web1-disk.base"])
    assert "/dev/vg0/web1-disk.base" in going.described()
