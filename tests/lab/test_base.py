"""Thin volumes that go block by block: after the first copy only what changed is read and sent; any doubt reads all.

All but the first test are left to the group copies.
"""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import RAW, add_raw, backup, copied_tiny, digest, leftovers, report, scribble, volumes

COPY = "/dev/vg1/tiny1-raw.copy"
BASE = "vg0/tiny1-raw.base"
CHUNK = 256 << 10
CHUNKS = 48  # of 12 MiB: three extents of vg0
KNOWN = "of 48 chunks may have changed since"
POOL = "vg0-thinpool-tpool"
SETTINGS = "/etc/xen-legi/xen-legi.toml"


@pytest.fixture(scope="module")
def made(store: Host) -> Iterator[Host]:
    """The store with tiny1, which has a raw disk in a thin pool, and a copy of all that."""
    store.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -y -q thin-provisioning-tools")
    with copied_tiny(store, "--to vg1"):
        store.check_output("lvcreate -qq -y -L 64M -T vg0/thinpool")
        try:
            add_raw(store, "-V 12M --thinpool thinpool")
            assert backup(store, "--to vg1").rc == 0
            yield store
        finally:
            store.run("udevadm settle; lvremove -qq -y vg0/thinpool")


@pytest.fixture
def thin(made: Host) -> Host:
    """The same, with a base and a copy that is of it."""
    if BASE not in volumes(made) or digest(made, RAW) != digest(made, COPY):
        assert backup(made, "--to vg1 --checksum").rc == 0
    assert BASE in volumes(made)
    return made


def in_order(host: Host) -> None:
    """Assert that the copy is what the disk is, and that nothing is left but one base, which nobody uses."""
    assert digest(host, COPY) == digest(host, RAW)
    assert leftovers(host) == []
    assert [name for name in volumes(host) if name.startswith("vg0/tiny1-raw.")] == [BASE]
    assert host.run("dmsetup info vg0-tiny1--raw.base").rc != 0  # it is not active
    assert host.check_output(f"dmsetup status {POOL}").split()[6] == "-"
    assert host.run("ls /var/lib/xen-legi/thin").stdout.strip() == ""


def changed_only(host: Host, chunks: int) -> None:
    """Make a copy; assert that it is known that so many chunks changed, and that these were sent."""
    result = backup(host, "--to vg1")
    assert result.rc == 0, result.stdout + result.stderr
    (row,) = report(host)
    assert (row["bytes"] - swap_and_files(row), row["warnings"]) == (chunks * CHUNK, [])
    assert f"{chunks} {KNOWN}" in result.stderr, result.stderr


def swap_and_files(row: dict[str, int]) -> int:
    """What rsync sent of the other disk: less than a chunk."""
    return row["bytes"] % CHUNK


def compared_whole(host: Host, why: str) -> None:
    """Make a copy; assert that it is good and says why all was read."""
    result = backup(host, "--to vg1")
    assert result.rc == 0, result.stdout + result.stderr
    (row,) = report(host)
    assert [why in one for one in row["warnings"]] == [True], row


def test_after_the_first_copy_only_what_changed_is_read_and_sent(thin: Host) -> None:
    scribble(thin, 1000, 5 << 20)
    changed_only(thin, 2)
    in_order(thin)
    changed_only(thin, 0)
    in_order(thin)


@pytest.mark.long
def test_what_a_guest_gave_back_is_zeros_in_the_copy_too(thin: Host) -> None:
    thin.check_output(f"blkdiscard -o {4 << 20} -l {1 << 20} {RAW}")
    changed_only(thin, 4)
    in_order(thin)


@pytest.mark.long
def test_a_copy_that_somebody_wrote_to_is_compared_whole(thin: Host) -> None:
    thin.check_output(f"head -c 700 /dev/urandom | dd of={COPY} bs=1 seek=100000 conv=notrunc,fsync status=none")
    scribble(thin, 7 << 20)
    compared_whole(thin, "all of tiny1-raw was compared: vg1 does not vouch for the copy of ")
    in_order(thin)


@pytest.mark.long
def test_a_byte_that_the_disk_turned_is_mended_by_the_check_by_content(thin: Host) -> None:
    device, start = thin.check_output("lvs --noheadings -o devices vg1/tiny1-raw.copy").strip(" )").split("(")
    first = int(thin.check_output(f"pvs --noheadings --units b --nosuffix -o pe_start {device}"))
    place = first + int(start) * (4 << 20) + 100_000  # beside the volume, on the disk below it
    thin.check_output(f"printf turned | dd of={device} bs=1 seek={place} conv=notrunc,fsync status=none")
    thin.check_output(f"blockdev --flushbufs {COPY}")
    assert digest(thin, COPY) != digest(thin, RAW)
    changed_only(thin, 0)
    assert digest(thin, COPY) != digest(thin, RAW)  # as documented: nobody has read that chunk
    assert backup(thin, "--to vg1 --checksum").rc == 0
    in_order(thin)


@pytest.mark.long
def test_two_volumes_of_one_run_that_change_their_names_are_not_taken_for_each_other(thin: Host) -> None:
    other = "vg0/tiny1-other"
    swap = "lvrename vg0 tiny1-raw tiny1-x && lvrename vg0 tiny1-other tiny1-raw && lvrename vg0 tiny1-x tiny1-other"
    thin.check_output(f"lvcreate -qq -y -s -kn -n tiny1-other {RAW[5:]} && "
                      f"sed -i.one \"s#disk = \\[#&'phy:/dev/{other},xvdc,w', #\" /etc/xen/tiny1.cfg")
    thin.check_output(f"head -c 1M /dev/urandom | dd of=/dev/{other} bs=1M seek=1 conv=notrunc,fsync status=none")
    try:
        assert backup(thin, "--to vg1").rc == 0
        thin.check_output(swap)
        assert backup(thin, "--to vg1").rc == 0
        assert len([one for one in report(thin)[0]["warnings"] if "does not vouch for the copy of" in one]) == 2
        for name in ("raw", "other"):
            thin.check_output(f"cmp /dev/vg0/tiny1-{name} /dev/vg1/tiny1-{name}.copy")
        thin.check_output(swap)
    finally:
        thin.check_output(f"mv /etc/xen/tiny1.cfg.one /etc/xen/tiny1.cfg; udevadm settle; lvremove -qq -y {other}")
    assert backup(thin, "--to vg1").rc == 0  # its base goes as well
    in_order(thin)


@pytest.mark.long
def test_a_receiver_that_does_not_vouch_for_its_copy_has_all_of_it_compared(thin: Host) -> None:
    (tag,) = [one for one in volumes(thin)["vg1/tiny1-raw.copy"] if one.startswith("xen-legi.ghost=")]
    thin.check_output(f"lvchange -qq --deltag {tag} vg1/tiny1-raw.copy")
    scribble(thin, 3000)
    compared_whole(thin, "all of tiny1-raw was compared: vg1 does not vouch for the copy of ")
    in_order(thin)


@pytest.mark.long
def test_without_a_base_all_is_compared_and_the_next_run_has_one(thin: Host) -> None:
    thin.check_output(f"lvremove -qq -y {BASE}")
    scribble(thin, 3000)
    result = backup(thin, "--to vg1")
    assert result.rc == 0 and report(thin)[0]["warnings"] == [] and KNOWN not in result.stderr
    in_order(thin)


@pytest.mark.long
def test_a_table_that_somebody_else_reads_is_left_to_him(thin: Host) -> None:
    thin.check_output(f"dmsetup message {POOL} 0 reserve_metadata_snap")
    try:
        root = thin.check_output(f"dmsetup status {POOL}").split()[6]
        scribble(thin, 3000)
        compared_whole(thin, "somebody has reserved the table of the thin pool vg0/thinpool")
        assert thin.check_output(f"dmsetup status {POOL}").split()[6] == root
    finally:
        thin.check_output(f"dmsetup message {POOL} 0 release_metadata_snap")
    in_order(thin)


@pytest.mark.long
def test_in_a_pool_that_is_too_full_no_base_stays(thin: Host) -> None:
    thin.check_output(f"mv {SETTINGS} {SETTINGS}.saved; printf '[backup]\\nkeep_base = 1\\n' > {SETTINGS}")
    try:
        result = backup(thin, "--to vg1")
        assert result.rc == 0 and "no base of tiny1-raw is kept" in result.stderr, result.stderr
        assert BASE not in volumes(thin) and leftovers(thin) == []
    finally:
        thin.check_output(f"mv {SETTINGS}.saved {SETTINGS}")


@pytest.mark.long
@pytest.mark.parametrize("point", [
    "thin:marked", "thin:reserved", "thin:compared", "receive:blocks-written", "backup:base-removed", "backup:base-tagged",
    "backup:base-kept",
])
def test_a_run_killed_around_its_base_leaves_nothing_after_the_next(thin: Host, point: str) -> None:
    scribble(thin, 2 << 20)
    killed = backup(thin, "--to vg1", kill=point)
    assert killed.rc == (3 if point.startswith("receive:") else 137), killed.stdout + killed.stderr
    scribble(thin, 6 << 20)
    result = backup(thin, "--to vg1")
    assert result.rc == 0, result.stdout + result.stderr
    in_order(thin)
