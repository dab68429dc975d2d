"""The modules of a domU kernel on their way to a peer: one tar archive, which the receiver takes for hostile.

Only directories and files come out of it, below a directory of their own, which gets the kernel's name when all of it is on
the disk. A tree that is there is never replaced.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from xen_legi import config, files
from xen_legi.backup import boot
from xen_legi.errors import die, fail
from xen_legi.kernels.store import Store
from xen_legi.run import run
from xen_legi.storage import namespace

LIMIT = 4 << 30  # bytes, and
ENTRIES = 100_000  # names: Debian's largest kernel has 0.5 GB in 4,500 files
_DRAFT = ".received"
_STALE = 24 * 3600


class _Digested:
    """A stream that is read once, with its digest."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.digest, self.size = stream, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
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
        options = ("--format=pax", "--sort=name", "--dereference", "--hard-dereference")
        names = [one.name for one in sorted(tree.iterdir()) if one.name not in ("build", "source")]
        run(["tar", *options, "-C", str(tree), "-c", "-f", str(path), "--", *names], timeout=1800)
        yield path, boot.digest(path)


def receive(version: str, sha256: str, stream: IO[bytes]) -> Path:
    """Store the modules that a peer sends for a kernel; never over others. Die if they are damaged."""
    target = Store(Path(config.load().srv)).kernel(version).modules
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _remove_stale(target.parent)
    draft = Path(tempfile.mkdtemp(_DRAFT, f".{version}.", target.parent))
    try:
        _unpack(_Digested(stream), draft, version, sha256)
        draft.chmod(0o755)
        namespace.sync(draft)
        _publish(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    files.sync(target.parent)
    return target


def _unpack(stream: _Digested, place: Path, version: str, sha256: str) -> None:
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:  # it asks for nothing but read()
            for number, member in enumerate(archive):
                if number >= ENTRIES:
                    die("refused: the modules of no kernel are so many")
                _put(archive, member, place)
        while stream.read(1 << 20):
            pass
    except tarfile.TarError as error:
        fail(f"the modules of kernel {version} arrived damaged: {error}", hint="send them again")
    if stream.digest.hexdigest() != sha256 or not (place / "modules.dep").is_file():
        fail(f"the modules of kernel {version} arrived damaged or cut off", hint="send them again")


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Make one directory or file. What came before is made of nothing else, so that no name leads out of `place`."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        die(f"refused: {member.name!r} is no name of a module")
    if member.isdir():
        (place / name).mkdir(mode=0o755, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        die(f"refused: {member.name!r} is neither a file nor a directory")
    with (place / name).open("xb") as out:
        shutil.copyfileobj(content, out, 1 << 20)
    os.utime(place / name, (member.mtime, member.mtime))


def _publish(draft: Path, target: Path) -> None:
    """Give a whole tree its name, unless that is taken: rename(2) takes no place of a directory with something in it."""
    try:
        draft.rename(target)
    except OSError:
        if not (target / "modules.dep").is_file():
            die(f"refused: {target} exists, and is no tree of modules", hint="look at it, and remove it")


def _remove_stale(there: Path) -> None:
    """Remove the drafts of transfers that were killed: nothing was added to them for a day."""
    for one in there.glob(f".*{_DRAFT}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - one.stat().st_mtime > _STALE:
                shutil.rmtree(one, ignore_errors=True)
