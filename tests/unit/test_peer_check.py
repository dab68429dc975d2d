"""peer check without a name: what several peers said, put together. The questions themselves are asked in the lab."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from xen_legi.backup import overview
from xen_legi.backup.destination import Destination
from xen_legi.cli import peer
from xen_legi.errors import Problem
from xen_legi.peers.book import Peer

FACTS = {"host": "", "version": "0.1.0", "rsync": "3.5.0", "free": 1 << 30, "size": 2 << 30, "group": "vg0"}


def check(monkeypatch: pytest.MonkeyPatch, silent: list[str], *, as_json: bool = False, names: str = "dom0b dom0c") -> int:
    """Ask peers of these names, of which some say nothing; return the exit status."""
    def asked(one: Peer) -> dict[str, Any] | Problem:
        return Problem(f"{one.name} cannot be reached", hint="is it up?") if one.name in silent else FACTS

    monkeypatch.setattr(peer.book, "all_peers", lambda: [Peer(name, name, Path("/nowhere")) for name in names.split()])
    monkeypatch.setattr(peer, "_asked", asked)
    monkeypatch.setattr(peer, "need_root", lambda what: None)
    return peer.main(Namespace(what="check", name="", json=as_json))


@pytest.mark.parametrize("silent, status", [([], 0), (["dom0b"], 3), (["dom0b", "dom0c"], 2)])
def test_each_peer_has_its_line_and_a_silent_one_is_told(
    silent: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, silent) == status
    said = capsys.readouterr()
    answered = [name for name in ("dom0b", "dom0c") if name not in silent]
    assert said.out.splitlines() == [
        f"{name} answers: xen-legi 0.1.0, rsync 3.5.0, 1G of 2G free in vg0" for name in answered]
    assert said.err == "".join(f"xen-legi: warning: {name} cannot be reached\n  hint: is it up?\n" for name in silent)


def test_json_has_the_silent_peers_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, ["dom0c"], as_json=True) == 3
    assert json.loads(capsys.readouterr().out) == {
        "dom0b": FACTS, "dom0c": {"problem": "dom0c cannot be reached", "hint": "is it up?"}}


def test_without_a_peer_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="sends to no peer"):
        check(monkeypatch, [], names="")


def answering(**facts: object) -> Destination:
    """A host whose answer is this, given by a real command."""
    return Destination("dom0b", ("sh", "-c", f"echo '{json.dumps(facts)}'"), local=False)


@pytest.mark.parametrize("facts", [{"version": "9"}, {**FACTS, "host": "dom0b", "free": "much"}])
def test_an_answer_without_a_figure_is_told_and_no_traceback(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer.destination, "remote", lambda one: answering(**facts))
    said = peer._asked(Peer("dom0b", "dom0b", Path("/nowhere")))
    assert isinstance(said, Problem) and "dom0b answered what is not known here" in said.message and "version" in said.hint


@pytest.mark.parametrize("facts", [{"host": "dom0b"}, {"group": "vg0", "copies": ["web1"]}])
def test_the_overview_of_the_copies_tells_it_too(facts: dict[str, Any]) -> None:
    place, = overview.sent([answering(**facts)])
    assert (place.where, place.state) == ("dom0b", "unreachable") and "not known here" in place.problem
