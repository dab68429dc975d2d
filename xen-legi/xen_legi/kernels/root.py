"""Does the initramfs that is made for domUs find and mount the root of a domU? Its disks are only looked at.

It knows the kernel's own names of disks, UUID= of ext, xfs and btrfs, and device numbers (see
/usr/share/doc/tiny-initramfs-core/README.md.gz), and what is on them as far as a module for it is there.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from xen_legi import files
from xen_legi.domu import disks
from xen_legi.domu.config import Disk, DomuConfig
from xen_legi.kernels import initramfs
from xen_legi.kernels.store import Kernel
from xen_legi.run import run
from xen_legi.storage import identity
from xen_legi.storage.identity import EXT

_GOOD = re.compile(r"|/dev/[a-z0-9]+|UUID=[0-9a-fA-F-]+|0x[0-9a-fA-F]+")
_KNOWN_UUID = (*EXT, "xfs", "btrfs")
_SECTOR = 512


def unfit(domu: DomuConfig, kernel: Kernel) -> str:
    """Return why a domU would not start with the initramfs of a kernel; nothing if it would, or if nobody can tell. Of
    dom0's own initramfs nothing is said: udev and LVM are in it."""
    modules = initramfs.held(kernel)
    if modules is None:
        return ""
    if lost := not_found(domu):
        return f"which finds no root={lost}"
    for kind in _kinds(domu):
        if domu.root.startswith("UUID=") and kind not in _KNOWN_UUID:
            return f"which finds no {kind} by its UUID"
        if not _holds(kernel, modules, kind):
            return f"which has no module for the {kind} of its root"
    return ""


def not_found(domu: DomuConfig) -> str:
    """Return the root= of a domU if the initramfs does not find it; nothing if it does, or none is written down. Pure."""
    return "" if _GOOD.fullmatch(domu.root) else domu.root


def _holds(kernel: Kernel, modules: tuple[str, ...], kind: str) -> bool:
    """Tell whether the initramfs has what mounts a file system, or the kernel has it built in."""
    names = ("ext4", kind) if kind in EXT else (kind,)
    built_in = files.read(kernel.modules / "modules.builtin").split()
    return bool(set(names) & {*modules, *(Path(one).stem for one in built_in)})


def _kinds(domu: DomuConfig) -> Iterator[str]:
    """Yield what is on the root, as blkid calls it; nothing where the disk is not there, or tells nothing."""
    if domu.root.startswith("UUID="):
        wanted = domu.root.removeprefix("UUID=").lower()
        found = (values for disk in domu.disks for values in _contents(disk))
        yield from (one["TYPE"] for one in found if one.get("UUID", "").lower() == wanted and one.get("TYPE"))
        return
    name = domu.root.removeprefix("/dev/")
    for disk in domu.disks:
        if disk.device == name:
            yield from (one["TYPE"] for one in [identity.blkid(_path(disk))] if one.get("TYPE"))
        elif disk.device and re.fullmatch(rf"{re.escape(disk.device)}p?\d+", name):
            number = int(re.sub(r"^.*\D", "", name))
            yield from (one["TYPE"] for nth, one in _partitions(disk) if nth == number and one.get("TYPE"))


def _path(disk: Disk) -> Path:
    return Path(disks.absolute(disk.path))


def _contents(disk: Disk) -> Iterator[dict[str, str]]:
    """Yield what blkid tells of a disk and of its partitions."""
    yield identity.blkid(_path(disk))
    yield from (values for _, values in _partitions(disk))


def _partitions(disk: Disk) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each partition in a disk, and what blkid tells of it: dom0's kernel need not know them."""
    path = _path(disk)
    if "PTTYPE" not in identity.blkid(path):
        return
    for line in run(["partx", "-rgo", "NR,START", path], ok=(0, 1), timeout=60).stdout.splitlines():
        number, start = map(int, line.split())
        at = str(start * _SECTOR)
        read = run(["blkid", "-p", "-O", at, "-o", "export", path], ok=(0, 2, 8), timeout=60)
        yield number, identity.parse_blkid(read.stdout)
