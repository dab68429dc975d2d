"""Mounts that nobody else sees and that vanish with the process, however it ends.

A snapshot that overflows is unmounted by dmeventd wherever it finds it mounted, and what is then read is an empty
directory; in a mount namespace of our own it finds nothing. Whatever is mounted is mounted over a directory of mode
0000 that holds a file with a name that no guest has: if that name is ever seen, nothing is mounted there.
"""

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

from xen_legi.errors import CommandFailed, fail
from xen_legi.run import run
from xen_legi.storage import mounts
from xen_legi.storage.identity import EXT

PLACE = Path("/run/xen-legi/mnt")
SENTINEL = "xen-legi: nothing is mounted here"
_CLONE_NEWNS = 0x00020000  # <linux/sched.h>; os.unshare() is in Python 3.12 and later
_OPTIONS = "nodev,nosuid,noexec,nosymfollow,noatime"
# A guest may have written errors=panic into its superblock (tune2fs -e panic): it is dom0's kernel that would panic when
# a ghost overflows.
_EXT_OPTIONS = "errors=remount-ro"


def enter() -> None:
    """Move this process into a mount namespace of its own. What the host unmounts is unmounted here too."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        number = ctypes.get_errno()
        fail(f"no mount namespace of our own: {os.strerror(number)}", hint="are we root, and not inside a container?")
    run(["mount", "--make-rslave", "/"], timeout=60)
    PLACE.mkdir(mode=0o700, parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=1M", "xen-legi", PLACE], timeout=60)


@contextlib.contextmanager
def mounted(device: Path, kind: str, *, writable: bool = False) -> Iterator[Path]:
    """Mount a filesystem of this kind and yield where; unmounted at the end, after it was written to its device."""
    place = PLACE / f"{device.parent.name}-{device.name}"
    place.mkdir(mode=0o700)
    (place / SENTINEL).touch()
    place.chmod(0)
    try:
        how = options(kind, writable=writable) + mounts.of_image(device, kind)
        run(["mount", "-t", kind, "-o", how, device, place], timeout=600)
        try:
            check(place)
            yield place
        finally:
            _unmount(place)
    finally:
        with contextlib.suppress(OSError):  # what could not be unmounted is told already; it vanishes with this process
            (place / SENTINEL).unlink(missing_ok=True)
            place.rmdir()


def options(kind: str, *, writable: bool) -> str:
    """Return with what options a guest's filesystem of this kind is mounted."""
    own = {"xfs": ["nouuid"], **dict.fromkeys(EXT, [_EXT_OPTIONS])}.get(kind, [])
    return ",".join(["rw" if writable else "ro", _OPTIONS, *own])


def check(place: Path) -> None:
    """Fail unless a filesystem is mounted at this place."""
    if (place / SENTINEL).exists() or os.stat(place).st_dev == os.stat(place.parent).st_dev:
        fail(f"{place} has lost its filesystem", hint="was it unmounted by hand? nothing was deleted")


def used_inodes(place: Path) -> int:
    """Return how many files and directories the filesystem at this place has."""
    facts = os.statvfs(place)
    return facts.f_files - facts.f_ffree


def sync(place: Path) -> None:
    """Wait until everything written below this place is on its device. Fail if the device refused any of it."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            fail(f"what was written to {place} is not safe: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)


def flush(device: Path) -> None:
    """Wait until what the kernel and the device's own cache hold of this device is on stable storage."""
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    run(["blockdev", "--flushbufs", device], timeout=600)


def _unmount(place: Path, tries: int = 10) -> None:
    for last in range(tries):
        try:
            run(["umount", place], timeout=1800)
            return
        except CommandFailed:
            if last == tries - 1:
                raise
            time.sleep(0.3 * (last + 1))
