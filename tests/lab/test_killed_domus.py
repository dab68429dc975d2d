"""Promotions that are killed at every step, and creations at any time: more of them than `tests/run` has the time for."""

import pytest
from testinfra.host import Host

from backups import backup, leftovers, manifest, volumes
from domus import CREATE, known, make_keys, run_killed, state

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


@pytest.mark.parametrize("seconds", [10, 25, 45, 65])
def test_a_creation_from_a_real_template_killed_at_any_time_leaves_nothing_after_the_next_command(
    dom0a: Host, dom0b: Host, seconds: int
) -> None:
    make_keys(dom0a, dom0b)
    before = state(dom0a)
    assert known(dom0a, "web9") is None
    ended = dom0a.run(f"timeout -s KILL {seconds} {CREATE.format('web9', '192.168.72.99')} --no-start; exit $?")
    if ended.rc == 0:  # a faster machine than the one on which the times were chosen
        dom0a.check_output("xen-legi delete web9 --yes")
    else:
        assert ended.rc == 137, ended.stderr
        dom0a.check_output("xen-legi list")
    assert state(dom0a) == before
    assert dom0a.run("grep xen-legi /proc/mounts").rc != 0
