"""Jobs beside each other: answers in order, never too many at once, and nothing of them is left, however the run ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processes import lives
from xen_legi.errors import Problem
from xen_legi.workers import each

SLEEPERS = """
import sys
from pathlib import Path
from xen_legi import steps, workers
from xen_legi.run import spawn

def job(name):
    try:
        with spawn(["sleep", "1000"]) as process:
            Path(name).write_text(str(process.pid))
    finally:
        Path(f"{name}.undone").touch()

def main():
    with steps.signals_unwind():
        list(workers.each(job, sys.argv[1:], 2))

main()
"""


def slowly(number: int) -> tuple[int, float, float]:
    began = time.monotonic()
    time.sleep(0.3 - number / 10)
    return number, began, time.monotonic()


def test_answers_come_in_the_order_of_the_items_whoever_ends_first() -> None:
    assert [answer[0] for answer in each(slowly, range(3), 3) if not isinstance(answer, Problem)] == [0, 1, 2]


@pytest.mark.parametrize("at_once, most", [(1, 1), (2, 2), (9, 4)])
def test_never_more_are_at_work_than_were_asked_for(at_once: int, most: int) -> None:
    spans = [answer[1:] for answer in each(slowly, [0] * 4, at_once) if not isinstance(answer, Problem)]
    assert len(spans) == 4
    together = [sum(began <= moment < ended for began, ended in spans) for moment, _ in spans]
    assert max(together) == most


def test_who_waits_long_is_told_also_for_a_single_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xen_legi.workers._LATE", 0.05)
    told: list[int] = []
    assert len(list(each(slowly, [0], 16, lambda: told.append(1)))) == 1
    assert told


def test_a_worker_that_dies_is_a_problem_and_the_others_go_on() -> None:
    def job(number: int) -> int:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    first, second, third = each(job, [0, 1, 2], 2)
    assert (first, third) == (0, 2)
    assert isinstance(second, Problem) and second.message == "its process ended with signal 9"


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", list[Path]]]:
    names = [tmp_path / "one", tmp_path / "two"]
    run = subprocess.Popen([sys.executable, "-c", SLEEPERS, *map(str, names)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: all(name.exists() and name.read_text() for name in names))
        yield run, names
    finally:
        run.kill()
        run.wait()


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def gone(names: list[Path]) -> bool:
    """Tell whether the commands whose numbers stand in these files have ended."""
    return not any(lives(int(name.read_text())) for name in names)


def test_a_signal_ends_all_of_them_in_order(sleepers: tuple["subprocess.Popen[bytes]", list[Path]]) -> None:
    run, names = sleepers
    run.terminate()
    run.wait(20)
    assert gone(names) and all(Path(f"{name}.undone").exists() for name in names)


def test_sigkill_to_the_run_leaves_none_of_them(sleepers: tuple["subprocess.Popen[bytes]", list[Path]]) -> None:
    run, names = sleepers
    run.kill()
    run.wait(20)
    until(lambda: gone(names))


def test_the_point_at_which_a_run_is_killed_kills_all_of_it(tmp_path: Path) -> None:
    text = SLEEPERS.replace('with spawn', 'steps.named_point("here")\n        with spawn')
    environment = {**os.environ, "XEN_LEGI_KILL_AT": "here"}
    ended = subprocess.run([sys.executable, "-c", text, tmp_path / "one", tmp_path / "two"], env=environment, timeout=20)
    assert ended.returncode == -signal.SIGKILL
