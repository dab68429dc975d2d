"""The kernels of domUs: dom0's own, with an initramfs that is made for domUs."""

import json
import re
import shlex

import pytest
from testinfra.host import Host

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


def test_a_changed_setting_is_followed_and_what_a_killed_run_left_is_removed(dom0a: Host) -> None:
    """The run dies while mktirfs works; domUs keep the initramfs they had, and the next run makes the new one."""
    before = dom0a.check_output(f"stat -c '%i %s' {ramdisk(dom0a)}")
    dom0a.check_output(f"cp -a {SETTINGS} {SETTINGS}.saved && printf '[domu]\\ninitramfs = [%s]\\n' "
                       f"'\"xen-blkfront\", \"ext4\", \"dummy\"' >{SETTINGS}")
    try:
        killed = dom0a.run("timeout --signal=KILL 6 xen-legi kernel add")
        assert killed.rc == 137, killed.stderr
        assert dom0a.check_output(f"stat -c '%i %s' {ramdisk(dom0a)}") == before
        assert "/.new-initrd" in dom0a.check_output("ls -d /srv/xen/boot/.new-*")
        again = dom0a.run("xen-legi kernel add")
        assert again.rc == 0 and "an earlier run was killed: removing" in again.stderr
        assert "dummy.ko" in dom0a.check_output(f"lsinitramfs {ramdisk(dom0a)}").split()
    finally:
        dom0a.check_output(f"mv {SETTINGS}.saved {SETTINGS} && xen-legi kernel add")
    assert "dummy.ko" not in dom0a.check_output(f"lsinitramfs {ramdisk(dom0a)}").split()
    assert dom0a.run("ls -d /srv/xen/boot/.new-*").stdout == ""


@pytest.mark.parametrize("setting, message, status", [
    ('["no-such-module"]', "has no module 'no-such-module'", 2),
    ('["../ext4"]', "initramfs has '../ext4', which is no module", 2),
])
def test_a_wrong_setting_is_told_and_changes_nothing(dom0a: Host, setting: str, message: str, status: int) -> None:
    before = dom0a.check_output("ls -lai /srv/xen/boot")
    dom0a.check_output(f"cp -a {SETTINGS} {SETTINGS}.saved && printf '[domu]\\ninitramfs = %s\\n' "
                       f"{shlex.quote(setting)} >{SETTINGS}")
    result = dom0a.run("xen-legi kernel add")
    dom0a.check_output(f"mv {SETTINGS}.saved {SETTINGS} && xen-legi kernel add")
    assert (result.rc, message in result.stderr) == (status, True), result.stderr
    assert dom0a.check_output("ls -lai /srv/xen/boot").splitlines()[2:] == before.splitlines()[2:]
