"""Faults of a copy on real device-mapper, without Xen: after each of them the last good copy is what it was, and the next
run heals. The other ones are in test_store, test_within, test_backup and the long groups."""

import contextlib
import re
import shlex
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import (
    RAW, RAW_BYTES, add_raw, backup, begin_held, digest, in_disk, leftovers, manifest, problem, report, scribble, volumes,
    wait_until_runs,
)
from marks import daily

COPY, KEPT, DISK = "/dev/vg1/tiny1-disk.copy", "/dev/vg1/tiny1-disk.good", "/dev/vg0/tiny1-disk"
RAW_COPY, CHUNK = "/dev/vg1/tiny1-raw.copy", 256 << 10


@pytest.fixture
def raw(tiny: Host) -> Iterator[Host]:
    """tiny1 has a disk that nobody knows the content of, and a good copy of it."""
    add_raw(tiny)
    assert "tiny1-raw" in tiny.check_output("backup-domu plan tiny1 --to vg1 | grep blocks")
    assert backup(tiny, "--to vg1").rc == 0
    yield tiny


def test_a_disk_of_any_content_is_copied_block_by_block_and_then_only_what_changed(raw: Host) -> None:
    assert digest(raw, RAW) == digest(raw, RAW_COPY) and manifest(raw, COPY) == manifest(raw, DISK)
    scribble(raw, 5, 3 * CHUNK - 100, RAW_BYTES - 700)
    assert backup(raw, "--to vg1").rc == 0
    assert digest(raw, RAW) == digest(raw, RAW_COPY) and leftovers(raw) == []
    (row,) = report(raw)
    assert 4 * CHUNK <= row["bytes"] < 4 * CHUNK + 100_000  # one of the changes is in two chunks; and the lists of the files
    raw.check_output(f"head -c 100 /dev/urandom | dd of={RAW_COPY} bs=1 seek=123456 conv=notrunc,fsync status=none")
    assert backup(raw, "--to vg1").rc == 0
    assert digest(raw, RAW) == digest(raw, RAW_COPY)  # what somebody did to the copy is mended


@pytest.mark.long  # a minute and a half for each
@pytest.mark.parametrize("point", ["receive:writing-blocks", "backup:comparing", "backup:sending-blocks",
                                   "receive:blocks-written", "receive:blocks-flushed", "backup:verified"])
def test_a_copy_by_blocks_that_is_killed_leaves_the_last_good_one_and_is_done_by_the_next_run(raw: Host, point: str) -> None:
    before = digest(raw, RAW_COPY)
    scribble(raw, 0, CHUNK, 7 * CHUNK)
    killed = backup(raw, "--to vg1", kill=point)
    assert killed.rc in (3, 137), killed.stdout + killed.stderr
    kept = "/dev/vg1/tiny1-raw.good" if "vg1/tiny1-raw.good" in volumes(raw) else RAW_COPY
    assert digest(raw, kept) == before
    assert "comparing" in point or kept != RAW_COPY and (digest(raw, RAW_COPY) != before or "sending" in point)
    assert backup(raw, "--to vg1").rc == 0
    assert digest(raw, RAW) == digest(raw, RAW_COPY) and leftovers(raw) == []


def test_a_filesystem_that_is_not_known_any_more_is_not_taken_for_a_disk_of_blocks(tiny: Host) -> None:
    before = manifest(tiny, COPY)
    saved = "/root/tiny1-head"
    tiny.check_output(f"dd if={DISK} of={saved} bs=1M count=2 status=none && "
                      f"dd if=/dev/urandom of={DISK} bs=1M count=2 conv=fsync status=none")
    result = backup(tiny, "--to vg1")
    assert result.rc == 3 and "held ext4 at its last good copy, and now nothing that is known" in report(tiny)[0]["message"]
    assert manifest(tiny, COPY) == before and "xen-legi.state=good" in volumes(tiny)["vg1/tiny1-disk.copy"]
    assert backup(tiny, "--to vg1 --allow-deletes").rc == 0
    tiny.check_output(f"cmp {DISK} {COPY}")
    tiny.check_output(f"dd if={saved} of={DISK} bs=1M conv=fsync status=none; rm {saved}")
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.long  # a minute or more; the group faults has it
def test_too_many_deletions_are_refused_night_after_night_until_a_person_says_so(tiny: Host) -> None:
    in_disk(tiny, "mkdir /run/look/many; cd /run/look/many; seq 2500 | xargs touch")
    assert backup(tiny, "--to vg1").rc == 0
    before = manifest(tiny, COPY)
    in_disk(tiny, "cd /run/look/many; seq 2500 | xargs rm; seq 2501 5000 | xargs touch")  # as many files: no loss to be seen
    for _ in range(3):
        assert backup(tiny, "--to vg1").rc == 3
        assert "more files would have been deleted" in report(tiny)[0]["message"]
        assert manifest(tiny, KEPT) == before
    assert backup(tiny, "--to vg1 --allow-deletes").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []
    assert "xen-legi.limit=hit" not in volumes(tiny)["vg1/tiny1-disk.copy"]


@pytest.mark.long  # a minute or more; the group faults has it
def test_most_files_with_another_content_are_refused_night_after_night_until_a_person_says_so(tiny: Host) -> None:
    fill = "cd /run/look/many; for one in $(seq 1500); do echo {} $one > f$one; done"
    in_disk(tiny, f"mkdir /run/look/many; {fill.format('plain')}")
    assert backup(tiny, "--to vg1").rc == 0
    before = manifest(tiny, COPY)
    in_disk(tiny, fill.format("cipher"))
    for _ in range(2):
        assert backup(tiny, "--to vg1").rc == 3
        said = report(tiny)[0]["message"]
        assert re.search(r"1500 of 18\d\d files of tiny1-disk have changed since its last good copy", said), said
        assert manifest(tiny, KEPT) == before
    assert backup(tiny, "--to vg1 --allow-deletes").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.long  # a minute or more; the group faults has it
def test_a_large_file_that_changes_whole_has_room_in_a_copy_that_is_no_larger_than_its_domu(tiny: Host) -> None:
    big = "dd if=/dev/urandom of=/run/look/big bs=1M count=32 conv=fsync status=none"
    in_disk(tiny, big)
    assert backup(tiny, "--to vg1").rc == 0
    in_disk(tiny, f"{big}; cp /run/look/etc/motd /run/look/etc/zzz")
    result = backup(tiny, "--to vg1")
    assert result.rc == 0 and "without the old files beside the new ones" in result.stderr, result.stdout + result.stderr
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.parametrize("point", daily("receive:drop-good", more=("receive:config-written",)))
def test_a_receiver_that_is_killed_after_its_last_tag_has_the_copy_and_both_ends_agree_after_the_next_run(
    tiny: Host, point: str
) -> None:
    in_disk(tiny, "echo new > /run/look/etc/new")
    killed = backup(tiny, "--to vg1", kill=point)
    assert killed.rc in (3, 137) and manifest(tiny, COPY) == manifest(tiny, DISK)
    assert re.search(r"tiny1 +store +store:vg1 +good +2 ", tiny.run("backup-domu status").stdout)
    assert backup(tiny, "--to vg1").rc == 0 and report(tiny)[0]["generation"] == 3
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.long  # a minute or more; the group faults has it
def test_a_ghost_that_overflows_while_two_are_written_fails_both_and_empties_neither(tiny: Host) -> None:
    assert backup(tiny, "--to vg0").rc == 0
    tiny.check_output("systemctl is-active lvm2-monitor")
    before = manifest(tiny, COPY)
    pid = begin_held(tiny, "backup:ghosts-mounted", "--to vg0 --to vg1")
    try:
        wait_until_runs(tiny, f"ps -o state= -p {pid} | grep T")
        in_disk(tiny, "dd if=/dev/urandom of=/run/look/big bs=1M count=30 conv=fsync status=none")
    finally:
        tiny.run(f"kill -CONT {pid}")
    wait_until_runs(tiny, f"! kill -0 {pid}")
    rows = report(tiny)
    assert {one["state"] for one in rows} == {"failed"} and len(rows) == 2
    for group in ("vg0", "vg1"):
        name = "tiny1-disk.good" if f"{group}/tiny1-disk.good" in volumes(tiny) else "tiny1-disk.copy"
        assert manifest(tiny, f"/dev/{group}/{name}") == before
    assert backup(tiny, "--to vg0 --to vg1").rc == 0 and leftovers(tiny) == []


def test_a_broken_directory_of_the_guest_is_named_and_costs_no_file_of_the_copy(tiny: Host) -> None:
    block = tiny.check_output(f"debugfs -R 'blocks /etc/deep' {DISK} 2>/dev/null").split()[0]
    size = tiny.check_output(f"dumpe2fs -h {DISK} 2>/dev/null | sed -n 's/^Block size: *//p'").strip()
    before = manifest(tiny, COPY)
    tiny.check_output(f"dd if={DISK} of=/root/block bs={size} skip={block} count=1 status=none; "
                      f"tr '\\0-\\377' '\\377\\0-\\376' < /root/block | "
                      f"dd of={DISK} bs={size} seek={block} conv=notrunc,fsync status=none")
    try:
        assert backup(tiny, "--to vg1").rc == 3
        assert report(tiny)[0]["state"] == "failed"
        name = KEPT if "vg1/tiny1-disk.good" in volumes(tiny) else COPY
        assert manifest(tiny, name) == before
    finally:
        tiny.check_output(f"dd if=/root/block of={DISK} bs={size} seek={block} conv=notrunc,fsync status=none")
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK)


def test_a_bridge_that_is_not_there_is_told_every_night(tiny: Host) -> None:
    tiny.check_output("echo \"vif = ['bridge=nobr7']\" >> /etc/xen/tiny1.cfg")
    result = backup(tiny, "--to vg1")
    said = "there is no bridge nobr7 here: the copy would not start"
    assert result.rc == 0 and report(tiny)[0]["warnings"] == [said] and said in result.stdout


def test_an_old_rsync_is_refused_before_anything_is_begun(tiny: Host) -> None:
    there = volumes(tiny)
    old = '#!/bin/sh\n[ "$*" = --version ] && exec echo rsync version 3.2.3\nexec /usr/bin/rsync "$@"\n'
    tiny.check_output(f"printf %s {shlex.quote(old)} > /usr/local/sbin/rsync && chmod 755 /usr/local/sbin/rsync")
    try:
        result = backup(tiny, "--to vg1")
    finally:
        tiny.check_output("rm /usr/local/sbin/rsync")
    assert result.rc == 2 and "rsync 3.2.3 of vg1 is older than 3.2.7" in problem(result)[0] and volumes(tiny) == there


def test_a_bit_that_flips_in_a_copy_is_found_by_checksum(tiny: Host) -> None:
    flip = ("touch -r /run/look/etc/file299 /run/look/when; printf X | dd of=/run/look/etc/file299 bs=1 seek=7 conv=notrunc "
            "status=none; touch -r /run/look/when /run/look/etc/file299; rm /run/look/when")
    in_disk(tiny, flip, COPY)
    assert backup(tiny, "--to vg1 --checksum").rc == 0 and report(tiny)[0]["changed"] == 1
    assert manifest(tiny, COPY) == manifest(tiny, DISK)


@contextlib.contextmanager
def dropping(host: Host, name: str) -> Iterator[None]:
    """Inside the context, what is written to a device of device-mapper is dropped, and each write is told to be done."""
    table = host.check_output(f"dmsetup table {name}")
    start, length, kind, device, offset = table.split()
    assert (start, kind) == ("0", "linear")
    load = f"dmsetup reload {name} --table '{{}}' && dmsetup suspend {name} && dmsetup resume {name}"
    host.check_output("modprobe dm-flakey && " + load.format(f"0 {length} flakey {device} {offset} 0 60 1 drop_writes"))
    try:
        yield
    finally:
        host.check_output(load.format(table))


@pytest.mark.long  # the group faults has it beside the other ones of disks
def test_a_disk_that_drops_what_it_is_told_to_write_has_no_good_copy(tiny: Host) -> None:
    before = manifest(tiny, COPY)
    in_disk(tiny, "echo new > /run/look/etc/new; rm /run/look/etc/file7")
    pid = begin_held(tiny, "backup:begun", "--to vg1")
    wait_until_runs(tiny, f"ps -o state= -p {pid} | grep T")
    with dropping(tiny, "vg1-tiny1--disk.copy-real"):
        tiny.check_output(f"kill -CONT {pid}")
        wait_until_runs(tiny, f"! kill -0 {pid}")
        (row,) = report(tiny)
        assert row["state"] == "failed" and "differs from its ghost" in row["message"], row
    assert manifest(tiny, KEPT) == before
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.long  # four runs, and most of them is the start of programs
def test_disks_may_come_and_go_between_two_nights(tiny: Host) -> None:
    tiny.check_output("lvcreate -qq -y -W y -L 16M -n tiny1-data vg0 && mkfs.ext4 -q /dev/vg0/tiny1-data && "
                      "sed -i.saved \"s#disk = \\[#&'phy:/dev/vg0/tiny1-data,xvdb,w', #\" /etc/xen/tiny1.cfg")
    assert backup(tiny, "--to vg1", kill="receive:volume-made").rc in (3, 137)
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, "/dev/vg1/tiny1-data.copy") == manifest(tiny, "/dev/vg0/tiny1-data")
    assert "tiny1-data.copy" in tiny.check_output("cat /etc/xen/copies/vg1/tiny1.cfg")
    tiny.check_output("mv /etc/xen/tiny1.cfg.saved /etc/xen/tiny1.cfg; lvremove -qq -y vg0/tiny1-data")
    assert backup(tiny, "--to vg1").rc == 0
    assert "tiny1-data" not in tiny.check_output("cat /etc/xen/copies/vg1/tiny1.cfg")
    assert manifest(tiny, COPY) == manifest(tiny, DISK)


@pytest.mark.long  # a minute or more; the group faults has it
def test_a_volume_group_within_a_guest_is_nothing_to_this_host(tiny: Host) -> None:
    inside = "--config 'devices { scan_lvs=1 }'"
    tiny.check_output(f"lvcreate -qq -y -W y -L 32M -n tiny1-pv vg0 && pvcreate -qq {inside} /dev/vg0/tiny1-pv && "
                      f"vgcreate -qq {inside} guestvg /dev/vg0/tiny1-pv && lvcreate -qq {inside} -L 8M -n root guestvg && "
                      f"vgchange -qq {inside} -an guestvg && "
                      f"sed -i.saved \"s#disk = \\[#&'phy:/dev/vg0/tiny1-pv,xvdb,w', #\" /etc/xen/tiny1.cfg")
    before = tiny.check_output("vgs --noheadings -o vg_name,vg_uuid")
    for _ in range(2):
        assert backup(tiny, "--to vg1").rc == 0
    tiny.check_output("cmp /dev/vg0/tiny1-pv /dev/vg1/tiny1-pv.copy")
    assert tiny.check_output("vgs --noheadings -o vg_name,vg_uuid") == before and leftovers(tiny) == []
    assert tiny.run("dmsetup ls | grep guestvg").rc == 1


@pytest.mark.long  # thousands of files: two minutes and a half
def test_renamed_files_have_inodes_in_a_copy_that_has_no_more_of_them_than_its_domu(tiny: Host) -> None:
    free = int(in_disk(tiny, "stat -f -c %d /run/look"))
    in_disk(tiny, f"mkdir /run/look/m; cd /run/look/m; seq {free - 100} | xargs touch")
    assert backup(tiny, "--to vg1").rc == 0
    in_disk(tiny, f"cd /run/look/m; for one in $(seq {free // 3}); do mv $one n$one; done")
    result = backup(tiny, "--to vg1")
    assert result.rc == 0 and "without the old files beside the new ones" in result.stderr, result.stdout + result.stderr
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


@pytest.mark.long  # a minute or more; the group faults has it
def test_a_clock_that_jumps_by_days_neither_hides_a_copy_nor_makes_an_old_one_new(tiny: Host) -> None:
    first = report(tiny)[0]["generation"]
    kept = tiny.run("systemctl is-active --quiet systemd-timesyncd").rc == 0
    tiny.run("systemctl stop systemd-timesyncd")
    try:
        for number, jump in enumerate(("2 days", "-4 days"), start=1):
            in_disk(tiny, f"echo {jump} > /run/look/etc/motd")
            tiny.check_output(f"date -s \"$(date -d '{jump}')\"")
            assert backup(tiny, "--to vg1").rc == 0 and report(tiny)[0]["generation"] == first + number
            assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []
        assert "tiny1" not in tiny.run("backup-domu check").stdout.partition("|")[0]
    finally:
        tiny.check_output(f"date -s @{time.time():.0f}")
        assert not kept or tiny.run("systemctl start systemd-timesyncd").rc == 0
    said = tiny.run("backup-domu check").stdout
    assert "tiny1" in said and "2 d" in said  # by the clock as it is now


def test_a_run_without_room_for_its_locks_says_so_and_changes_nothing(tiny: Host) -> None:
    there = volumes(tiny)
    tiny.check_output("mkdir -p /run/xen-legi && mount -t tmpfs -o size=4k,nr_inodes=1 full /run/xen-legi")
    try:
        result = backup(tiny, "--to vg1")
    finally:
        tiny.check_output("umount /run/xen-legi")
    assert result.rc == 1 and "No space left on device" in problem(result)[0] and volumes(tiny) == there
    assert backup(tiny, "--to vg1").rc == 0
