"""Which kernel a domU starts with, wherever it lies, and whether a guest has its modules."""

import struct
from pathlib import Path

import pytest

from xen_legi.domu import config
from xen_legi.install.guest import Guest
from xen_legi.kernels import inside
from xen_legi.kernels.store import Store


def image(version: str) -> bytes:
    """Return the beginning of a kernel, as the kernel's own Documentation/arch/x86/boot.rst describes it."""
    head = bytearray(0x400)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = struct.pack("<H", 0x100)
    text = f"{version} (debian-kernel@lists.debian.org) #1 SMP\0".encode()
    head[0x300:0x300 + len(text)] = text
    return bytes(head)


@pytest.mark.parametrize("name, content, version", [
    ("vmlinuz-6.1.0-40-amd64", image("6.1.0-40-amd64"), "6.1.0-40-amd64"),
    ("vmlinuz", image("6.1.0-40-amd64"), "6.1.0-40-amd64"),
    ("vmlinuz-domU", image("6.1.0-40-amd64"), "6.1.0-40-amd64"),
    ("vmlinuz-6.1.0-40-amd64", b"\x7fELF", "6.1.0-40-amd64"),
    ("vmlinuz-6.1.0-40-amd64", None, "6.1.0-40-amd64"),
    ("vmlinuz-domU", b"\x7fELF", ""),
    ("grub-i386-xen_pvh.bin", b"\x7fELF", ""),
    ("hvmloader", None, ""),
    ("vmlinuz-6.1", image("../../etc"), "6.1"),
])
def test_the_version_of_a_kernel_outside_of_the_store_is_told(
    name: str, content: bytes | None, version: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    domu = config.parse(f"name = 'web1'\nkernel = '{tmp_path}/{name}'\n", Path("web1.cfg"))
    assert inside.version(domu, Store(tmp_path / "srv")) == version


def test_the_version_of_a_kernel_in_the_store_is_that_of_its_name(tmp_path: Path) -> None:
    kernel = Store(tmp_path).kernel("0-tiny")
    for path in (kernel.image, kernel.ramdisk, kernel.modules / "modules.dep"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    domu = config.parse(f"name = 'web1'\nkernel = '{kernel.image}'\n", Path("web1.cfg"))
    assert inside.version(domu, Store(tmp_path)) == "0-tiny"
    guests_own = config.parse(f"name = 'web1'\nkernel = '{kernel.image}'\nbootloader = 'pygrub'\n", Path("web1.cfg"))
    assert inside.version(guests_own, Store(tmp_path)) == ""
    assert inside.version(config.parse("name = 'web1'\n", Path("web1.cfg")), Store(tmp_path)) == ""


@pytest.mark.parametrize("dep, there, has", [
    ("kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n", ["kernel/b.ko"], True),
    ("kernel/a.ko.xz: kernel/b.ko.xz\nkernel/b.ko.xz:\n", ["kernel/b.ko"], False),
    ("kernel/a.ko:\n", [], False),
    ("", [], True),  # a kernel that has all within
    (None, ["kernel/a.ko"], False),
])
def test_a_list_of_modules_that_are_not_there_is_no_modules(
    dep: str | None, there: list[str], has: bool, tmp_path: Path
) -> None:
    tree = tmp_path / "lib/modules/6.1"
    tree.mkdir(parents=True)
    if dep is not None:
        (tree / "modules.dep").write_text(dep)
    for one in there:
        (tree / one).parent.mkdir(parents=True, exist_ok=True)
        (tree / one).touch()
    assert inside.has_modules(Guest(tmp_path), "6.1") is has
