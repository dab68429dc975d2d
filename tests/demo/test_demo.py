"""The demonstration as a person starts it: from plain Debian, and once more from the saved state. Its output is shown."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SUMMARY = ("all together", "dom0b", "xenbr72", "web1", "web1-disk", "Log in:", "Stop it:")
# as backup-domu status told before dom0a was lost
COPIES = (r"web1 +dom0a +dom0a:vg1 +good ", r"web1 +dom0a +dom0b:vg0 +good ")


@pytest.fixture(scope="module", autouse=True)
def lab() -> Iterator[None]:
    """The lab is down before and after: the demonstration starts it, and leaves it running for the person."""
    subprocess.run([TOP / "lab/lab", "down"], check=True)
    yield
    subprocess.run([TOP / "lab/lab", "down"], check=True)


def driver(*words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Call the lab's driver and return how it ended."""
    return subprocess.run([TOP / "lab/lab", *words], check=check, text=True, capture_output=True, stdin=subprocess.DEVNULL)


def demonstrate(*words: str) -> list[str]:
    """Run the demonstration to its end, show what it says, and return its lines."""
    said = []
    argv = [str(TOP / "lab/demo"), *words]
    with subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            said.append(line.rstrip())
    assert process.returncode == 0
    return said


@pytest.mark.parametrize("words", [["--fresh"], []], ids=["from-plain-debian", "from-the-saved-state"])
def test_the_demonstration_ends_with_its_summary(words: list[str]) -> None:
    said = demonstrate(*words)
    summary = "\n".join(said[max(number for number, line in enumerate(said) if "== Summary" in line):])
    assert [one for one in SUMMARY if one not in summary] == []
    assert [one for one in COPIES if not re.search(one, summary)] == []


def test_a_host_is_as_it_was_when_a_state_is_restored_and_a_forgotten_state_is_gone() -> None:
    """What the demonstration left running is the same on disk and in memory; web1 runs in it."""
    def look() -> str:
        return driver("ssh", "dom0b", "cat /root/saved /run/saved /proc/sys/kernel/random/boot_id; xl domid web1").stdout

    driver("ssh", "dom0b", "echo disk >/root/saved; echo memory >/run/saved")
    before = look()
    driver("save", "test-driver")
    try:
        driver("ssh", "dom0b", "echo other >/root/saved; rm /run/saved; xl destroy web1")
        driver("restore", "test-driver")
        assert look() == before
        assert "test-driver" in driver("states").stdout
    finally:
        driver("forget", "test-driver")
    assert "test-driver" not in driver("states").stdout
    assert driver("restore", "test-driver", check=False).returncode == 2
