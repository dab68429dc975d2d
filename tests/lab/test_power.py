"""A host loses its power while a copy is written on it: real resets, of a machine that has no Xen."""

import time

import pytest
from testinfra.host import Host

from backups import backup, begin_held, in_disk, leftovers, manifest, volumes, wait_until_runs
from conftest import lab

pytestmark = pytest.mark.long  # two minutes for each reset
COPY, KEPT, DISK = "/dev/vg1/tiny1-disk.copy", "/dev/vg1/tiny1-disk.good", "/dev/vg0/tiny1-disk"
COMMITTED = ("receive:config-written", "receive:drop-good", "backup:committed")
HELD = "ps -eo stat=,args= | grep -E '^T.*(backup-domu|receive --local)'"


def reset(host: Host) -> None:
    """Reset the store, as when its power comes back, and wait until it answers again."""
    before = host.check_output("cat /proc/sys/kernel/random/boot_id")
    lab("power", "store", "reset")
    deadline = time.monotonic() + 600
    while lab("ssh", "store", "cat /proc/sys/kernel/random/boot_id", check=False).stdout.strip() in ("", before):
        assert time.monotonic() < deadline, "store did not come back"
        time.sleep(2)
    wait_until_runs(host, "true")


@pytest.mark.parametrize("point", [
    "backup:ghosts-made", "receive:keep", "backup:sending", "receive:written", "receive:flushed", "backup:verified",
    "receive:config-written", "receive:drop-good", "backup:committed"])
def test_a_host_that_loses_its_power_has_a_good_copy_and_the_next_run_heals(tiny: Host, point: str) -> None:
    in_disk(tiny, "echo 2 > /run/look/etc/motd; dd if=/dev/urandom of=/run/look/big bs=1M count=6 status=none")
    assert backup(tiny, "--to vg1").rc == 0
    before = manifest(tiny, COPY)
    in_disk(tiny, "echo 3 > /run/look/etc/motd; rm /run/look/etc/file1*; cp /run/look/big /run/look/more")
    begin_held(tiny, point, "--to vg1")
    wait_until_runs(tiny, HELD)
    reset(tiny)
    assert leftovers_that_are_mounted(tiny) == []
    there = volumes(tiny)
    if point in COMMITTED:  # what is called good is on the disk
        assert "xen-legi.state=good" in there["vg1/tiny1-disk.copy"]
        assert manifest(tiny, COPY) == manifest(tiny, DISK)
    else:
        assert manifest(tiny, KEPT if "vg1/tiny1-disk.good" in there else COPY) == before
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


def leftovers_that_are_mounted(host: Host) -> list[str]:
    """Return mounts of ghosts and copies: nothing may mount what it finds at a start."""
    return [line for line in leftovers(host) if "/" in line and " " in line]
