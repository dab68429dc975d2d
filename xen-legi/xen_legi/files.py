"""Small files that are written whole or not at all.

A byte that is no UTF-8 (a name in Latin-1 in a domU's file) passes through as it is: what a person may write into a file
must not make a copy fail after its volumes say that it is good.
"""

import contextlib
import os
import stat
from pathlib import Path


def read(path: Path) -> str:
    """Return a file's text, or nothing if there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def replace(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that it has its old or its new content after a power cut, and never a part. Its directory is made
    if need be; a file that would not change is left alone."""
    if path.exists() and read(path) == text:
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft(path, text, mode).replace(path)
    sync(path.parent)


def make(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a new file, whole or not at all. Raise FileExistsError if there is one of that name."""
    new = draft(path, text, mode)
    try:
        os.link(new, path)  # unlike a rename it does not put itself in the place of another file
    finally:
        new.unlink()
    sync(path.parent)


def draft(path: Path, text: str, mode: int, ending: str = "new") -> Path:
    """Write what is to become `path` under another name beside it, all of it on the disk, and return where."""
    new = path.with_name(f".{path.name}.{ending}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    return new


def rewrite(path: Path, text: str) -> None:
    """Change a file that is there, as replace() does, and leave all else as the administrator made it: the link that leads
    to it, owner, mode, access control list."""
    real = Path(os.path.realpath(path))
    if read(real) == text:
        return
    new = draft(real, text, 0o600)
    give_access(new, real)
    new.replace(real)
    sync(real.parent)


def give_access(path: Path, like: Path) -> None:
    """Give a file the owner, the mode, and the extended attributes (access control list, label) of another one."""
    facts = like.stat()
    os.chown(path, facts.st_uid, facts.st_gid)
    path.chmod(stat.S_IMODE(facts.st_mode))
    for name in _attributes(like):
        with contextlib.suppress(OSError):  # a filesystem may keep some that nobody may write
            os.setxattr(path, name, os.getxattr(like, name))


def _attributes(path: Path) -> list[str]:
    """Return the names of a file's extended attributes: none where the filesystem has no such thing."""
    try:
        return os.listxattr(path)
    except OSError:
        return []


def sync(path: Path) -> None:
    """Make the content of a file or device, or the names in a directory, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
