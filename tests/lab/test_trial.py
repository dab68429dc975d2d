"""A copy is started for a trial while its domU runs on the other host: it is only read, and nothing of the trial stays."""

import json

import pytest
from testinfra.host import Host

from backups import in_disk, volumes
from domus import guest, run_killed

pytestmark = pytest.mark.long  # several boots of a guest
COPY = "/dev/vg0/web1-disk.copy"
INIT = "/run/look/usr/lib/systemd/systemd"


@pytest.fixture(scope="module")
def copied(dom0a: Host, web1: Host, peers: None) -> Host:
    """dom0b, with a good copy of web1, which runs on dom0a."""
    dom0a.check_output("backup-domu web1 --to dom0b")
    return web1


def left(host: Host) -> list[str]:
    """Return what a trial has left."""
    found = host.check_output("xl list; ls /run/xen-legi/test 2>/dev/null; lvs --noheadings -o lv_name").split()
    return [name for name in found if ".test" in name]


def test_a_copy_is_started_for_a_trial_and_one_without_its_init_is_found(dom0a: Host, copied: Host) -> None:
    before = volumes(copied, "web1")
    told = copied.check_output("backup-domu test web1 --memory 256M --json")
    (verdict,) = json.loads(told)["tests"]
    assert (verdict["domu"], verdict["group"], verdict["state"]) == ("web1", "vg0", "boots"), verdict
    assert left(copied) == [] and volumes(copied, "web1") == before
    in_disk(copied, f"mv {INIT} {INIT}.away", COPY)  # its initramfs finds the root, and no init on it
    result = copied.run("backup-domu test web1 --memory 256M --timeout 4m")
    assert result.rc == 3 and ("DOES NOT BOOT" in result.stdout or "asked for no login" in result.stdout), result.stdout
    assert left(copied) == []
    guest(copied, "true")  # web1 itself has run all the time


def test_a_trial_that_was_killed_is_ended_by_the_next_copy(dom0a: Host, copied: Host) -> None:
    assert run_killed(copied, "test:started", "backup-domu test web1 --memory 256M").rc == 137
    assert "web1.test" in copied.check_output("xl list")
    result = dom0a.run("backup-domu web1 --to dom0b")  # it heals what the test before has broken, too
    assert result.rc == 0, result.stdout + result.stderr
    assert left(copied) == []
    assert in_disk(copied, f"ls {INIT}", COPY, "ro").strip() == INIT
