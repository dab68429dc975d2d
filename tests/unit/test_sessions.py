"""What a command has started ends with it, unless it has left its session. On real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import lives
from xen_legi import run, sessions
from xen_legi.errors import CommandFailed
from xen_legi.processes import Process, kill, look, parse, start_of

TOP = Path(__file__).resolve().parents[2]
# One that is waited for and one that detaches itself. Their numbers are told when both are what they are to be.
BOTH = "sleep 60 & echo $! >inside; setsid sh -c 'echo $$ >detached; exec sleep 60' & " \
       "until [ -s detached ]; do sleep 0.05; done; mv inside waited-for; "


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory where numbers of processes are told; these are killed afterwards."""
    yield tmp_path
    for name in ("waited-for", "detached"):
        if (tmp_path / name).exists():
            number = told(tmp_path / name)
            kill(number, start_of(number))


def told(file: Path) -> int:
    """Wait for a number that is told, and return it."""
    for _ in range(200):
        if file.exists():
            return int(file.read_text())
        time.sleep(0.05)
    pytest.fail(f"{file} does not come")


def ours(here: Path, script: str, start: str = "") -> "subprocess.Popen[str]":
    """Start a program of ours that runs a script in a session of its own."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(TOP / 'xen-legi')!r}); from pathlib import Path\n"
        f"from xen_legi.run import run\n{start}\n"
        f"run(['sh', '-c', {script!r}], cwd={str(here)!r}, capture=False, session=Path({str(here / 'note')!r}))"
    )
    words = ["env", "--default-signal=INT", sys.executable, "-c", code]  # who runs in the background is deaf to Ctrl-C
    return subprocess.Popen(words, start_new_session=True, text=True, stderr=subprocess.DEVNULL)


def test_a_name_may_have_spaces_and_brackets() -> None:
    text = "4711 (a) S (b c) Z 1 4711 4700 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 815 0 0"
    assert parse(text) == Process(4711, 4700, 815) and parse(text).ended


LEADER = Process(100, 100, 5000)
CASES = {
    "those that began with the leader or later": ([LEADER, Process(101, 100, 5000), Process(90, 100, 9000)], [100, 101, 90]),
    "those that the leader has left behind": ([Process(101, 100, 5001)], [101]),
    "none of another session": ([LEADER, Process(101, 101, 5001), Process(102, 7, 5001)], [100]),
    "none that has ended": ([Process(100, 100, 5000, "Z"), Process(101, 100, 5001)], [101]),
    "none where the number is another process's": ([Process(100, 100, 6000), Process(101, 100, 6001)], []),
    "none that is older": ([Process(100, 100, 4000), Process(101, 100, 4001)], []),
    "none of a session of the same number, long after": ([Process(101, 100, 5000 + 901 * 100)], []),
}


@pytest.mark.parametrize("processes, found", CASES.values(), ids=CASES)
def test_of_the_session_are(processes: list[Process], found: list[int]) -> None:
    assert [one.number for one in sessions.members(LEADER, processes, 100)] == found


def test_what_a_killed_run_left_is_ended_by_the_next_and_nothing_else(here: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as outside, ours(here, f"{BOTH} wait") as killed:
        waited_for, detached = told(here / "waited-for"), told(here / "detached")
        leader = int((here / "note").read_text().split()[0])
        assert [one.session == leader for one in (look(waited_for), look(detached)) if one] == [True, False]
        killed.kill()
        killed.wait()
        while lives(leader):
            time.sleep(0.01)
        assert lives(waited_for)
        sessions.end(here / "note")
        assert [lives(one) for one in (waited_for, detached, outside.pid)] == [False, True, True]
        assert not (here / "note").exists()
        outside.kill()


def test_it_is_noted_before_it_can_start_anything(here: Path) -> None:
    told_ = run.run(["sh", "-c", "cat note; echo $$"], cwd=here, session=here / "note").stdout.split()
    assert told_[0] == told_[2] and not (here / "note").exists()


def test_nothing_is_begun_that_could_not_be_noted(here: Path) -> None:
    (here / "file").touch()
    with pytest.raises(subprocess.SubprocessError):
        run.run(["touch", "begun"], cwd=here, session=here / "file/note")
    assert not (here / "begun").exists()


def test_what_a_command_that_ended_by_itself_left_in_the_background_stays(here: Path) -> None:
    run.run(["sh", "-c", f"({BOTH}) >/dev/null 2>&1; exit 1"], cwd=here, session=here / "note", ok=(1,))
    assert lives(told(here / "waited-for")) and not (here / "note").exists()


@pytest.mark.parametrize("end", ["wait", "kill -9 $$"])
def test_a_command_that_is_late_or_killed_ends_with_what_it_waits_for(here: Path, end: str) -> None:
    with pytest.raises(CommandFailed):
        run.run(["sh", "-c", f"{BOTH} {end}"], cwd=here, session=here / "note", timeout=3, capture=False)
    assert [lives(told(here / name)) for name in ("waited-for", "detached")] == [False, True]
    assert not (here / "note").exists()


def test_ctrl_c_ends_the_command_with_what_it_waits_for(here: Path) -> None:
    with ours(here, f"{BOTH} wait") as program:
        waited_for = told(here / "waited-for")
        os.killpg(program.pid, signal.SIGINT)  # what the terminal does
        program.wait(20)
    assert not lives(waited_for) and not (here / "note").exists()


def test_who_is_deaf_to_the_first_word_is_killed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_PATIENCE", 0.5)
    script = "(trap '' TERM; while :; do sleep 0.1; done) & echo $! >waited-for; wait"
    with pytest.raises(CommandFailed):
        run.run(["sh", "-c", script], cwd=here, session=here / "note", timeout=2, capture=False)
    assert not lives(told(here / "waited-for"))


def test_who_cannot_be_ended_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sessions, "_PATIENCE", 0.2)
    monkeypatch.setattr(sessions, "tell", lambda process, sent: None)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as left:
        (here / "note").write_text(f"{left.pid} {start_of(left.pid)}\n")
        sessions.end(here / "note")
        assert f"left behind: {left.pid};" in capsys.readouterr().err and left.poll() is None
        left.kill()


@pytest.mark.parametrize("text", ["", "{number}", "{number} 1", "1 1"])
def test_a_note_of_another_process_ends_nothing(here: Path, text: str) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (here / "note").write_text(text.format(number=other.pid))
        sessions.end(here / "note")
        assert other.poll() is None and not (here / "note").exists()
        other.kill()
