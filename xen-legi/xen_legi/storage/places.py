"""On which device a file of dom0 is, and where in its filesystem: as what a snapshot of that device shows it. Pure, but for
two questions at the end. See proc_pid_mountinfo(5)."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Mount:
    """A mount: the device's major:minor, which directory of its filesystem is mounted, where, and the kind."""

    device: str
    root: str
    place: str
    kind: str


@dataclass(frozen=True)
class Spot:
    """Where a file is: the device's major:minor, the kind of its filesystem, and the path in that, without a first slash."""

    device: str
    kind: str
    within: str


def parse(mountinfo: str) -> list[Mount]:
    """Given the text of a mountinfo file, return the mounts, in their order."""
    found = []
    for line in mountinfo.splitlines():
        words, _, rest = line.partition(" - ")
        if len(fields := words.split(" ")) >= 5 and rest:
            found.append(Mount(fields[2], _plain(fields[3]), _plain(fields[4]), rest.split(" ")[0]))
    return found


def spot(file: str, mounts: list[Mount]) -> Spot | None:
    """Return where a file with this real path is, or None. Of mounts at one place, the last one is what is seen."""
    path = PurePosixPath(file)
    over = [one for one in mounts if path.is_relative_to(one.place)]
    if not over:
        return None
    longest = max(len(PurePosixPath(one.place).parts) for one in over)
    last = [one for one in over if len(PurePosixPath(one.place).parts) == longest][-1]
    return Spot(last.device, last.kind, str(PurePosixPath(last.root, path.relative_to(last.place))).lstrip("/"))


def where(file: str) -> Spot | None:
    """Return where a file is on this host."""
    return spot(file, all_mounts())


def all_mounts() -> list[Mount]:
    """Return the mounts that this process sees."""
    return parse(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def number(device: Path) -> str:
    """Return the major:minor of a device; nothing if there is none."""
    try:
        facts = os.stat(device)
    except OSError:
        return ""
    return text(facts.st_rdev)


def text(number: int) -> str:
    """Return a device's number as the kernel writes it: major:minor."""
    return f"{os.major(number)}:{os.minor(number)}"


def _plain(text: str) -> str:
    """Return a path without the escapes in which mountinfo writes spaces and such."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
