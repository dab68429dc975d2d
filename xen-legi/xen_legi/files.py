"""Small files that are written whole or not at all.

A byte that is no UTF-8 (a name in Latin-1 in a domU's file) passes through as it is: what a person may write into a file
must not make a copy fail after its volumes say that it is good.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

DRAFT = "xen-legi-new"  # end of the name of what is being written: no other program makes one, and its writer holds it
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


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
    with _drafted(path, text, mode) as new:
        new.replace(path)
    sync(path.parent)


def make(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a new file, whole or not at all. Raise FileExistsError if there is one of that name."""
    with _drafted(path, text, mode) as new:
        try:
            os.link(new, path)  # unlike a rename it does not put itself in the place of another file
        finally:
            new.unlink()
    sync(path.parent)


def draft(path: Path, text: str, mode: int, ending: str) -> Path:
    """Write what is to become `path` under another name beside it, all of it on the disk, and return where."""
    new = path.with_name(f".{path.name}.{ending}")
    new.unlink(missing_ok=True)
    _write(os.open(new, _NEW, mode), text)
    return new


def is_draft(path: Path) -> bool:
    """Tell whether a file is what replace() and make() write first, by its name."""
    return path.name.startswith(".") and path.name.endswith(f".{DRAFT}")


def drop_draft(path: Path) -> bool:
    """Remove a draft that a killed run left: its name is ours, and the kernel tells that its writer is gone. Tell whether it
    was one; a draft that is being written stays, as does what is no plain file."""
    if not is_draft(path):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # it has gone, or it is a link
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_file() and _is(path, descriptor):
            path.unlink()
            return True
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _drafted(path: Path, text: str, mode: int) -> Iterator[Path]:
    """Write the draft of a file, and hold it inside the context, so that nobody takes it for what a killed run left."""
    new = path.with_name(f".{path.name}.{DRAFT}")
    while True:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, _NEW, mode)
        held = os.dup(descriptor)  # the lock is that of both
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            _write(descriptor, text)
            if _is(new, held):  # else it was taken for a leftover between its making and the lock
                yield new
                return
        finally:
            os.close(held)


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Tell whether a path still names an open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def rewrite(path: Path, text: str) -> None:
    """Change a file that is there, as replace() does, and leave all else as the administrator made it: the link that leads
    to it, owner, mode, access control list."""
    real = Path(os.path.realpath(path))
    if read(real) == text:
        return
    with _drafted(real, text, 0o600) as new:
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
