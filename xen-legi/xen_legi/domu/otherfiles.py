"""Files of domUs that are not called /etc/xen/*.cfg: xl takes any. Which of them there are; config tells what they say."""

import os
from collections.abc import Iterator
from pathlib import Path

_LARGEST = 1 << 20  # bytes of a file that may be one of a domU
_NOT_OURS = ("copies", "scripts")  # of peers' domUs, whose disks are copies; Xen's own


def plain(directory: Path) -> Iterator[Path]:
    """Yield the files in /etc/xen that are not called *.cfg."""
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.suffix != ".cfg" and path.is_file():
            yield path


def names(domu: str) -> tuple[str, ...]:
    """Return what else the file of a domU may be called that is no draft and no former version."""
    return tuple(domu + ending for ending in ("", ".conf", ".xen", ".xl"))


def started(directory: Path) -> Iterator[Path]:
    """Yield the files that start with dom0: those in /etc/xen/auto, and those elsewhere that a link there leads to."""
    for entry in sorted((directory / "auto").iterdir()) if (directory / "auto").is_dir() else ():
        real = Path(os.path.realpath(entry)) if entry.is_symlink() else entry
        if real.is_file() and not entry.name.startswith("."):
            yield real


def every(directory: Path) -> Iterator[Path]:
    """Yield all files below /etc/xen that are not called *.cfg in itself."""
    auto = directory / "auto"
    for top in (directory, auto) if auto.is_symlink() else (directory,):
        for place, below, found in os.walk(top):
            below[:] = [one for one in below if one not in _NOT_OURS]
            here = [Path(place, name) for name in sorted(found) if Path(place) != directory or not name.endswith(".cfg")]
            yield from (one for one in here if one.is_file())


def text(path: Path) -> str:
    """Return a file's text, as much of it as may be a domU's; nothing if it went just now."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return ""
