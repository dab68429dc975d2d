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
    ("kernel = \"/boot/old\" # mine\nramdisk='/boot/r'; root='x'\n",
     "kernel = \"/srv/xen/boot/vmlinuz-6.12.1\" # mine\nramdisk='/srv/xen/boot/initrd.img-6.12.1'; root='x'\n"),
    ("cmdline = 'root=x'\nkernel = '/old'", f"cmdline = 'root=x'\n{NEW}\nramdisk = '/srv/xen/boot/initrd.img-6.12.1'\n"),
    ("root = 'x'\nkernel = '/boot/1'\nkernel = '/boot/2'\nramdisk = '/r'\n",
     f"root = 'x'\n{NEW}\n{NEW}\nramdisk = '/srv/xen/boot/initrd.img-6.12.1'\n"),
])
def test_kernel_and_initramfs_change_and_nothing_else(text: str, after: str) -> None:
    assert pinned(config.parse(text, Path("/etc/xen/a.cfg")), KERNEL) == after


@pytest.mark.parametrize(("text", "said"), [
    ("bootloader = 'pygrub'\n", "a brings its own kernel: in /etc/xen/a.cfg it names none"),
    ("kernel = '/usr/lib/grub-xen/grub-x86_64-xen.bin'\nroot = 'x'\n", "its kernel is /usr/lib/grub-xen/grub-x86_64"),
    ("bootloader = 'pygrub'\nkernel = '/boot/old'\nroot = 'x'\n", "its boot loader is pygrub"),
    ("bootloader = '/opt/mine'\nkernel = '/boot/old'\nroot = 'x'\n", "its boot loader is /opt/mine"),
    ("kernel = '/usr/local/lib/grub-xen/grub-x86_64-xen.bin'\nroot = 'x'\n", "its kernel is /usr/local/lib/grub-xen"),
    ("kernel = '/srv/xen/boot/grub-i386-xen_pvh.bin'\nroot = 'x'\n", "its kernel is /srv/xen/boot/grub-i386"),
    ("kernel = '/usr/lib/xen-4.17/boot/pv-grub-x86_64.gz'\nroot = 'x'\n", "its kernel is"),
    ("kernel = '/usr/lib/xen-4.17/boot/hvmloader'\nroot = 'x'\n", "brings its own kernel"),
    ("builder = 'hvm'\nkernel = '/boot/old'\nroot = 'x'\n", "brings its own kernel"),
    ("kernel = '/boot/old'\n", "/etc/xen/a.cfg does not say what its root is"),
])
def test_a_domu_with_its_own_kernel_or_no_root_keeps_it(text: str, said: str) -> None:
    domu = config.parse(f"name = 'a'\n{text}", Path("/etc/xen/a.cfg"))
    with pytest.raises(Problem, match=said) as raised:
        pinned(domu, KERNEL)
    assert raised.value.status == 2 and raised.value.hint
