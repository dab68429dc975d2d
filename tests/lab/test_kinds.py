"""The default kind of domU, PVH: it is what people get, and takes too long in emulation to be started in every run."""

import json
import re
import shlex
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import CREATE, SSH, WEB1, banner, guest, known, make_keys, make_web1, state, wait_for_ssh
from speed import patience

pytestmark = pytest.mark.long
FILE = "/etc/xen/web1.cfg"
WEB2 = "192.168.72.12"
SIX = "2001:db8:72::12"


@pytest.fixture
def vlan72(dom0a: Host, dom0b: Host) -> Iterator[Host]:
    """dom0b with addresses on VLAN 72; web1 runs on dom0a."""
    make_web1(dom0a, dom0b)
    dom0b.check_output("ip address replace 192.168.72.2/24 dev xenbr72")
    dom0b.check_output("ip address replace 2001:db8:72::2/64 dev xenbr72 nodad")
    yield dom0b
    dom0b.run("ip address del 192.168.72.2/24 dev xenbr72; ip address del 2001:db8:72::2/64 dev xenbr72")


@pytest.fixture
def web1(dom0a: Host, vlan72: Host) -> Iterator[Host]:
    """dom0b, from which web1 on dom0a is reached over VLAN 72; web1 is of the default kind and starts anew."""
    dom0a.check_output("xl destroy web1")
    dom0a.check_output(f"sed -i.saved 's/^type .*/type = \"pvh\"/' {FILE} && xen-legi start web1")
    yield vlan72
    dom0a.check_output(f"xl destroy web1; mv {FILE}.saved {FILE}; xen-legi start web1")
    wait_for_ssh(vlan72, WEB1)


def test_the_default_kind_is_pvh(dom0a: Host) -> None:
    assert dom0a.check_output("xen-legi config get type") == "pvh"


def test_a_domu_of_the_default_kind_starts_and_answers(web1: Host) -> None:
    wait_for_ssh(web1, WEB1)
    assert guest(web1, "cat /sys/hypervisor/guest_type").strip() == "PVH"


@pytest.mark.parametrize("command", ["delete web1 --yes", "resize web1 --size +64M"])
def test_while_a_domu_reboots_it_has_no_domain_and_is_not_off(dom0a: Host, vlan72: Host, command: str) -> None:
    wait_for_ssh(vlan72, WEB1)
    before = state(dom0a)
    away = "while xl domid web1 >/dev/null 2>&1; do sleep 0.1; done"
    result = dom0a.run(f"xl reboot web1 && timeout 300 sh -c {shlex.quote(away)} && xen-legi {command}")
    assert result.rc == 2 and re.search("domU web1 is (running|starting anew)\n", result.stderr), result.stderr
    wait_for_ssh(vlan72, WEB1)
    assert state(dom0a) == before


IDENTITY = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"


def test_a_clone_of_a_domu_that_runs_starts_and_answers_as_another_machine(dom0a: Host, vlan72: Host) -> None:
    wait_for_ssh(vlan72, WEB1)
    before, boot = state(dom0a), guest(vlan72, "cat /proc/sys/kernel/random/boot_id")
    try:
        dom0a.check_output(f"xen-legi clone web1 web2 --ip {WEB2}")
        wait_for_ssh(vlan72, WEB2)
        assert guest(vlan72, "cat /etc/hostname; ls /sys/class/net", WEB2).split() == ["web2", "eth72", "lo"]
        assert not set(guest(vlan72, IDENTITY, WEB2).split()[::2]) & set(guest(vlan72, IDENTITY).split()[::2])
        assert guest(vlan72, "cat /proc/sys/kernel/random/boot_id") == boot
        dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert state(dom0a) == before
    finally:
        dom0a.run("xen-legi delete web2 --force --yes")


@pytest.mark.parametrize(("suite", "version"), [("bookworm", r"12\..*"), ("sid", ".*/sid")])
def test_a_debian_that_mmdebstrap_makes_for_one_domu_starts_and_answers(
    dom0a: Host, vlan72: Host, suite: str, version: str
) -> None:
    make_keys(dom0a, vlan72)
    before = state(dom0a)
    try:
        made = CREATE.format("web2", WEB2).replace("--method template", f"--method debootstrap --dist {suite}")
        assert f"{suite} by mmdebstrap" in dom0a.check_output(f"{made} 2>&1")
        wait_for_ssh(vlan72, WEB2)
        assert re.fullmatch(version, guest(vlan72, "cat /etc/debian_version", WEB2).strip())
        assert f" {suite} main" in guest(vlan72, "cat /etc/apt/sources.list", WEB2)
        dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert state(dom0a) == before
    finally:
        dom0a.run("xen-legi delete web2 --force --yes")


def test_a_domu_made_as_people_type_it_is_changed_restarted_and_deleted_while_it_runs(dom0a: Host, vlan72: Host) -> None:
    make_keys(dom0a, vlan72)
    before = state(dom0a)
    try:
        dom0a.check_output(CREATE.format("web2", WEB2))
        wait_for_ssh(vlan72, WEB2)
        assert guest(vlan72, "cat /sys/hypervisor/guest_type", WEB2).strip() == "PVH"
        assert {one["ifname"] for one in json.loads(guest(vlan72, "ip -j link", WEB2))} == {"lo", "eth72"}
        dom0a.check_output("sed -i 's/^memory .*/memory = 384/' /etc/xen/web2.cfg")
        dom0a.check_output("xen-legi restart web2 --wait 300 && xen-legi autostart web2 on")
        entry = known(dom0a, "web2")
        assert entry and (entry["state"], entry["autostart"]) == ("running", True) and entry["memory"] <= 384
        wait_for_ssh(vlan72, WEB2)
        said = dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert all(f"/dev/vg0/web2-{part}" in said for part in ("disk", "swap"))
        assert state(dom0a) == before  # of web2 nothing is left, and of web1 all
    finally:
        dom0a.run("xen-legi delete web2 --force --yes; rm -f /etc/xen/auto/web2.cfg")
    assert banner(vlan72, WEB1).startswith("SSH-2.0-")


def test_a_domu_of_image_files_starts_and_answers(dom0a: Host, vlan72: Host) -> None:
    make_keys(dom0a, vlan72)
    before = state(dom0a)
    dom0a.check_output("lvcreate -qq -y -L 1700M -n images vg0 && mkfs.ext4 -q -m 0 /dev/vg0/images && "
                       "mkdir -p /srv/images && mount /dev/vg0/images /srv/images")
    try:
        made = CREATE.format("web2", WEB2).replace("--size 2G", "--size 1400M --swap 64M --type pv --dir /srv/images")
        dom0a.check_output(made)
        wait_for_ssh(vlan72, WEB2)
        assert guest(vlan72, "findmnt -no SOURCE /; cat /sys/block/xvda2/size", WEB2).split() == ["/dev/xvda2", "2867200"]
        assert "xvda2 has 1464M" in dom0a.check_output("xen-legi resize web2 --size +64M")
        grown = "test $(cat /sys/block/xvda2/size) = 2998272 && test $(df -m --output=size / | tail -1) -gt 1375"
        used = f"for try in $(seq 60); do touch /root/used; sync; {grown} && exit 0; sleep 2; done; dmesg | tail; exit 1"
        guest(vlan72, used, WEB2)
        held = "mount -o loop /srv/images/domains/web2/disk.img /mnt"
        busy = dom0a.run(f"xen-legi stop web2 --wait 300 && {held} && xen-legi delete web2 --yes")
        assert busy.rc == 2 and "disk.img is in use" in busy.stderr
        dom0a.check_output("umount /mnt; xen-legi start web2")
        wait_for_ssh(vlan72, WEB2)
        said = dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert "image /srv/images/domains/web2/disk.img" in said
        assert dom0a.check_output("ls -A /srv/images/domains; losetup --noheadings") == ""
    finally:
        dom0a.run("umount /mnt; xen-legi delete web2 --force --yes")
        dom0a.run("umount /srv/images && rmdir /srv/images && lvremove -qq -y vg0/images")
    assert state(dom0a) == before


APART = """\
[root]
size = 1400M
type = ext4
mountpoint = /

[swap]
size = 64M
type = swap

[home]
size = 64M
type = ext4
mountpoint = /home

[var]
size = 400M
type = ext4
mountpoint = /var
"""


def test_a_domu_of_four_volumes_on_two_vlans_has_both_addresses_after_a_reboot(dom0a: Host, vlan72: Host) -> None:
    make_keys(dom0a, vlan72)
    before = state(dom0a)
    try:
        made = CREATE.format("web2", WEB2).replace("--size 2G", "--partitions /root/apart --type pv")
        two = made.replace("--memory", f"--ip {SIX}/64 --gateway fe80::1 --vlan 73 --ip 192.168.73.12/24 --memory")
        dom0a.check_output(f"printf %s {shlex.quote(APART)} > /root/apart && {two}")
        wait_for_ssh(vlan72, WEB2)
        boot = guest(vlan72, "cat /proc/sys/kernel/random/boot_id", WEB2)
        for look in ("before", "after"):
            links = {one["ifname"]: one for one in json.loads(guest(vlan72, "ip -j address", WEB2))}
            found = {name: [one["local"] for one in links[name]["addr_info"] if one["scope"] == "global"] for name in links}
            assert found == {"lo": [], "eth72": [WEB2, SIX], "eth73": ["192.168.73.12"]}, look
            assert "via fe80::1 dev eth72" in guest(vlan72, "ip -6 route show default", WEB2), look
            vlan72.check_output(f"ping -6 -c 1 -W 30 {SIX}")
            places = guest(vlan72, "findmnt -rno TARGET,SOURCE -t ext4; swapon --noheadings --show=NAME", WEB2).split()
            assert sorted(places) == sorted(["/", "/var", "/home", *(f"/dev/xvda{number}" for number in (1, 2, 3, 4))])
            if look == "before":
                guest(vlan72, "systemd-run --on-active=1 systemctl reboot", WEB2)
                wait_for_another_boot(vlan72, boot)
        dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert state(dom0a) == before
    finally:
        dom0a.run("xen-legi delete web2 --force --yes; rm -f /root/apart")


BOOT = """\
[root]
size = 1400M
type = ext4
mountpoint = /

[boot]
size = 300M
type = ext4
mountpoint = /boot

[swap]
size = 64M
type = swap
"""
# what a guest says of its kernel: the kind of machine, that the kernel is its own, and its root
OWN = "cat /sys/hypervisor/guest_type; test -e /boot/vmlinuz-$(uname -r) && echo own; findmnt -no SOURCE /"


@pytest.mark.parametrize(("kind", "image"), [("pv", "grub-x86_64-xen.bin"), ("pvh", "grub-i386-xen_pvh.bin")])
def test_a_domu_starts_its_own_kernel_by_grub(dom0a: Host, vlan72: Host, kind: str, image: str) -> None:
    """The PV one has several volumes, and /boot on one of its own."""
    make_keys(dom0a, vlan72)
    dom0a.check_output("test -e /usr/lib/grub-xen || DEBIAN_FRONTEND=noninteractive apt-get install -y -q grub-xen-host")
    before = state(dom0a)
    try:
        made = CREATE.format("web2", WEB2) + f" --own-kernel --type {kind}"
        apart = made.replace("--size 2G", "--partitions /root/apart")
        dom0a.check_output(f"printf %s {shlex.quote(BOOT)} > /root/apart && {apart if kind == 'pv' else made}")
        assert f'"/usr/lib/grub-xen/{image}"' in dom0a.check_output("grep ^kernel /etc/xen/web2.cfg")
        wait_for_ssh(vlan72, WEB2)
        assert guest(vlan72, OWN, WEB2).split() == [kind.upper(), "own", "/dev/xvda2"]
        assert "eth72" in guest(vlan72, "ls /sys/class/net", WEB2).split()
        running = dom0a.run("xen-legi kernel pin web2 own")
        assert running.rc == 2 and "brings its own kernel already" in running.stderr
        dom0a.check_output("xen-legi stop web2 --wait 300")
        written = dom0a.check_output("cat /etc/xen/web2.cfg")
        dom0a.check_output("sed -i 's#^kernel .*#kernel  = \"/srv/xen/boot/vmlinuz-'$(uname -r)'\"\\nramdisk = \"/none\"#' "
                           "/etc/xen/web2.cfg && grep -q ^ramdisk /etc/xen/web2.cfg && xen-legi kernel pin web2 own")
        assert dom0a.check_output("cat /etc/xen/web2.cfg") == written
        dom0a.check_output("xen-legi start web2")
        wait_for_ssh(vlan72, WEB2)
        dom0a.check_output("xen-legi delete web2 --stop --yes")
        assert state(dom0a) == before
    finally:
        dom0a.run("xen-legi delete web2 --force --yes; rm -f /root/apart")


def wait_for_another_boot(host: Host, boot: str) -> None:
    """Wait until web2 has started anew; `boot` is the ID of its boot before."""
    deadline = time.monotonic() + 300 * patience()
    look = shlex.quote("cat /proc/sys/kernel/random/boot_id")
    while time.monotonic() < deadline:
        said = host.run(f"{SSH} root@{WEB2} {look}")
        if said.rc == 0 and said.stdout.strip() != boot.strip():
            return
        time.sleep(5)
    raise AssertionError("web2 has not started anew")
