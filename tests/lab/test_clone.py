"""A domU like another one: its disks, its file, its place in the network. A kernel and LVM, no guest."""

import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import filled, in_disk, make_tiny, manifest, remove_tiny
from domus import refused, run_killed, state
from marks import daily

DISK2 = "/dev/vg0/tiny2-disk"
MAC = "00:16:3e:48:12:34"
OWN = "cat /etc/hostname /etc/machine-id"
CLONE = "xen-legi clone tiny1 tiny2 --ip 192.168.72.12 --no-start"
INSIDE = f"""\
cd /run/look/etc
mkdir -p ssh network systemd/network
echo tiny1 > hostname
echo '192.168.72.11 tiny1' > hosts
echo 11111111111111111111111111111111 > machine-id
printf 'iface eth72 inet static\\n    address 192.168.72.11/24\\n    gateway 192.168.72.1\\n' > network/interfaces
printf '[Match]\\nMACAddress={MAC}\\n\\n[Link]\\nName=eth72\\n' > systemd/network/10-eth72.link
echo key > ssh/ssh_host_ed25519_key
touch ssh/sshd_config
chmod 640 network/interfaces
chown 7:8 network/interfaces
"""
SETTLED = {"etc/hostname", "etc/hosts", "etc/machine-id", "etc/network/interfaces", "etc/systemd/network/10-eth72.link"}


@pytest.fixture(scope="module")
def tiny(store: Host) -> Iterator[Host]:
    """The store with tiny1, which has an address, and look-alikes of its clone's volumes beside it."""
    remove(store)
    try:
        make_tiny(store)
        store.check_output(
            f"printf \"root = '/dev/xvda2 ro'\\nvif = ['mac={MAC},bridge=xenbr72,ip=192.168.72.11']\\n\" "
            ">> /etc/xen/tiny1.cfg "
            "&& lvcreate -qq -y -L 4M -n tiny2-spare vg0 && lvcreate -qq -y -L 4M -n tiny1-disk.ghost-mine vg0"
        )
        in_disk(store, INSIDE)
        yield store
    finally:
        remove(store)


@pytest.fixture
def cloned(tiny: Host) -> Iterator[Host]:
    """The same; tiny2, if the test made it, is deleted afterwards."""
    yield tiny
    if tiny.run("test -e /etc/xen/tiny2.cfg").rc == 0:
        tiny.check_output("xen-legi delete tiny2 --yes")


def remove(host: Host) -> None:
    """Remove what these tests make."""
    remove_tiny(host)
    remove_tiny(host, name="tiny2")


def changed(host: Host) -> set[str]:
    """Return the names of what differs between the trees of tiny1 and tiny2, times of directories apart."""
    was, now = (manifest(host, f"/dev/vg0/{name}-disk") for name in ("tiny1", "tiny2"))
    rows = set(filled(was, now).splitlines()) ^ set(now.splitlines())
    names = {row.split("'")[1] for row in rows}
    return names - {"etc", "etc/network", "etc/systemd/network", "etc/ssh", "."}


def assert_own(host: Host) -> None:
    """Assert that tiny2 is a machine of its own: its file, and what is settled in it."""
    text = host.check_output("cat /etc/xen/tiny2.cfg")
    mac = re.findall("mac=([0-9a-f:]+),bridge=xenbr72,ip=192.168.72.12'", text)[0]
    assert mac.startswith("00:16:3e:48:") and mac != MAC and "phy:/dev/vg0/tiny2-disk,xvda2,w" in text
    inside = in_disk(host, "cd /run/look/etc; cat hostname hosts network/interfaces systemd/network/*", DISK2, "ro")
    assert inside.splitlines() == [
        "tiny2", "192.168.72.12 tiny2",
        "iface eth72 inet static", "    address 192.168.72.12/24", "    gateway 192.168.72.1",
        "[Match]", f"MACAddress={mac}", "", "[Link]", "Name=eth72",
    ]  # fmt: skip
    facts = in_disk(host, "cd /run/look/etc; stat -c '%a %u %g' network/interfaces; cat machine-id; ls ssh", DISK2, "ro")
    assert facts.split() == ["640", "7", "8", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "sshd_config"]
    assert in_disk(host, "cat /run/look/etc/ssh/ssh_host_ed25519_key", DISK2, "ro") != "key"


def test_a_plan_changes_nothing(cloned: Host) -> None:
    before = state(cloned)
    said = cloned.check_output(f"{CLONE} --dry-run")
    assert "volume vg0/tiny2-disk 64M, ext4, its files copied: like vg0/tiny1-disk" in said
    assert state(cloned) == before


def test_a_clone_has_all_that_the_domu_has_and_is_a_machine_of_its_own(cloned: Host) -> None:
    before, of_host = state(cloned), cloned.check_output(OWN)
    files = manifest(cloned, "/dev/vg0/tiny1-disk")
    said = cloned.check_output(f"{CLONE} 2>&1")
    assert "domU tiny2, a clone of tiny1, made in" in said
    assert_own(cloned)
    assert changed(cloned) - SETTLED <= {name for name in changed(cloned) if name.startswith("etc/ssh/ssh_host_")}
    for what in ("disk", "swap"):
        blkid = "blkid -p -s UUID -s LABEL -o value /dev/vg0"
        assert cloned.check_output(f"{blkid}/tiny1-{what}") == cloned.check_output(f"{blkid}/tiny2-{what}")
    assert manifest(cloned, "/dev/vg0/tiny1-disk") == files and cloned.check_output(OWN) == of_host
    cloned.check_output("xen-legi delete tiny2 --yes")
    assert state(cloned) == before


def test_a_thin_domu_is_cloned_by_snapshots_that_take_no_room(cloned: Host) -> None:
    cloned.check_output(
        "lvcreate -qq -y -L 96M -T vg1/tiny1-pool && lvcreate -qq -y -W y -V 64M -n tiny1-disk -T vg1/tiny1-pool && "
        "dd if=/dev/vg0/tiny1-disk of=/dev/vg1/tiny1-disk bs=1M conv=sparse,fsync status=none && "
        "cp -a /etc/xen/tiny1.cfg /root/thick.cfg && sed -i 's,vg0/tiny1-disk,vg1/tiny1-disk,' /etc/xen/tiny1.cfg"
    )
    try:
        before = state(cloned)
        used = float(cloned.check_output("lvs --noheadings -o data_percent vg1/tiny1-pool"))
        assert "volume vg1/tiny2-disk 64M, thin snapshot" in cloned.check_output(CLONE)
        assert float(cloned.check_output("lvs --noheadings -o data_percent vg1/tiny1-pool")) < used + 10
        assert in_disk(cloned, "cat /run/look/etc/hostname", "/dev/vg1/tiny2-disk", "ro") == "tiny2"
        assert in_disk(cloned, "cat /run/look/etc/hostname", "/dev/vg1/tiny1-disk", "ro") == "tiny1"
        assert "ghost-2" not in state(cloned)
        cloned.check_output("xen-legi delete tiny2 --yes")
        assert state(cloned) == before
    finally:
        cloned.check_output("mv /root/thick.cfg /etc/xen/tiny1.cfg; lvremove -qq -y vg1/tiny1-pool")


KILLED = daily("backup:ghost-made", "clone:filesystem", "create:before-commit", more=(
    "create:after-lvcreate-xvda1", "create:after-lvcreate-xvda2", "clone:filled", "rename:host-name-written",
    "clone:settled",
))  # fmt: skip


@pytest.mark.parametrize("point", KILLED)
def test_a_clone_that_was_killed_leaves_nothing_after_the_next_command(cloned: Host, point: str) -> None:
    before = state(cloned)
    assert run_killed(cloned, point, CLONE).rc == 137
    cloned.check_output("xen-legi list")
    assert state(cloned) == before


def test_a_clone_that_was_killed_after_its_file_came_is_whole(cloned: Host) -> None:
    assert run_killed(cloned, "clone:committed", CLONE).rc == 137
    assert "tiny2" in cloned.check_output("xen-legi list")
    assert_own(cloned)
    volumes = cloned.check_output("lvs --noheadings -o full_name,lv_tags vg0 | grep -F /tiny").splitlines()
    assert sorted(line.strip() for line in volumes) == [  # no tag, no ghost but the look-alike
        "vg0/tiny1-disk", "vg0/tiny1-disk.ghost-mine", "vg0/tiny1-swap",
        "vg0/tiny2-disk", "vg0/tiny2-spare", "vg0/tiny2-swap",
    ]  # fmt: skip


def test_a_clone_that_would_have_an_address_of_the_domu_is_not_started_and_told_of(cloned: Host) -> None:
    in_disk(cloned, "printf 'iface eth9 inet static\\n  address 10.9.9.9/24\\n' >> /run/look/etc/network/interfaces")
    try:
        result = cloned.run(CLONE.replace("--no-start", ""))
        said = "tiny2 was not started: it may still have an address of tiny1, in its own files or of its kernel: 10.9.9.9;"
        assert result.rc == 0 and said in result.stderr, result.stderr
    finally:
        in_disk(cloned, "cd /run/look;"
                        "head -n 3 etc/network/interfaces > short; cat short > etc/network/interfaces; rm short")


@pytest.mark.parametrize(("words", "said"), [
    ("nobody tiny2", "there is no domU 'nobody'"),
    ("tiny1 tiny1 --ip 192.168.72.12", "there is a domU 'tiny1' already"),
    ("tiny1 tiny_2 --ip 192.168.72.12", "cannot be the name of a domU"),
    ("tiny1 tiny2", "the domU has 1 fixed addresses (192.168.72.11), 0 were given"),
    ("tiny1 tiny2 --ip 192.168.72.11", "is that of domU tiny1"),
    ("tiny1 tiny2 --ip 127.0.0.1", "cannot be a machine's address"),
])
def test_what_cannot_be_cloned_is_told_and_changes_nothing(cloned: Host, words: str, said: str) -> None:
    before = state(cloned)
    result = cloned.run(f"xen-legi clone {' '.join(map(shlex.quote, words.split()))}")
    refused(result)
    assert said in result.stderr and state(cloned) == before


def test_an_address_outside_of_the_domus_network_is_refused_before_anything_is_made(cloned: Host) -> None:
    before = state(cloned)
    result = cloned.run(CLONE.replace("192.168.72.12", "10.0.0.5"))
    said = "address 10.0.0.5 is outside of 192.168.72.0/24, the network that 192.168.72.11 is in"
    assert result.rc == 2 and said in result.stderr and "  hint: " in result.stderr, result.stderr
    assert state(cloned) == before


def test_a_root_that_is_mounted_by_hand_is_cloned_as_it_is(cloned: Host) -> None:
    cloned.check_output("mkdir -p /root/held && mount /dev/vg0/tiny1-disk /root/held && echo late > /root/held/late")
    try:
        cloned.check_output(CLONE)
        assert in_disk(cloned, "cat /run/look/late", DISK2, "ro") == "late"
    finally:
        cloned.check_output("rm -f /root/held/late; umount /root/held; rmdir /root/held")
