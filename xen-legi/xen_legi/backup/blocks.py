"""The form of a copy block by block: digests one way, the chunks that differ the other way. Both ends use this file.

The receiver sends the digest of each chunk of the volume, in order. The sender compares them with its own and sends, in a
second order, a record for each chunk that differs: its number, then its bytes; after the last one a record END without any.
Nothing is believed because it was so at the last run: what the volumes have is read on both sides. Only where the sender
knows what changed since the copy was made, and the receiver vouches for that copy, no digests are sent (base.py).
"""

import hashlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from xen_legi.errors import Lost, fail
from xen_legi.units import format_size

CHUNK = 256 << 10  # bytes
DIGEST = 16
HEAD = 8
END = (1 << 64) - 1
PROVE = END - 1  # the end as well; the receiver answers with the proof of what it then reads back
SILENCE = 600  # seconds without a byte from the other end, as rsync has it
_READ = 4 << 20


def count(size: int) -> int:
    """Return how many chunks a volume of so many bytes has; the last one may be shorter."""
    return -(-size // CHUNK)


def length(size: int, number: int) -> int:
    """Return the bytes of a chunk of a volume of so many bytes."""
    return min(CHUNK, size - number * CHUNK)


def digest(data: bytes) -> bytes:
    """Return the digest of a chunk."""
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def proof() -> "hashlib.blake2b":
    """Return what gathers the records of some chunks, their numbers and bytes, to be compared with the other end's."""
    return hashlib.blake2b(digest_size=32)


def chunks(device: Path, size: int) -> Iterator[bytes]:
    """Yield the chunks of a volume. Fail where it cannot be read, or is shorter."""
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        for offset in range(0, size, _READ):
            data = _read(descriptor, device, min(_READ, size - offset), offset)
            os.posix_fadvise(descriptor, offset, len(data), os.POSIX_FADV_DONTNEED)  # dom0 has better use for its memory
            yield from (data[at:at + CHUNK] for at in range(0, len(data), CHUNK))
    finally:
        os.close(descriptor)


def chunk(descriptor: int, device: Path, size: int, number: int) -> bytes:
    """Return one chunk of an open volume."""
    return _read(descriptor, device, length(size, number), number * CHUNK)


def exactly(descriptor: int, wanted: int, who: str) -> bytes:
    """Read so many bytes from the other end. Raise EOFError if it ended before, Lost if it is silent."""
    parts: list[bytes] = []
    while wanted:
        if not select.select([descriptor], [], [], SILENCE)[0]:
            raise Lost(f"{who} was silent for {SILENCE // 60} minutes", status=1)
        if not (data := os.read(descriptor, min(wanted, _READ))):
            raise EOFError
        parts.append(data)
        wanted -= len(data)
    return b"".join(parts)


def write(descriptor: int, data: bytes, who: str) -> None:
    """Write all of it to the other end, through a descriptor that does not block. Raise Lost if it takes nothing."""
    left = memoryview(data)
    while left:
        if not select.select([], [descriptor], [], SILENCE)[1]:
            raise Lost(f"{who} took nothing for {SILENCE // 60} minutes", status=1)
        try:
            left = left[os.write(descriptor, left):]
        except BlockingIOError:
            continue


class Pace:
    """Keeps what is sent below so many bytes a second; 0: no limit."""

    def __init__(self, limit: int) -> None:
        self.limit, self.sent, self.began = limit, 0, time.monotonic()

    def take(self, size: int) -> None:
        """Wait until so many more bytes may be sent."""
        self.sent += size
        if self.limit and (ahead := self.sent / self.limit - (time.monotonic() - self.began)) > 0:
            time.sleep(ahead)


def _read(descriptor: int, device: Path, wanted: int, offset: int) -> bytes:
    parts: list[bytes] = []
    while wanted:
        try:
            data = os.pread(descriptor, wanted, offset)
        except OSError as error:
            fail(f"{device} cannot be read at {format_size(offset)}: {error.strerror}", hint="is its disk broken? see dmesg")
        if not data:
            fail(f"{device} ends at {format_size(offset)}, before its time", hint="was it made smaller meanwhile?")
        parts.append(data)
        wanted, offset = wanted - len(data), offset + len(data)
    return b"".join(parts)
