"""How domUs are shut down with dom0: the order and the limits of hooks/xendomains/stop-domus, with an xl of our own."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HEADER = "Name                                        ID   Mem VCPUs\tState\tTime(s)"

# What runs is a file with a line for each domU. Number 2 ended meanwhile, 7 takes half a second, 8 boots when it
# is told first, 9 does not end.
XL = """#!/bin/sh
echo "$*" >>calls
case $1 in
    list) [ ! -e broken ] || exit 1; [ ! -e shaky ] || { rm shaky; exit 1; }; cat domains ;;
    shutdown) [ "$3" != 7 ] || sleep 0.5
        exec 8>lock; flock 8
        [ "$3" != 8 ] || [ -e told ] || { touch told; exit 0; }
        [ "$3" = 9 ] || sed -i "/^.\\{40\\} *$3 /d" domains
        [ "$3" != 2 ] ;;
esac
"""


def domain(name: str, number: int, state: str = "-b----") -> str:
    return f"{name:40} {number:5}   512     1     {state}       1.0"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with the program `xl` and the settings of xendomains."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/xl").write_text(XL)
    (tmp_path / "bin/xl").chmod(0o755)
    (tmp_path / "privcmd").touch()
    (tmp_path / "settings").touch()
    (tmp_path / "xendomains").write_text("#!/bin/sh\necho Debian: $1 $SYSTEMCTL_SKIP_REDIRECT; exec sleep 60\n")
    (tmp_path / "xendomains").chmod(0o755)
    return tmp_path


def stop(host: Path, *domains: str) -> subprocess.CompletedProcess[str]:
    """Run the hook on a host where these domains run beside dom0."""
    (host / "domains").write_text("\n".join([HEADER, domain("Domain-0", 0, "r-----"), *domains]) + "\n")
    text = (TOP / "hooks/xendomains/stop-domus").read_text()
    for theirs, ours in (("/proc/xen/privcmd", "privcmd"), ("/etc/default/xendomains", "./settings"),
                         ("/etc/init.d/xendomains", "./xendomains"), ("most + 60", "1"), ("-ge 20", "-ge 2")):
        assert theirs in text
        text = text.replace(theirs, ours)
    path = f"{host}/bin:{os.environ['PATH']}"
    return subprocess.run(["sh", "-c", text], cwd=host, env={"PATH": path}, text=True, capture_output=True, timeout=60)


def at_the_begin_of_a_second() -> None:
    """Wait for it: the hook counts whole seconds of the uptime, so that its one second may be a tenth of one."""
    while float(Path("/proc/uptime").read_text().split()[0]) % 1 > 0.1:
        time.sleep(0.01)


def test_each_domu_is_told_even_after_one_that_cannot_be(host: Path) -> None:
    ended = stop(host, domain("web1", 1), domain("gone", 2), domain("two words", 13), domain("db", 4))
    calls = (host / "calls").read_text().splitlines()
    assert {f"shutdown -F {number}" for number in (1, 2, 4, 13)} == {one for one in calls if one.startswith("shutdown")}
    assert (ended.returncode, "still running" in ended.stderr) == (0, False)
    assert "shutting down: web1 gone two db" in ended.stdout


def test_a_domu_that_boots_and_does_not_take_the_word_is_told_again(host: Path) -> None:
    (host / "settings").write_text("XENDOMAINS_STOP_MAXWAIT=20\n")
    ended = stop(host, domain("boots", 8), domain("web1", 1))
    calls = (host / "calls").read_text().splitlines()
    assert [calls.count(f"shutdown -F {number}") for number in (8, 1)] == [2, 1]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_seconds_that_passed_are_told_with_the_domus_that_still_run(host: Path) -> None:
    (host / "settings").write_text("XENDOMAINS_STOP_MAXWAIT=2\n")
    ended = stop(host, domain("web1", 1), domain("deaf", 9))
    assert ended.returncode == 0 and re.fullmatch(r"still running after [23] s: deaf \n", ended.stderr)


def test_a_domu_that_ends_during_the_last_second_is_not_said_to_run(host: Path) -> None:
    (host / "settings").write_text("XENDOMAINS_STOP_MAXWAIT=1\n")
    at_the_begin_of_a_second()
    assert stop(host, domain("slow", 7)).stderr == ""


def test_a_domu_that_has_shut_down_or_crashed_and_is_kept_is_not_waited_for(host: Path) -> None:
    began = time.monotonic()
    ended = stop(host, domain("kept", 9, "---s--"), domain("crashed", 9, "----c-"))
    assert (ended.stdout, ended.stderr) == ("", "") and time.monotonic() - began < 5


def test_an_xl_that_does_not_answer_holds_nobody(host: Path) -> None:
    (host / "broken").touch()
    ended = stop(host, domain("web1", 1))
    assert (ended.returncode, ended.stdout) == (0, "") and "no domU was told" in ended.stderr


def test_an_xl_that_fails_once_is_asked_again(host: Path) -> None:
    (host / "shaky").touch()
    assert "shutting down: web1" in stop(host, domain("web1", 1)).stdout


def test_debians_own_way_has_a_limit_too(host: Path) -> None:
    (host / "settings").write_text("XENDOMAINS_SAVE=/srv/save\nXENDOMAINS_STOP_MAXWAIT=5min\n")
    ended = stop(host, domain("web1", 1))
    assert (ended.returncode, ended.stdout) == (124, "Debian: stop 1\n")


def test_the_unit_leaves_the_limit_to_the_hook() -> None:
    assert "TimeoutStopSec=infinity\n" in (TOP / "hooks/systemd/xendomains.service.d/50-xen-legi.conf").read_text()
