"""`xen-legi lint` on a real host: each thing that is wrong is told, and what is called an error is refused by xl."""

import json
import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import refused

FILE = "/etc/xen/lint1.cfg"
TEXT = """\
name = 'lint1'
type = 'pv'
kernel = '/srv/xen/boot/vmlinuz-{version}'
ramdisk = '/srv/xen/boot/initrd.img-{version}'
root = '/dev/xvda2 ro'
memory = 128
vcpus = 1
disk = ['phy:/dev/vg0/lint1-disk,xvda2,w']
vif = ['mac=00:16:3E:48:EE:01,bridge=xenbr72']
"""
Told = list[tuple[str, str]]


def write(host: Host, text: str, file: str = FILE) -> None:
    host.check_output(f"printf %s {shlex.quote(text)} > {file}")


def told(host: Host, words: str = "lint1") -> Told:
    """Return what is told of lint1: level and text."""
    result = host.run(f"xen-legi lint {words} --json")
    found = [(one["level"], one["text"]) for one in json.loads(result.stdout)]
    assert result.rc == (1 if any(level == "error" for level, _ in found) else 0), result.stderr
    return found


def starts(host: Host) -> bool:
    """Tell whether xl takes the file; what it makes is paused, and ended at once."""
    result = host.run(f"xl create --quiet -p {FILE}")
    host.run("xl destroy lint1")
    return bool(result.rc == 0)


@pytest.fixture(scope="module")
def text(dom0a: Host) -> Iterator[str]:
    """The text of a file in which nothing is wrong; its volume holds nothing."""
    dom0a.check_output("lvcreate -qq -y -W y -L 16M -n lint1-disk vg0 && udevadm settle")
    yield TEXT.format(version=dom0a.check_output("xen-legi kernel default"))
    dom0a.check_output(f"rm -f {FILE} /etc/xen/lint2.cfg && lvremove -qq -y vg0/lint1-disk")


def test_a_file_in_which_nothing_is_wrong_starts(dom0a: Host, text: str) -> None:
    write(dom0a, text)
    assert told(dom0a) == []
    assert starts(dom0a)


@pytest.mark.parametrize("old, new, said", [
    ("vmlinuz-", "vmlinuz-none-", "its kernel /srv/xen/boot/vmlinuz-none-.* is not there"),
    ("initrd.img-", "initrd.img-none-", "its ramdisk /srv/xen/boot/initrd.img-none-.* is not there"),
    ("xenbr72", "xenbr4000", "its bridge xenbr4000 is not there"),
    ("xenbr72", "eth1", "its bridge eth1 is no bridge"),
    (",bridge=xenbr72", "", "it has a vif without a bridge, and that of such, xenbr0, is not there"),
    ("lint1-disk", "lint1-data", "its disk /dev/vg0/lint1-data is not there"),
    ("'phy:", "'phy:/dev/vg0/lint1-disk,xvda2,w', 'phy:", "it has two disks xvda2"),
    ("vcpus = 1", "vcpus = 2\nmaxvcpus = 1", "its maxvcpus, 1, are less than its vcpus, 2: xl refuses it"),
    ("name =", "title =", "it has no name: xl refuses it"),
    ("kernel =", "image =", "it has neither kernel nor bootloader: xl refuses it"),
    ("memory = 128", "memory = 100000", "its memory, 100000 MiB, is more than the [0-9]+ of this host"),
    ("vcpus = 1", "vcpus = ", "cannot be read: line 7: .*"),
])
def test_what_is_called_an_error_is_refused_by_xl(dom0a: Host, text: str, old: str, new: str, said: str) -> None:
    write(dom0a, text.replace(old, new))
    found = told(dom0a)
    assert [one for level, one in found if level == "error" and re.fullmatch(said, one)], found
    assert not starts(dom0a)


def test_memory_that_dom0_does_not_leave_is_an_error_and_refused_by_start(dom0a: Host, text: str) -> None:
    total = int(re.findall(r"^total_memory +: (\d+)", dom0a.check_output("xl info"), re.MULTILINE)[0])
    write(dom0a, text.replace("memory = 128", f"memory = {total - 1}"))
    ((level, said),) = told(dom0a)
    assert level == "error" and said.endswith(f"that dom0 leaves of this host's {total}")
    result = dom0a.run("xen-legi start lint1")
    refused(result)
    assert "of memory free, lint1 needs" in result.stderr
    assert not starts(dom0a)


def test_memory_that_is_not_free_now_is_a_warning(dom0a: Host, text: str) -> None:
    free = int(re.findall(r"^free_memory +: (\d+)", dom0a.check_output("xl info"), re.MULTILINE)[0])
    write(dom0a, text.replace("memory = 128", f"memory = {free + 1}"))
    ((_, said),) = told(dom0a)  # an error, if nothing but dom0 runs
    assert said.startswith(f"its memory, {free + 1} MiB, is more than the ")


def test_a_mac_address_of_two_domus_is_told_for_both(dom0a: Host, text: str) -> None:
    write(dom0a, text)
    other = "name = 'lint2'\ntype = 'hvm'\nmemory = 16\nvif = ['mac=00:16:3e:48:ee:01,bridge=xenbr72']\n"
    write(dom0a, other, "/etc/xen/lint2.cfg")
    try:
        for mine, others in (("lint1", "lint2"), ("lint2", "lint1")):
            assert ("error", f"the MAC address 00:16:3E:48:EE:01 is that of /etc/xen/{others}.cfg, too") in told(dom0a, mine)
    finally:
        dom0a.check_output("rm /etc/xen/lint2.cfg")


def test_a_volume_that_is_mounted_here_is_told(dom0a: Host, text: str) -> None:
    write(dom0a, text)
    dom0a.check_output("mkfs.ext4 -q /dev/vg0/lint1-disk && mkdir -p /run/lint && mount /dev/vg0/lint1-disk /run/lint")
    try:
        said = "its disk vg0/lint1-disk is in use, though it is off: lsof /dev/vg0/lint1-disk"
        assert told(dom0a) == [("warning", said)]
        assert not starts(dom0a)
    finally:
        dom0a.check_output("umount /run/lint && rmdir /run/lint")
