"""Roots from an archive. A kernel and LVM, no Xen: the domUs are never started."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from backups import in_disk, manifest
from domus import run_killed, state

ARCHIVE = "/root/tiny.tar.gz"
TREE = "/root/tiny"
ASKED = "--bridge br-methods --ip 192.168.72.99/24 --kernel 0-tiny --swap 16M --memory 32M --no-start"
PARTITIONS = """\
[root]
size = 96M
type = ext4
mountpoint = /

[swap]
size = 16M
type = swap

[log]
size = 64M
type = ext2
mountpoint = /var/log
options = nodev

[var]
size = 64M
type = ext3
mountpoint = /var
"""
APART = ASKED.replace("--swap 16M ", "--partitions /root/tiny.partitions ")
TAR = f"--method tar --source {ARCHIVE} --size 96M {ASKED}"


@pytest.fixture(scope="module")
def maker(store: Host) -> Iterator[Host]:
    """The store with a kernel of a few bytes, a bridge, and an archive of a guest with odd files."""
    store.check_output(
        f"mkdir -p {TREE} /srv/xen/boot /srv/xen/lib/modules/0-tiny && ip link add br-methods type bridge && cd /srv/xen && "
        "touch lib/modules/0-tiny/modules.dep && echo x > boot/vmlinuz-0-tiny && echo x > boot/initrd.img-0-tiny && "
        f"cd {TREE} && mkdir -p etc usr/sbin dev var/lib var/log && touch usr/sbin/ifup && "
        "echo 'root:!:1::::::' > etc/shadow && echo hello > etc/motd && ln etc/motd etc/same && chown 123:456 etc/motd && "
        "chmod 4750 usr/sbin/ifup && ln -s /etc/shadow etc/link && mknod dev/null c 1 3 && "
        "truncate -s 20M sparse && echo var > var/lib/here && echo log > var/log/said && "
        "python3 -c 'import os; os.setxattr(\"etc/motd\", \"user.note\", b\"x\")' && "
        f"tar --xattrs --sparse --format=posix -czf {ARCHIVE} ."
    )
    yield store
    store.check_output(f"ip link del br-methods; rm -rf {TREE} {ARCHIVE} /srv/xen/lib/modules/0-tiny /srv/xen/boot/*-0-tiny")


@pytest.fixture
def gone(maker: Host) -> Iterator[Host]:
    """The same; a domU tar1 that a test has made is deleted afterwards."""
    yield maker
    if maker.run("test -e /etc/xen/tar1.cfg").rc == 0:
        maker.check_output("xen-legi delete tar1 --yes")


def test_a_domu_from_an_archive_has_everything_that_is_in_it(gone: Host) -> None:
    said = gone.check_output(f"xen-legi create tar1 {TAR} 2>&1")
    assert f"archive {ARCHIVE}" in said and "domU tar1 made from" in said
    tree = (Path(__file__).parent / "tree_manifest").read_text()
    packed = set(gone.check_output(f"python3 -c {shlex.quote(tree)} {TREE}").splitlines())
    lacking = packed - set(manifest(gone, "/dev/vg0/tar1-disk").splitlines())
    # what is settled in any domU, so that these directories have other times, too
    assert {line.split("'")[1] for line in lacking} <= {".", "etc", "etc/shadow", "usr", "usr/sbin"}, lacking
    assert in_disk(gone, "cat /run/look/etc/hostname", "/dev/vg0/tar1-disk", "ro") == "tar1"


def test_a_domu_of_four_volumes_has_each_file_on_its_own(gone: Host) -> None:
    before = state(gone)
    gone.check_output(f"printf %s {shlex.quote(PARTITIONS)} > /root/tiny.partitions")
    try:
        gone.check_output(f"xen-legi create tar1 --method tar --source {ARCHIVE} {APART}")
        config = gone.check_output("cat /etc/xen/tar1.cfg")
        parts = {"swap": "xvda1", "root": "xvda2", "var": "xvda3", "log": "xvda4"}
        assert all(f"'phy:/dev/vg0/tar1-{name},{device},w'" in config for name, device in parts.items())
        fstab = in_disk(gone, "cat /run/look/etc/fstab; ls -A /run/look/var", "/dev/vg0/tar1-root", "ro")
        assert fstab.splitlines()[1:] == [
            "/dev/xvda2\t/\text4\tnoatime,errors=remount-ro\t0\t1", "/dev/xvda3\t/var\text3\tnoatime\t0\t2",
            "/dev/xvda4\t/var/log\text2\tnodev\t0\t2", "/dev/xvda1\tnone\tswap\tsw\t0\t0",
        ]  # fmt: skip
        assert in_disk(gone, "cd /run/look; cat lib/here; ls -A log", "/dev/vg0/tar1-var", "ro") == "var"
        assert in_disk(gone, "cat /run/look/said", "/dev/vg0/tar1-log", "ro") == "log"
        gone.check_output("xen-legi delete tar1 --yes")
        assert state(gone) == before
        made = f"xen-legi create tar1 --method tar --source {ARCHIVE} {APART}"
        assert run_killed(gone, "create:after-copy", made).rc == 137
        gone.check_output("xen-legi list")
        assert state(gone) == before
    finally:
        gone.check_output("rm -f /root/tiny.partitions")


def test_a_domu_as_the_file_of_xen_tools_says_from_a_directory(gone: Host) -> None:
    said = "lvm = vg1\nsize = 96M\nswap = 16M\ninstall-method = copy\ninstall-source = `echo /root/tiny`\nimage = full\n"
    gone.check_output(f"printf %s {shlex.quote(said)} > /root/xen-tools.conf")
    try:
        words = ASKED.replace("--swap 16M", "--swap 32M")
        told = gone.check_output(f"xen-legi create tar1 --config /root/xen-tools.conf {words} 2>&1")
        assert "not used: image" in told and "/dev/vg1/tar1-swap (32M, swap)" in told
        packed = gone.check_output("sha256sum < /root/tiny/etc/motd")
        there = in_disk(gone, "sha256sum < /run/look/etc/motd; stat -c %u:%g /run/look/etc/motd", "/dev/vg1/tar1-disk", "ro")
        assert there == f"{packed}\n123:456"
    finally:
        gone.check_output("rm /root/xen-tools.conf")


def test_what_is_mounted_in_a_directory_is_copied_with_it(gone: Host) -> None:
    gone.check_output(f"lvcreate -qq -y -L 16M -n methods-var vg1 && mkfs.ext4 -q /dev/vg1/methods-var && "
                      f"mount /dev/vg1/methods-var {TREE}/var && mkdir {TREE}/var/run && echo only > {TREE}/var/only && "
                      f"mount -t tmpfs none {TREE}/var/run && touch {TREE}/var/run/not")
    try:
        said = gone.check_output(f"xen-legi create tar1 --method copy --source {TREE} --size 96M {ASKED} 2>&1")
        assert f"directory {TREE} and what is mounted in it ({TREE}/var)" in said
        assert in_disk(gone, "cd /run/look/var; cat only; ls -A run", "/dev/vg0/tar1-disk", "ro") == "only"
    finally:
        gone.check_output(f"umount {TREE}/var/run {TREE}/var && lvremove -qq -y vg1/methods-var")


def test_a_domu_in_a_thin_pool_takes_the_room_of_its_files(gone: Host) -> None:
    gone.check_output("lvcreate -qq -y -L 160M -T vg1/tar-pool")
    try:
        before = state(gone)
        made = f"xen-legi create tar1 --lvm vg1 --thin tar-pool {TAR.replace('96M', '1G')}"
        assert "vg1/tar1-disk 1G" in gone.check_output(f"{made} 2>&1")
        pools = gone.check_output("lvs --noheadings -o lv_name,lv_size,pool_lv vg1 | sort").split()
        assert pools == ["tar-pool", "160.00m", "tar1-disk", "1.00g", "tar-pool", "tar1-swap", "16.00m", "tar-pool"]
        assert float(gone.check_output("lvs --noheadings -o data_percent vg1/tar-pool")) < 60
        assert in_disk(gone, "cat /run/look/etc/hostname", "/dev/vg1/tar1-disk", "ro") == "tar1"
        gone.check_output("xen-legi delete tar1 --yes")
        assert state(gone) == before
        assert run_killed(gone, "create:after-copy", made).rc == 137
        gone.check_output("xen-legi list")
        assert state(gone) == before
        gone.check_output("lvcreate -qq -y -V 150M -n filler -T vg1/tar-pool && dd if=/dev/urandom of=/dev/vg1/filler bs=1M "
                          "count=148 oflag=direct status=none")
        full = gone.run(made)
        assert full.rc == 2 and "the thin pool vg1/tar-pool is full to 9" in full.stderr
    finally:
        gone.check_output("lvremove -qq -y vg1/tar-pool")


def test_a_tree_of_another_machine_keeps_no_address_of_that(gone: Host) -> None:
    gone.check_output(f"cp -a {TREE} /root/other && mkdir -p /root/other/etc/network/interfaces.d && "
                      "cd /root/other/etc/network/interfaces.d && "
                      "printf 'iface eth0 inet static\\n  address 10.9.9.9/24\\n' > eth0")
    try:
        said = gone.check_output(f"xen-legi create tar1 --method copy --source /root/other --size 96M {ASKED} 2>&1")
        assert said.count("set aside in the guest, as another machine's: /etc/network/interfaces.d/eth0 (now in /etc/") == 1
        look = "cd /run/look/etc; ls -A network/interfaces.d; grep -r 10.9.9.9 . | cut -d: -f 1"
        assert in_disk(gone, look, "/dev/vg0/tar1-disk", "ro") == "./disabled-by-xen-legi/network/interfaces.d/eth0"
    finally:
        gone.check_output("rm -rf /root/other")


def test_a_creation_from_an_archive_that_was_killed_leaves_nothing_after_the_next_command(gone: Host) -> None:
    before = state(gone)
    assert run_killed(gone, "create:after-copy", f"xen-legi create tar1 {TAR}").rc == 137
    gone.check_output("xen-legi list")
    assert state(gone) == before


@pytest.mark.parametrize(("words", "said"), [
    (f"--method tar {ASKED}", "the method tar needs an archive"),
    (f"--method tar --source /nothing {ASKED}", "there is no file /nothing"),
    (f"--method tar --source /etc/passwd {ASKED}", "cannot be read as an archive"),
    (f"--method tar --source {ARCHIVE} --mirror file:///srv {ASKED}", "means nothing to the method tar"),
    (f"--method tar --source {ARCHIVE} --size 32M {ASKED}", "is too small for archive"),
    (f"--method tar --source {ARCHIVE} {APART}", "/root/tiny.partitions: No such file or directory"),
    (f"--method tar --source {ARCHIVE} --noswap {APART}", "--partitions and --noswap exclude each other"),
    (f"--thin pool0 {TAR}", "there is no thin pool vg0/pool0"),
    (f"--method copy {ASKED}", "the method copy needs a directory"),
    (f"--method copy --source /srv {ASKED}", "/srv holds no guest"),
    (f"--config /nothing {ASKED}", "/nothing: No such file or directory"),
    (f"--method debootstrap --dist trixie {ASKED}", "mmdebstrap is not installed"),  # this host is no dom0
])
def test_what_cannot_work_is_told_before_anything_is_made(gone: Host, words: str, said: str) -> None:
    before = state(gone)
    result = gone.run(f"xen-legi create tar1 {words}")
    problem, hint = [line for line in result.stderr.splitlines() if not re.match(r"•|  \(\d", line)]
    assert said in problem and hint.startswith("  hint: ") and result.rc == 2, result.stderr
    assert state(gone) == before
