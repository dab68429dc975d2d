"""Many volumes and many destinations: 200 logical volumes in one run, and one domU with a copy in each of ten groups."""

import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import LAST, copied_tiny, manifest, report, volumes

pytestmark = pytest.mark.long  # a quarter of an hour where processors are emulated
DOMUS, SWAPS = 20, 9
GROUPS = tuple(f"ten{at}" for at in range(10))
MAKE = f"""
for domu in $(seq {DOMUS}); do
    lvcreate -qq -y -W y -L 4M -n many$domu-disk vg0
    mkfs.ext4 -q /dev/vg0/many$domu-disk
    disks="'phy:/dev/vg0/many$domu-disk,xvda,w'"
    for swap in $(seq {SWAPS}); do
        lvcreate -qq -y -W y -L 4M -n many$domu-swap$swap vg0
        mkswap -q /dev/vg0/many$domu-swap$swap
        disks="$disks, 'phy:/dev/vg0/many$domu-swap$swap,xvdb$swap,w'"
    done
    printf "name = 'many$domu'\\nmemory = 32\\ndisk = [$disks]\\n" > /etc/xen/many$domu.cfg
done
"""
REMOVE = """
rm -rf /etc/xen/many*.cfg /etc/xen/copies/*/many*.cfg /var/lib/xen-legi/copies/*/many*.json
rm -rf /var/lib/xen-legi/backup/generation/many*
udevadm settle
for group in vg0 vg1; do lvremove -qq -y $(lvs --noheadings -o full_name $group | grep /many); done
"""


@pytest.fixture
def many(store: Host) -> Iterator[Host]:
    """The store with 20 domUs, each of ten volumes."""
    store.check_output(f"bash -ec {shlex.quote(MAKE)}")
    try:
        yield store
    finally:
        store.run(REMOVE)


def test_two_hundred_volumes_are_copied_in_one_run_and_looked_after_in_the_next(many: Host) -> None:
    for run in (1, 2):
        result = many.run("backup-domu --to vg1")
        assert result.rc == 0, result.stdout + result.stderr
        rows = [row for row in report(many) if row["domu"].startswith("many")]
        assert [(row["state"], row["generation"]) for row in rows] == [("good", run)] * DOMUS
    made = many.check_output("lvs --noheadings -o lv_name,lv_tags vg1 | grep many").splitlines()
    assert len([line for line in made if "xen-legi.state=good" in line]) == DOMUS * (SWAPS + 1)
    there = many.check_output("lvs --noheadings -o lv_name").split()
    assert not [name for name in there if ".ghost-" in name or name.endswith(".good")]
    assert re.fullmatch(rf"OK: {DOMUS} good copies, .*\n", many.run("backup-domu check").stdout)


@pytest.fixture
def ten(store: Host) -> Iterator[Host]:
    """The store with tiny1 and ten more volume groups, each on a loop device."""
    place = "/var/tmp/ten"
    try:
        store.check_output(f"mkdir -p {place}; " + "; ".join(
            f"truncate -s 200M {place}/{one} && vgcreate -qq {one} $(losetup -f --show {place}/{one})" for one in GROUPS))
        with copied_tiny(store, f"--to {GROUPS[0]}"):
            yield store
    finally:
        store.run("udevadm settle; " + "; ".join(
            f"vgremove -qq -f -y {one}; losetup -d $(losetup -n -O NAME -j /var/tmp/ten/{one})" for one in GROUPS))
        store.run(f"rm -rf /var/tmp/ten /etc/xen/copies/ten* /var/lib/xen-legi/copies/ten* {LAST}")


def test_a_domu_has_a_copy_in_each_of_ten_groups_of_one_moment(ten: Host) -> None:
    result = ten.run("backup-domu tiny1 " + " ".join(f"--to {one}" for one in GROUPS))
    assert result.rc == 0, result.stdout + result.stderr
    assert [(row["destination"], row["state"]) for row in report(ten)] == [(one, "good") for one in GROUPS]
    want = manifest(ten, "/dev/vg0/tiny1-disk")
    assert [one for one in GROUPS if manifest(ten, f"/dev/{one}/tiny1-disk.copy") != want] == []
    assert not [name for name in volumes(ten) if ".ghost-" in name or name.endswith(".good")]
