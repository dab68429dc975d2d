"""The receiving end of a copy block by block: it tells what its volume has, and writes what differs."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xen_legi.backup import blocks, copies, serve
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import Copy, Slot
from xen_legi.errors import die, fail
from xen_legi.steps import named_point
from xen_legi.storage import namespace
from xen_legi.storage.lvm import Volume

_CLIENT = "the sender"


def sums(work: Work, copy: Copy, slot: str) -> None:
    """Write the digest of each chunk of the volume to standard output."""
    volume, size = _wanted(work, copy, slot)
    gathered = bytearray()
    os.set_blocking(1, False)
    for one in blocks.chunks(volume.path, size):
        gathered += blocks.digest(one)
        if len(gathered) >= 4096:
            blocks.write(1, bytes(gathered), _CLIENT)
            gathered.clear()
    blocks.write(1, bytes(gathered), _CLIENT)


def patch(work: Work, copy: Copy, slot: str) -> dict[str, Any]:
    """Write the chunks that come on standard input to the volume, have them on stable storage, and return how many; and, if
    the sender wants it, the proof of what is there then."""
    volume, size = _wanted(work, copy, slot)
    assert work.request
    copies.retag(volume, add=[copies.BLOCKS])
    numbers, prove = _written(volume.path, size)
    named_point("receive:blocks-written")
    namespace.flush(volume.path)
    named_point("receive:blocks-flushed")
    proof = {"proof": read_back(volume.path, size, numbers)} if prove else {}
    serve.mark_synced(volume, work.request.run, 0)
    return {"chunks": len(numbers), **proof}


def read_back(device: Path, size: int, numbers: Sequence[int]) -> str:
    """Return the proof of some chunks, read from the disk: what the kernel held of the device is not in memory any more."""
    proof = blocks.proof()
    with open(device, "rb", buffering=0) as volume:
        for one in numbers:
            proof.update(one.to_bytes(blocks.HEAD, "big") + blocks.chunk(volume.fileno(), device, size, one))
    return proof.hexdigest()


def _wanted(work: Work, copy: Copy, slot: str) -> tuple[Volume, int]:
    """Return the volume that is being written, and how many of its bytes are the domU's."""
    volume = serve.writable(work, copy.slots.get(slot, Slot(slot)))
    wanted = work.request.volume(slot) if work.request else None
    if wanted is None or not wanted.raw:
        die(f"refused: no blocks are sent for {slot}")
    return volume, wanted.size


def _written(device: Path, size: int) -> tuple[Sequence[int], bool]:
    """Write what comes until its end is told; return which chunks came, and whether they are to be read back. Each chunk may
    come once, in order: nothing that is sent has no end."""
    descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
    last, numbers = -1, array("Q")
    try:
        while (at := int.from_bytes(_next(blocks.HEAD), "big")) not in (blocks.END, blocks.PROVE):
            if not last < at < blocks.count(size):
                die(f"refused: chunk {at} after chunk {last} of {blocks.count(size)}")
            _put(descriptor, _next(blocks.length(size, at)), at * blocks.CHUNK)
            numbers.append(last := at)
            named_point("receive:writing-blocks")
    finally:
        os.close(descriptor)
    return numbers, at == blocks.PROVE


def _next(wanted: int) -> bytes:
    try:
        return blocks.exactly(0, wanted, _CLIENT)
    except EOFError:
        fail("the sender ended in the middle", hint="the last good copy is kept; the next run goes on")


def _put(descriptor: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        try:
            written = os.pwrite(descriptor, left, offset)
        except OSError as error:
            fail(f"the copy cannot be written: {error.strerror}", hint="is its disk broken? see dmesg there")
        left, offset = left[written:], offset + written
