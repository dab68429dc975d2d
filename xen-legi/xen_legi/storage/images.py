"""Disk images: files that are disks of domUs. One appears whole, at its full size, and never in another file's place.

Until its domU is made, and again while that is removed, an image carries the domU's name in an extended attribute, as a
logical volume carries tags; where such images may be is noted in a file of NOTES. An image without the attribute is never
removed for what a note says.
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files, processes
from xen_legi.errors import die, fail
from xen_legi.run import run
from xen_legi.storage import places

NOTES = Path("/var/lib/xen-legi")
_NOTE = "images-"  # and the name of a domU
_MARK = "user.xen-legi.unfinished"
_MODE = 0o600
_HERE, _NOREPLACE = -100, 1  # AT_FDCWD in <fcntl.h>, RENAME_NOREPLACE in <linux/fs.h>
_LIBC = ctypes.CDLL(None, use_errno=True)
_BLOCK = 512  # bytes: st_blocks in stat(2)


@dataclass(frozen=True)
class Image:
    """A file that is a disk, by its real path, with what a logical volume has as well. Bytes that it has, and for which
    there is room already: less in a sparse one. `open`: a loop device leads to it."""

    path: Path
    size: int
    allocated: int
    open: bool

    @property
    def full_name(self) -> str:
        """Return what people call it."""
        return str(self.path)

    @property
    def active(self) -> bool:
        """Tell whether it can be read: a file can."""
        return True

    @property
    def group(self) -> str:
        """Return the volume group that it is in: none."""
        return ""

    @property
    def pool(self) -> str:
        """Return the thin pool that it is in: none."""
        return ""

    @property
    def sparse(self) -> bool:
        """Tell whether room for some of it is still to be found."""
        return self.allocated < self.size


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
    try_out(path)
    there = path / "domains"
    return Directory(path, free(path), frozenset(os.listdir(there) if there.is_dir() else ()))


def try_out(path: Path) -> None:
    """Die if a directory that is there, or will be, cannot hold images. Nothing is left of the trial."""
    path = _nearest(path)
    try:
        descriptor = os.open(path, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
        try:
            os.setxattr(descriptor, _MARK, b"trial")
            os.posix_fallocate(descriptor, 0, 1 << 20)
        finally:
            os.close(descriptor)
    except OSError as error:
        die(f"{path} cannot hold images: {error.strerror}", hint="a directory on ext4, xfs or btrfs can")


def free(path: Path) -> int:
    """Return the bytes that are free where a path is, or will be."""
    facts = os.statvfs(_nearest(path))
    return facts.f_bavail * facts.f_frsize


def room(path: Path) -> tuple[int, int]:
    """Return which filesystem a path is in, or will be, and the bytes that are free there."""
    return _device(_nearest(path)), free(path)


def make(path: Path, size: int, name: str, *, sparse: bool = False) -> None:
    """Make an image of so many bytes, all of them allocated unless it is to be `sparse`, with the mark of domU NAME."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
        try:
            os.ftruncate(descriptor, size) if sparse else os.posix_fallocate(descriptor, 0, size)
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


def move(old: Path, new: Path) -> None:
    """Give an image another name, unless it is done: in its directory, or in one beside that, which is made as that is."""
    if not old.exists():
        if not new.exists():
            fail(f"there is no image {old} and no {new}", hint="was it moved by hand? put it back")
    elif new.exists():
        fail(f"there is an image {old} and an image {new}", hint="see which of them is the domU's")
    else:
        facts = old.parent.stat()
        if not new.parent.exists():
            new.parent.mkdir(mode=0o700)
            os.chown(new.parent, facts.st_uid, facts.st_gid)
            new.parent.chmod(facts.st_mode & 0o7777)
        _rename(old, new)
        files.sync(new.parent)
    _drop(old, new)


def check_free(old: Path, new: Path) -> None:
    """Die if an image cannot get another name: it is taken, or the directory that has the name is on a disk of its own."""
    taken = new if new.parent == old.parent else new.parent
    if os.path.lexists(taken):
        die(f"{taken} exists already", hint="choose another name, or move it away")
    if new.parent != old.parent and _is_mount(old.parent):
        die(f"{old.parent} is a file system of its own and cannot get another name", hint="mount it at another place first")
    if new.parent != old.parent and (other := _backing_file(old)) and not other.startswith("/"):
        die(f"{old} needs {other!r}, which it looks for beside itself", hint="qemu-img(1) rebase -u gives it the whole path")


def take_back(old: Path, new: Path) -> None:
    """Remove the directory that was made for an image which keeps its name after all."""
    _drop(new, old)


def extend(path: Path, size: int) -> None:
    """Make an image `size` bytes large, with room for all that it gets. A loop device on it does not see that yet."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        before = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, before, size - before)
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, before)
            fail(f"{path} cannot be made larger: {error.strerror}", hint="it is as it was; see df(1)")
    finally:
        os.close(descriptor)


def look(path: Path) -> Image | None:
    """Return what there is of an image, None if this is no file."""
    if (has := size(path)) is None:
        return None
    return Image(path, has, path.stat().st_blocks * _BLOCK, used(path))


def size(path: Path) -> int | None:
    """Return the bytes of a file, None if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def used(path: Path) -> bool:
    """Tell whether a loop device leads to a file, by whatever path: a domU has it, or a mount. One that udev looks at yet
    is waited for: it is let go by nobody but the last who has it open. So does a program that writes the file itself: qemu
    for a domU, or the resize2fs of a run that was killed, which goes on."""
    if loops(path):
        run(["udevadm", "settle", "--timeout=10"], ok=range(256))
    return bool(loops(path)) or (path.exists() and processes.writes(path))


def which(path: Path) -> str:
    """Return what names an image as long as it is this file at this place, also after dom0 has started anew."""
    return f"{_filesystem(path)}:{path.stat().st_ino}:{path}"


def loops(path: Path) -> list[Path]:
    """Return the loop devices that lead to a file."""
    argv = ["losetup", "--noheadings", "--output", "NAME", "--associated", str(path)]
    return [Path(line.strip()) for line in run(argv, timeout=60).stdout.splitlines() if line.strip()]


def tell(loop: Path) -> None:
    """Have a loop device see that its file is larger."""
    run(["losetup", "--set-capacity", loop], timeout=60)


def _drop(old: Path, new: Path) -> None:
    """Remove the directory of an image that is in another one now, if nothing else is in it."""
    if old.parent != new.parent:
        with contextlib.suppress(OSError):
            old.parent.rmdir()
            files.sync(old.parent.parent)


def _rename(old: Path, new: Path) -> None:
    """Rename a file, which takes the place of no other one that has come meanwhile: renameat2(2)."""
    paths = os.fsencode(old), os.fsencode(new)
    if _LIBC.renameat2(_HERE, paths[0], _HERE, paths[1], _NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    if number != errno.EINVAL:  # else this filesystem cannot tell
        raise OSError(number, os.strerror(number), str(new))
    old.rename(new)


def _backing_file(path: Path) -> str:
    """Return the file that a qcow2 image has what is not in it from, nothing if there is none. See qemu's qcow2.txt."""
    with path.open("rb") as stream:
        head = stream.read(20).ljust(20, b"\0")
        stream.seek(int.from_bytes(head[8:16], "big") & 0xFFFF_FFFF)
        name = stream.read(min(int.from_bytes(head[16:20], "big"), 1023))
    return os.fsdecode(name) if head.startswith(b"QFI\xfb") and any(head[8:16]) else ""


def _is_mount(path: Path) -> bool:
    """Tell whether rename(2) cannot take what is in a directory out of it: also of a bind mount, or a subvolume of btrfs."""
    return _device(path) != _device(path.parent) or str(path) in {one.place for one in places.all_mounts()}


def _device(path: Path) -> int:
    return path.stat().st_dev


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
    return f"{os.statvfs(_nearest(path)).f_fsid:x}"


def _nearest(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
