"""The sending end of a transfer: rsync's client, from a ghost to a receiver.

Why these options and no others: docs/decisions.md, "Backup: the line of rsync".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi.backup.destination import Destination, passed_on, unreachable
from xen_legi.errors import CommandFailed, Lost, Problem
from xen_legi.peers.words import AFTER, CLIENT_OPTIONS, PLACE, TIGHT
from xen_legi.run import lines
from xen_legi.steps import Progress, named_point, say
from xen_legi.storage import namespace

_REASONS = {
    10: "the connection could not be made",
    11: "the receiver could not write: is its volume full?",
    12: "the connection broke",
    20: "the receiver was stopped",
    23: "some files could not be read or written",
    24: "files vanished from the ghost",
    25: "more files would have been deleted than one run may delete",
    30: "the receiver was silent for ten minutes",
    35: "the receiver did not answer in time",
}
_BROKEN = (10, 12, 30, 35)
_FULL = re.compile("rsync: .*No space left on device")  # behind a progress line that has no end, perhaps
_HINTS = {
    11: "has the domU files that change and are larger than what it has free? a larger disk gives its copies room, too",
    23: "the lines above name them; they keep their former content, nothing was deleted",
    25: "has the domU lost its files? look at it; if this is right, say --allow-deletes",
}


class _NoRoom(Problem):
    """The copy's filesystem is full."""


@dataclass(frozen=True)
class Sent:
    """What a transfer did: files in the tree, files sent, files deleted, bytes over the wire; of the files that were sent,
    those that were not there before."""

    files: int = 0
    changed: int = 0
    deleted: int = 0
    bytes: int = 0
    tight: bool = False  # files were written in place
    created: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(
            self.files + other.files,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.bytes + other.bytes,
            self.tight or other.tight,
            self.created + other.created,
        )


def send(
    source: Path, where: Destination, domu: str, slot: str, run: str, *, checksum: bool, bandwidth: int = 0
) -> Sent:
    """Bring the copy of one volume to what its ghost at `source` has. Raise Problem if anything was not as it must be.

    With `checksum` a file is also sent if only its content differs: what verify() finds must be mended by the same run.
    `bandwidth`: bytes a second that another host is sent, 0: no limit. Where the copy has no room for a file beside its
    former self, files are written in place: then they must be compared by content.
    """
    extra = [*(["--whole-file"] if where.local else []), *(["--checksum"] if checksum else []), *limited(where, bandwidth)]
    order = ("sync", domu, slot, run)
    try:
        return _send(source, where, order, [*extra, *AFTER])
    except _NoRoom as problem:
        say(f"{problem.message}: once more, without the old files beside the new ones")
        return replace(_send(source, where, order, [*extra, *TIGHT]), tight=True)  # what the first pass sent is not counted


def _send(source: Path, where: Destination, order: tuple[str, str, str, str], options: list[str]) -> Sent:
    namespace.check(source)
    slot = order[2]
    progress = Progress(f"{slot} to {where.name}")
    extra = [*options, "--stats", "--no-human-readable", "--info=progress2"]
    said: list[str] = []
    try:
        for line in _rsync(source, where, order, extra):
            if (done := transferred(line)) is not None:
                progress.update(done)
            if done is None or "rsync: " in line:  # a word of trouble follows the progress on its line
                said.append(line)
            named_point("backup:sending")
    except CommandFailed as error:
        raise problem(error, where, slot, said) from None
    finally:
        progress.close()
    namespace.check(source)
    return statistics(said)


def limited(where: Destination, bandwidth: int) -> list[str]:
    """Return rsync's option for a limit, in KiB; within a host there is no network."""
    return [f"--bwlimit={max(1, bandwidth >> 10)}"] if bandwidth and not where.local else []


def verify(source: Path, where: Destination, domu: str, slot: str, run: str, *, checksum: bool) -> list[str]:
    """Return how the copy of one volume differs from its ghost: a line for each difference, none if all is well."""
    namespace.check(source)
    extra = [*AFTER, "--dry-run", "--itemize-changes", *(["--checksum"] if checksum else [])]
    found: list[str] = []
    try:
        for line in _rsync(source, where, ("verify", domu, slot, run), extra):
            found.append(line)
    except CommandFailed as error:
        raise problem(error, where, slot, found) from None
    namespace.check(source)
    return [line for line in found if line.strip()]


def transferred(line: str) -> int | None:
    """Given a line of rsync, return the bytes that its progress tells, or None if it is another line."""
    match = re.match(r"\s*([\d,.]+)\s+\d+%\s", line)
    return _number(match[1]) if match else None


def statistics(said: Iterable[str]) -> Sent:
    """Given the lines of rsync --stats, return what it did."""
    numbers: dict[str, int] = {}
    for line in said:
        if match := re.match(r"([A-Z][a-z ]+): ([\d,.]+)", line):
            numbers[match[1]] = _number(match[2])
        if match := re.match(r"Number of created files: .*\breg: ([\d,.]+)", line):
            numbers["created"] = _number(match[1])
    return Sent(
        files=numbers.get("Number of files", 0),
        changed=numbers.get("Number of regular files transferred", 0),
        deleted=numbers.get("Number of deleted files", 0),
        bytes=numbers.get("Total bytes sent", 0),
        created=numbers.get("created", 0),
    )


def _number(text: str) -> int:
    return int(re.sub(r"[,.]", "", text))


def _rsync(source: Path, where: Destination, order: tuple[str, ...], extra: list[str]) -> Iterable[str]:
    shell = ["-e", where.shell, "--rsync-path", " ".join(order)]
    return lines(["rsync", *CLIENT_OPTIONS, *extra, *shell, f"{source}/", f"{where.name}:{PLACE}"], env=passed_on())


def problem(error: CommandFailed, where: Destination, slot: str, printed: Iterable[str]) -> Problem:
    """Return what a person needs to know of a transfer that failed; `printed` are its lines, without its progress."""
    refused = [line.split(": ", 1)[1] for line in error.stderr.splitlines() if line.startswith("xen-legi receive: ")]
    hints = [line.split(": ", 1)[1] for line in error.stderr.splitlines() if line.startswith("  hint: ")]
    if refused:
        return Problem(f"{where.name}: {refused[-1]}", hint=hints[-1] if hints else "", status=1)
    if error.command_status == 255 and not where.local:
        lost = [line for line in error.stderr.splitlines() if not line.startswith("rsync") and transferred(line) is None]
        return unreachable(where.name, "\n".join(lost))
    reason = _REASONS.get(error.command_status, f"rsync ended with status {error.command_status}")
    told = list(printed)
    said = [line for line in told if line.startswith("rsync:") or "cannot" in line][:3]
    detail = "".join(f"\n    {line}" for line in said)
    if error.command_status == 11 or any(map(_FULL.search, (*told, *error.stderr.splitlines()))):
        return _NoRoom(f"{slot} to {where.name}: {_REASONS[11]}{detail}", hint=_HINTS[11], status=1)
    kind = Lost if error.command_status in _BROKEN and not where.local else Problem
    return kind(f"{slot} to {where.name}: {reason}{detail}", hint=_HINTS.get(error.command_status, ""), status=1)
