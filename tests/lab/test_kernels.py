"""The kernels of domUs: dom0's own, with an initramfs that is made for domUs."""

import contextlib
import json
import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import refused, run_killed

SETTINGS = "/etc/xen-legi/xen-legi.toml"


def ramdisk(host: Host) -> str:
    version: str = host.check_output("uname -r")
    return f"/srv/xen/boot/initrd.img-{version}"


def test_the_running_kernel_is_the_first_domu_kernel(dom0: Host) -> None:
    version = dom0.check_output("uname -r")
    for path in (f"/srv/xen/boot/vmlinuz-{version}", f"/srv/xen/boot/initrd.img-{version}"):
        assert dom0.file(path).is_file
    assert dom0.file(f"/srv/xen/lib/modules/{version}/modules.dep").is_file
    assert dom0.file("/srv/xen/templates").is_directory


def test_the_initramfs_is_for_domus_only(dom0: Host) -> None:
    names = dom0.check_output(f"lsinitramfs {ramdisk(dom0)}").splitlines()
    modules = {match[1] for name in names if (match := re.fullmatch(r"([^/]+)\.ko", name))}
    assert {"xen-blkfront", "xen-netfront", "ext4", "xfs"} <= modules
    assert dom0.check_output(f"cat {ramdisk(dom0)}.modules").split() == ["xen-blkfront", "xen-netfront", "ext4", "xfs"]
    assert len(names) < 30, names
    assert dom0.file(ramdisk(dom0)).size < 4_000_000


def test_a_kernel_that_the_domus_have_is_added_without_a_word(dom0a: Host) -> None:
    version = dom0a.check_output("uname -r")
    before = dom0a.check_output("ls -i /srv/xen/boot")
    result = dom0a.run(f"xen-legi kernel add {version}")
    assert (result.rc, result.stdout, result.stderr) == (0, "", "")
    assert dom0a.check_output("ls -i /srv/xen/boot") == before
    listed = json.loads(dom0a.check_output("xen-legi kernel list --json"))
    assert version in [one["version"] for one in listed if one["default"]]


def test_hosts_with_the_same_kernel_make_the_same_initramfs(dom0a: Host, dom0b: Host) -> None:
    assert dom0a.check_output("uname -r") == dom0b.check_output("uname -r")
    sums = [host.check_output(f"sha256sum <{ramdisk(host)}") for host in (dom0a, dom0b)]
    assert sums[0] == sums[1]


@contextlib.contextmanager
def setting(host: Host, value: str) -> Iterator[None]:
    """Inside the context, the host's settings have this value of initramfs; afterwards the kernel is as it was."""
    text = f"[domu]\ninitramfs = {value}\n"
    host.check_output(f"cp -a {SETTINGS} {SETTINGS}.saved && printf %s {shlex.quote(text)} >{SETTINGS}")
    try:
        yield
    finally:
        host.check_output(f"mv {SETTINGS}.saved {SETTINGS} && xen-legi kernel add")


def boot(host: Host) -> str:
    """Return what the kernels of domUs are."""
    return str(host.check_output("ls -li --full-time -A /srv/xen/boot"))


def test_a_changed_setting_is_followed_and_what_a_killed_run_left_is_removed(dom0a: Host) -> None:
    """The run dies when mktirfs has done its work; domUs keep the initramfs they had, and the next run makes the new one."""
    before = dom0a.check_output(f"sha256sum <{ramdisk(dom0a)}")
    with setting(dom0a, '["xen-blkfront", "ext4", "dummy"]'):
        killed = run_killed(dom0a, "kernel:initramfs-made", "xen-legi kernel add")
        assert killed.rc == 137, killed.stderr
        assert dom0a.check_output(f"sha256sum <{ramdisk(dom0a)}") == before
        assert "/.new-initrd" in dom0a.check_output("ls -d /srv/xen/boot/.new-*")
        again = dom0a.run("xen-legi kernel add")
        assert again.rc == 0 and "an earlier run was killed: removing" in again.stderr
        assert "dummy.ko" in dom0a.check_output(f"lsinitramfs {ramdisk(dom0a)}").split()
    assert dom0a.check_output(f"sha256sum <{ramdisk(dom0a)}") == before
    assert dom0a.run("ls -d /srv/xen/boot/.new-*").stdout == ""


@pytest.mark.long  # which roots they are is a unit test
def test_a_domu_whose_root_the_new_initramfs_does_not_find_is_named(dom0a: Host) -> None:
    lines = f"name = 'lvm1'\nmemory = 64\nramdisk = '{ramdisk(dom0a)}'\nroot = '/dev/mapper/vg-root ro'\n"
    dom0a.check_output(f"printf %s {shlex.quote(lines)} >/etc/xen/lvm1.cfg && rm {ramdisk(dom0a)}")
    try:
        said = dom0a.run("xen-legi kernel add")
        assert said.rc == 0 and "lvm1 will not start with" in said.stderr and "root=/dev/mapper/vg-root" in said.stderr
    finally:
        dom0a.check_output("rm -f /etc/xen/lvm1.cfg; xen-legi kernel add")


def test_a_wrong_setting_is_told_and_changes_nothing(dom0a: Host) -> None:
    before = boot(dom0a)
    with setting(dom0a, '["xen-blkfront", "no-such-module"]'):
        result = dom0a.run("xen-legi kernel add")
        refused(result)
        assert "has no module 'no-such-module'" in result.stderr
        assert boot(dom0a) == before
    assert boot(dom0a) == before


@pytest.fixture
def odd(dom0a: Host, dom0b: Host) -> Iterator[str]:
    """A kernel of a few bytes that dom0a has and dom0b lacks: its version."""
    version = "99.1-odd"
    top, boot = "/srv/xen/lib/modules", f"/srv/xen/boot/vmlinuz-{version} /srv/xen/boot/initrd.img-{version}"
    dom0a.check_output(
        f"mkdir -p {top}/{version}/kernel && cd {top}/{version} && echo ext4 | tee modules.dep kernel/ext4.ko && "
        f"ln -s /usr/src build && echo odd | tee {boot}"
    )
    yield version
    for host in (dom0a, dom0b):
        host.check_output(f"rm -rf {top}/{version} {top}/.{version}.* {boot} /srv/xen/boot/.from-peer-{version}")


def versions(host: Host) -> list[str]:
    """Return the whole kernels that a host has for domUs."""
    return [one["version"] for one in json.loads(host.check_output("xen-legi kernel list --json"))]


def test_the_peer_gets_the_kernel_that_it_lacks_whole_and_once(dom0a: Host, dom0b: Host, odd: str) -> None:
    would = dom0a.check_output(f"xen-legi kernel sync {odd} --dry-run")
    assert would == f"dom0b would get kernel {odd}: modules, initramfs, image"
    killed = run_killed(dom0a, "kernel:modules-sent", f"xen-legi kernel sync {odd}")
    assert killed.rc == 137 and odd not in versions(dom0b)
    assert dom0a.check_output(f"xen-legi kernel sync {odd} --to dom0b") == f"dom0b got kernel {odd}: initramfs, image"
    assert odd in versions(dom0b)
    assert dom0b.check_output("xen-legi kernel default") == dom0b.check_output("uname -r"), "that of new domUs stays"
    listed = dom0b.check_output(f"cd /srv/xen/lib/modules/{odd} && find . | sort").split()
    assert listed == [".", "./kernel", "./kernel/ext4.ko", "./modules.dep"]
    assert dom0a.check_output(f"xen-legi kernel sync {odd}") == f"dom0b has kernel {odd} already"
    assert f"dom0b has kernel {dom0a.check_output('uname -r')} already" in dom0a.check_output("xen-legi kernel sync")


def test_a_kernel_that_the_peer_has_otherwise_stays_its_own(dom0a: Host, dom0b: Host, odd: str) -> None:
    dom0b.check_output(f"echo own >/srv/xen/boot/vmlinuz-{odd}")
    said = dom0a.run(f"xen-legi kernel sync {odd}")
    assert said.rc == 1 and f"dom0b has another vmlinuz-{odd}" in said.stderr
    left = dom0b.check_output(f"cat /srv/xen/boot/vmlinuz-{odd}; ls /srv/xen/lib/modules").split()
    assert left == ["own", dom0b.check_output("uname -r")], "the parts of two kernels do not become one"


@pytest.mark.parametrize(("words", "said"), [
    ("sync 9.9", "there is no kernel '9.9'"),
    ("sync --to nobody", "there is no peer 'nobody'"),
    ("list --to dom0b", "xen-legi kernel list knows no --to"),
])
def test_a_wrong_sync_is_refused(dom0a: Host, words: str, said: str) -> None:
    result = dom0a.run(f"xen-legi kernel {words}")
    refused(result)
    assert said in result.stderr
