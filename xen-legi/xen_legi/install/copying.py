"""Copy a tree into a fresh filesystem with rsync, showing how far it is."""

import re
from collections.abc import Sequence
from pathlib import Path

from xen_legi.run import lines
from xen_legi.steps import Progress

# whole files, everything kept (hard links, ACLs, extended attributes, numbers of owners): nothing is there to compare with
_RSYNC = ("rsync", "-aHAX", "--numeric-ids", "--whole-file", "--info=progress2", "--no-human-readable")
_LINE = re.compile(r"\s*(\d+)\s+\d+%")


def copy_tree(source: Path, target: Path, *, what: str, total: int = 0, options: Sequence[str] = ()) -> None:
    """Copy what is in `source` into `target`; `total` are the bytes to expect, 0 if not known."""
    progress = Progress(what, total)
    for line in lines([*_RSYNC, *options, f"{source}/", f"{target}/"], env={"RSYNC_RSH": "/bin/false"}):
        done = bytes_done(line)
        if done is not None:
            progress.update(min(done, total) if total else done)
    progress.close()


def bytes_done(line: str) -> int | None:
    """Given a line of rsync's progress2, return the bytes that are copied; None for any other line."""
    match = _LINE.match(line)
    return int(match[1]) if match else None
