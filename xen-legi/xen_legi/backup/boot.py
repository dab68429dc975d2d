"""The kernel and ramdisk that a domU boots from: they lie in dom0, so a copy starts only where they lie too."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import IO, Any

from xen_legi import config, files
from xen_legi.backup.request import BootFile
from xen_legi.domu import loader
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die, fail

LIMIT = 512 << 20
_NAMES = ("vmlinuz-", "initrd.img-")
_DRAFT = ".received"
_STALE = 24 * 3600


def directory() -> Path:
    """Return where the kernels of domUs lie on this host."""
    return Path(config.load().srv) / "boot"


def needed(domu: DomuConfig) -> tuple[BootFile, ...]:
    """Return what a domU boots from, with digests. Die if it is not there: the domU itself would not start again."""
    found = []
    for path in (Path(one) for one in (domu.kernel, domu.ramdisk) if one):
        if not path.is_absolute() or not path.is_file():
            die(f"{domu.name} boots from {path}, which does not exist", hint=f"correct kernel and ramdisk in {domu.file}")
        found.append(BootFile(str(path), digest(path)))
    return tuple(found)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    import hashlib  # here, as below: it loads OpenSSL, and a receiver starts four times for each copy

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def held() -> dict[str, Any]:
    """Return what this host has for domUs: the digests of kernels and initramfs by name, and the versions with modules."""
    there = directory()
    found = [path for start in _NAMES for path in sorted(there.glob(f"{start}*")) if not path.name.endswith(".modules")]
    trees = sorted(path.parent.name for path in there.parent.glob("lib/modules/[!.]*/modules.dep"))
    return {"files": {one.name: digest(one) for one in found if one.is_file()}, "modules": trees}


def missing(wanted: Iterable[BootFile]) -> list[str]:
    """Return the paths that this host lacks and will take: those directly in its own directory of domU kernels."""
    return [one.path for one in wanted if not Path(one.path).exists() and Path(one.path).parent == directory()]


def warnings(wanted: Iterable[BootFile]) -> list[str]:
    """Return why a copy would not start here, or not as its original does."""
    found = []
    for one in wanted:
        path = Path(one.path)
        if not path.exists() and path.parent != directory():
            remedy = f" (apt install {loader.PACKAGE})" if path in loader.IMAGES.values() else ""
            found.append(f"{path} does not exist here and lies outside of {directory()}: the copy would not start{remedy}")
        elif path in loader.IMAGES.values():
            continue  # each host's GRUB starts the kernel that is in the copy
        elif path.exists() and digest(path) != one.sha256:
            found.append(f"{path} is not the same here: the copy would start from this host's")
    return found


def receive(name: str, sha256: str, stream: IO[bytes]) -> Path:
    """Store a kernel or ramdisk that a peer sends, under its name; never over another. Die if it is damaged.

    Two peers may send the same one at the same time: each has a draft of its own, and the first that is whole is taken.
    """
    import tempfile

    from xen_legi.kernels import foreign
    from xen_legi.kernels.store import Store

    target, store = directory() / name, Store(directory().parent)
    if not name.startswith(_NAMES):
        die(f"refused: {name} is neither a kernel nor a ramdisk")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(target.parent)
    descriptor, draft = tempfile.mkstemp(_DRAFT, f".{name}.", target.parent)
    try:
        with open(descriptor, "wb") as out:
            if _store(stream, out, partial(foreign.need_room, target.parent)) != sha256:
                fail(f"{name} arrived damaged or cut off", hint="run the copy again")
        with foreign.publishing(store):
            if not target.exists():
                foreign.mark(store, name.split("-", 1)[1])
            _publish(Path(draft), target, sha256)
    finally:
        Path(draft).unlink(missing_ok=True)
    files.sync(target.parent)
    return target


def _publish(draft: Path, target: Path, sha256: str) -> None:
    """Give a whole draft its name, unless that is taken. Die if it is taken by another file."""
    try:
        os.link(draft, target)  # unlike a rename, it never takes another file's place
    except FileExistsError:
        if digest(target) != sha256:
            die(f"refused: {target} exists", hint="compare the two; a kernel in use is never replaced")


def _remove_stale(there: Path) -> None:
    """Remove the drafts of transfers that were killed. One that is still written to is younger than a day."""
    for one in (path for start in _NAMES for path in there.glob(f".{start}*{_DRAFT}")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - one.stat().st_mtime > _STALE:
                one.unlink()


def _store(stream: IO[bytes], out: IO[bytes], need_room: Callable[[int], None]) -> str:
    import hashlib

    seen, size = hashlib.sha256(), 0
    while block := stream.read(1 << 20):
        size += len(block)
        if size > LIMIT:
            die("refused: a kernel or ramdisk of such a size is none")
        need_room(len(block))
        seen.update(block)
        out.write(block)
    out.flush()
    os.fchmod(out.fileno(), 0o644)
    os.fsync(out.fileno())
    return seen.hexdigest()
