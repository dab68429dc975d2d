"""The lab's driver itself, as a person uses it."""

import json
import os
import pty
import signal
import time
from pathlib import Path

import pytest
from testinfra.host import Host

from conftest import TOP, lab


def test_the_status_names_the_machines_and_says_that_they_run(dom0a: Host, dom0b: Host) -> None:
    status = json.loads(lab("status", "--json").stdout)
    told = {one["name"]: one for one in status["machines"]}
    assert status["accel"] in ("kvm", "tcg")
    assert (told["dom0a"]["state"], told["dom0b"]["state"]) == ("running", "running")
    assert told["dom0a"]["address"] in dom0a.check_output("ip -4 -br address show dev eth0")
    assert "dom0a" in lab("status").stdout


def test_the_clock_of_a_dom0_goes_as_fast_as_that_of_this_computer(dom0: Host) -> None:
    def both() -> tuple[float, float]:
        there = float(dom0.check_output("date +%s.%N"))
        return time.monotonic(), there

    (began, there), _, (ended, later) = both(), time.sleep(10), both()
    assert 0.5 < (later - there) / (ended - began) < 2  # a clock that is wrong is so by a factor of 7; the rest is ssh's


@pytest.mark.parametrize("status", [0, 1, 7])
def test_the_exit_status_of_a_command_on_a_host_is_passed_on(status: int) -> None:
    ended = lab("ssh", "dom0a", f"echo out; echo err >&2; exit {status}", check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "out\n", "err\n")


def test_a_file_is_put_on_a_host(dom0b: Host, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("as they are\n")
    lab("put", "dom0b", str(tmp_path / "notes"), "/root/notes")
    assert dom0b.check_output("cat /root/notes; rm /root/notes") == "as they are"


@pytest.mark.parametrize("words", [[], ["fly"], ["ssh"], ["ssh", "dom0z"], ["up", "dom0z"], ["put", "dom0a", "x"], ["save"],
                                   ["restore", "no-such-state"], ["forget", "no-such-state"], ["forget"],
                                   ["cable", "dom0a", "eth9", "cut"], ["status", "--xml"]])
def test_wrong_use_of_the_driver_is_one_line_a_hint_and_status_2(words: list[str]) -> None:
    ended = lab(*words, check=False)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2 and lines[0].startswith("lab: ") and len(lines) <= 2, ended.stderr


def test_the_console_of_a_host_asks_for_a_login(dom0b: Host) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execv(TOP / "lab/lab", ["lab", "console", "dom0b"])
    try:
        os.set_blocking(terminal, False)
        said, deadline = b"", time.monotonic() + 60
        while b"login:" not in said and time.monotonic() < deadline:
            os.write(terminal, b"\r")
            time.sleep(2)
            try:
                said += os.read(terminal, 65536)
            except BlockingIOError:
                continue
        assert b"dom0b login:" in said, said
        os.write(terminal, b"\x1d")
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
