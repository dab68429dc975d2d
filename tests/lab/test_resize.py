"""A disk of a domU that is off grows with what is on it; what cannot grow is refused. A kernel and LVM, no guest."""

import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import in_disk, make_tiny, manifest, remove_tiny
from domus import run_killed
from marks import daily

DISK = "/dev/vg0/tiny1-disk"
SWAP = "/dev/vg0/tiny1-swap"
NOTE = "/var/lib/xen-legi/resizing-tiny1.json"


@pytest.fixture(scope="module")
def tiny(store: Host) -> Iterator[Host]:
    """The store with a domU tiny1 of 64 MiB and 16 MiB of swap, which is never started."""
    remove_tiny(store)
    try:
        make_tiny(store)
        yield store
    finally:
        remove_tiny(store)


def room(host: Host) -> int:
    """Return the MiB that the filesystem on tiny1's disk has."""
    return int(in_disk(host, "df -m --output=size /run/look | tail -n 1", options="ro"))


def mebibytes(host: Host, device: str) -> int:
    """Return the size of a device in MiB."""
    return int(host.check_output(f"blockdev --getsize64 {device}")) >> 20


def test_a_plan_changes_nothing(tiny: Host) -> None:
    said = tiny.check_output("xen-legi resize tiny1 --size +64M --disk xvda2 --dry-run")
    assert said == "domU tiny1: xvda2, vg0/tiny1-disk: 64M to 128M" and mebibytes(tiny, DISK) == 64


def test_a_filesystem_grows_with_its_disk_and_keeps_its_files(tiny: Host) -> None:
    files, before = manifest(tiny, DISK), room(tiny)
    assert tiny.check_output("xen-legi resize tiny1 --size +64M --disk xvda2") == "domU tiny1: xvda2 has 128M, its ext4 too"
    assert mebibytes(tiny, DISK) == 128 and room(tiny) > before + 55
    assert manifest(tiny, DISK) == files


@pytest.mark.parametrize("point", daily("noted", "extended", more=("grown", "set")))
def test_a_change_that_was_killed_is_ended_by_the_next_command_once(tiny: Host, point: str) -> None:
    size, before, files = mebibytes(tiny, DISK), room(tiny), manifest(tiny, DISK)
    beside = "lvs --noheadings -o lv_name,lv_size vg0 | grep -v tiny1-disk"
    others = tiny.check_output(beside)
    memory = tiny.check_output("sed -n 's/^memory = //p' /etc/xen/tiny1.cfg")
    command = f"xen-legi resize tiny1 --size +16M --disk tiny1-disk --memory {int(memory) + 1}M"
    assert run_killed(tiny, f"resize:{point}", command).rc == 137
    assert tiny.check_output(f"stat -c %a {NOTE}") == "600"
    assert room(tiny) == before if point in ("noted", "extended") else room(tiny) > before
    result = tiny.run("xen-legi list")
    assert result.rc == 0 and f"xen-legi resize tiny1 --size {size + 16}M --disk xvda2" in result.stderr, result.stderr
    assert mebibytes(tiny, DISK) == size + 16 and room(tiny) > before + 10 and manifest(tiny, DISK) == files
    assert tiny.check_output("sed -n 's/^memory = //p' /etc/xen/tiny1.cfg") == str(int(memory) + 1)
    assert tiny.check_output(beside) == others
    assert tiny.run(f"test -e {NOTE} || grep xen-legi /proc/mounts").rc == 1
    assert tiny.run("xen-legi list").stderr == "" and mebibytes(tiny, DISK) == size + 16


def test_a_growth_that_was_killed_is_not_done_twice_by_the_same_words(tiny: Host) -> None:
    size, before, command = mebibytes(tiny, DISK), room(tiny), "xen-legi resize tiny1 --size +16M --disk xvda2"
    assert run_killed(tiny, "resize:extended", command).rc == 137
    again = tiny.run(command)
    assert again.rc == 2 and f"xvda2 of tiny1 was to have {size + 16}M" in again.stderr, again.stderr
    assert mebibytes(tiny, DISK) == size + 16 and room(tiny) > before + 10


def test_a_killed_growth_waits_while_its_disk_is_mounted_here(tiny: Host) -> None:
    size, before = mebibytes(tiny, DISK), room(tiny)
    assert run_killed(tiny, "resize:extended", f"xen-legi resize tiny1 --size {size + 16}M --disk xvda2").rc == 137
    said = in_disk(tiny, "xen-legi list 2>&1")
    assert "vg0/tiny1-disk is in use: the next command grows what is on it" in said
    assert room(tiny) == before
    tiny.check_output("xen-legi list")
    assert room(tiny) > before + 10 and tiny.run(f"test -e {NOTE}").rc == 1


def test_a_killed_growth_is_dropped_when_its_disk_is_another_since(tiny: Host) -> None:
    size = mebibytes(tiny, SWAP)
    assert run_killed(tiny, "resize:noted", f"xen-legi resize tiny1 --size {size + 16}M --disk xvda1").rc == 137
    tiny.check_output(f"lvrename -qq vg0 tiny1-swap tiny1-aside && lvcreate -qq -y -W y -L {size}M -n tiny1-swap vg0")
    try:
        assert "xvda1 of tiny1 is another disk since" in tiny.run("xen-legi list").stderr
        assert mebibytes(tiny, SWAP) == size == mebibytes(tiny, "/dev/vg0/tiny1-aside")
        assert tiny.run(f"test -e {NOTE}").rc == 1
    finally:
        tiny.check_output("lvremove -qq -y vg0/tiny1-swap && lvrename -qq vg0 tiny1-aside tiny1-swap")


def test_swap_grows_and_keeps_its_name(tiny: Host) -> None:
    names = f"blkid -p -o value -s UUID -s LABEL {SWAP}"
    before = tiny.check_output(names)
    assert tiny.check_output("xen-legi resize tiny1 --size 32M --disk xvda1") == "domU tiny1: xvda1 has 32M, its swap too"
    assert tiny.check_output(names) == before
    assert mebibytes(tiny, SWAP) == 32


def test_a_disk_with_a_snapshot_keeps_its_size(tiny: Host) -> None:
    tiny.check_output("lvcreate -qq -y -s -L 8M -n tiny1-snap vg0/tiny1-disk")
    try:
        before = mebibytes(tiny, DISK)
        refused = tiny.run("xen-legi resize tiny1 --size +64M --disk xvda2")
        assert refused.rc == 2 and "has the snapshot tiny1-snap" in refused.stderr, refused.stderr
        assert mebibytes(tiny, DISK) == before
    finally:
        tiny.check_output("lvremove -qq -y vg0/tiny1-snap")


def test_a_disk_that_dom0_has_mounted_keeps_its_size(tiny: Host) -> None:
    before = mebibytes(tiny, DISK)
    said = in_disk(tiny, "xen-legi resize tiny1 --size +64M --disk xvda2 2>&1 || echo status $?")
    assert "is in use, though tiny1 is off" in said and "status 2" in said
    assert mebibytes(tiny, DISK) == before


@pytest.mark.parametrize("words", [
    "tiny1 --size +1G", "tiny1 --size 16M --disk xvda2", "tiny1 --size +900G --disk xvda2", "tiny1 --size big --disk xvda2",
    "tiny1 --size +1G --disk xvdz", "nobody --size +1G", "../tiny1 --size +1G",
])
def test_wrong_use_is_refused_and_changes_nothing(tiny: Host, words: str) -> None:
    before = tiny.check_output("lvs --noheadings -o vg_name,lv_name,lv_size")
    result = tiny.run(f"xen-legi resize {' '.join(map(shlex.quote, words.split()))}")
    assert result.rc == 2 and len(result.stderr.splitlines()) == 2, result.stderr
    assert tiny.check_output("lvs --noheadings -o vg_name,lv_name,lv_size") == before
