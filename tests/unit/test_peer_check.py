"""peer check without a name: what several peers said, put together. The questions themselves are asked in the lab."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

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
    assert said.err.splitlines() == [f"xen-legi: warning: {name} cannot be reached" for name in silent]


def test_json_has_the_silent_peers_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, ["dom0c"], as_json=True) == 3
    assert json.loads(capsys.readouterr().out) == {
        "dom0b": FACTS, "dom0c": {"problem": "dom0c cannot be reached", "hint": "is it up?"}}


def test_without_a_peer_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="sends to no peer"):
        check(monkeypatch, [], names="")
