"""Which of several copies is promoted, and what the other dom0s have to say first."""

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from xen_legi.backup import elsewhere, generations, promote, state
from xen_legi.domu import config, xl
from xen_legi.errors import Problem
from xen_legi.peers import book
from xen_legi.peers.book import Peer
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume


def a_copy(group: str, source: str, generation: int, then: int, tag: str = "xen-legi.copy") -> Volume:
    said = {tag, "xen-legi.domu=web1", f"xen-legi.from={source}", "xen-legi.volume=web1-disk", f"xen-legi.time={then}"}
    made = {f"xen-legi.generation={generation}/1"} if generation else set()
    return Volume(group, "web1-disk.copy", 1, "-wi-a-----", frozenset(said | made), "", "", group, True, False, False, None)


@pytest.mark.parametrize("homeward", [
    a_copy("vg0", "dom0b", 1, 2_000),  # the newest of all, though each host counts from one
    a_copy("vg0", "dom0b", 0, 0),  # its first run was cut off
    a_copy("vg0", "dom0b", 1, 2_000, "xen-legi.promoted"),
])
def test_copies_of_several_hosts_are_not_chosen_from_by_their_generations(
    monkeypatch: pytest.MonkeyPatch, homeward: Volume
) -> None:
    monkeypatch.setattr(lvm, "volumes", lambda select="": [a_copy("vg1", "dom0a", 30, 1_000), homeward])
    with pytest.raises(Problem, match="web1 has copies of several hosts here: .*dom0[ab].*; .*dom0[ab]") as caught:
        promote.choose("web1")
    assert "--group" in caught.value.hint
    assert promote.choose("web1", "vg1").source == "dom0a"


def test_of_several_copies_of_one_host_the_newest_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [a_copy("vg1", "dom0a", 30, 9_000), a_copy("vg0", "dom0a", 31, 8_000)]
    monkeypatch.setattr(lvm, "volumes", lambda select="": both)
    assert promote.choose("web1").group == "vg0"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...] | None]:
    """What each peer says of web1: whether it runs there and has a file there; None: it does not answer."""
    said: dict[str, tuple[Any, ...] | None] = {"dom0b": (False, False), "dom0c": (False, False)}

    def ask(peer: Peer, domu: str) -> elsewhere.Said:
        if (answer := said[peer.name]) is None:
            return elsewhere.Said(peer.name, problem=f"{peer.name} cannot be reached")
        return elsewhere.Said(peer.name, *answer)

    def known(directory: Path = Path()) -> list[Peer]:
        return [Peer(name, name, directory) for name in said]

    monkeypatch.setattr(elsewhere, "_said", ask)
    monkeypatch.setattr(book, "all_peers", known)
    monkeypatch.setattr(book, "find", lambda name: next((one for one in known() if one.name == name), None))
    monkeypatch.setattr(xl, "stays", lambda name: False)
    monkeypatch.setattr(config, "find", lambda name: None)
    return said


@pytest.mark.parametrize("source", [state.host(), "dom0b"])
def test_a_copy_is_not_promoted_while_the_domu_runs_on_any_peer(
    source: str, peers: dict[str, tuple[Any, ...] | None]
) -> None:
    copy = generations.copies([a_copy("vg1", source, 30, 1_000)])["vg1", "web1"]
    promote.check(copy, force_dead=False)
    peers["dom0c"] = (True, False)  # where another of its copies was promoted
    with pytest.raises(Problem, match="web1 runs on dom0c"):
        promote.check(copy, force_dead=True)


def test_a_peer_that_does_not_answer_stops_only_the_promotion_of_its_own_domus(
    peers: dict[str, tuple[Any, ...] | None], capsys: pytest.CaptureFixture[str]
) -> None:
    copy = generations.copies([a_copy("vg1", "dom0b", 30, 1_000)])["vg1", "web1"]
    peers.update(dom0b=(False, True), dom0c=None)
    assert promote.check(copy, force_dead=False) is elsewhere.OwnHost.HAS_IT
    peers.update(dom0b=(False, True, state.host()))
    assert promote.check(copy, force_dead=False) is elsewhere.OwnHost.PROMOTED
    peers.update(dom0b=(False, True, "dom0d"))
    assert promote.check(copy, force_dead=False) is elsewhere.OwnHost.HAS_IT
    peers.update(dom0b=(False, False), dom0c=(False, False))
    assert promote.check(copy, force_dead=False) is elsewhere.OwnHost.PUT_AWAY
    peers.update(dom0b=None, dom0c=(False, False))
    capsys.readouterr()
    with pytest.raises(Problem, match="dom0b cannot be reached"):
        promote.check(copy, force_dead=False)
    assert capsys.readouterr().err == ""  # a refusal is one line and its hint
    assert promote.check(copy, force_dead=True) is elsewhere.OwnHost.SILENT


@pytest.mark.parametrize("source", [state.host(), "dom0b"])
def test_where_its_own_host_has_lost_the_domu_every_other_must_answer(
    source: str, peers: dict[str, tuple[Any, ...] | None]
) -> None:
    copy = generations.copies([a_copy("vg1", source, 30, 1_000)])["vg1", "web1"]
    peers["dom0c"] = None  # it may have moved there
    with pytest.raises(Problem, match="it may have moved to dom0c, which cannot be asked") as caught:
        promote.check(copy, force_dead=False)
    assert "--force-dead" in caught.value.hint
    promote.check(copy, force_dead=True)


def test_a_copy_on_the_domus_own_host_is_not_started_while_the_domu_runs_elsewhere(
    peers: dict[str, tuple[Any, ...] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = generations.copies([a_copy("vg1", state.host(), 30, 1_000)])["vg1", "web1"]
    monkeypatch.setattr(config, "find", lambda name: config.parse("name = 'web1'\nmemory = 1\n", Path("web1.cfg")))
    promote.check(copy, force_dead=False)
    peers["dom0b"] = (True, True)  # this host was lost and has come back
    with pytest.raises(Problem, match="web1 runs on dom0b"):
        promote.check(copy, force_dead=True)


def test_what_is_said_of_a_copy_that_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lvm, "volumes", lambda select="": [a_copy("vg1", "dom0a", 30, 1_000)])
    with pytest.raises(Problem, match="no copy of 'web1' in vg0") as caught:
        promote.choose("web1", "vg0")
    assert "web1 in vg1" in caught.value.hint
    monkeypatch.setattr(lvm, "volumes", lambda select="": [a_copy("vg1", "dom0a", 0, 0, "xen-legi.promoted")])
    with pytest.raises(Problem, match="was promoted here before"):  # by hand: it bears no generation
        promote.choose("web1")


def test_the_peers_are_asked_beside_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    together = get_context("fork").Barrier(3)

    def meet(peer: Peer, domu: str) -> elsewhere.Said:
        together.wait(5)  # raises if the others are asked later only
        return elsewhere.Said(peer.name)

    monkeypatch.setattr(elsewhere, "_said", meet)
    monkeypatch.setattr(book, "all_peers", lambda: [Peer(name, name, Path()) for name in ("dom0b", "dom0c", "dom0d")])
    elsewhere.need_off_everywhere("web1", defined=True, force_dead=False)
    assert "make sure" not in capsys.readouterr().err


def test_a_promotion_that_was_done_long_ago_is_not_done_again(peers: dict[str, tuple[Any, ...] | None]) -> None:
    done = a_copy("vg1", "dom0b", 30, 1_000, "xen-legi.promoted")
    promote.check(generations.copies([done])["vg1", "web1"], force_dead=False)  # it was cut off
    done = replace(done, tags=done.tags | {"xen-legi.started"})
    with pytest.raises(Problem, match="was promoted here before") as caught:
        promote.check(generations.copies([done])["vg1", "web1"], force_dead=False)
    assert "xen-legi start web1" in caught.value.hint and "--undo" in caught.value.hint


@pytest.mark.parametrize("answer, why", [((False, False), "may be the only one"), (None, "cannot be reached")])
def test_the_only_domu_of_that_name_does_not_become_a_copy(
    answer: tuple[bool, bool] | None, why: str, peers: dict[str, tuple[Any, ...] | None]
) -> None:
    copy = generations.copies([a_copy("vg1", "dom0b", 30, 1_000, "xen-legi.promoted")])["vg1", "web1"]
    peers["dom0b"] = answer
    with pytest.raises(Problem, match=why):
        elsewhere.need_another(copy, force_dead=False)
    elsewhere.need_another(copy, force_dead=True)
    peers["dom0b"] = (False, True)
    elsewhere.need_another(copy, force_dead=False)


def test_who_runs_a_domu_is_asked_of_these_peers_alone(peers: dict[str, tuple[Any, ...] | None]) -> None:
    peers.update(dom0b=None, dom0c=(True, True))
    assert elsewhere.runs_at("web1", {"dom0b", "dom0c"}) == "dom0c"
    assert elsewhere.runs_at("web1", {"dom0b"}) == ""
