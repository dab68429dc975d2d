"""A domU on image files, as xen-tools makes them: grown, cloned, renamed, deleted. A kernel and ext4, no Xen.

Its files are sparse, in a directory that is called as the domU; one more is beside it and bears the name itself.
"""

import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import in_disk
from domus import refused, run_killed, state
from marks import daily

TOP = "/var/tmp/life"
ONE, TWO = f"{TOP}/domains/life1", f"{TOP}/domains/life2"
MAC = "00:16:3E:48:12:35"
HELD = f"mount -o ro,loop {ONE}/disk.img /mnt"
WRITTEN = f"setsid sleep 20 3<>{ONE}/disk.img </dev/null >/dev/null 2>&1 &"  # as the resize2fs of a killed run
CLONE = "xen-legi clone life1 life2 --ip 192.168.72.14 --no-start"
NETWORK = "iface eth72 inet static\\n    address {}/24\\n"
CONFIG = f"""\
name = 'life1'
type = 'pv'
memory = 32
root = '/dev/xvda2 ro'
disk = [ 'file:{ONE}/disk.img,xvda2,w', 'file:{ONE}/swap.img,xvda1,w', '{TOP}/life1-raw.img,raw,xvdb,w' ]
vif = [ 'mac={MAC},ip=192.168.72.13,bridge=xenbr72' ]
"""
MAKE = f"""\
set -e
mkdir -p {ONE} {TOP}/domains/life1-else /etc/xen
touch {TOP}/domains/life1-else/disk.img {ONE}/note
truncate -s 64M {ONE}/disk.img
truncate -s 16M {ONE}/swap.img
mkfs.ext4 -q -F -L life {ONE}/disk.img
mkswap -q -L lifeswap {ONE}/swap.img
head -c 3145728 /dev/urandom > {TOP}/life1-raw.img
printf %s {shlex.quote(CONFIG)} > /etc/xen/life1.cfg
"""
INSIDE = f"""\
mkdir -p /run/look/etc/network /run/look/data
cd /run/look/etc
echo life1 > hostname
echo '192.168.72.13 life1' > hosts
printf '{NETWORK.format("192.168.72.13")}' > network/interfaces
head -c 5000000 /dev/urandom > ../data/random
"""


@pytest.fixture
def life(store: Host) -> Iterator[Host]:
    """The store with life1, which is never started."""
    remove(store)
    try:
        store.check_output(MAKE)
        in_image(store, INSIDE, "loop")
        yield store
    finally:
        remove(store)


def remove(host: Host) -> None:
    """Remove what these tests make."""
    host.run(f"umount /mnt 2>/dev/null; rm -rf {TOP} /etc/xen/life*.cfg /etc/xen/auto/life*.cfg "
             "/var/lib/xen-legi/images-life* /var/lib/xen-legi/renaming-life*")


def in_image(host: Host, script: str, options: str = "ro,loop", image: str = f"{ONE}/disk.img") -> str:
    """Run shell lines on a host with an image mounted at /run/look; its loop device has gone at the end."""
    said = in_disk(host, script, image, options)
    host.check_output(f"for try in $(seq 100); do test -z \"$(losetup -n -j {image})\" && break; sleep 0.1; done")
    return said


def files(host: Host) -> str:
    """Return what must be the same after a command that changed nothing or was taken back."""
    return state(host) + str(host.check_output(
        f"find {TOP} /var/lib/xen-legi \\( -name 'images-*' -o -path '{TOP}/*' \\) -printf '%p %s %b\\n' | sort; "
        f"cat /etc/xen/life1.cfg; losetup --noheadings -O BACK-FILE; find {TOP} -type f -exec sha256sum {{}} + | sort"
    ))


def size(host: Host, path: str) -> int:
    """Return the MiB of a file."""
    return int(host.check_output(f"stat -c %s {path}")) >> 20


def read(host: Host, image: str, words: str) -> str:
    """Return what `cat` prints of files in an image, which is not written for it."""
    return "".join(host.check_output(f"debugfs -R 'cat {word}' {image} 2>/dev/null") + "\n" for word in words.split())


def test_its_disks_grow_with_what_is_on_them_and_the_new_room_is_allocated(life: Host) -> None:
    digest = in_image(life, "sha256sum < /run/look/data/random")
    room = "df -m --output=size /run/look | tail -n 1"
    before = int(in_image(life, room))
    taken = int(life.check_output(f"stat -c %b {ONE}/disk.img"))
    said = life.check_output("xen-legi resize life1 --size +64M --dry-run")
    assert said == f"domU life1: xvda2, {ONE}/disk.img: 64M to 128M" and size(life, f"{ONE}/disk.img") == 64
    assert life.check_output("xen-legi resize life1 --size +64M") == "domU life1: xvda2 has 128M, its ext4 too"
    assert size(life, f"{ONE}/disk.img") == 128
    assert int(in_image(life, room)) > before + 55
    assert int(life.check_output(f"stat -c %b {ONE}/disk.img")) >= taken + (64 << 20) // 512
    assert in_image(life, "sha256sum < /run/look/data/random") == digest
    names = f"blkid -p -o value -s UUID -s LABEL {ONE}/swap.img"
    of_swap = life.check_output(names)
    assert life.check_output("xen-legi resize life1 --size 32M --disk xvda1") == "domU life1: xvda1 has 32M, its swap too"
    assert life.check_output(names) == of_swap and size(life, f"{ONE}/swap.img") == 32
    said = life.check_output(f"xen-legi resize life1 --size 4M --disk {TOP}/life1-raw.img")
    assert said == "domU life1: xvdb has 4M, what is on it is left" and size(life, f"{TOP}/life1-raw.img") == 4


def test_a_growth_that_was_killed_is_ended_by_the_same_command(life: Host) -> None:
    assert run_killed(life, "resize:extended", "xen-legi resize life1 --size 96M").rc == 137
    assert size(life, f"{ONE}/disk.img") == 96
    assert life.check_output("xen-legi resize life1 --size 96M") == "domU life1: xvda2 has 96M, its ext4 too"
    assert int(in_image(life, "df -m --output=size /run/look | tail -n 1")) > 75


def assert_cloned(host: Host) -> None:
    """Assert that life2 has all that life1 has, and is a machine of its own."""
    text = host.check_output("cat /etc/xen/life2.cfg")
    assert f"'file:{TWO}/disk.img,xvda2,w', 'file:{TWO}/swap.img,xvda1,w', '{TOP}/life2-raw.img,raw,xvdb,w'" in text
    assert re.search("mac=00:16:3E:48:[0-9A-F:]+,ip=192.168.72.14", text) and MAC not in text
    assert host.check_output(f"cmp {TOP}/life1-raw.img {TOP}/life2-raw.img; ls {TWO}").split() == ["disk.img", "swap.img"]
    said = read(host, f"{TWO}/disk.img", "/etc/hostname /etc/hosts /etc/network/interfaces")
    assert said.split() == "life2 192.168.72.14 life2 iface eth72 inet static address 192.168.72.14/24".split()
    for what in ("disk", "swap"):
        blkid = "blkid -p -s UUID -s LABEL -o value"
        assert host.check_output(f"{blkid} {ONE}/{what}.img") == host.check_output(f"{blkid} {TWO}/{what}.img")
    digest = "sha256sum < /run/look/data/random"
    assert in_image(host, digest) == in_image(host, digest, image=f"{TWO}/disk.img")
    assert int(host.check_output(f"stat -c %b {TWO}/disk.img")) * 512 < 40 << 20, "what is sparse stays so"
    marks = "python3 -c 'import os, sys; print(*(one for path in sys.argv[1:] for one in os.listxattr(path)))'"
    notes = "ls -d /var/lib/xen-legi/images-life* 2>/dev/null; true"
    assert host.check_output(f"{marks} {TWO}/*.img {TOP}/life2-raw.img; {notes}") == ""


def test_a_clone_is_beside_it_and_a_machine_of_its_own_and_goes_as_a_whole(life: Host) -> None:
    before = files(life)
    assert f"image {TWO}/disk.img 64M, copied: like {ONE}/disk.img" in life.check_output(f"{CLONE} --dry-run")
    assert files(life) == before
    life.check_output(CLONE)
    assert_cloned(life)
    life.check_output("xen-legi delete life2 --yes")
    assert files(life) == before


KILLED = daily("create:after-lvcreate-xvda1", "clone:image", "create:before-commit", more=("clone:filled", "clone:settled"))


@pytest.mark.parametrize("point", KILLED)
def test_a_clone_that_was_killed_leaves_nothing_after_the_next_command(life: Host, point: str) -> None:
    before = files(life)
    assert run_killed(life, point, CLONE).rc == 137
    assert life.run(f"test -e {TWO}").rc == 0
    life.check_output("xen-legi list")
    assert files(life) == before


def test_a_clone_that_was_killed_after_its_file_came_is_whole(life: Host) -> None:
    assert run_killed(life, "clone:committed", CLONE).rc == 137
    assert "life2" in life.check_output("xen-legi list")
    assert_cloned(life)


def assert_renamed(host: Host) -> None:
    """Assert that life1 is life2 in every place; what is not its own keeps its name."""
    assert host.check_output(f"cd {TOP}; find . -type f | sort").split() == [
        "./domains/life1-else/disk.img", "./domains/life1/note", "./domains/life2/disk.img", "./domains/life2/swap.img",
        "./life2-raw.img"]
    text = host.check_output("cat /etc/xen/life2.cfg")
    assert text == CONFIG.replace("life1", "life2").rstrip("\n")
    assert read(host, f"{TWO}/disk.img", "/etc/hostname /etc/hosts").split() == ["life2", "192.168.72.13", "life2"]
    left = "test -e /etc/xen/life1.cfg || test -e /var/lib/xen-legi/renaming-life1.json || losetup -n | grep life"
    assert host.run(left).rc == 1


def test_its_images_bear_its_new_name(life: Host) -> None:
    before, digest = files(life), life.check_output(f"sha256sum < {TOP}/life1-raw.img")
    assert f"image {ONE}/disk.img to {TWO}/disk.img" in life.check_output("xen-legi rename life1 life2 --dry-run")
    assert files(life) == before
    life.check_output("xen-legi rename life1 life2")
    assert_renamed(life)
    assert life.check_output(f"sha256sum < {TOP}/life2-raw.img") == digest


@pytest.mark.parametrize("point", daily("rename:image", "rename:written", more=("rename:planned", "rename:file-gone")))
def test_a_renaming_that_was_killed_is_ended_by_the_next_command(life: Host, point: str) -> None:
    assert run_killed(life, point, "xen-legi rename life1 life2").rc == 137
    assert "life2" in life.check_output("xen-legi list")
    assert_renamed(life)


def test_it_is_deleted_with_its_images_and_no_look_alike(life: Host) -> None:
    life.check_output("xen-legi delete life1 --yes")
    left = life.check_output(f"cd {TOP}; find . -type f | sort").split()
    assert left == ["./domains/life1-else/disk.img", "./domains/life1/note"]


@pytest.mark.parametrize(("before", "command", "said"), [
    (f"mkdir {TWO}", CLONE, f"{TWO} exists already"),
    (f"touch {TOP}/life2-raw.img", CLONE, f"{TOP}/life2-raw.img exists already"),
    (HELD, CLONE, f"{ONE}/disk.img is in use, though life1 is off"),
    ("sed -i 's/raw.img,raw/raw.img,qcow2/' /etc/xen/life1.cfg", CLONE, "is an image in the format qcow2"),
    (f"mkdir {TWO}", "xen-legi rename life1 life2", f"{TWO} exists already"),
    (f"touch {TOP}/life2-raw.img", "xen-legi rename life1 life2", f"{TOP}/life2-raw.img exists already"),
    (HELD, "xen-legi rename life1 life2", f"{ONE}/disk.img is in use"),
    (HELD, "xen-legi resize life1 --size +1M", f"{ONE}/disk.img is in use, though life1 is off"),
    (WRITTEN, "xen-legi resize life1 --size +1M", f"{ONE}/disk.img is in use, though life1 is off"),
    ("true", "xen-legi resize life1 --size 16M", "a disk is never made smaller"),
    ("true", "xen-legi resize life1 --size +900G", "more are needed"),
    ("sed -i 's/raw.img,raw/raw.img,qcow2/' /etc/xen/life1.cfg", "xen-legi resize life1 --size +1M --disk xvdb",
     "is an image in the format qcow2"),
])
def test_what_cannot_be_done_is_told_and_changes_nothing(life: Host, before: str, command: str, said: str) -> None:
    life.check_output(before)
    there = files(life)
    result = life.run(f"{command} 2>&1 >/dev/null")
    lines = [line for line in result.stdout.splitlines() if not line.startswith("•")]
    assert result.rc == 2 and len(lines) == 2 and said in lines[0] and lines[1].startswith("  hint: "), result.stdout
    assert files(life) == there


def test_a_kernels_modules_go_into_its_image(life: Host) -> None:
    life.check_output("mkdir -p /srv/xen/boot /srv/xen/lib/modules/0-life && cd /srv/xen && "
                      "touch lib/modules/0-life/modules.dep && echo x | tee boot/vmlinuz-0-life boot/initrd.img-0-life && "
                      "echo \"kernel = '/srv/xen/boot/vmlinuz-0-life'\" >> /etc/xen/life1.cfg")
    try:
        assert "its root has no modules of kernel 0-life" in life.run("xen-legi lint life1").stdout
        life.check_output("xen-legi kernel push life1")
        assert "modules.dep" in life.check_output(f"debugfs -R 'ls /lib/modules/0-life' {ONE}/disk.img 2>/dev/null")
        assert "modules of kernel" not in life.run("xen-legi lint life1").stdout
        held = life.run(f"{HELD} && xen-legi kernel push life1")
        refused(held)
        assert f"{ONE}/disk.img is in use" in held.stderr
    finally:
        life.check_output("umount /mnt 2>/dev/null; rm -rf /srv/xen/lib/modules/0-life /srv/xen/boot/*-0-life")
