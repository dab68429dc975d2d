"""A copy whose connection broke is tried again, as a run of its own; what else goes wrong is not."""

from pathlib import Path
from typing import Any

import pytest
from xen_legi import steps
from xen_legi.backup import destination, job, nightly, report, send
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Options, Receiver, Transfer
from xen_legi.backup.request import CopyRequest
from xen_legi.backup.send import Sent
from xen_legi.backup.tasks import Task
from xen_legi.backup.unreadable import NotCopied
from xen_legi.config import Config
from xen_legi.domu import config
from xen_legi.errors import CommandFailed, Lost, Problem
from xen_legi.peers.book import Peer
from xen_legi.storage import namespace

DOM0B, DOM0C = (destination.remote(Peer(name, "10.0.0.2")) for name in ("dom0b", "dom0c"))
WEB1 = config.parse("name = 'web1'\nmemory = 1\n", Path("web1.cfg"))


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The orders that the receiver got."""
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    given: list[tuple[str, ...]] = []

    def call(where: Destination, verb: str, *words: str, **more: Any) -> dict[str, Any]:
        given.append((verb, *words))
        return {"missing": [], "warnings": []}

    monkeypatch.setattr(Destination, "call", call)
    monkeypatch.setattr(job, "COUNTERS", tmp_path)
    monkeypatch.setattr(job, "PAUSE", 0)
    return given


def copy(monkeypatch: pytest.MonkeyPatch, retries: int, *ends: Problem | None) -> report.Row:
    left = iter(ends)

    def transfer(where: Destination, what: Transfer, unsure: set[str]) -> Sent:
        if end := next(left):
            raise end
        return Sent(1, 1, 0, 1)

    monkeypatch.setattr(job, "_transfer", transfer)
    monkeypatch.setattr(job, "_prove", lambda made: 0.0)
    wanted = CopyRequest("web1", "r1", 7, WEB1.text, ())
    return job._to_one(Receiver(DOM0B, {}), Transfer(wanted, {}, [], 0, Options("r1", retries=retries)))


BROKE = Lost("the connection broke")


def test_the_second_try_is_another_run_with_the_next_number(
    monkeypatch: pytest.MonkeyPatch, orders: list[tuple[str, ...]], tmp_path: Path
) -> None:
    row = copy(monkeypatch, 1, BROKE, None)
    assert (row.state, row.generation) == (report.GOOD, 8)
    assert orders == [("begin", "web1"), ("abort", "web1", "r1"), ("begin", "web1"), ("commit", "web1", "r1-2")]
    assert (tmp_path / "web1").read_text() == "8\n"


@pytest.mark.parametrize("retries, ends", [(0, [BROKE]), (1, [BROKE, BROKE]), (2, [BROKE, Problem("no room")]),
                                           (3, [Problem("no room")])])
def test_tries_are_counted_and_what_is_no_broken_connection_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, orders: list[tuple[str, ...]], retries: int, ends: list[Problem]
) -> None:
    row = copy(monkeypatch, retries, *ends)
    said = list(dict.fromkeys(one.message for one in ends))
    assert (row.state, row.message) == (report.FAILED, "; tried again: ".join(said))
    assert [verb for verb, *_ in orders] == ["begin", "abort"] * len(ends)


def test_a_number_that_is_kept_is_never_replaced_by_a_lower_one(orders: list[object], tmp_path: Path) -> None:
    for number in (9, 8):
        job._count("web1", number)
    assert (tmp_path / "web1").read_text() == "9\n"


@pytest.mark.parametrize("status, lost", [
    (255, True), (12, True), (30, True), (10, True), (35, True), (23, False), (25, False), (11, False)])
def test_rsync_tells_a_broken_connection_from_everything_else(status: int, lost: bool) -> None:
    failed = CommandFailed(("rsync",), status, "Connection reset by peer")
    assert isinstance(send.problem(failed, DOM0B, "web1-disk", []), Lost) == lost
    assert not isinstance(send.problem(failed, destination.local("vg1"), "web1-disk", []), Lost)


def test_a_connection_that_broke_is_not_explained_by_the_last_line_of_the_progress() -> None:
    said = "        393,216   0%  326.83kB/s    0:02:36  \n        400,000   1%  326.83kB/s    0:02:30  \n"
    failed = CommandFailed(("rsync",), 255, f"{said}rsync error: unexplained error (code 255) at rsync.c(716)\n")
    assert send.problem(failed, DOM0B, "web1-disk", []).message == "dom0b cannot be reached: no answer"
    broke = CommandFailed(("rsync",), 255, f"Connection to dom0b closed by remote host.\n{said}")
    assert "closed by remote host" in send.problem(broke, DOM0B, "web1-disk", []).message


@pytest.mark.parametrize("said, lost", [("Connection timed out", True), ("x\nHost key verification failed.\n", False),
                                        ("Permission denied (publickey).", False)])
def test_a_key_that_is_refused_will_be_refused_again(said: str, lost: bool) -> None:
    assert isinstance(destination.unreachable("dom0b", said), Lost) == lost


def test_a_domu_that_goes_nowhere_is_a_failed_row_and_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "enter", lambda: None)
    broken = Task(WEB1, Config(), (), Problem("its file is wrong"))
    for asked in ([Receiver(DOM0B, {})], [Receiver(DOM0B, {}, Problem("down"))]):
        work = [Task(WEB1, Config(window="1:00-2:00"), ()), broken]
        rows = nightly.run(work, [], asked, Options("r1", windows=True))
        said = {"no destination is set for it", "its file is wrong"}
        assert len(rows) == 2 and {row.message for row in rows if row.state == "failed"} == said


def test_what_cannot_be_read_has_a_row_for_each_usual_destination_and_one_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace, "enter", lambda: None)
    unread = [NotCopied("odd1", "/etc/xen/odd1.cfg cannot be read", "")]
    for usual, where in ((("dom0b",), ["dom0b"]), ((), ["-"])):
        rows = nightly.run([], unread, [Receiver(DOM0B, {}), Receiver(DOM0C, {})], Options("r1", usual=usual))
        assert [(row.domu, row.destination) for row in rows] == [("odd1", one) for one in where]


def test_who_cannot_be_reached_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([Lost("no route"), Problem("bad key"), None])
    monkeypatch.setattr(job, "PAUSE", 0)
    monkeypatch.setattr(nightly, "reap", lambda: None)
    monkeypatch.setattr(nightly, "ask", lambda where: Receiver(where, {}, next(said)))
    first, second = nightly.receivers([DOM0B, DOM0C], retries=1)
    assert first.problem is None and second.problem and second.problem.message == "bad key"


def test_outside_of_its_window_a_domu_waits_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "enter", lambda: None)
    monkeypatch.setattr("xen_legi.window.is_open", lambda text, now: not text)
    work = [Task(WEB1, Config(window="1:00-2:00"), ("dom0b",))]
    rows = nightly.run(work, [], [Receiver(DOM0B, {})], Options("r1", windows=True))
    assert [(row.state, row.message) for row in rows] == [("later", "not within its window, 1:00-2:00")]
    assert report.subject(rows) == "OK: 0 of 1 copies are good, later: web1 to dom0b"
    assert "later" in report.text(rows, "dom0a", 1) and "LATER" not in report.text(rows, "dom0a", 1)
