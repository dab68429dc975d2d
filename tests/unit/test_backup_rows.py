"""A copy that is made stays made in the report, whatever goes wrong after it or beside it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xen_legi import steps
from xen_legi.backup import destination, ghost, job, nightly, plan, report, send
from xen_legi.backup.destination import Destination
from xen_legi.backup.ghost import Ghost
from xen_legi.backup.job import Options, Receiver
from xen_legi.backup.request import CopyRequest
from xen_legi.backup.tasks import Task
from xen_legi.config import Config
from xen_legi.domu import config
from xen_legi.errors import CommandFailed, Problem
from xen_legi.peers.book import Peer
from xen_legi.storage import lvm, namespace
from xen_legi.storage.lvm import Volume

DOM0B, DOM0C = (destination.remote(Peer(name, "10.0.0.2")) for name in ("dom0b", "dom0c"))
WEB1 = config.parse("name = 'web1'\nmemory = 1\n", Path("web1.cfg"))
OPTIONS = Options("r1", "20%")
BUSY = CommandFailed(("umount", "/run/x"), 32, "target is busy")
DISK = Volume("vg0", "web1-disk", 1 << 20, "-wi-ao----", frozenset(), "", "", "u", True, True, False, None)


@pytest.mark.parametrize("error", [BUSY, OSError(16, "target is busy")])
@pytest.mark.parametrize("asked, states", [([DOM0B], ["good"]), ([DOM0B, DOM0C], ["good", "failed"])])
def test_a_copy_that_is_made_is_good_though_the_clean_up_failed(
    asked: list[Destination], states: list[str], error: Exception,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    def back_up(*what: object) -> Iterator[report.Row]:
        yield report.Row("web1", "dom0b", report.GOOD)
        raise error

    monkeypatch.setattr(namespace, "enter", lambda: None)
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(plan, "examine", lambda one, *how: plan.Domu(one))
    monkeypatch.setattr(job, "back_up", back_up)
    work = [Task(WEB1, Config(), tuple(one.name for one in asked))]
    rows = nightly.run(work, [], [Receiver(one, {}) for one in asked], OPTIONS)
    assert [row.state for row in rows] == states
    warned = "warning: after the copies of web1: " in capsys.readouterr().err
    assert warned == (len(asked) == 1) and all("busy" in row.message for row in rows[1:])


@pytest.mark.parametrize("begin, said", [({}, "dom0b answered"), (OSError(5, "broken"), "broken"), (BUSY, "busy")])
def test_whatever_goes_wrong_with_one_receiver_is_its_own_row_and_given_up_there(
    begin: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs: list[str] = []

    def call(where: Destination, verb: str, *words: str, **more: object) -> dict[str, Any]:
        verbs.append(verb)
        if isinstance(begin, Exception) and verb == "begin":
            raise begin
        return {}

    monkeypatch.setattr(Destination, "call", call)
    monkeypatch.setattr(send, "send", lambda *words, **more: pytest.fail("something is sent"))
    wanted = CopyRequest("web1", "r1", 1, WEB1.text, ())
    row = job._to_one(Receiver(DOM0B, {}), job.Transfer(wanted, {}, [], 0, OPTIONS))
    assert (row.state, verbs) == ("failed", ["begin", "abort"]) and said in row.message


def test_what_cannot_be_unmounted_says_so_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str], **more: object) -> None:
        if argv[0] == "umount":
            raise BUSY
        Path(argv[-1]).joinpath("etc").mkdir()

    monkeypatch.setattr(namespace, "PLACE", tmp_path)
    monkeypatch.setattr(namespace, "run", run)
    monkeypatch.setattr(namespace, "check", lambda place: None)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)
    with pytest.raises(CommandFailed, match="target is busy"), namespace.mounted(Path("/dev/vg0/web1-disk"), "ext4"):
        pass


def test_a_ghost_that_cannot_be_looked_for_keeps_nobody_from_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(group: str, name: str) -> None:
        raise Problem("lvs answered without a list of lvs")

    monkeypatch.setattr(lvm, "find", find)
    one = Ghost(DISK, "web1-disk.ghost-r1")
    ghost._remove(one.origin.group, one.name)
    assert "vg0/web1-disk.ghost-r1 could not be removed" in capsys.readouterr().err


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Volume]:
    """A ghost that a killed run has left on this host."""
    tags = frozenset({"xen-legi", ghost.GHOST_TAG, "xen-legi.domu=web1"})
    found = [replace(DISK, name="web1-disk.ghost-r0", origin="web1-disk", uuid="u0", tags=tags)]
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    monkeypatch.setattr(lvm, "volumes", lambda select="": list(found))
    monkeypatch.setattr(lvm, "remove", lambda group, name: found.clear())
    return found


def test_a_ghost_that_was_left_is_removed_unless_a_run_uses_it(left: list[Volume]) -> None:
    with steps.lock(ghost.lock_name("web1"), what="web1"):
        assert ghost.reap() == [] and left
    assert ghost.reap() == ["vg0/web1-disk.ghost-r0"] and not left


def test_a_ghost_that_could_not_be_removed_is_not_called_removed(
    left: list[Volume], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(group: str, name: str) -> None:
        raise BUSY

    monkeypatch.setattr(lvm, "remove", remove)
    assert ghost.reap() == []
    assert "could not be removed" in capsys.readouterr().err


def test_lvm2_that_does_not_answer_is_told_while_ghosts_are_looked_for(
    left: list[Volume], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([list(left)])

    def volumes(select: str = "") -> list[Volume]:
        for one in answers:
            return one
        raise CommandFailed(("lvs",), -15, "no answer within 120 seconds")

    monkeypatch.setattr(lvm, "volumes", volumes)
    nightly.reap()
    assert "no answer within 120 seconds" in capsys.readouterr().err
