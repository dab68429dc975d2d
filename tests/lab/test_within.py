"""Copies within one host, and what can go wrong with them: on the light machine, as no guest and no peer is needed."""

from collections.abc import Iterator

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from backups import (
    backup, copied_tiny, in_disk, install_xfsprogs, leftovers, make_tiny, manifest, problem, remove_tiny, report, volumes,
)
from marks import daily


@pytest.fixture(scope="module")
def tiny(store: Host) -> Iterator[Host]:
    """The store with a domU tiny1, which is never started and has a good copy on vg1."""
    with copied_tiny(store, "--to vg1") as host:
        yield host


@pytest.fixture
def strange(tiny: Host) -> Iterator[str]:
    """A stranger's volume in vg0 with a name like that of a ghost of ours."""
    name = "tiny1-disk.ghost-20200101-000000-abc"
    tiny.check_output(f"lvcreate -qq -y -L 4M -n {name} vg0")
    yield f"vg0/{name}"
    tiny.run(f"lvremove -qq -y vg0/{name}")


@pytest.mark.parametrize("point", daily("backup:sending", "receive:dirty", "receive:tagged", more=(
    "backup:ghost-made", "backup:ghosts-mounted", "backup:committed", "receive:keep", "receive:written",
)))
def test_a_run_killed_at_any_moment_leaves_nothing_after_the_next(tiny: Host, strange: str, point: str) -> None:
    in_disk(tiny, f"echo {point} > /run/look/etc/point")
    killed = backup(tiny, "--to vg1", kill=point)
    if point.startswith("backup:"):
        assert killed.rc == 137, killed.stdout + killed.stderr
    else:
        need_report_of_a_killed_receiver(tiny, killed, in_transfer=point == "receive:written")
    after = backup(tiny, "--to vg1")
    assert after.rc == 0, after.stdout + after.stderr
    assert strange in volumes(tiny)
    assert set(leftovers(tiny)) == {strange}
    assert manifest(tiny, "/dev/vg1/tiny1-disk.copy") == manifest(tiny, "/dev/vg0/tiny1-disk")


def need_report_of_a_killed_receiver(host: Host, ended: CommandResult, *, in_transfer: bool) -> None:
    """Assert that a run lived on when its receiver on vg1 was killed, and that its report says what was seen of that.

    An order has no answer then, and its exit status is the signal. Of a transfer, rsync tells that its child was killed: 16.
    """
    assert ended.rc == 3, ended.stdout + ended.stderr
    (row,) = report(host)
    assert (row["domu"], row["destination"], row["state"]) == ("tiny1", "vg1", "failed")
    if in_transfer:
        assert row["message"].startswith("tiny1-disk to vg1: rsync ended with status 16"), row
    else:
        assert row["message"].startswith("vg1: ") and "exit status -9" in row["hint"], row


def test_a_domu_whose_file_cannot_be_read_is_a_failure_and_never_left_out(tiny: Host) -> None:
    tiny.check_output("echo 'disk = [' > /etc/xen/tiny1-broken.cfg")
    try:
        result = tiny.run("backup-domu tiny1-broken --to vg1")
        (row,) = report(tiny)
    finally:
        tiny.check_output("rm /etc/xen/tiny1-broken.cfg")
    assert result.rc == 3 and (row["domu"], row["state"]) == ("tiny1-broken", "failed")
    assert "tiny1-broken.cfg cannot be read: line" in row["message"]


@pytest.mark.parametrize("words, said", [
    ("run nobody --to vg1", "there is no domU 'nobody'"),
    ("run tiny1 --to vg9", "neither a volume group of this host nor a peer"),
    ("run tiny1 --to vg1 --to vg1", "is named twice"),
    ("--quiet run nobody --to vg1", "there is no domU 'nobody'"),
])
def test_wrong_use_is_one_line_and_changes_nothing(tiny: Host, words: str, said: str) -> None:
    before = volumes(tiny)
    result = tiny.run(f"backup-domu {words}")
    assert result.rc == 2 and said in problem(result)[0]
    assert volumes(tiny) == before


def test_a_group_without_room_for_the_ghost_fails_that_domu_and_changes_nothing(tiny: Host) -> None:
    tiny.check_output("lvcreate -qq -y -l 100%FREE -n tiny1-filler vg0")
    try:
        result = backup(tiny, "--to vg1")
        (row,) = report(tiny)
    finally:
        tiny.check_output("lvremove -qq -y vg0/tiny1-filler")
    assert result.rc == 3 and "volume group vg0 has" in row["message"] and "ghost_size" in row["hint"]
    assert leftovers(tiny) == []


@pytest.mark.parametrize("words", ["tiny1 --to vg1", "plan", "status"])
def test_a_backup_is_for_root(tiny: Host, words: str) -> None:
    result = tiny.run(f"runuser -u nobody -- /usr/sbin/backup-domu {words}")
    assert result.rc == 2 and "must be run as root" in problem(result)[0]


def test_a_group_without_room_for_the_next_generation_keeps_the_last_good_one(tiny: Host) -> None:
    before = manifest(tiny, "/dev/vg1/tiny1-disk.copy")
    in_disk(tiny, "echo more > /run/look/etc/more")
    tiny.check_output("lvcreate -qq -y -l 100%FREE -n tiny1-filler vg1")
    try:
        there = volumes(tiny)
        result = backup(tiny, "--to vg1")
        (row,) = report(tiny)
        assert volumes(tiny) == there
    finally:
        tiny.check_output("lvremove -qq -y vg1/tiny1-filler")
    assert result.rc == 3 and "volume group vg1 has" in row["message"] and "vgextend" in row["hint"]
    assert manifest(tiny, "/dev/vg1/tiny1-disk.copy") == before
    assert backup(tiny, "--to vg1").rc == 0


def test_a_disk_that_cannot_be_copied_is_a_failure_and_never_left_out(tiny: Host) -> None:
    change = "s#disk = \\[#&'file:/root/tiny1-odd,xvdb,w', #"
    tiny.check_output(f'truncate -s 4M /root/tiny1-odd && sed -i.saved "{change}" /etc/xen/tiny1.cfg')
    try:
        result = backup(tiny, "--to vg1")
        (row,) = report(tiny)
    finally:
        tiny.check_output("mv /etc/xen/tiny1.cfg.saved /etc/xen/tiny1.cfg; rm /root/tiny1-odd")
    assert result.rc == 3 and "/root/tiny1-odd is a file, but on no logical volume with ext2" in row["message"]


def test_a_domu_that_lost_most_of_its_files_does_not_empty_its_copy(tiny: Host) -> None:
    many = "mkdir /run/look/many; cd /run/look/many; seq 2500 | xargs touch"
    in_disk(tiny, many)
    assert backup(tiny, "--to vg1").rc == 0
    in_disk(tiny, "rm -r /run/look/many")
    result = backup(tiny, "--to vg1")
    (row,) = report(tiny)
    assert result.rc == 3 and "its last good copy on vg1 has" in row["message"] and "--allow-deletes" in row["hint"]
    assert "/many/" in manifest(tiny, "/dev/vg1/tiny1-disk.copy").replace("'many/", "/many/")
    assert backup(tiny, "--to vg1 --allow-deletes").rc == 0
    assert manifest(tiny, "/dev/vg1/tiny1-disk.copy") == manifest(tiny, "/dev/vg0/tiny1-disk")


def xfs_room(host: Host) -> int:
    """Return the MiB that files have in the xfs of tiny1's disk: its log, which stays as it is, is not among them."""
    return int(in_disk(host, "df -m --output=size /run/look | tail -n 1", options="ro,nouuid"))


def test_an_xfs_domu_is_copied_and_grows_too(tiny: Host) -> None:
    install_xfsprogs(tiny)
    remove_tiny(tiny)
    make_tiny(tiny, size="320M", kind="xfs")
    try:
        result = backup(tiny, "--to vg1 --checksum")
        assert result.rc == 0, result.stdout
        assert manifest(tiny, "/dev/vg1/tiny1-disk.copy") == manifest(tiny, "/dev/vg0/tiny1-disk")
        show = "blkid -p -s UUID -s LABEL -s TYPE -o value %s"
        assert tiny.check_output(show % "/dev/vg1/tiny1-disk.copy") == tiny.check_output(show % "/dev/vg0/tiny1-disk")
        before, room = manifest(tiny, "/dev/vg0/tiny1-disk"), xfs_room(tiny)
        said = tiny.check_output("xen-legi resize tiny1 --size +64M --disk xvda2")
        assert said == "domU tiny1: xvda2 has 384M, its xfs too"
        assert manifest(tiny, "/dev/vg0/tiny1-disk") == before
        assert xfs_room(tiny) >= room + 60
    finally:
        remove_tiny(tiny)
        make_tiny(tiny)
