"""Mounts that vanish with the process that made them, whatever ends it: they live in a mount namespace of its own.

The namespace follows dom0's (what dom0 unmounts goes here too) but dom0 sees none of ours. See mount_namespaces(7).
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from xen_legi import files
from xen_legi.run import run
from xen_legi.storage import places

PLACE = Path("/run/xen-legi/install")
_CLONE_NEWNS = 0x00020000  # <linux/sched.h>; os.unshare() and os.setns() are in Python 3.12 and later
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def private_mounts() -> Iterator[None]:
    """Enter a mount namespace of our own; leave it at the end, which undoes what is still mounted in it."""
    PLACE.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)  # setns(2) leaves us in /
    try:
        _checked(_LIBC.unshare(_CLONE_NEWNS), "unshare")
        run(["mount", "--make-rslave", "/"])
        run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=1M", "xen-legi", PLACE])
        yield
    finally:
        _checked(_LIBC.setns(before, _CLONE_NEWNS), "setns")
        os.fchdir(here)
        os.close(here)
        os.close(before)


@contextlib.contextmanager
def mounted(device: Path, filesystem: str, options: str, *, where: Path | None = None) -> Iterator[Path]:
    """Within private_mounts(), mount a device or image and yield where; unmount it, all written to its disk, at the end."""
    if where is None:
        where = PLACE / f"{device.parent.name}-{device.name}"
        where.mkdir(mode=0o700, exist_ok=True)  # it may have been mounted before
    run(["mount", "-t", filesystem, "-o", options + of_image(device, filesystem), device, where], timeout=300)
    try:
        yield where
    finally:
        run(["umount", where], timeout=600)
        files.sync(device)  # empties the write cache of a disk below it: it may have been mounted without barriers


def of_image(device: Path, filesystem: str) -> str:
    """Return with what options more a filesystem is mounted if it is in a file. ext4 zeroes its tables in the background,
    and the loop device would make holes in the image of that."""
    if not device.is_file():
        return ""
    return ",loop,noinit_itable" if filesystem == "ext4" else ",loop"


def mounts_below(path: Path) -> list[str]:
    """Return where something is mounted below a directory, as this process sees it."""
    return list(seen_below(path))


def seen_below(path: Path) -> dict[str, str]:
    """Return where something is mounted below a directory, and what kind of filesystem is seen there."""
    return {one.place: one.kind for one in places.all_mounts() if one.place.startswith(f"{path.resolve()}/")}


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
