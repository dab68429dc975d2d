"""What becomes of guests that run when something happens to their host: a reboot of it, a backup killed in its pause."""

import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from conftest import lab
from domus import WEB1, banner, guest, refused, run_killed, wait_for_ssh

pytestmark = pytest.mark.long
FILE = "/etc/xen/web1.cfg"
AUTO = "/etc/xen/auto/web1.cfg"


@pytest.fixture
def two_volumes(dom0a: Host, web1: Host) -> Iterator[None]:
    """web1 runs with a second volume of files, so that it is paused while the snapshots of both are made."""
    change = "s#^disk = \\[#&'phy:/dev/vg0/web1-data,xvdb,w', #"
    dom0a.check_output("xen-legi stop web1 --wait 300")
    dom0a.check_output(
        "lvcreate -qq -y -W y -L 64M -n web1-data vg0 && mkfs.ext4 -q /dev/vg0/web1-data && "
        f'cp -a {FILE} /root/web1.saved && sed -i "{change}" {FILE}'
    )
    try:
        dom0a.check_output("xen-legi start web1")
        wait_for_ssh(web1, WEB1)
        yield
    finally:
        dom0a.run("timeout 300 xl shutdown -w web1 || xl destroy web1; sleep 5; udevadm settle")
        dom0a.check_output(f"mv /root/web1.saved {FILE}; lvremove -qq -y vg0/web1-data; xen-legi start web1")
        wait_for_ssh(web1, WEB1)


def flags(host: Host, name: str) -> str:
    """Return the letters with which `xl list` tells a domU's state; p is paused."""
    return str(host.check_output(f"xl list {name}").splitlines()[1].split()[4])


def test_a_guest_whose_backup_is_killed_while_it_is_paused_goes_on(dom0a: Host, web1: Host, two_volumes: None) -> None:
    assert "xvdb" in guest(web1, "ls /sys/block")
    killed = run_killed(dom0a, "backup:paused", "backup-domu run web1 --to vg1")
    assert killed.rc == 137, killed.stdout + killed.stderr
    assert banner(web1, WEB1, seconds=30).startswith("SSH-2.0-")
    assert "p" not in flags(dom0a, "web1")


def blocks(web1: Host) -> int:
    """Return the KiB that web1 sees of its root's filesystem."""
    return int(guest(web1, "df -k --output=size / | tail -n 1"))


def test_a_disk_grows_by_a_gibibyte_while_its_domu_runs_and_uses_it(dom0a: Host, web1: Host) -> None:
    boot, before = guest(web1, "cat /proc/sys/kernel/random/boot_id"), blocks(web1)
    guest(web1, "touch /root/used; sync")
    said = dom0a.check_output("xen-legi resize web1 --size +1G")
    assert "xvda2 has 3G" in said and "resize2fs /dev/xvda2" in said
    guest(web1, "touch /root/used; sync")  # the back end looks when the disk is used
    for _ in range(60):
        if blocks(web1) > before + 900 * 1024:
            break
        time.sleep(2)
    assert blocks(web1) > before + 900 * 1024, guest(web1, "dmesg | tail; journalctl -n 20 --no-pager")
    assert guest(web1, "cat /proc/sys/kernel/random/boot_id") == boot


def test_a_domu_that_comes_back_after_its_shutdown_is_not_told_to_be_off(dom0a: Host, web1: Host) -> None:
    change = "sed -i '/^on_poweroff/d' FILE && echo \"on_poweroff = 'restart'\" >> FILE".replace("FILE", FILE)
    dom0a.check_output(f"cp -a {FILE} /root/web1.saved && {change} && xen-legi restart web1 --wait 300")
    try:
        wait_for_ssh(web1, WEB1)
        result = dom0a.run("xen-legi stop web1 --wait 60")
        assert result.rc == 1 and "domU web1 is still running" in result.stderr and "on_poweroff" in result.stderr
        dom0a.check_output("xen-legi stop web1 --force; sleep 10")
        assert "web1" not in dom0a.check_output("xl list | awk '{print $1}'").split()
    finally:
        dom0a.check_output(f"mv /root/web1.saved {FILE}")
        dom0a.run("xl destroy web1; sleep 5")
        dom0a.check_output("xen-legi start web1")
        wait_for_ssh(web1, WEB1)


def test_memory_changes_while_a_domu_runs_and_its_file_with_it(dom0a: Host, web1: Host) -> None:
    dom0a.check_output(f"cp -a {FILE} /root/web1.saved")
    try:
        refused(dom0a.run("xen-legi resize web1 --memory 1G"))  # it has no maxmem
        said = dom0a.check_output("xen-legi resize web1 --memory 384M --vcpus 1")
        assert said.startswith("domU web1: memory 384M, vcpus 1"), said
        assert "memory  = 384" in dom0a.check_output(f"cat {FILE}").splitlines()
        has = 0
        for _ in range(30):
            has = int(dom0a.check_output("xl list web1").splitlines()[1].split()[2])
            if has <= 384:
                break
            time.sleep(2)
        assert has <= 384
        assert dom0a.check_output("xen-legi resize web1 --memory 384M") == "domU web1: memory 384M"  # it has it by now
        dom0a.check_output("xen-legi resize web1 --memory 512M")
    finally:
        dom0a.check_output(f"mv /root/web1.saved {FILE}")


def test_a_guest_that_is_stopped_while_it_boots_stops(dom0a: Host, web1: Host) -> None:
    dom0a.check_output("xen-legi stop web1 --wait 300")
    try:
        dom0a.check_output("xen-legi start web1; sleep 5; xen-legi stop web1 --wait 600")
        assert dom0a.run("xl domid web1").rc != 0
    finally:
        dom0a.check_output("xl domid web1 >/dev/null 2>&1 || xen-legi start web1")
        wait_for_ssh(web1, WEB1)


def test_modules_are_pushed_to_a_domu_that_runs(dom0a: Host, web1: Host) -> None:
    dom0a.check_output("ip address replace 192.168.72.1/24 dev xenbr72")
    version = guest(web1, "uname -r").strip()
    try:
        tree = f"/lib/modules/{version}"
        guest(web1, f"cd {tree}; rm -r kernel/fs/xfs; touch kernel/odd.ko; mkdir updates; touch updates/own.ko")
        assert f"has the modules of kernel {version}" in dom0a.check_output("xen-legi kernel push web1")
        assert guest(web1, "ls -A /lib/modules").split() == [version]
        assert "xfs.ko" in guest(web1, f"ls {tree}/kernel/fs/xfs")
        assert guest(web1, f"cd {tree}; ls kernel/odd.ko updates/own.ko 2>/dev/null; true").split() == ["updates/own.ko"]
    finally:
        dom0a.run("ip address del 192.168.72.1/24 dev xenbr72")


def test_a_guest_is_shut_down_with_its_host_and_starts_with_it(dom0a: Host, web1: Host) -> None:
    boot = guest(web1, "cat /proc/sys/kernel/random/boot_id").strip()
    dom0a.check_output(f"ln -s ../web1.cfg {AUTO}")
    try:
        lab("reboot", "dom0a", timeout=1000)
        wait_for_ssh(web1, WEB1, seconds=600)
        now = guest(web1, "cat /proc/sys/kernel/random/boot_id").strip()
        last = guest(web1, f"journalctl -b {boot.replace('-', '')} -n 200 -o cat --no-pager")
    finally:
        dom0a.run(f"rm -f {AUTO}")
    assert now != boot  # its memory was not saved and restored
    assert "Journal stopped" in last, last  # journald's last word, which only a guest that was shut down has
