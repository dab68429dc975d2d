"""The modules of a domU kernel on their way to a peer: one tar archive, which the receiver takes for hostile.

It is read header by header: a directory or a file is taken, all else is refused, extensions of the format among them, so
that no more is written, or kept in memory, than what comes. What came gets the kernel's name when all of it is on the disk.
A tree that is there is never replaced.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from xen_legi import config, files
from xen_legi.backup import boot
from xen_legi.errors import die, fail
from xen_legi.kernels import foreign
from xen_legi.kernels.store import Store
from xen_legi.run import run
from xen_legi.storage import namespace

LIMIT = 4 << 30  # bytes, and
ENTRIES = 100_000  # names: Debian's largest kernel has 0.5 GB in 4,500 files
_DRAFT = ".received"
_STALE = 24 * 3600
_BLOCK = tarfile.BLOCKSIZE


class _Digested:
    """A stream that is read once, with its digest."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.digest, self.size = stream, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end. Die if it has been too many."""
        block = self.stream.read(size)
        self.digest.update(block)
        self.size += len(block)
        if self.size > LIMIT:
            die("refused: the modules of no kernel are so large")
        return block


@contextlib.contextmanager
def packed(tree: Path) -> Iterator[tuple[Path, str]]:
    """Yield the archive of a kernel's modules, a file without a name, and its SHA-256. The links build and source are left
    out; others, such as those of dkms, are what they lead to."""
    with tempfile.TemporaryFile(dir=tree.parent) as out:
        path = Path(f"/proc/{os.getpid()}/fd/{out.fileno()}")
        options = ("--format=ustar", "--sort=name", "--dereference", "--hard-dereference")
        names = [one.name for one in sorted(tree.iterdir()) if one.name not in ("build", "source")]
        run(["tar", *options, "-C", str(tree), "-c", "-f", str(path), "--", *names], timeout=1800)
        yield path, boot.digest(path)


def receive(version: str, sha256: str, stream: IO[bytes]) -> Path:
    """Store the modules that a peer sends for a kernel; never over others. Die if they are damaged."""
    store = Store(Path(config.load().srv))
    target = store.kernel(version).modules
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _remove_stale(target.parent)
    draft = Path(tempfile.mkdtemp(_DRAFT, f".{version}.", target.parent))
    try:
        _unpack(_Digested(stream), draft, version, sha256)
        draft.chmod(0o755)
        namespace.sync(draft)
        with foreign.publishing(store):
            _publish(draft, target, store, version)
        files.sync(target.parent)
    except (OSError, ValueError) as error:
        fail(f"the modules of kernel {version} were not taken: {getattr(error, 'strerror', '') or error}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _unpack(stream: _Digested, place: Path, version: str, sha256: str) -> None:
    for _ in range(ENTRIES):
        try:
            member = tarfile.TarInfo.frombuf(stream.read(_BLOCK), "utf-8", "strict")
        except tarfile.HeaderError:  # the end of the archive, or damage: the digest tells
            break
        _put(stream, member, place)
    else:
        die("refused: the modules of no kernel are so many")
    while stream.read(1 << 20):
        pass
    if stream.digest.hexdigest() != sha256 or not (place / "modules.dep").is_file():
        fail(f"the modules of kernel {version} arrived damaged or cut off", hint="send them again")


def _put(stream: _Digested, member: tarfile.TarInfo, place: Path) -> None:
    """Make one directory or file. What came before is made of nothing else, so that no name leads out of `place`."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        die(f"refused: {member.name!r} is no name of a module")
    if member.isdir():
        foreign.need_room(place, 0)
        (place / name).mkdir(mode=0o755, exist_ok=True)
    elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
        _write(stream, member, place / name)
    else:
        die(f"refused: {member.name!r} is neither a file nor a directory")


def _write(stream: _Digested, member: tarfile.TarInfo, path: Path) -> None:
    if not 0 <= member.size <= LIMIT or not 0 <= member.mtime < 1 << 33:
        die(f"refused: {member.name!r} has a size or a time that no module has")
    foreign.need_room(path.parent, member.size)
    with path.open("xb") as out:
        left = member.size
        while left and (block := stream.read(min(left, 1 << 20))):
            out.write(block)
            left -= len(block)
    os.utime(path, (member.mtime, member.mtime))
    stream.read(-member.size % _BLOCK)


def _publish(draft: Path, target: Path, store: Store, version: str) -> None:
    """Give a whole tree its name, unless that is taken: rename(2) takes no place of a directory with something in it."""
    if (target / "modules.dep").is_file():
        return
    foreign.mark(store, version)
    try:
        draft.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        die(f"refused: {target} exists, and is no tree of modules", hint="look at it, and remove it")


def _remove_stale(there: Path) -> None:
    """Remove the drafts of transfers that were killed: nothing was added to them for a day."""
    for one in there.glob(f".*{_DRAFT}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - one.stat().st_mtime > _STALE:
                shutil.rmtree(one, ignore_errors=True)
