"""The sending end of a copy block by block, from a ghost to a receiver."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xen_legi.backup import blocks, send
from xen_legi.backup.destination import Destination, passed_on
from xen_legi.backup.send import Sent
from xen_legi.errors import CommandFailed, Lost, fail
from xen_legi.run import PIPE, Process, ended, spawn
from xen_legi.steps import Progress, named_point

_SLOWEST = 8 << 20  # bytes a second at which what was sent is written and read back, at least
_PATIENCE = 60  # seconds in which an end that has nothing more to do ends


@dataclass(frozen=True)
class Source:
    """What is sent: the ghost's device, the bytes of it that count, and the words that name its copy in an order."""

    device: Path
    size: int
    words: tuple[str, str, str]  # domU, slot, run

    @property
    def slot(self) -> str:
        """The volume's name in the copy."""
        return self.words[1]


def send_changed(source: Source, where: Destination, bandwidth: int = 0) -> tuple[Sent, bytes]:
    """Bring the copy of one volume to what its ghost has. Return what was sent, and the digests of the ghost."""
    own = bytearray()
    theirs = _sums(source, where, own)
    numbers = changed(own, theirs)  # none at all is an order, too: it is then that the receiver vouches for the volume
    _patch(source, where, numbers, bandwidth)
    return _sent(source, numbers), bytes(own)


def send_known(source: Source, where: Destination, numbers: Sequence[int], bandwidth: int = 0) -> Sent:
    """Send the chunks that are known to be all that may differ. The receiver reads them back from its disk, and Problem is
    raised if they are not there what they are here."""
    proof = blocks.proof()
    answer = _patch(source, where, numbers, bandwidth, proof)
    if answer.get("proof") != proof.hexdigest():
        fail(f"{where.name}: the copy of {source.slot} differs from its ghost in what was just written",
             hint="the last good copy is kept; is the disk there broken? see dmesg there")
    return _sent(source, numbers)


def _sent(source: Source, numbers: Sequence[int]) -> Sent:
    return Sent(bytes=sum(blocks.length(source.size, one) for one in numbers))


def verify(source: Source, where: Destination, own: bytes) -> list[str]:
    """Return in which chunks the copy differs from the ghost, whose digests are known: a line for each."""
    theirs = _sums(source, where, None)
    return [f"{source.slot}: {blocks.CHUNK} bytes at {one * blocks.CHUNK}" for one in changed(own, theirs)]


def changed(own: bytes | bytearray, theirs: bytes) -> list[int]:
    """Given the digests of both sides, return the numbers of the chunks that differ."""
    if own == theirs:
        return []
    step = blocks.DIGEST
    return [at // step for at in range(0, len(own), step) if own[at:at + step] != theirs[at:at + step]]


def _sums(source: Source, where: Destination, own: bytearray | None) -> bytes:
    """Return the digests that the receiver tells, and gather those of the ghost meanwhile, if they are wanted."""
    theirs = bytearray()
    with tempfile.TemporaryFile("w+") as errors:
        with spawn(_order(where, "sums", source), stdout=PIPE, stderr=errors, env=passed_on()) as process:
            assert process.stdout
            with contextlib.suppress(EOFError):  # it has ended, and says why
                _read_sums(process.stdout.fileno(), source, where, own, theirs)
                blocks.exactly(process.stdout.fileno(), 1, where.name)
                fail(f"{where.name} told of more chunks of {source.slot} than there are")
            _need_end(process, _PATIENCE, where)
        if process.returncode:
            errors.seek(0)
            raise send.problem(CommandFailed(("sums",), process.returncode, errors.read()), where, source.slot, [])
    if len(theirs) != blocks.count(source.size) * blocks.DIGEST:
        fail(f"{where.name} told of {len(theirs) // blocks.DIGEST} of {blocks.count(source.size)} chunks of {source.slot}")
    return bytes(theirs)


def _read_sums(pipe: int, source: Source, where: Destination, own: bytearray | None, theirs: bytearray) -> None:
    what = "look at" if own is not None else "look once more at"
    progress = Progress(f"{what} {source.slot} on {where.name}", source.size)
    mine = blocks.chunks(source.device, source.size)
    for number in range(blocks.count(source.size)):
        if own is not None:
            own += blocks.digest(next(mine))
        theirs += blocks.exactly(pipe, blocks.DIGEST, where.name)
        progress.update(number * blocks.CHUNK)
        named_point("backup:comparing")
    progress.close()


def _patch(
    source: Source, where: Destination, numbers: Sequence[int], bandwidth: int, proof: "hashlib.blake2b | None" = None
) -> dict[str, Any]:
    """Send these chunks and return the answer. What is sent is gathered in `proof`; the receiver then gives its own."""
    pace = blocks.Pace(0 if where.local else bandwidth)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        with spawn(_order(where, "patch", source), stdin=PIPE, stdout=out, stderr=errors, env=passed_on()) as process:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                _write_chunks(process.stdin.fileno(), source, where, numbers, pace, proof)
            process.stdin.close()
            _need_end(process, blocks.SILENCE + len(numbers) * blocks.CHUNK // _SLOWEST, where)
        out.seek(0)
        errors.seek(0)
        return where.understand(process.returncode, out.read(), errors.read())


def _write_chunks(
    pipe: int, source: Source, where: Destination, numbers: Sequence[int], pace: blocks.Pace, proof: "hashlib.blake2b | None"
) -> None:
    progress = Progress(f"{source.slot} to {where.name}", len(numbers) * blocks.CHUNK)
    os.set_blocking(pipe, False)
    with open(source.device, "rb", buffering=0) as device:
        for done, number in enumerate(numbers):
            data = number.to_bytes(blocks.HEAD, "big") + blocks.chunk(device.fileno(), source.device, source.size, number)
            if proof:
                proof.update(data)
            pace.take(len(data))
            blocks.write(pipe, data, where.name)
            progress.update(done * blocks.CHUNK)
            named_point("backup:sending-blocks")
    blocks.write(pipe, (blocks.PROVE if proof else blocks.END).to_bytes(blocks.HEAD, "big"), where.name)
    progress.close()


def _need_end(process: Process, seconds: int, where: Destination) -> None:
    """Raise Lost unless a receiver that has nothing more to do ends: who waited for it would wait for ever."""
    if not ended(process, seconds):
        raise Lost(f"{where.name} did not end within {seconds} seconds", status=1)


def _order(where: Destination, verb: str, source: Source) -> list[str]:
    return [*where.command, where.name, verb, *source.words]
