"""Copies within a plain Debian host, without Xen: what needs a real kernel and real device-mapper, and no guest."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from testinfra.host import Host

from backups import backup, begin_held, in_disk, leftovers, manifest, problem, remove_tiny, report, volumes
from marks import daily

COPY = "/dev/vg1/tiny1-disk.copy"
DISK = "/dev/vg0/tiny1-disk"
OWN = "/etc/xen-legi/backup.d/tiny1.toml"


def state_of(host: Host, pid: str) -> str:
    """Return the state of a process as ps names it; nothing when it is gone."""
    return str(host.run(f"ps -o state= -p {pid}").stdout).strip()


def wait_for(host: Host, pid: str, states: str) -> None:
    """Wait until a process is in one of these states ("" is: gone). A slow computer takes over two minutes for ten tries to
    remove a ghost that is held open."""
    deadline = time.monotonic() + 400
    while state_of(host, pid) not in states.split(","):
        assert time.monotonic() < deadline, f"process {pid} is in state {state_of(host, pid)}, not {states}"
        time.sleep(0.5)


@contextmanager
def held_at(host: Host, point: str, words: str = "--to vg1") -> Iterator[None]:
    """Start a backup that stops at a point; inside the context it stands there, afterwards it has gone on to its end."""
    pid = begin_held(host, point, words)
    wait_for(host, pid, "T,")
    assert state_of(host, pid) == "T", host.check_output("cat /run/held.log")
    try:
        yield
    finally:
        host.run(f"kill -CONT {pid}")
        wait_for(host, pid, ",Z")


def overflow(host: Host) -> None:
    """Write more to the domU's disk than its ghost (20 % of 64 MiB) can keep, as a guest may; some free blocks of it."""
    in_disk(host, "dd if=/dev/urandom of=/run/look/big bs=1M count=30 conv=fsync status=none")
    status = host.check_output("dmsetup status | grep '^vg0-tiny1--disk.ghost.*snapshot '")
    assert "Invalid" in status or "Overflow" in status, status


def test_this_host_has_no_xen(store: Host) -> None:
    assert store.run("command -v xl").rc != 0 and not store.file("/proc/xen").exists
    assert store.package("xen-legi-backup").is_installed and not store.package("xen-legi-dom0").is_installed


def test_what_needs_xen_says_so_here(store: Host) -> None:
    result = store.run("xen-legi create x --vlan 72 --ip 10.0.0.1/24")
    assert result.rc == 2 and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize("point", daily("backup:sending", more=(
    "backup:verified", "backup:ghosts-made", "backup:ghosts-mounted", "backup:sent",
)))
def test_a_ghost_that_overflows_fails_its_copy_and_deletes_nothing(tiny: Host, point: str) -> None:
    before = manifest(tiny, COPY)
    in_disk(tiny, "rm -r /run/look/etc/deep; echo new > /run/look/etc/new")
    with held_at(tiny, point):
        overflow(tiny)
    (row,) = report(tiny)
    if point == "backup:verified":  # all was read and compared before: this copy is what the domU was
        assert row["state"] == "good" and "'etc/new'" in manifest(tiny, COPY)
    else:
        assert row["state"] == "failed" and "not valid any more" in row["message"], row
        kept = COPY if "vg1/tiny1-disk.good" not in volumes(tiny) else "/dev/vg1/tiny1-disk.good"
        assert manifest(tiny, kept) == before
    assert not [name for name in leftovers(tiny) if ".ghost-" in name]
    in_disk(tiny, "rm /run/look/big")
    after = backup(tiny, "--to vg1")
    assert after.rc == 0, after.stdout + after.stderr
    assert manifest(tiny, COPY) == manifest(tiny, DISK)
    assert leftovers(tiny) == []


def test_a_second_run_is_refused_at_once_and_names_the_first(tiny: Host) -> None:
    with held_at(tiny, "backup:ghosts-mounted"):
        second = backup(tiny, "--to vg1")
        (row,) = report(tiny)
    assert second.rc == 3 and "is in use by process" in row["message"] and "backup-domu" in row["message"]
    assert report(tiny)[0]["state"] == "good"


def test_a_ghost_that_lvcreate_has_half_made_is_removed_and_what_looks_like_one_stays(tiny: Host) -> None:
    # lvcreate makes a volume and then a snapshot of it: killed with its whole group, or cut off, it leaves the first
    run = "20200101-000000-abcdef"
    tags = f"--addtag xen-legi --addtag xen-legi.ghost --addtag xen-legi.domu=tiny1 --addtag xen-legi.run={run}"
    tiny.check_output(f"lvcreate -qq -y -L 8M {tags} -n tiny1-disk.ghost-{run} vg0 && "
                      f"lvcreate -qq -y -L 8M -n tiny1-disk.ghost-20200101-000000-fedcba vg0")
    try:
        result = backup(tiny, "--to vg1")
        assert result.rc == 0 and f"removed the ghost vg0/tiny1-disk.ghost-{run}" in result.stderr, result.stderr
        assert [name for name in volumes(tiny) if ".ghost-" in name] == ["vg0/tiny1-disk.ghost-20200101-000000-fedcba"]
    finally:
        tiny.check_output("lvremove -qq -y vg0/tiny1-disk.ghost-20200101-000000-fedcba")


@pytest.mark.long  # two minutes: lvremove is tried again and again
def test_a_ghost_that_is_held_open_is_left_to_the_next_run(tiny: Host) -> None:
    with held_at(tiny, "backup:ghosts-made"):
        (ghost,) = [name for name in volumes(tiny) if ".ghost-" in name]
        holder = tiny.check_output(f"sleep 1000 </dev/{ghost} >/dev/null 2>&1 & echo $!").strip()
    try:
        assert report(tiny)[0]["state"] == "good"
        assert ghost in volumes(tiny)
    finally:
        tiny.run(f"kill {holder}")
    assert backup(tiny, "--to vg1").rc == 0
    assert leftovers(tiny) == []


def break_block(host: Host, path: str) -> None:
    """Make the first block of a file unreadable below the disk and its ghost, until the ghost is removed.

    The device "-real" is what both stand on; lvm2 loads its table anew, from its own metadata, when the ghost goes.
    """
    where = in_disk(host, f"filefrag -s -b512 -v /run/look/{path}")
    first = int(where.split("0:")[1].split(":")[1].split("..")[0])
    name = "vg0-tiny1--disk-real"
    start, length, kind, device, offset = host.check_output(f"dmsetup table {name}").split()
    assert (start, kind) == ("0", "linear")
    rest = first + 8
    table = (
        f"0 {first} linear {device} {offset}\\n{first} 8 error\\n"
        f"{rest} {int(length) - rest} linear {device} {int(offset) + rest}"
    )
    host.check_output(f"printf '{table}\\n' | dmsetup reload {name} && dmsetup suspend {name} && dmsetup resume {name}")


def test_a_file_that_cannot_be_read_is_named_keeps_its_copy_and_nothing_is_deleted(tiny: Host) -> None:
    in_disk(tiny, "head -c 65536 /dev/urandom > /run/look/etc/victim")
    assert backup(tiny, "--to vg1").rc == 0
    before = manifest(tiny, COPY)
    in_disk(tiny, "touch /run/look/etc/victim; rm /run/look/etc/file9")
    with held_at(tiny, "backup:ghosts-made"):
        break_block(tiny, "etc/victim")
    (row,) = report(tiny)
    assert row["state"] == "failed" and "victim" in row["message"], row
    assert manifest(tiny, "/dev/vg1/tiny1-disk.good") == before
    assert "'etc/file9'" in manifest(tiny, COPY)
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK)


def test_the_recipe_by_hand_sets_a_half_written_copy_back(tiny: Host) -> None:
    before = manifest(tiny, COPY)
    in_disk(tiny, "rm -r /run/look/etc/deep; echo new > /run/look/etc/new")
    assert backup(tiny, "--to vg1", kill="backup:sent").rc == 137
    assert "xen-legi.state=dirty" in volumes(tiny)["vg1/tiny1-disk.copy"]
    tiny.check_output("lvconvert -qq -y --merge vg1/tiny1-disk.good")
    assert manifest(tiny, COPY) == before
    assert backup(tiny, "--to vg1").rc == 0
    assert manifest(tiny, COPY) == manifest(tiny, DISK) and leftovers(tiny) == []


def test_wrong_use_is_one_line(store: Host) -> None:
    result = store.run("backup-domu run nobody --to vg1")
    assert result.rc == 2 and "there is no domU 'nobody'" in problem(result)[0]


MERGE = """
lvcreate -qq -y -W y -L 16M -n t1.copy vg1 && echo before | dd of=/dev/vg1/t1.copy conv=notrunc,fsync status=none
lvcreate -qq -y -s -L 20M -n t1.good vg1/t1.copy && echo after! | dd of=/dev/vg1/t1.copy conv=notrunc,fsync status=none
udevadm settle; sleep {held} </dev/vg1/t1.copy & sleep 0.5
python3 -c 'from xen_legi.storage import lvm, merge; merge.merge(lvm.find("vg1", "t1.good"), background={background})'
status=$?
head -c 6 /dev/vg1/t1.copy; echo; dmsetup table vg1-t1.copy | cut -d" " -f3
exit $status
"""


@pytest.mark.parametrize("background", [True, False])
def test_a_volume_that_somebody_has_open_is_set_back_as_soon_as_it_is_free(store: Host, background: bool) -> None:
    try:
        result = store.run(MERGE.format(held=3, background=background))
        assert result.rc == 0 and result.stdout.split()[0] == "before", result.stdout + result.stderr
    finally:
        store.check_output("udevadm settle; lvremove -qq -y vg1/t1.copy")


@pytest.mark.long  # a minute; a volume that is set back as soon as it is free is tested every day
def test_a_volume_that_stays_in_use_is_not_taken_for_set_back(store: Host) -> None:
    try:
        result = store.run(MERGE.format(held=40, background=True))
        assert result.rc != 0 and "is in use and is set back only when it is free" in result.stderr, result.stderr
        assert result.stdout.split() == ["after!", "snapshot-origin"]
    finally:
        store.check_output("sleep 25; udevadm settle; lvremove -qq -y vg1/t1.copy")


def test_the_copies_are_told_as_a_plugin_tells_it_and_for_prometheus(tiny: Host) -> None:
    good = tiny.run("backup-domu check --prometheus /run/copies.prom")
    assert good.rc == 0 and re.fullmatch(r"OK: 1 good copy, the oldest .* old \| copies=1 oldest=\d+s\n", good.stdout)
    told = tiny.check_output("cat /run/copies.prom; stat -c %a /run/copies.prom; rm /run/copies.prom").splitlines()
    assert any(line.startswith('xen_legi_copy_time_seconds{domu="tiny1",source="store",where="vg1"} ') for line in told)
    assert told[-2:] == ["xen_legi_copies_problem 0", "644"]
    assert tiny.run("backup-domu check --warning 0s").rc == 1
    old = tiny.run("backup-domu check --warning 0s --critical 0s")
    assert old.rc == 2 and old.stdout.startswith("CRITICAL: the newest copy of tiny1 is ")
    tiny.check_output("echo \"name = 'lone1'\nmemory = 1\" > /etc/xen/lone1.cfg")
    try:
        lone = tiny.run("backup-domu check")
        assert lone.rc == 2 and lone.stdout.startswith("CRITICAL: lone1 has no good copy | ")
    finally:
        tiny.check_output("rm /etc/xen/lone1.cfg")
    for words, said in (("--warning soon", "age 'soon' is no span of time"), ("--warn 3h", "wrong use"),
                        ("--warning 2d --critical 1d", "--warning 2d is more than --critical 1d")):
        unknown = tiny.run(f"backup-domu check {words} --prometheus /run/copies.prom")
        assert unknown.rc == 3 and unknown.stdout == f"UNKNOWN: {said}\n"
    assert tiny.check_output("tail -n 1 /run/copies.prom; rm /run/copies.prom") == "xen_legi_copies_problem 3"


def test_a_run_stands_back_at_the_disks_as_the_settings_say(tiny: Host) -> None:
    settings = "/etc/xen-legi/xen-legi.toml"
    tiny.check_output(f"cp -a {settings} /root/settings.saved; printf '[backup]\nionice = \"idle\"\n' > {settings}")
    try:
        with held_at(tiny, "backup:ghosts-mounted"):
            pids = tiny.check_output("pgrep -f '[b]ackup-domu run tiny1'").split()
            assert pids and {tiny.check_output(f"ionice -p {pid}") for pid in pids} == {"idle"}
    finally:
        tiny.check_output(f"mv /root/settings.saved {settings}")


@pytest.fixture
def wished(tiny: Host) -> Iterator[Host]:
    """The store with tiny1, which has settings of its own: one copy, in a volume group of two."""
    tiny.check_output("mkdir -p /etc/xen-legi/backup.d")
    tiny.check_output(f"printf 'destinations = [\"vg0\", \"vg1\"]\\ncopies = 1\\nretries = 0\\n' > {OWN}")
    try:
        yield tiny
    finally:
        tiny.check_output("rm -rf /etc/xen-legi/backup.d/tiny1.toml /var/lib/xen-legi/backup/places")


def test_a_domu_of_many_destinations_stays_where_its_copy_is(wished: Host) -> None:
    planned = wished.check_output("backup-domu plan tiny1").splitlines()
    assert [line.split()[-1] for line in planned] == ["to", "vg1", "vg1"]
    assert backup(wished).rc == 0 and [(one["destination"], one["generation"]) for one in report(wished)] == [("vg1", 2)]
    assert "vg0/tiny1-disk.copy" not in volumes(wished) and wished.run("backup-domu check").rc == 0
    assert wished.check_output("cat /var/lib/xen-legi/backup/places/tiny1") == "vg1"
    wished.check_output(f"sed -i s/\\\"vg1\\\"// {OWN}")
    assert backup(wished).rc == 0 and [one["destination"] for one in report(wished)] == ["vg0"]


@pytest.mark.parametrize("line, said", [
    ("number = 2", "number is unknown here"),
    ('destinations = ["vg7"]', "'vg7' is neither a volume group of this host nor a peer"),
])
def test_a_mistake_in_the_file_of_a_domu_costs_its_own_copy_only(wished: Host, line: str, said: str) -> None:
    settings = "/etc/xen-legi/xen-legi.toml"
    wished.check_output(f"cp -a {settings} /root/settings.saved; printf '[backup]\ndestinations = [\"vg1\"]\n' > {settings}")
    wished.check_output(f"echo '{line}' > {OWN}; touch /etc/xen-legi/backup.d/tyni1.toml")
    wished.check_output("lvcreate -qq -y -W y -L 32M -n other1-disk vg0 && mkfs.ext4 -q /dev/vg0/other1-disk && "
                        "sed \"s/tiny1/other1/g; s/'phy:[^']*swap[^']*', //\" /etc/xen/tiny1.cfg > /etc/xen/other1.cfg")
    try:
        told = wished.check_output("backup-domu plan").splitlines()
        assert f"tiny1 cannot be copied: {OWN}: {said}" in told
        assert "/etc/xen-legi/backup.d/tyni1.toml is not the file of a domU of this host" in told
        assert wished.run("backup-domu").rc == 3
        rows = {one["domu"]: one for one in report(wished)}
        assert (rows["tiny1"]["state"], rows["tiny1"]["message"]) == ("failed", f"{OWN}: {said}")
        assert rows["other1"]["state"] == "good", rows["other1"]
    finally:
        wished.check_output(f"mv /root/settings.saved {settings}; rm -f /etc/xen-legi/backup.d/tyni1.toml")
        remove_tiny(wished, name="other1")


@pytest.mark.long  # two minutes; which moments are within a window is a unit test
def test_a_domu_is_copied_by_itself_only_in_its_window_and_not_at_all_if_its_file_says_so(wished: Host) -> None:
    later = "$(date -d '+2 hours' +%H:%M)-$(date -d '+3 hours' +%H:%M)"
    wished.check_output(f"printf 'destinations = [\"vg1\"]\\nwindow = \"%s\"\\n' \"{later}\" > {OWN}")
    all_of_it = wished.run("backup-domu")
    assert all_of_it.rc == 0 and "OK: 0 of 1 copies are good, later: tiny1 to vg1" in all_of_it.stdout, all_of_it.stdout
    assert [one["state"] for one in report(wished)] == ["later"]
    assert backup(wished).rc == 0 and report(wished)[0]["generation"] == 2
    wished.check_output(f"echo 'exclude = true' > {OWN}")
    assert "nothing to copy" in wished.check_output("backup-domu run --to vg1")
    assert backup(wished, "--to vg1").rc == 0 and report(wished)[0]["generation"] == 3
