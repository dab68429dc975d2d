"""domUs whose disks are image files. A kernel and ext4, no Xen: the domUs are never started (test_guests.py starts one)."""

import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import known, refused, run_killed, state

TOP = "/var/tmp/img"
IMAGES = f"{TOP}/domains/img1"
ALL = f"find {TOP} /var/lib/xen-legi /etc/xen | sort; losetup --noheadings -O BACK-FILE"
MARKS = f"python3 -c 'import glob, os; print(*(one for path in glob.glob(\"{IMAGES}/*\") for one in os.listxattr(path)))'"
MAKE = (
    "xen-legi create img1 --method copy --source /root/imgtree --bridge br-img --ip 192.168.72.98/24 --kernel 0-img "
    f"--size 80M --swap 16M --memory 32M --no-start --dir {TOP}"
)


@pytest.fixture(scope="module")
def maker(store: Host) -> Iterator[Host]:
    """The store with a kernel of a few bytes, a bridge, a tree of a guest, and a directory for images with another's."""
    store.check_output(
        f"mkdir -p {TOP}/domains/other /root/imgtree/etc /root/imgtree/usr/sbin && "
        f"touch /root/imgtree/usr/sbin/ifup {TOP}/domains/other/disk.img && "
        "echo 'root:!:1::::::' > /root/imgtree/etc/shadow && ip link add br-img type bridge && "
        "mkdir -p /srv/xen/boot /srv/xen/lib/modules/0-img && cd /srv/xen && touch lib/modules/0-img/modules.dep && "
        "echo x | tee boot/vmlinuz-0-img boot/initrd.img-0-img"
    )
    yield store
    store.check_output(
        f"ip link del br-img; rm -rf {TOP} /root/imgtree /srv/xen/lib/modules/0-img /srv/xen/boot/*-0-img"
    )


@pytest.fixture
def images(maker: Host) -> Iterator[Host]:
    """The same; whatever a test leaves of the domU img1 is removed afterwards."""
    yield maker
    maker.check_output(f"umount {IMAGES}/disk.img 2>/dev/null; rm -f /etc/xen/img*.cfg; xen-legi list; rm -rf {IMAGES}")


def test_a_domu_of_image_files_is_made_seen_and_deleted_with_them(images: Host) -> None:
    before = images.check_output(ALL)
    said = images.check_output(f"{MAKE} 2>&1")
    assert f"image     {IMAGES}/disk.img (80M, /)" in said
    facts = images.check_output(f"stat -c '%n %s %a' {IMAGES}/*.img; {MARKS}").splitlines()
    assert facts == [f"{IMAGES}/disk.img {80 << 20} 600", f"{IMAGES}/swap.img {16 << 20} 600"]
    assert int(images.check_output(f"stat -c %b {IMAGES}/disk.img")) * 512 >= 80 << 20, "all of it is allocated"
    assert images.check_output(f"blkid -o value -s TYPE {IMAGES}/disk.img {IMAGES}/swap.img") == "ext4\nswap"
    assert images.check_output(f"debugfs -R 'cat /etc/hostname' {IMAGES}/disk.img 2>/dev/null") == "img1"
    entry = known(images, "img1")
    assert entry and [(one["path"], one["size"]) for one in entry["volumes"]] == [
        (f"{IMAGES}/swap.img", 16 << 20), (f"{IMAGES}/disk.img", 80 << 20)]
    assert "(missing)" not in images.check_output("xen-legi info img1")
    assert f"image {IMAGES}/disk.img" in images.check_output("xen-legi delete img1 --yes")
    assert images.check_output(ALL) == before


@pytest.mark.parametrize("point", ["create:after-lvcreate-xvda1", "create:mounted", "create:before-commit"])
def test_a_creation_that_was_killed_leaves_no_image_after_the_next_command(images: Host, point: str) -> None:
    before = images.check_output(ALL)
    assert run_killed(images, point, MAKE).rc == 137
    assert images.check_output(ALL) != before
    images.check_output("xen-legi list")
    assert images.check_output(ALL) == before


def test_one_that_was_killed_after_its_file_was_there_is_whole(images: Host) -> None:
    assert run_killed(images, "create:after-commit", MAKE).rc == 137
    assert "belongs to img1 and stays" in images.run("xen-legi list").stderr
    assert images.check_output(f"ls {IMAGES}; {MARKS}; ls -d /var/lib/xen-legi/images-* 2>/dev/null; true").split() == [
        "disk.img", "swap.img"]


@pytest.mark.parametrize(("point", "left"), [
    ("delete:tagged", ["disk.img", "swap.img"]), ("delete:after-file", []), ("delete:after-image", []),
])
def test_a_deletion_that_was_killed_is_ended_or_taken_back(images: Host, point: str, left: list[str]) -> None:
    images.check_output(MAKE)
    assert run_killed(images, point, "xen-legi delete img1 --yes").rc == 137
    images.check_output("xen-legi list")
    assert images.check_output(f"ls {IMAGES} 2>/dev/null; {MARKS}").split() == left
    assert images.run("ls /var/lib/xen-legi/images-*").rc != 0


def test_an_image_that_is_mounted_or_anothers_is_not_removed(images: Host) -> None:
    images.check_output(f"{MAKE} && mount -o loop {IMAGES}/disk.img /mnt")
    before = images.check_output(ALL)
    busy = images.run("xen-legi delete img1 --yes")
    refused(busy)
    assert f"{IMAGES}/disk.img is in use" in busy.stderr and images.check_output(ALL) == before
    images.check_output("umount /mnt && sed 's/img1\"/img2\"/' /etc/xen/img1.cfg > /etc/xen/img2.cfg")
    said = images.check_output("xen-legi delete img1 --yes")
    assert f"(stays: {IMAGES}/disk.img, it is in use by domU img2)" in said
    assert images.check_output(f"ls {IMAGES}").split() == ["disk.img", "swap.img"]


@pytest.mark.parametrize(("words", "said"), [
    (f"{MAKE} --lvm vg0", "--dir and --lvm exclude each other"),
    (MAKE.replace(TOP, "/nowhere"), "/nowhere is no directory for images"),
    (MAKE.replace(TOP, "/proc"), "/proc cannot hold images"),
    (MAKE.replace(TOP, "/srv/a,b"), "has characters that a domU's file cannot name"),
    (MAKE.replace("create img1", "create other"), f"{TOP}/domains/other exists already"),
    (MAKE.replace("80M", "900G"), "are needed"),
])
def test_what_cannot_work_is_told_before_anything_is_made(images: Host, words: str, said: str) -> None:
    before = images.check_output(ALL), state(images)
    result = images.run(words)
    problem, hint = [line for line in result.stderr.splitlines() if not re.match(r"•|  \(\d", line)]
    assert said in problem and hint.startswith("  hint: ") and result.rc == 2, result.stderr
    assert (images.check_output(ALL), state(images)) == before
