"""Another kernel in a domU's file."""

from pathlib import Path

import pytest

from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.kernels.pinning import pinned
from xen_legi.kernels.store import Store

KERNEL = Store(Path("/srv/xen")).kernel("6.12.1")
NEW = "kernel = '/srv/xen/boot/vmlinuz-6.12.1'"


@pytest.mark.parametrize(("text", "after"), [
    ("kernel = \"/boot/old\" # mine\nramdisk='/boot/r'; name = 'a'\n",
     "kernel = \"/srv/xen/boot/vmlinuz-6.12.1\" # mine\nramdisk='/srv/xen/boot/initrd.img-6.12.1'; name = 'a'\n"),
    ("name = 'a'\nkernel = '/boot/old'", f"name = 'a'\n{NEW}\nramdisk = '/srv/xen/boot/initrd.img-6.12.1'\n"),
    ("name = 'a'\nkernel = '/boot/1'\nkernel = '/boot/2'\nramdisk = '/r'\n",
     f"name = 'a'\n{NEW}\n{NEW}\nramdisk = '/srv/xen/boot/initrd.img-6.12.1'\n"),
])
def test_kernel_and_initramfs_change_and_nothing_else(text: str, after: str) -> None:
    assert pinned(config.parse(text, Path("/etc/xen/a.cfg")), KERNEL) == after


def test_a_domu_with_its_own_kernel_keeps_it() -> None:
    domu = config.parse("name = 'a'\nbootloader = 'pygrub'\n", Path("/etc/xen/a.cfg"))
    with pytest.raises(Problem, match="/etc/xen/a.cfg names no kernel: a brings its own") as raised:
        pinned(domu, KERNEL)
    assert raised.value.status == 2 and raised.value.hint
