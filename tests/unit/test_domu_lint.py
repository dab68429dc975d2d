"""What `xen-legi lint` finds in the domUs' files."""

from pathlib import Path

import pytest
from xen_legi.domu import config
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import DomuConfig, Unreadable
from xen_legi.domu.lint import Here, clashes, lint
from xen_legi.storage.lvm import Volume

GOOD = """name = 'web1'
kernel = '/srv/xen/boot/vmlinuz'
ramdisk = '/srv/xen/boot/initrd.img'
memory = 512
disk = ['phy:/dev/vg0/web1-disk,xvda2,w', 'file:/srv/rescue.iso,xvdc,r']
vif = ['mac=00:16:3E:48:12:34,bridge=xenbr72']
"""
THERE = {"/srv/xen/boot/vmlinuz", "/srv/xen/boot/initrd.img", "/dev/vg0/web1-disk", "/srv/rescue.iso"}


def domu(text: str = GOOD, name: str = "web1") -> DomuConfig:
    return config.parse(text, Path(f"/etc/xen/{name}.cfg"))


def volume(name: str) -> Volume:
    return Volume("vg0", name, 1, "-wi-------", frozenset(), "", "", name, False, False, False, None)


def here(*names: str) -> Here:
    return Here(THERE.__contains__, [volume(one) for one in names], {}, frozenset({"lo", "xenbr72"}), 2048)


def told(*domus: DomuConfig, of: Here | None = None) -> list[str]:
    return [str(one) for one in lint(domus, [], of or here("web1-disk"))]


def test_of_a_good_file_nothing_is_told() -> None:
    assert told(domu()) == []


@pytest.mark.parametrize("old, new, said", [
    ("boot/vmlinuz", "boot/vmlinuz-6", "error: its kernel /srv/xen/boot/vmlinuz-6 is not there"),
    ("initrd.img", "initrd", "error: its ramdisk /srv/xen/boot/initrd is not there"),
    ("web1-disk", "web1-data", "error: its disk /dev/vg0/web1-data is not there"),
    ("/dev/vg0/web1-disk", "web1.example:disk", "warning: its disk /dev/web1.example:disk is not there"),
    ("bridge=xenbr72'", "bridge=xenbr72', 'mac=00:16:3e:48:12:34,bridge=xenbr72'",
     "warning: it has two interfaces with the MAC address 00:16:3E:48:12:34"),
    ("xvdc", "xvda2", "error: it has two disks xvda2"),
    ("xenbr72", "xenbr73", "error: its bridge xenbr73 is not there"),
    ("memory = 512\n", "", "warning: it has no memory line: xl gives it 128 MiB"),
    ("512", "4096", "error: its memory, 4096 MiB, is more than the 2048 of this host"),
])
def test_what_would_keep_a_domu_from_starting_is_told(old: str, new: str, said: str) -> None:
    assert told(domu(GOOD.replace(old, new))) == [f"/etc/xen/web1.cfg: {said}"]


@pytest.mark.parametrize("lines, warned", [
    ("bootloader = 'pygrub'", True), ("bootloader = '/usr/lib/xen-4.17/bin/pygrub'\nbootloader_restrict = 0", True),
    ("bootloader = 'pygrub'\nbootloader_restrict = 1", False), ("bootloader_restrict = 0", False),
    ("bootloader = '/opt/mine'", False),
])
def test_pygrub_with_the_rights_of_dom0_is_warned_of(lines: str, warned: bool) -> None:
    said = told(domu(f"{GOOD}{lines}\n"))
    assert ["warning: pygrub reads its disks as root of dom0 (XSA-443)" in one for one in said] == [True] * warned
    assert not said or said[0].endswith("xen-legi kernel pin web1 own")


def test_a_volume_that_is_not_active_is_told_with_the_remedy() -> None:
    text = GOOD.replace("/dev/vg0/web1-disk", "/dev/mapper/vg0-web1--root")
    (line,) = told(domu(text), of=here("web1-root"))
    assert line.endswith("warning: its disk /dev/mapper/vg0-web1--root is not active: lvchange -ay vg0/web1-root")


def test_what_two_domus_have_is_told_for_both_however_it_is_written() -> None:
    there = THERE | {"/dev/mapper/vg0-web1--disk"}
    both = Here(there.__contains__, [volume("web1-disk")], {}, frozenset({"xenbr72"}), None)
    other = GOOD.replace("web1'", "db1'").replace("/dev/vg0/web1-disk", "/dev/mapper/vg0-web1--disk").replace("3E", "3e")
    assert told(domu(), domu(other, "db1"), of=both) == [
        f"/etc/xen/{one}.cfg: error: the {thing} is that of /etc/xen/{another}.cfg, too"
        for one, another in (("db1", "web1"), ("web1", "db1"))
        for thing in ("MAC address 00:16:3E:48:12:34", "disk /dev/vg0/web1-disk")
    ]


def test_two_files_of_one_domu_are_told() -> None:
    again = "name = 'web1'\nmemory = 1\n"
    first, second = told(domu(), domu(again, "web1-old"))
    assert first.endswith("web1-old.cfg: error: the name web1 is that of /etc/xen/web1.cfg, too")
    assert second.endswith("web1.cfg: error: the name web1 is that of /etc/xen/web1-old.cfg, too")


def test_what_a_domu_elsewhere_has_too_is_told_and_of_one_of_the_same_name_only_that() -> None:
    macs, ips = frozenset({"00:16:3E:48:12:34"}), frozenset({"10.0.0.1"})
    one = domu(GOOD.replace("xenbr72'", "xenbr72,ip=10.0.0.1'"))
    dom0 = Claim("Domain-0", macs, where="a card")
    others = [dom0, Claim("web1", macs, ips, "on dom0b"), Claim("db", macs, ips, "on dom0c")]
    assert list(map(str, clashes([one], others))) == [
        "/etc/xen/web1.cfg: error: the MAC address 00:16:3E:48:12:34 is, too, that of dom0 itself: a card",
        "/etc/xen/web1.cfg: error: the MAC address 00:16:3E:48:12:34 is, too, that of domU db: on dom0c",
        "/etc/xen/web1.cfg: error: there is a domU web1 elsewhere, too: on dom0b",
        "/etc/xen/web1.cfg: warning: the address 10.0.0.1 is, too, that of domU db: on dom0c",
    ]
    assert clashes([one], [Claim("db")]) == clashes([], others) == []


def test_a_disk_that_is_only_read_may_be_that_of_several() -> None:
    other = "name = 'db1'\nmemory = 1\ndisk = ['file:/srv/rescue.iso,xvdc,r']\n"
    assert told(domu(), domu(other, "db1")) == []


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    (one,) = lint([], [Unreadable(Path("/etc/xen/x.cfg"), "line 3: no value")], here())
    assert str(one) == "/etc/xen/x.cfg: error: cannot be read: line 3: no value"


@pytest.mark.parametrize("of_dom0, started, said", [
    (1024, {"web1", "db1"}, []),
    (1025, {"web1"}, []),
    (1025, {"web1", "db1"}, ["/etc/xen/auto: warning: the domUs that start with dom0 want 1024 MiB, dom0 leaves 1023"]),
])
def test_more_memory_than_dom0_leaves_at_its_start_is_told(of_dom0: int, started: set[str], said: list[str]) -> None:
    host = Here(lambda path: True, [], {}, frozenset({"xenbr72"}), 2048, of_dom0, frozenset(started))
    assert told(domu(), domu("name = 'db1'\nmemory = 512\n", "db1"), of=host) == said
