"""Which roots the initramfs that is made for domUs finds: real file systems in files of the test."""

import gzip
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from test_kernels_store import store
from xen_legi import config
from xen_legi.cli import kernel as cli
from xen_legi.domu import config as domu_config
from xen_legi.errors import Problem
from xen_legi.kernels import initramfs, root
from xen_legi.kernels.store import Kernel

SMALL = 4 << 20
UUID = "0b1c2d3e-0000-4000-8000-00000000000a"
needs = [pytest.mark.skipif(not shutil.which(one), reason=f"this computer has no {one}") for one in ("mkfs.ext4", "sfdisk")]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel with an initramfs made for domUs."""
    one = store(tmp_path, "6.12.1").kernel("6.12.1")
    one.note.write_text("xen-blkfront\next4\n")
    return one


def domu(lines: str, *disks: str) -> domu_config.DomuConfig:
    text = f"name = 'web1'\nkernel = '/boot/old'\nmemory = 64\n{lines}\ndisk = [{', '.join(map(repr, disks))}]\n"
    return domu_config.parse(text, Path("/etc/xen/web1.cfg"))


def btrfs(file: Path, at: int = 0) -> None:
    """Write what blkid takes for a btrfs: its first superblock."""
    with file.open("r+b" if file.exists() else "wb") as stream:
        stream.truncate(max(file.stat().st_size, at + SMALL))
        stream.seek(at + 0x10000)
        block = bytearray(4096)
        block[0x20:0x30] = bytes.fromhex(UUID.replace("-", ""))
        block[0x40:0x48] = b"_BHRfS_M"
        block[0x90:0x94] = block[0x94:0x98] = (4096).to_bytes(4, "little")
        stream.write(block)


def ext4(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(SMALL)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-U", UUID, file], check=True)


@pytest.mark.parametrize("lines, said", [
    ('root = "/dev/xvda2 ro"', ""), ('cmdline = "root=/dev/xvda2 ro console=hvc0"', ""), ('extra = "console=hvc0"', ""),
    ('root = "UUID=0b1c-2d ro"', ""), ('cmdline = "ro root=0xca02"', ""), ("bootloader = 'pygrub'", ""),
    ('root = "/dev/mapper/vg-root ro"', "/dev/mapper/vg-root"), ('cmdline = "root=LABEL=root ro"', "LABEL=root"),
    ('cmdline = "ro root=PARTUUID=12-34"', "PARTUUID=12-34"),
    ('extra = "root=/dev/disk/by-label/x"', "/dev/disk/by-label/x"),
])
def test_a_root_that_the_initramfs_of_domus_does_not_find_is_known(kernel: Kernel, lines: str, said: str) -> None:
    assert root.unfit(domu(lines), kernel) == (said and f"which finds no root={said}")
    kernel.note.unlink()  # dom0's own initramfs
    assert root.unfit(domu(lines), kernel) == ""


@pytest.mark.parametrize("make, fits", [(btrfs, False), pytest.param(ext4, True, marks=needs[0])])
@pytest.mark.parametrize("word", ["/dev/xvda2", f"UUID={UUID}", f"UUID={UUID.upper()}"])
def test_the_file_system_of_the_root_needs_a_module(
    tmp_path: Path, kernel: Kernel, make: Callable[[Path], None], fits: bool, word: str
) -> None:
    make(tmp_path / "root.img")
    one = domu(f"root = '{word} ro'", f"file:{tmp_path}/none.img,xvda1,w", f"file:{tmp_path}/root.img,xvda2,w")
    assert root.unfit(one, kernel) == ("" if fits else "which has no module for the btrfs of its root")
    kernel.note.write_text("xen-blkfront\next4\nbtrfs\n")
    assert root.unfit(one, kernel) == ""
    kernel.note.write_text("xen-blkfront\n")
    (kernel.modules / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\nkernel/fs/btrfs/btrfs.ko\n")
    assert root.unfit(one, kernel) == ""


@pytest.mark.skipif(not shutil.which("cpio"), reason="this computer has no cpio")
@pytest.mark.parametrize("names, modules", [
    (("init", "modules", "dev", "ext4.ko", "xen-blkfront.ko.xz"), ("ext4", "xen-blkfront")),
    (("init", "bin", "scripts"), None), (("init", "modules", "scripts"), None),
])
def test_what_an_initramfs_of_a_peer_holds_is_read_in_it(
    tmp_path: Path, kernel: Kernel, names: tuple[str, ...], modules: tuple[str, ...] | None
) -> None:
    for name in names:
        (tmp_path / "tree" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    words = "find . ! -name . -print0 | sort -z | cpio --null -o --quiet -H newc"
    made = subprocess.run(["sh", "-c", words], cwd=tmp_path / "tree", check=True, capture_output=True).stdout
    kernel.note.unlink()
    kernel.ramdisk.write_bytes(gzip.compress(made))
    assert initramfs.held(kernel) == modules
    large = gzip.compress(b"0" * (40 << 20))
    for bad in (made, gzip.compress(made)[:-30], gzip.compress(b"070701" + b"x" * 200), large, b""):
        kernel.ramdisk.write_bytes(bad)
        initramfs.held(kernel)  # what a peer sends does no harm


@pytest.mark.skipif(not shutil.which("sfdisk"), reason="this computer has no sfdisk")
@pytest.mark.parametrize("word", ["/dev/xvda1", f"UUID={UUID}"])
def test_a_root_in_a_partition_is_looked_at_there(tmp_path: Path, kernel: Kernel, word: str) -> None:
    btrfs(tmp_path / "disk.img", at=1 << 20)
    subprocess.run(["sfdisk", "-q", tmp_path / "disk.img"], input="start=2048\n", text=True, check=True)
    one = domu(f"root = '{word} ro'", f"file:{tmp_path}/disk.img,xvda,w")
    assert root.unfit(one, kernel) == "which has no module for the btrfs of its root"


@pytest.mark.parametrize("word", ["LABEL=root", "/dev/xvda2"])
def test_pin_refuses_such_a_root_before_anything_is_changed(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    btrfs(tmp_path / "root.img")
    one = domu(f"root = '{word} ro'", f"file:{tmp_path}/root.img,xvda2,w")
    monkeypatch.setattr(cli, "need_root", lambda what: None)
    monkeypatch.setattr(cli, "changing", lambda *words, **more: nullcontext())
    monkeypatch.setattr(domu_config, "by_name", lambda name: one)
    for name in ("push", "_pin"):
        monkeypatch.setattr(cli, name, lambda *words: pytest.fail("it is done all the same"))
    options = Namespace(what="pin", version="web1", second="6.12.1", dry_run=False, all_modules=False, address="")
    with pytest.raises(Problem, match="web1 would not start with .*initrd.img-6.12.1") as raised:
        cli._give(store(tmp_path), options, config.Config())
    assert raised.value.status == 2 and "initramfs" in raised.value.hint
