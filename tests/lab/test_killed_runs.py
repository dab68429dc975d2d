"""Backups that are killed at moments drawn by lot, and receivers: more of them than `tests/run` has the time for."""

import json
import random
import time

import pytest
from testinfra.host import Host

from backups import backup, in_disk, leftovers, make_tiny, manifest, remove_tiny

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def length(tiny1: Host) -> float:
    """How long a run like those below takes when nobody kills it, in seconds."""
    in_disk(tiny1, "echo whole > /run/look/etc/point")
    began = time.monotonic()
    ended = backup(tiny1, "--to vg1 --to dom0b")
    assert ended.rc == 0, ended.stdout + ended.stderr
    return time.monotonic() - began


@pytest.fixture(scope="module")
def statuses() -> list[int]:
    """How the runs below ended."""
    return []


@pytest.mark.parametrize("seed", range(12))
def test_a_run_killed_at_a_time_drawn_by_lot_leaves_nothing_after_the_next(
    tiny1: Host, dom0b: Host, length: float, statuses: list[int], seed: int
) -> None:
    delay = random.Random(seed).uniform(0.5, max(1, 0.9 * length))
    in_disk(tiny1, f"echo {seed} > /run/look/etc/point")
    ended = tiny1.run(f"timeout -s KILL {delay:.2f} backup-domu run tiny1 --to vg1 --to dom0b; exit $?")
    assert ended.rc in (0, 137), ended.stderr  # 0: this run was faster than the one that was measured
    statuses.append(ended.rc)
    after = backup(tiny1, "--to vg1 --to dom0b")
    assert after.rc == 0, after.stdout + after.stderr
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")


def test_most_of_the_runs_above_were_killed_before_their_end(statuses: list[int], length: float) -> None:
    if not statuses:
        pytest.skip("none of them was selected")
    assert statuses.count(137) >= 0.7 * len(statuses), f"{statuses} of a run that takes {length:.0f} s"


@pytest.mark.parametrize("seed", range(3))
def test_a_first_copy_killed_at_a_time_drawn_by_lot_is_made_by_the_next_run(tiny1: Host, dom0b: Host, seed: int) -> None:
    remove_tiny(tiny1, dom0b)
    make_tiny(tiny1)
    delay = random.Random(seed).uniform(4, 20)
    assert tiny1.run(f"timeout -s KILL {delay:.2f} backup-domu run tiny1 --to vg1 --to dom0b; exit $?").rc in (0, 137)
    assert backup(tiny1, "--to vg1 --to dom0b").rc == 0
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []
    for host, group in ((tiny1, "vg1"), (dom0b, "vg0")):
        assert manifest(host, f"/dev/{group}/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")


# Wait for the receiving end of a run's transfer, that is the first rsync, which our program started, and kill both.
KILL_RECEIVER = """
for try in $(seq 600); do
    receiver=$(pgrep -o -f '^rsync --server') && break
    sleep 0.1
done
kill -KILL $(ps -o ppid= -p $receiver) $receiver
"""


def test_a_run_whose_receiver_is_killed_says_so_and_the_next_one_is_good(tiny1: Host, dom0b: Host) -> None:
    """A file of 40 MB that cannot be compressed: the transfer lasts long enough to be met."""
    in_disk(tiny1, "head -c 40M /dev/urandom > /run/look/big")
    tiny1.check_output("systemd-run --quiet --unit=lab-copy sh -c 'backup-domu run tiny1 --to dom0b >/root/copy.log 2>&1'")
    try:
        dom0b.check_output(KILL_RECEIVER)
        wait_while(tiny1, "systemctl is-active --quiet lab-copy")
        said = tiny1.check_output("cat /root/copy.log")
        assert "FAILED: 1 of 1 copies" in said and "Traceback" not in said, said
        copies = json.loads(dom0b.check_output("backup-domu status --json"))["copies"]
        assert [one["state"] for one in copies if one["domu"] == "tiny1"] == ["dirty"], copies
    finally:
        tiny1.run("systemctl stop lab-copy; systemctl reset-failed lab-copy; rm -f /root/copy.log")
        in_disk(tiny1, "rm -f /run/look/big")
    assert backup(tiny1, "--to dom0b").rc == 0
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")


def wait_while(host: Host, command: str, *, seconds: int = 300) -> None:
    """Wait as long as a command succeeds on a host."""
    deadline = time.monotonic() + seconds
    while host.run(command).rc == 0:
        assert time.monotonic() < deadline, f"{command}: still, after {seconds} s"
        time.sleep(2)
