"""What a person is told of a transfer that failed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from xen_legi.backup import destination, send
from xen_legi.errors import CommandFailed, Problem
from xen_legi.storage import namespace


@pytest.mark.parametrize("status, tries", [(11, 2), (12, 2), (23, 1)])
def test_a_copy_without_room_for_a_file_beside_its_former_self_is_written_in_place(
    status: int, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def rsync(source: Path, where: destination.Destination, order: tuple[str, ...], extra: list[str]) -> Iterator[str]:
        calls.append(extra)
        if len(calls) == 1:
            full = '  32,768   0%    0.00kB/s   rsync: [receiver] write failed on "big": No space left on device (28)'
            yield full if tries == 2 else "rsync: [sender] read errors mapping: Input/output error (5)"
            raise CommandFailed(("rsync",), status, "")
        yield "Number of files: 7"

    monkeypatch.setattr(send, "_rsync", rsync)
    monkeypatch.setattr(namespace, "check", lambda place: None)
    with contextlib.suppress(Problem):
        sent = send.send(tmp_path, destination.local("vg1"), "web1", "web1-disk", "r1", checksum=False)
        assert (sent.files, sent.tight) == (7, True)
    assert len(calls) == tries and "--delete-after" in calls[0] and not {"--inplace"} & set(calls[0])
    assert tries == 1 or {"--inplace", "--delete-before"} <= set(calls[1])


def test_the_file_that_could_not_be_read_is_named_however_much_was_printed_after_it() -> None:
    error = CommandFailed(("rsync",), 23, "the end of\na long table\nrsync error: some files were not transferred\n")
    printed = ['rsync: [sender] read errors mapping "/run/x/etc/victim": Input/output error (5)', *["a number: 1"] * 30]
    problem = send.problem(error, destination.local("vg1"), "web1-disk", printed)
    assert "etc/victim" in problem.message and "a number" not in problem.message
    assert problem.message.startswith("web1-disk to vg1: some files could not be read or written")


@pytest.mark.parametrize("checksum", [True, False])
def test_what_is_compared_by_content_is_sent_by_content(checksum: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []

    def rsync(argv: list[str], **more: object) -> Iterator[str]:
        said.append(argv)
        return iter(())

    monkeypatch.setattr(namespace, "check", lambda place: None)
    monkeypatch.setattr(send, "lines", rsync)
    where = destination.local("vg1")
    send.send(Path("/run/x"), where, "web1", "web1-disk", "r1", checksum=checksum)
    send.verify(Path("/run/x"), where, "web1", "web1-disk", "r1", checksum=checksum)
    assert [("--checksum" in argv, "--dry-run" in argv) for argv in said] == [(checksum, False), (checksum, True)]
