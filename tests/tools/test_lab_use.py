"""The lab serves one run at a time: another one is refused before it does anything, and who only looks is not."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HOLD = ". lab/lib/base.sh; hold_lab a-long-run; echo held; "


def environment(place: Path) -> dict[str, str]:
    """A lock of its own: this test may itself be part of a run that holds the real one."""
    return {**{name: value for name, value in os.environ.items() if name != "LAB_HELD"},
            "LAB_LOCK": str(place / "use.lock"), "LAB_CACHE": str(place / "cache")}


def ended(place: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this tree; one that is not refused is ended soon, with all that it has started."""
    with subprocess.Popen(argv, cwd=TOP, env={**environment(place), **more}, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as run:
        try:
            out, err = run.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(argv, run.returncode, out, err)


def need_refusal(place: Path, *argv: str) -> str:
    """The hint of a command that was refused; by then it has made nothing."""
    refused = ended(place, *argv)
    first, hint = refused.stderr.splitlines()
    assert (refused.returncode, refused.stdout) == (2, "") and hint.startswith("hint: ")
    assert first == "lab: the lab is in use by a-long-run"
    assert [path.name for path in place.iterdir()] == ["use.lock"]
    return hint


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[int]:
    """The process id of a run that holds the lab, where the driver is refused: what the others would do goes through it."""
    with subprocess.Popen(["bash", "-c", HOLD + "exec sleep 60"], cwd=TOP, env=environment(tmp_path), text=True,
                          stdout=subprocess.PIPE) as run:
        try:
            assert run.stdout is not None and run.stdout.readline() == "held\n"
            need_refusal(tmp_path, "lab/lab", "forget", "no-such-state")
            yield run.pid
        finally:
            run.kill()


def test_a_step_that_tells_how_long_it_works_keeps_no_pipe_open_after_it(tmp_path: Path) -> None:
    """Its last sleep goes on for up to a minute: ended() waits 20 s for the end of the output."""
    assert ended(tmp_path, "bash", "-c", ". lab/lib/base.sh; while_it_works echo done").stdout == "done\n"


@pytest.mark.parametrize("argv", [["lab/demo"], ["lab/prepare"], ["tests/run"], ["tests/bench/net", "2"],
                                  ["lab/lab", "exec", "true"], ["tests/run-long", "moves"]])
def test_a_second_use_is_refused_and_told_by_whom(argv: list[str], holder: int, tmp_path: Path) -> None:
    assert f"(process {holder})" in need_refusal(tmp_path, *argv)


def test_what_a_killed_run_left_working_is_named(tmp_path: Path) -> None:
    killed = ended(tmp_path, "bash", "-c", HOLD + "sleep 60 >/dev/null 2>&1 & echo $!; kill -KILL $$")
    left = killed.stdout.split()[-1]
    try:
        assert f"(process {left})" in need_refusal(tmp_path, "lab/lab", "forget", "no-such-state")
    finally:
        os.kill(int(left), signal.SIGKILL)


def test_what_a_run_calls_is_part_of_it(tmp_path: Path) -> None:
    assert "no-such-state" in ended(tmp_path, "bash", "-c", HOLD + "lab/lab forget no-such-state").stderr


@pytest.mark.usefixtures("holder")
def test_who_only_looks_is_not_kept_out(tmp_path: Path) -> None:
    assert "in use" not in ended(tmp_path, "lab/lab", "states").stderr


def test_an_unknown_suite_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    refused = ended(tmp_path, "lab/demo", LAB_SUITE="woody")
    assert (refused.returncode, refused.stdout) == (2, "") and "unknown suite 'woody'" in refused.stderr
