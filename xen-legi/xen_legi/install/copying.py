"""Copy a tree with rsync, showing how far it is."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xen_legi.run import lines
from xen_legi.steps import Progress

# everything kept (hard links, ACLs, extended attributes, numbers of owners), and a progress that bytes_done() reads
KEEPING = ("-aHAX", "--numeric-ids", "--info=progress2", "--no-human-readable")
_LINE = re.compile(r"\s*(\d+)\s+\d+%")


def copy_tree(source: Path, target: Path, *, what: str, total: int = 0, options: Sequence[str] = ()) -> None:
    """Copy what is in `source` into the fresh filesystem of `target`; `total` are the bytes to expect, 0 if not known."""
    argv = ["rsync", *KEEPING, "--whole-file", *options, f"{source}/", f"{target}/"]  # nothing is there to compare with
    watched(argv, what=what, total=total, env={"RSYNC_RSH": "/bin/false"})


def watched(argv: Sequence[str], *, what: str, total: int, env: Mapping[str, str]) -> None:
    """Run an rsync with the options KEEPING, and show how far it is."""
    progress = Progress(what, total)
    for line in lines(argv, env=env):
        if (done := bytes_done(line)) is not None:
            progress.update(min(done, total) if total else done)
    progress.close()


def bytes_done(line: str) -> int | None:
    """Given a line of rsync's progress2, return the bytes that are copied; None for any other line."""
    match = _LINE.match(line)
    return int(match[1]) if match else None
