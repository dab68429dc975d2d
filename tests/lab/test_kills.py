"""More ways to be killed than `tests/run` has the time for: promotions, and runs at moments drawn by lot."""

import random
import time

import pytest
from testinfra.host import Host

from backups import backup, in_disk, leftovers, manifest, volumes
from domus import run_killed

pytestmark = pytest.mark.long


@pytest.mark.parametrize("point", ["tagged", "renamed", "room-made", "config-written", "config-restored"])
def test_a_promotion_killed_at_any_moment_can_be_taken_back(tiny1: Host, dom0b: Host, point: str) -> None:
    assert backup(tiny1, "--to dom0b").rc == 0
    before = manifest(dom0b, "/dev/vg0/tiny1-disk.copy")
    promote = "xen-legi promote tiny1 --force-dead"
    if point == "config-restored":
        assert run_killed(dom0b, "promote:config-written", promote).rc == 137
        promote = "xen-legi promote tiny1 --undo"
    killed = run_killed(dom0b, f"promote:{point}", promote)
    assert killed.rc == 137, killed.stdout + killed.stderr
    dom0b.check_output("xen-legi promote tiny1 --undo")
    assert set(volumes(dom0b)) == {"vg0/tiny1-disk.copy", "vg0/tiny1-swap.copy"}
    assert not dom0b.file("/etc/xen/tiny1.cfg").exists
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == before
    assert backup(tiny1, "--to dom0b").rc == 0
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []


@pytest.mark.parametrize("point", ["renamed", "config-written"])
def test_a_promotion_that_was_killed_is_ended_by_the_next(tiny1: Host, dom0b: Host, point: str) -> None:
    assert backup(tiny1, "--to dom0b").rc == 0
    assert run_killed(dom0b, f"promote:{point}", "xen-legi promote tiny1 --force-dead").rc == 137
    ended = run_killed(dom0b, "promote:config-written", "xen-legi promote tiny1 --force-dead")  # tiny1 cannot boot
    assert ended.rc == 137, ended.stdout + ended.stderr
    assert set(volumes(dom0b)) == {"vg0/tiny1-disk", "vg0/tiny1-swap"}
    assert "/dev/vg0/tiny1-disk," in dom0b.check_output("cat /etc/xen/tiny1.cfg")
    dom0b.check_output("xen-legi promote tiny1 --undo")
    assert backup(tiny1, "--to dom0b").rc == 0


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
