"""Every domU that a host can know of: those whose copies it has, and those that its peers tell."""

import json
import shlex
from pathlib import Path

import pytest

from xen_legi.backup import commit, destination, everywhere, receive, state
from xen_legi.backup.destination import Destination
from xen_legi.domu import claims, config
from xen_legi.domu.claims import Claim
from xen_legi.peers import book
from xen_legi.peers.book import Peer
from xen_legi.peers.words import Order
from xen_legi.storage.lvm import Volume

MAC, IP = "00:16:3E:48:12:34", "192.168.72.11"
HERE = state.host()
FILE = f"name = 'web1'\nvif = ['mac={MAC.lower()},ip={IP}']\n"


def copied(source: str, group: str = "vg0", tag: str = "xen-legi.copy", domu: str = "web1") -> Volume:
    said = {tag, f"xen-legi.domu={domu}", f"xen-legi.from={source}", f"xen-legi.volume={domu}-disk"}
    return Volume(group, f"{domu}-disk.copy", 1, "-wi-a-----", frozenset(said), "", "", group, True, False, False, None)


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the copies' files, with one of web1 in vg0."""
    monkeypatch.setattr(commit, "CONFIGS", tmp_path)
    (tmp_path / "vg0").mkdir()
    (tmp_path / "vg0/web1.cfg").write_text(FILE)
    return tmp_path


def test_a_copy_of_another_hosts_domu_tells_what_that_has(configs: Path) -> None:
    (one,) = everywhere.copied([copied("dom0b")])
    assert (one.name, one.macs, one.addresses, one.host) == ("web1", {MAC}, {IP}, "dom0b")
    assert one.where == "on dom0b, and its copy is here, in vg0" and "manual-recovery.md" in one.hint


@pytest.mark.parametrize("text", ["", "name = ", "\udcff = ["])
def test_a_copy_whose_file_is_not_there_or_cannot_be_read_tells_its_name(text: str, configs: Path) -> None:
    (configs / "vg0/web1.cfg").write_text(text, errors="surrogateescape")
    assert [(one.name, one.macs) for one in everywhere.copied([copied("dom0b")])] == [("web1", frozenset())]
    (configs / "vg0/web1.cfg").unlink()
    assert [one.name for one in everywhere.copied([copied("dom0b")])] == ["web1"]


@pytest.mark.parametrize("volumes", [
    [],  # the file alone is left of a copy that was removed by hand
    [copied(HERE)],  # of a domU of this host, in another group
    [copied("dom0b", tag="xen-legi.promoted")],  # it is a domU of this host now, with a file in /etc/xen
    [copied("dom0b", tag="xen-legi.promoted"), copied("dom0b", "vg1")],  # and has an older copy
    [copied("", tag="xen-legi.copy")],
])
def test_what_is_a_domu_of_this_host_or_nobodys_is_not_told(volumes: list[Volume], configs: Path) -> None:
    assert everywhere.copied(volumes) == []


def test_a_copy_of_a_third_host_is_told_beside_one_that_was_promoted(configs: Path) -> None:
    known = everywhere.copied([copied("dom0b", tag="xen-legi.promoted"), copied("dom0c", "vg1")])
    assert [(one.name, one.host) for one in known] == [("web1", "dom0c")]


def peers(monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Let these be the peers, each of which answers by a shell script; $0 is its name, $1 the verb."""
    monkeypatch.setattr(book, "all_peers", lambda: [Peer(name, name, Path("/nowhere")) for name in scripts])
    monkeypatch.setattr(destination, "remote",
                        lambda peer: Destination(peer.name, ("sh", "-c", scripts[peer.name]), local=False))


def says(answer: object) -> str:
    return f"echo {shlex.quote(json.dumps(answer))}"


GOOD = says({"domus": [{"name": "www", "macs": [MAC], "addresses": [IP]}]})
WWW = Claim("www", frozenset({MAC}), frozenset({IP}), "on dom0b", host="dom0b")
OLD = says({"problem": "refused: 'domus' is none of status, domu", "hint": ""}) + "; exit 2"


def test_without_peers_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(everywhere, "ask_all", None)
    peers(monkeypatch)
    assert everywhere.with_peers([WWW]) == [WWW] and capsys.readouterr().err == ""


def test_what_a_peer_tells_is_taken_with_what_is_known_here(monkeypatch: pytest.MonkeyPatch) -> None:
    peers(monkeypatch, dom0b=f'test "$*" = domus && {GOOD}')
    copy = Claim("www", where="on dom0b, and its copy is here, in vg0", host="dom0b")  # older than what its host tells
    other = Claim("www", where="on dom0c, and its copy is here, in vg1", host="dom0c")
    assert everywhere.with_peers([copy, other, Claim("stray")]) == [other, Claim("stray"), WWW]


@pytest.mark.parametrize("script, said", [
    ("echo 'ssh: connect to host dom0c port 22: No route to host.' >&2; exit 255",
     "dom0c cannot be reached: connect to host dom0c port 22: No route to host"),
    (OLD, "dom0c has an older xen-legi, which does not tell its domUs"),
    (says({"problem": "\x1b[2Jno", "hint": ""}), "dom0c: ?[2Jno"),
    ("exit 1", "dom0c: no answer"),
    (says({"domus": [{"name": "x"}]}), "dom0c answered what is not known here: ValueError('no domU')"),
    (says({}), "dom0c answered what is not known here: KeyError('domus')"),
    ("head -c 400000 /dev/zero | tr '\\0' '['", "dom0c answered what is not known here: RecursionError("),
    ("exec head -c 5000000 /dev/zero", "dom0c: sh printed more than 4194304 bytes and was ended"),
    ("exec head -c 5000000 /dev/zero >&2", "dom0c: sh printed more than 4194304 bytes and was ended"),
])
def test_a_peer_that_does_not_tell_is_named_and_keeps_nobody_waiting(
    script: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peers(monkeypatch, dom0b=GOOD, dom0c=script)
    assert everywhere.with_peers([]) == [WWW]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"xen-legi: warning: {said}") and line.endswith("may have the same name, MAC or address")


def test_a_peer_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(everywhere, "_TIMEOUT", 1)
    peers(monkeypatch, dom0b=GOOD, dom0c="exec sleep 60", dom0d="exec sleep 60 >&- 2>&-")
    assert everywhere.with_peers([]) == [WWW]
    first, second = capsys.readouterr().err.splitlines()
    assert "dom0c cannot be reached: no answer within 1 seconds" in first and "dom0d cannot be reached" in second


def test_the_receiver_tells_of_its_domus_and_cards_and_not_of_its_copies(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claims, "run_json", lambda argv: [{"address": "52:54:00:00:00:01"}])
    monkeypatch.setattr(config, "all_domus", lambda: [config.parse(FILE.replace("web1", "www"), Path("/etc/xen/www.cfg"))])
    assert receive._domus(receive.Caller("dom0a", "vg0", local=False), Order("domus", ())) == 0
    heard = claims.understood(json.loads(capsys.readouterr().out)["domus"], "dom0b")
    assert [(one.name, one.macs) for one in heard] == [("www", {MAC}), ("Domain-0", {"52:54:00:00:00:01"})]
