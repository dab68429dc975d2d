"""Copies block by block, on files of this machine: what differs is sent, nothing else, and hostile words change nothing."""

import io
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xen_legi.backup import blocks, send_blocks, serve_blocks
from xen_legi.backup.destination import Destination
from xen_legi.errors import Lost, Problem

CHUNK = blocks.CHUNK


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def digests(path: Path, size: int) -> bytes:
    return b"".join(map(blocks.digest, blocks.chunks(path, size)))


@pytest.mark.parametrize("size", [512, CHUNK - 512, CHUNK, CHUNK + 512, 17 * CHUNK, 33 * CHUNK + 1024])
def test_a_volume_of_any_size_is_read_whole_in_chunks(size: int, tmp_path: Path) -> None:
    device = tmp_path / "disk"
    device.write_bytes(noise(size))
    found = list(blocks.chunks(device, size))
    assert b"".join(found) == noise(size) and len(found) == blocks.count(size)
    assert [len(one) for one in found] == [blocks.length(size, at) for at in range(len(found))]


def test_a_volume_that_is_shorter_than_it_was_is_no_copy(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    device.write_bytes(noise(CHUNK))
    with pytest.raises(Problem, match="ends at 256K, before its time"):
        list(blocks.chunks(device, 2 * CHUNK))


def stream(source: Path, size: int, numbers: Sequence[int], end: int = blocks.END) -> bytes:
    """What a sender writes."""
    with source.open("rb") as device:
        chunks = [one.to_bytes(8, "big") + blocks.chunk(device.fileno(), source, size, one) for one in numbers]
    return b"".join([*chunks, end.to_bytes(8, "big")])


def receive(monkeypatch: pytest.MonkeyPatch, said: bytes, device: Path, size: int) -> tuple[list[int], bool]:
    """Let the receiver write what was said; return which chunks came, and whether they are to be read back."""
    reader = io.BytesIO(said)

    def exactly(descriptor: int, wanted: int, who: str) -> bytes:
        data = reader.read(wanted)
        if len(data) < wanted:
            raise EOFError
        return data

    monkeypatch.setattr(blocks, "exactly", exactly)
    numbers, prove = serve_blocks._written(device, size)
    return list(numbers), prove


@given(size=st.integers(1, 5 * CHUNK // 512).map(lambda sectors: sectors * 512),
       places=st.sets(st.integers(0, 5 * CHUNK - 1)))
@settings(max_examples=40)
def test_a_copy_is_its_original_after_what_differs_was_sent(
    size: int, places: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("disks")
    before, now = noise(size), bytearray(noise(size))
    for place in places:
        now[place % size] ^= 0xFF
    (folder / "copy").write_bytes(before + b"room of the group's extents")
    (folder / "ghost").write_bytes(now)
    differ = send_blocks.changed(digests(folder / "ghost", size), digests(folder / "copy", size))
    assert set(differ) == {place % size // CHUNK for place in places}
    with pytest.MonkeyPatch.context() as patch:
        assert receive(patch, stream(folder / "ghost", size, differ), folder / "copy", size) == (differ, False)
    assert (folder / "copy").read_bytes() == bytes(now) + b"room of the group's extents"


@pytest.mark.parametrize("said, message", [
    ((5).to_bytes(8, "big"), "refused: chunk 5 after chunk -1 of 2"),
    (blocks.END.to_bytes(8, "big")[:7], "ended in the middle"),
    ((2).to_bytes(8, "big") + noise(CHUNK), "refused: chunk 2"), (b"", "ended in the middle"),
    ((1).to_bytes(8, "big") + noise(511), "ended in the middle"), ((blocks.END - 2).to_bytes(8, "big"), "refused: chunk"),
    ((0).to_bytes(8, "big") + noise(CHUNK) + (0).to_bytes(8, "big") + noise(CHUNK), "refused: chunk 0 after chunk 0"),
    ((1).to_bytes(8, "big") + noise(512) + (0).to_bytes(8, "big") + noise(CHUNK), "refused: chunk 0 after chunk 1"),
])
def test_what_a_hostile_sender_says_never_leaves_the_volume(
    said: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = CHUNK + 512
    device = tmp_path / "copy"
    device.write_bytes(bytes(size) + b"beyond")
    with pytest.raises(Problem, match=message):
        receive(monkeypatch, said, device, size)
    assert device.read_bytes()[size:] == b"beyond" and device.stat().st_size == size + 6


def test_the_other_end_is_read_as_it_comes_and_its_end_is_told() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    assert blocks.exactly(reader, 2, "dom0b") == b"ab"
    os.close(writer)
    with pytest.raises(EOFError):
        blocks.exactly(reader, 2, "dom0b")
    os.close(reader)


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SILENCE", 0.01)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(Problem, match="dom0b was silent"):
        blocks.exactly(reader, 1, "dom0b")
    with pytest.raises(Problem, match="dom0b took nothing"):
        blocks.write(writer, bytes(4 << 20), "dom0b")
    os.close(reader)
    os.close(writer)


def test_a_limit_is_kept_on_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    for limit, took in ((0, 0.0), (1 << 20, 8.0)):
        clock[0] = 0.0
        pace = blocks.Pace(limit)
        for _ in range(32):
            pace.take(CHUNK)
        assert clock[0] == pytest.approx(took)


def stub(directory: Path, script: str) -> Destination:
    """A receiver that does what a shell script says; $3 is the verb."""
    program = directory / "stub"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Destination("dom0b", (str(program),), local=False)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> send_blocks.Source:
    """A ghost of three chunks, and little patience."""
    monkeypatch.setattr(blocks, "SILENCE", 3)
    monkeypatch.setattr(send_blocks, "_PATIENCE", 1)
    (tmp_path / "ghost").write_bytes(noise(3 * CHUNK))
    return send_blocks.Source(tmp_path / "ghost", 3 * CHUNK, ("web1", "disk", "r1"))


ZEROS = "head -c 48 /dev/zero"  # the digests of three chunks


@pytest.mark.parametrize("script, kind, said", [
    (f"{ZEROS}; exec >&-; sleep 60", Lost, "dom0b did not end within"), (f"{ZEROS}; echo; sleep 60", Problem, "more chunks"),
    ("head -c 47 /dev/zero", Problem, "told of 2 of 3 chunks"), ("head -c 16 /dev/zero; sleep 60", Lost, "dom0b was silent"),
    ("echo 'xen-legi receive: refused: so' >&2; exit 2", Problem, "dom0b: refused: so"),
    ("exit 255", Lost, "cannot be reached"),
    (f"[ $2 = patch ] || {{ {ZEROS}; exit; }}; cat >/dev/null; sleep 60", Lost, "dom0b did not end within"),
    (f"[ $2 = patch ] || {{ {ZEROS}; exit; }}; echo '{{\"problem\": \"full\"}}'; exit 1", Problem, "dom0b: full"),
    (f"[ $2 = patch ] || {{ {ZEROS}; exit; }}; sleep 60", Lost, "dom0b took nothing"),
])
def test_a_receiver_that_does_not_do_its_part_is_never_waited_for_without_an_end(
    script: str, kind: type[Problem], said: str, source: send_blocks.Source, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match=said) as caught:
        send_blocks.send_changed(source, stub(tmp_path, script))
    assert type(caught.value) is kind


def test_all_that_differs_arrives_at_the_other_end_of_real_pipes(source: send_blocks.Source, tmp_path: Path) -> None:
    where = stub(tmp_path, f"[ $2 = patch ] || {{ {ZEROS}; exit; }}; cat >{tmp_path}/stream; echo '{{}}'")
    sent, own = send_blocks.send_changed(source, where)
    assert own == digests(source.device, source.size) and sent.bytes == 3 * CHUNK
    assert (tmp_path / "stream").read_bytes() == stream(source.device, source.size, range(3))


# what is known to have changed, and is read back


@pytest.mark.parametrize("numbers", [[], [1], [0, 2]])
def test_what_is_read_back_is_proven_at_both_ends_of_real_pipes(
    numbers: list[int], source: send_blocks.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(bytes(source.size))
    said = stream(source.device, source.size, numbers, blocks.PROVE)
    assert receive(monkeypatch, said, copy, source.size) == (numbers, True)
    proof = serve_blocks.read_back(copy, source.size, numbers)
    monkeypatch.undo()
    where = stub(tmp_path, f"cat >{tmp_path}/stream; echo '{{\"proof\": \"{proof}\"}}'")
    assert send_blocks.send_known(source, where, numbers).bytes == len(numbers) * CHUNK
    assert (tmp_path / "stream").read_bytes() == said


@pytest.mark.parametrize("answer", ['{"proof": "00"}', '{"chunks": 1}'])
def test_what_is_not_there_what_was_sent_is_no_copy(answer: str, source: send_blocks.Source, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="differs from its ghost in what was just written"):
        send_blocks.send_known(source, stub(tmp_path, f"cat >/dev/null; echo '{answer}'"), [1])


def test_a_byte_that_the_disk_turned_is_not_proven(source: send_blocks.Source, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(source.device.read_bytes())
    right = serve_blocks.read_back(copy, source.size, [1])
    turned = bytearray(copy.read_bytes())
    turned[CHUNK + 5] ^= 1
    copy.write_bytes(turned)
    assert serve_blocks.read_back(copy, source.size, [1]) != right
