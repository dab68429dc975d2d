"""What `xen-legi list` and `xen-legi info` know of a domU."""

from pathlib import Path

from xen_legi.domu import config
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.inventory import Entry, inventory, sheet
from xen_legi.domu.xl import Domain

FULL = """name = 'web1'
uuid = '0c8311f2-0000-4000-8000-000000000001'
kernel = '/srv/xen/boot/vmlinuz-6.1'
ramdisk = '/srv/xen/boot/initrd.img-6.1'
root = '/dev/xvda2 ro'
extra = 'quiet'
memory = 512
maxmem = 1024
vcpus = 1
maxvcpus = 4
on_poweroff = 'destroy'
on_crash = 'preserve'
"""


def domu(text: str = FULL, name: str = "web1") -> DomuConfig:
    return config.parse(text, Path(f"/etc/xen/{name}.cfg"))


def entries(*domus: DomuConfig, running: tuple[str, ...] = ()) -> list[Entry]:
    domains = [Domain(number, name, "running", 500, 2, 1.0) for number, name in enumerate(running, 3)]
    return inventory(domus, domains, [], [], "xenbr{vlan}")


def told(entry: Entry) -> dict[str, str]:
    words = (line.partition(":") for line in sheet(entry).splitlines())
    return {key: value.strip() for key, _, value in words}


def test_all_that_a_file_says_of_a_domu_is_known() -> None:
    (one,) = entries(domu())
    assert (one.maxmem, one.maxvcpus) == (1024, 4)
    assert (one.ramdisk, one.root) == ("/srv/xen/boot/initrd.img-6.1", "/dev/xvda2")
    assert one.cmdline == "root=/dev/xvda2 ro quiet"
    assert one.uuid == "0c8311f2-0000-4000-8000-000000000001"
    assert one.actions == {"on_poweroff": "destroy", "on_crash": "preserve"}


def test_a_person_is_told_all_of_it_and_nothing_that_is_not_said() -> None:
    (full,) = entries(domu())
    lines = told(full)
    assert lines["memory"] == "512M, at most 1024M" and lines["vcpus"] == "1, at most 4"
    assert lines["ramdisk"] == full.ramdisk and lines["command line"] == full.cmdline and lines["uuid"] == full.uuid
    assert lines["on_crash"] == "preserve"
    (bare,) = entries(domu("name = 'web1'\nmemory = 512\nbootloader = 'pygrub'\n"))
    assert set(told(bare)) == {"name", "state", "type", "memory", "vcpus", "bootloader", "starts with dom0", "file"}
    assert told(bare)["memory"] == "512M"


def test_cmdline_goes_before_root_and_extra_as_xl_has_it() -> None:
    (one,) = entries(domu(f"{FULL}cmdline = 'root=UUID=0c83'\n"))
    assert (one.cmdline, one.root) == ("root=UUID=0c83", "UUID=0c83")


def test_of_two_files_with_one_name_both_show_that_it_runs_and_none_is_listed_twice() -> None:
    found = entries(domu(), domu(name="web1-old"), domu("name = 'db1'\nmemory = 1\n", "db1"), running=("web1", "stray"))
    assert [(one.name, one.file, one.id) for one in found] == [
        ("db1", "/etc/xen/db1.cfg", None), ("stray", "", 4),
        ("web1", "/etc/xen/web1.cfg", 3), ("web1", "/etc/xen/web1-old.cfg", 3),
    ]
