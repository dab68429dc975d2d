"""Disk images: files that are disks of domUs. One appears whole, at its full size, and never in another file's place.

Until its domU is made, and again while that is removed, an image carries the domU's name in an extended attribute, as a
logical volume carries tags; where such images may be is noted in a file of NOTES. An image without the attribute is never
removed for what a note says.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.errors import die, fail
from xen_legi.run import run

NOTES = Path("/var/lib/xen-legi")
_NOTE = "images-"  # and the name of a domU
_MARK = "user.xen-legi.unfinished"
_MODE = 0o600


@dataclass(frozen=True)
class Directory:
    """Where images are made, DIRECTORY/domains/NAME/*.img as xen-tools has it: bytes that are free, and names in domains."""

    path: Path
    free: int
    names: frozenset[str]

    def of(self, name: str) -> Path:
        """Return the directory of a domU's images."""
        return self.path / "domains" / name


def directory(path: Path) -> Directory:
    """Return what is known of a directory for images. Die if it cannot hold any. Nothing is left of the trial."""
    if not path.is_absolute() or not path.is_dir():
        die(f"{path} is no directory for images", hint="an absolute path of a directory that is there: --dir /srv/xen")
    try:
        descriptor = os.open(path, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
        try:
            os.setxattr(descriptor, _MARK, b"trial")
            os.posix_fallocate(descriptor, 0, 1 << 20)
        finally:
            os.close(descriptor)
    except OSError as error:
        die(f"{path} cannot hold images: {error.strerror}", hint="a directory on ext4, xfs or btrfs can")
    facts, there = os.statvfs(path), path / "domains"
    return Directory(path, facts.f_bavail * facts.f_frsize, frozenset(os.listdir(there) if there.is_dir() else ()))


def make(path: Path, size: int, name: str) -> None:
    """Make an image of so many bytes, all of them allocated, with the mark of domU NAME."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
        try:
            os.posix_fallocate(descriptor, 0, size)
            os.setxattr(descriptor, _MARK, name.encode())
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)  # without it, link(2): follows no link
        finally:
            os.close(descriptor)
    except OSError as error:
        fail(f"the image {path} cannot be made: {error.strerror}")
    files.sync(path.parent)


def note(name: str, paths: Iterable[Path]) -> None:
    """Write down where images of domU NAME may be, too, before the first of them is made or marked."""
    known = _lines(name) | {path: _filesystem(path) for path in paths}
    _write(name, known)


def noted(name: str) -> list[Path]:
    """Return where images of domU NAME may be."""
    return list(_lines(name))


def gone(name: str, path: Path) -> bool:
    """Tell whether an image that is noted is not there, and not because its file system is not mounted."""
    return not path.exists() and _lines(name).get(path) == _filesystem(path)


def notes() -> list[str]:
    """Return the domUs of which images may be unfinished."""
    return [path.name.removeprefix(_NOTE) for path in NOTES.glob(f"{_NOTE}*")]


def forget(name: str, paths: Iterable[Path]) -> None:
    """Take these images out of the note: they are a domU's, or gone."""
    known = _lines(name)
    left = {path: known[path] for path in known if path not in set(paths)}
    if left:
        _write(name, left)
    else:
        _file(name).unlink(missing_ok=True)


def mark(path: Path, name: str) -> None:
    """Mark an image as one that goes with domU NAME."""
    os.setxattr(path, _MARK, name.encode())


def unmark(path: Path) -> None:
    """Take the mark away: the image belongs to a domU."""
    with contextlib.suppress(OSError):
        os.removexattr(path, _MARK)


def marked(path: Path) -> str:
    """Return the name of the domU with which an image is unfinished; nothing of any other file."""
    try:
        return os.getxattr(path, _MARK, follow_symlinks=False).decode(errors="replace")
    except OSError:
        return ""


def remove(path: Path, name: str) -> None:
    """Remove an image, and its directory if that is called as the domU and nothing else is in it."""
    path.unlink(missing_ok=True)
    if path.parent.name == name:
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def size(path: Path) -> int | None:
    """Return the bytes of a file, None if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def used(path: Path) -> bool:
    """Tell whether a loop device leads to a file, by whatever path: a domU has it, or a mount."""
    return bool(run(["losetup", "--noheadings", "--associated", path], timeout=60).stdout.strip())


def _file(name: str) -> Path:
    return NOTES / f"{_NOTE}{name}"


def _lines(name: str) -> dict[Path, str]:
    """Return the images that are noted, each with its file system."""
    found = (line.split(" ", 1) for line in files.read(_file(name)).splitlines() if " " in line)
    return {Path(path): filesystem for filesystem, path in found}


def _write(name: str, lines: Mapping[Path, str]) -> None:
    files.replace(_file(name), "".join(f"{filesystem} {path}\n" for path, filesystem in lines.items()), mode=0o600)


def _filesystem(path: Path) -> str:
    """Return what names the file system on which a path is, or will be (statvfs(3), f_fsid)."""
    place = next(one for one in (path, *path.parents) if one.exists())
    return f"{os.statvfs(place).f_fsid:x}"
