"""How much of a domU may be lost or changed before a person has to look."""

from pathlib import Path
from typing import Any

import pytest
from xen_legi.backup import commit, copies, generations, tripwire
from xen_legi.backup.copies import Work
from xen_legi.backup.destination import Destination
from xen_legi.backup.request import CopyRequest
from xen_legi.backup.send import Sent
from xen_legi.errors import Problem
from xen_legi.storage.lvm import Group, Volume

DOM0B = Destination("dom0b", (), local=False)


def wanted(*, allow: bool = False) -> CopyRequest:
    """A run of web1."""
    return CopyRequest("web1", "r4", 4, "name = 'web1'", (), allow_deletes=allow)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The orders that are given; an older receiver refuses them all."""
    given: list[tuple[str, ...]] = []

    def call(where: Destination, verb: str, *words: str, **more: Any) -> dict[str, Any]:
        given.append((verb, *words))
        raise Problem("refused: 'reject' is none of ...")

    monkeypatch.setattr(Destination, "call", call)
    return given


@pytest.mark.parametrize("files, changed, allow", [
    (999, 999, False), (1500, 1000, False), (20000, 10000, False), (20000, 20000, True), (0, 0, False), (3000, 2900, False),
])
def test_what_is_usual_or_allowed_is_copied(files: int, changed: int, allow: bool, orders: list[tuple[str, ...]]) -> None:
    tripwire.need_usual(DOM0B, wanted(allow=allow), "web1-disk", Sent(files, changed, created=1500 if files == 3000 else 0))
    assert orders == []


@pytest.mark.parametrize("files, changed", [(20000, 10001), (1500, 1001)])
def test_most_files_with_another_content_fail_the_copy_and_the_receiver_goes_back(
    files: int, changed: int, orders: list[tuple[str, ...]]
) -> None:
    said = f"{changed} of {files} files of web1-disk have changed since its last good copy on dom0b"
    with pytest.raises(Problem, match=said) as caught:
        tripwire.need_usual(DOM0B, wanted(), "web1-disk", Sent(files, changed))
    assert orders == [("reject", "web1", "r4")] and "say --allow-deletes" in caught.value.hint


@pytest.mark.parametrize("before, now, allow, refused", [
    (2000, 999, False, True), (2000, 1000, False, False), (999, 1, False, False), (2000, 999, True, False),
])
def test_most_files_that_are_gone_fail_it_before_anything_is_sent(
    before: int, now: int, allow: bool, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tripwire.namespace, "used_inodes", lambda tree: now)
    if not refused:
        return tripwire.need_files("dom0b", wanted(allow=allow), before, [Path("/x")])
    with pytest.raises(Problem, match=f"web1 has {now} files, its last good copy on dom0b has {before}"):
        tripwire.need_files("dom0b", wanted(allow=allow), before, [Path("/x")])


def test_of_disks_without_files_none_are_lost() -> None:
    tripwire.need_files("dom0b", wanted(), 2000, [])


def test_a_run_that_is_rejected_is_over_and_its_copy_is_set_back_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def member(name: str, *tags: str, origin: str = "") -> Volume:
        said = {"xen-legi", "xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=disk", "xen-legi.from=dom0a"}
        every = frozenset(said | {f"xen-legi.{tag}" for tag in tags})
        return Volume("vg0", name, 1 << 30, "owi-a-s---", every, origin, "", name, True, False, False, None)

    tagged: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(copies, "retag", lambda volume, add=(), remove=(): tagged.append((volume.name, list(add))))
    monkeypatch.setattr(commit, "REQUESTS", tmp_path)
    (tmp_path / "vg0").mkdir()
    (tmp_path / "vg0/web1.json").write_text("{}")
    written = member("disk.copy", "state=dirty", "run=r4")
    kept = member("disk.good", "state=good", "generation=3/1", origin="disk.copy")
    (copy,) = generations.copies([written, kept]).values()
    commit.reject(Work("web1", "vg0", "dom0a", wanted()), copy)
    assert tagged == [("disk.copy", [generations.LIMIT_HIT])] and not (tmp_path / "vg0/web1.json").exists()


@pytest.mark.parametrize("volumes, doings, former", [
    (["copy"], ["KEEP", "DIRTY"], True), (["copy", "good"], ["DIRTY"], True),
    (["copy", "good"], ["MERGE", "KEEP", "DIRTY"], True),
    (["copy"], ["DIRTY"], False), (["copy", "aside"], ["DIRTY"], False), ([], ["MAKE", "DIRTY"], False),
    (["copy"], ["SET_ASIDE", "MAKE", "DIRTY"], False),
])
def test_a_volume_that_a_run_made_is_new_until_it_was_good_once(volumes: list[str], doings: list[str], former: bool) -> None:
    names = {"copy": ("disk.copy", ""), "good": ("disk.good", "disk.copy"), "aside": ("disk.good", "")}
    said = frozenset({"xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=disk", "xen-legi.from=dom0a"})
    made = [Volume("vg0", names[one][0], 1, "", said, names[one][1], "", one, True, False, False, None) for one in volumes]
    copy = next(iter(generations.copies(made).values()), generations.Copy("web1", "vg0", "dom0a", {}))
    actions = [generations.Action(generations.Do[one], "disk") for one in doings]
    assert commit._has_former(copy, "disk", actions) == former


def test_what_is_set_back_first_gives_its_room_to_the_next_snapshot() -> None:
    gib = 1 << 30
    said = frozenset({"xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=disk", "xen-legi.from=dom0a"})
    made = [Volume("vg0", "disk.copy", 100 * gib, "owi-a-s---", said, "", "", "u1", True, False, False, None),
            Volume("vg0", "disk.good", 101 * gib, "swi-a-s---", said, "disk.copy", "", "u2", True, False, False, 1.0)]
    (copy,) = generations.copies(made).values()
    do = generations.Do
    actions = [generations.Action(one, "disk") for one in (do.MERGE, do.SETTLE, do.KEEP, do.DIRTY)]
    group = Group("vg0", 300 * gib, 99 * gib, 4 << 20)
    copies.need_space(copy, actions, wanted(), group)
    with pytest.raises(Problem, match="volume group vg0 has 99G free"):
        copies.need_space(copy, actions[2:], wanted(), group)
