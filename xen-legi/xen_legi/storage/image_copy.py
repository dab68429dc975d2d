"""Copy what is in one image file into another one of its size that is empty yet: its holes are left out.

On a filesystem that can share blocks (btrfs, xfs) the kernel shares them, and it takes a moment: copy_file_range(2).
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from xen_legi.errors import fail
from xen_legi.steps import Progress
from xen_legi.units import MIB

_AT_ONCE = 64 * MIB  # so that Ctrl-C is heard, and the progress moves
_BUFFER = 4 * MIB
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # it is left to us, as between two filesystems


def copy(source: Path, target: Path) -> None:
    """Copy an image and show how far it is; all of it is on the disk at the end. Fail if it becomes another meanwhile."""
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            before = os.fstat(reading)
            if before.st_size != os.fstat(writing).st_size:
                fail(f"{source} has another size than when its copy was made", hint="was it made larger? try again")
            _all(reading, writing, before)
            os.fsync(writing)
            after = os.fstat(reading)
        finally:
            os.close(writing)
    except OSError as error:
        fail(f"{source} cannot be copied: {error.strerror}", hint="see df(1), and the kernel's messages: dmesg(1)")
    finally:
        os.close(reading)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        fail(f"{source} was written while it was copied", hint="is it mounted, or was the domU started? try again")


def stretches(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a file has data: (offset, length) in bytes, none longer than is copied at once."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole to the end
                return
            raise
        end = min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
        yield from ((offset, min(_AT_ONCE, end - offset)) for offset in range(begin, end, _AT_ONCE))


def _all(reading: int, writing: int, facts: os.stat_result) -> None:
    progress, done = Progress("copied", min(facts.st_size, facts.st_blocks * 512)), 0
    for offset, length in stretches(reading, facts.st_size):
        _stretch(reading, writing, offset, length)
        done += length
        progress.update(done)
    progress.close()


def _stretch(reading: int, writing: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        try:
            copied = os.copy_file_range(reading, writing, end - offset, offset, offset)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            copied = os.pwrite(writing, os.pread(reading, min(_BUFFER, end - offset), offset), offset)
        if not copied:  # it has become shorter: told at the end
            return
        offset += copied
