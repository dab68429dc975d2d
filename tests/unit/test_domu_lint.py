"""What `xen-legi lint` finds in the domUs' files."""

from dataclasses import replace
from pathlib import Path

import pytest
from xen_legi.domu import config, startable
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import DomuConfig, Unreadable
from xen_legi.domu.lint import clashes, lint
from xen_legi.domu.lint_alone import is_meant
from xen_legi.domu.lint_here import Here
from xen_legi.errors import Problem
from xen_legi.storage.images import Image
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
    links = {"cards": frozenset({"eth1"}), "links": frozenset({"lo", "eth1", "bond0"})}
    return Here(THERE.__contains__, [volume(one) for one in names], {}, frozenset({"xenbr72"}), 2048, **links)


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
     "warning: two of its vifs have the MAC address 00:16:3E:48:12:34"),
    ("xvdc", "xvda2", "error: it has two disks xvda2"),
    ("xenbr72", "xenbr73", "error: its bridge xenbr73 is not there"),
    ("xenbr72", "eth1", "error: its bridge eth1 is no bridge"),
    ("xenbr72", "bond0", "warning: its bridge bond0 is no bridge"),  # a bond takes a vif as a port of its own
    (",bridge=xenbr72", "", "error: it has a vif without a bridge, and that of such, xenbr0, is not there"),
    ("xenbr72", "br0.72,script=vif-xen-legi", "error: its bridge br0 is not there"),
    ("xenbr72", "ovs1.72,script=vif-openvswitch", "error: its bridge ovs1 is not there"),
    ("memory = 512\n", "", "warning: it has no memory line: xl gives it 128 MiB"),
    ("memory", "maxmem = 256\nmemory", "warning: its maxmem, 256 MiB, is less than its memory, 512"),
    ("memory", "maxvcpus = 1\nvcpus = 2\nmemory", "error: its maxvcpus, 1, are less than its vcpus, 2: xl refuses it"),
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


@pytest.mark.parametrize("text, meant", [
    ("title = 'web1'\nmemory = 512\n", True),
    ("disk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n", True),
    ("name = 'web1'\nimage = '/x'\nmem = 512\nvif = ['bridge=xenbr72']\n", True),
    ("name = 'web1'\nmemory = 512\n", True),
    ("name = 'pool1'\nsched = 'credit2'\ncpus = ['0', '1']\n", False),
    ("# nothing\n", False),
])
def test_a_file_that_is_meant_for_a_domu_is_looked_at_also_if_xl_would_not_take_it(text: str, meant: bool) -> None:
    assert is_meant(domu(text)) is meant


KERNEL = "kernel = '/srv/xen/boot/vmlinuz'\nramdisk = '/srv/xen/boot/initrd.img'\n"
NEITHER = "error: it has neither kernel nor bootloader: xl refuses it"


@pytest.mark.parametrize("lines, said", [
    ("", [NEITHER]),
    ("type = 'pvh'\n", [NEITHER]),
    ("type = 'hvm'\n", []),
    ("bootloader = 'pygrub'\nbootloader_restrict = 1\n", []),
    ("type = 'pv'\nfirmware = 'pvgrub64'\n", []),
    ("type = 'pvh'\nfirmware = 'pvgrub64'\n", [NEITHER]),
    ("bootloader = '/opt/mine'\nkernel = '/boot/in-the-guest'\nramdisk = '/boot/in-the-guest, too'\n", []),
    ("type = 'hvm'\nkernel = '/usr/lib/xen-4.4/in-the-guest/hvmloader'\n", []),  # xl ignores it
    ("builder = 'hvm'\nkernel = 'hvmloader'\n", []),
    ("kernel = 'vmlinuz-in-the-guest'\nramdisk = 'in-the-guest'\n",
     [f"warning: its {what} {path} is not an absolute path: xl looks for it in a directory of its own first"
      for what, path in (("kernel", "vmlinuz-in-the-guest"), ("ramdisk", "in-the-guest"))]),
    ("kernel = '/boot/vmlinuz-6.1.0-40-amd64'\nramdisk = '/boot/initrd.img-6.1.0-40-amd64'\n", []),
    ("kernel = '/boot/vmlinuz-6.1.0-40-amd64'\nramdisk = '/boot/initrd.img-6.1.0-40-amd64.domu'\n", []),
    ("kernel = '/boot/vmlinuz-6.1.0-40-amd64.old'\nramdisk = '/boot/initrd.img-6.1.0-40-amd64'\n", []),
    ("kernel = '/boot/vmlinuz-6.1.0-40-amd64'\nramdisk = '/boot/initrd.img'\n", []),
    ("kernel = '/boot/vmlinuz-6.1.0-4'\nramdisk = '/boot/initrd.img-6.1.0-40'\n",
     ["warning: its kernel is 6.1.0-4, its ramdisk is of 6.1.0-40"]),
    ("kernel = '/boot/vmlinuz-6.1.0-40-amd64'\nramdisk = '/boot/initrd.img-6.1.0-39-amd64'\n",
     ["warning: its kernel is 6.1.0-40-amd64, its ramdisk is of 6.1.0-39-amd64"]),
])
def test_what_a_domu_cannot_be_booted_from_is_told(lines: str, said: list[str]) -> None:
    host = replace(here("web1-disk"), exists=lambda path: "in-the-guest" not in path)
    assert told(domu(GOOD.replace(KERNEL, lines)), of=host) == [f"/etc/xen/web1.cfg: {one}" for one in said]


NOT_FOUND = "its ramdisk /srv/xen/boot/initrd.img, made for domUs, finds no root="


@pytest.mark.parametrize("lines, said", [
    ("root = '/dev/xvda2 ro'\n", []),
    ("cmdline = 'root=UUID=0c83-11 ro'\n", []),
    ("root = '/dev/xvda ro'\n", ["warning: its root /dev/xvda is none of its disks: xvda2, xvdc"]),
    ("root = '/dev/xvdc1 ro'\n", []),
    ("root = '/dev/sda2 ro'\n", []),
    ("root = '/dev/nfs'\n", []),
    ("extra = 'root=LABEL=root ro'\n", [f"error: {NOT_FOUND}LABEL=root"]),
    ("cmdline = 'root=PARTUUID=0c83-01'\n", [f"error: {NOT_FOUND}PARTUUID=0c83-01"]),
    ("root = '/dev/mapper/vg-root ro'\n", [f"warning: {NOT_FOUND}/dev/mapper/vg-root"]),
    ("bootloader = 'pygrub'\nbootloader_restrict = 1\nroot = 'LABEL=root'\n", []),
])
def test_a_root_that_is_not_found_is_told(lines: str, said: list[str]) -> None:
    host = replace(here("web1-disk"), made=frozenset({"/srv/xen/boot/initrd.img"}))
    assert told(domu(GOOD + lines), of=host) == [f"/etc/xen/web1.cfg: {one}" for one in said]
    found = [line for line in told(domu(GOOD + lines)) if "finds no root" in line]
    assert found == []  # dom0's own finds more


def test_a_file_without_a_name_is_told() -> None:
    assert told(domu(GOOD.replace("name", "title"))) == ["/etc/xen/web1.cfg: error: it has no name: xl refuses it"]


def test_two_files_without_a_name_have_not_the_same_one() -> None:
    text = "kernel = '/srv/xen/boot/vmlinuz'\nmemory = 512\n"
    assert [line for line in told(domu(text), domu(text, "db1")) if "that of" in line] == []


@pytest.mark.parametrize("vif", [
    "mac=00:16:3E:48:12:34,bridge=ovs0.72,script=vif-openvswitch",
    "bridge=ovs0:72:73,script=/etc/xen/scripts/vif-openvswitch",
    "bridge=xenbr72.5,script=vif-xen-legi",
    "ip=10.0.0.1,script=vif-route",
    "bridge=whatever,script=/usr/local/lib/vif-mine",
    "bridge=net,backend=router",
    "bridge=xenbr72,backend=0",
    "bridge=xenbr9",  # vif-bridge takes the bridge eth9
])
def test_a_bridge_that_the_script_of_its_vif_finds_is_not_complained_of(vif: str) -> None:
    bridges = frozenset({"xenbr72", "eth9"})
    host = replace(here("web1-disk"), bridges=bridges, links=frozenset({"ovs0", "eth1"}), cards=frozenset({"eth1"}))
    assert told(domu(GOOD.replace("mac=00:16:3E:48:12:34,bridge=xenbr72", vif)), of=host) == []


@pytest.mark.parametrize("bridge, script, said", [
    ("xenbr72", "vif-bridge", []),
    ("br0", "vif-bridge", ["error: it has a vif without a bridge, and that of such, br0, is not there"]),
    ("br0", "vif-route", []),
])
def test_what_xl_conf_says_of_all_vifs_holds_for_one_that_says_nothing(bridge: str, script: str, said: list[str]) -> None:
    host = replace(here("web1-disk"), bridge=bridge, script=script)
    one = domu(GOOD.replace(",bridge=xenbr72", ""))
    assert told(one, of=host) == [f"/etc/xen/web1.cfg: {line}" for line in said]


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
    again = "name = 'web1'\ntype = 'hvm'\nmemory = 1\n"
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
    other = "name = 'db1'\ntype = 'hvm'\nmemory = 1\ndisk = ['file:/srv/rescue.iso,xvdc,r']\n"
    assert told(domu(), domu(other, "db1")) == []


def test_a_mac_address_that_one_domu_has_twice_is_told() -> None:
    twice = "vif = ['mac=00:16:3e:48:12:34,bridge=xenbr72', 'mac=00:16:3E:48:12:34,bridge=xenbr72', 'bridge=xenbr72']"
    text = GOOD.replace("vif = ['mac=00:16:3E:48:12:34,bridge=xenbr72']", twice)
    assert told(domu(text)) == ["/etc/xen/web1.cfg: warning: two of its vifs have the MAC address 00:16:3E:48:12:34"]


@pytest.mark.parametrize("line, said", [
    ("phy:vg0/web1-disk,xvdb,w", True), ("phy:/dev/mapper/vg0-web1--disk,xvdb,r", True),
    ("file:/srv/rescue.iso,xvdd,r", False), (",,xvdd,cdrom", False),
])
def test_a_disk_that_one_domu_has_twice_is_told_if_it_writes_it(line: str, said: bool) -> None:
    host = replace(here("web1-disk"), exists=lambda path: True)
    text = GOOD.replace("'file:/srv/rescue.iso", f"'{line}', 'file:/srv/rescue.iso")
    lines = ["/etc/xen/web1.cfg: warning: it has the disk /dev/vg0/web1-disk twice"] if said else []
    assert told(domu(text), of=host) == lines


def test_a_disk_that_one_domu_writes_and_another_reads_is_told_for_both() -> None:
    other = "name = 'db1'\ntype = 'hvm'\nmemory = 1\ndisk = ['phy:vg0/web1-disk,xvdb,r']\n"
    assert told(domu(), domu(other, "db1"), of=replace(here("web1-disk"), exists=lambda path: True)) == [
        "/etc/xen/db1.cfg: warning: the disk /dev/vg0/web1-disk, which it reads, is written by /etc/xen/web1.cfg",
        "/etc/xen/web1.cfg: warning: the disk /dev/vg0/web1-disk, which it writes, is read by /etc/xen/db1.cfg",
    ]


def test_an_address_that_two_files_name_is_told_however_it_is_written() -> None:
    one = GOOD.replace("bridge=", "ip=10.0.0.1/24 2001:db8::1,bridge=")
    other = "name = 'db1'\ntype = 'hvm'\nmemory = 1\nvif = ['ip=10.0.0.11 2001:DB8:0::1,bridge=xenbr72']\n"
    assert told(domu(one), domu(other, "db1")) == [
        "/etc/xen/db1.cfg: warning: the address 2001:db8::1 is that of /etc/xen/web1.cfg, too",
        "/etc/xen/web1.cfg: warning: the address 2001:db8::1 is that of /etc/xen/db1.cfg, too",
    ]


@pytest.mark.parametrize("lines", ["maxmem = 512", "maxmem = 1024\nmaxvcpus = 4\nvcpus = 4", "maxmem = 'much'"])
def test_maxima_that_leave_room_are_not_complained_of(lines: str) -> None:
    assert told(domu(f"{GOOD}{lines}\n")) == []


@pytest.mark.parametrize("lines, starts", [
    ("kernel = '/nothing/vmlinuz'", False), ("ramdisk = '/nothing/initrd'", False),
    ("type = 'hvm'\nkernel = '/usr/lib/xen-4.4/boot/hvmloader'", True),
    ("bootloader = 'pygrub'\nkernel = '/nothing/vmlinuz'", True),
])
def test_a_start_is_refused_for_a_kernel_that_xl_would_miss_in_dom0(lines: str, starts: bool) -> None:
    one = domu(f"name = 'web1'\nmemory = 512\n{lines}\n")
    if starts:
        startable.check(one)
    else:
        with pytest.raises(Problem, match="domU web1 needs /nothing/.*, which is not there"):
            startable.check(one)


@pytest.mark.parametrize("off, other, said", [
    (True, "", ["warning: its disk vg0/web1-disk is in use, though it is off: lsof /dev/vg0/web1-disk"]),
    (False, "", []),
    (True, "name = 'db1'\ntype = 'hvm'\nmemory = 1\ndisk = ['phy:vg0/web1-disk,xvdb,r']\n", []),  # that one may run
])
def test_a_volume_that_dom0_has_open_is_told_of_a_domu_that_is_off(off: bool, other: str, said: list[str]) -> None:
    one, used = domu(), replace(volume("web1-disk"), active=True, open=True)
    host = replace(here(), exists=lambda path: True, volumes=[used], off=frozenset({one.file} if off else ()))
    found = told(one, *([domu(other, "db1")] if other else []), of=host)
    assert [line for line in found if "in use" in line] == [f"/etc/xen/web1.cfg: {line}" for line in said]


@pytest.mark.parametrize("used", [True, False])
def test_an_image_that_dom0_has_open_is_told_of_a_domu_that_is_off(used: bool) -> None:
    one = domu(GOOD.replace("phy:/dev/vg0/web1-disk", "file:/srv/web1.img"))
    images = {"/srv/web1.img": Image(Path("/srv/web1.img"), 1, 1, open=used)}
    host = replace(here(), exists=lambda path: True, devices={"/srv/web1.img": "/srv/web1.img"}, images=images,
                   off=frozenset({one.file}))
    said = "warning: its disk /srv/web1.img is in use, though it is off: losetup -j /srv/web1.img"
    assert told(one, of=host) == [f"/etc/xen/web1.cfg: {said}"] * used


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    (one,) = lint([], [Unreadable(Path("/etc/xen/x.cfg"), "line 3: no value")], here())
    assert str(one) == "/etc/xen/x.cfg: error: cannot be read: line 3: no value"


@pytest.mark.parametrize("free, memory, said", [
    (2000, 2000, []),
    (2000, 2001, ["warning: its memory, 2001 MiB, is more than the 2000 that are free now"]),
    (2000, 3072, ["warning: its memory, 3072 MiB, is more than the 2000 that are free now"]),
    (2000, 3073, ["error: its memory, 3073 MiB, is more than the 3072 that dom0 leaves of this host's 4096"]),
    (None, 4096, []),  # dom0 gives up some of its own
    (None, 4097, ["error: its memory, 4097 MiB, is more than the 4096 of this host"]),
])
def test_memory_that_cannot_fit_beside_dom0_or_is_not_free_is_told(free: int | None, memory: int, said: list[str]) -> None:
    one = domu(GOOD.replace("512", str(memory)))
    host = replace(here("web1-disk"), memory=4096, of_dom0=1024, free=free, off=frozenset({one.file}))
    assert told(one, of=host) == [f"/etc/xen/web1.cfg: {line}" for line in said]


def test_what_a_domu_that_runs_has_need_not_be_free() -> None:
    assert told(domu(), of=replace(here("web1-disk"), free=0)) == []


@pytest.mark.parametrize("of_dom0, started, said", [
    (1024, {"web1", "db1"}, []),
    (1025, {"web1"}, []),
    (1025, {"web1", "db1"}, ["/etc/xen/auto: warning: the domUs that start with dom0 want 1024 MiB, dom0 leaves 1023"]),
])
def test_more_memory_than_dom0_leaves_at_its_start_is_told(of_dom0: int, started: set[str], said: list[str]) -> None:
    host = Here(lambda path: True, [], {}, frozenset({"xenbr72"}), 2048, of_dom0, frozenset(started))
    assert told(domu(), domu("name = 'db1'\ntype = 'hvm'\nmemory = 512\n", "db1"), of=host) == said
