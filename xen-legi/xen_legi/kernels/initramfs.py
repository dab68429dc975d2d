"""The initramfs of domUs, made by mktirfs(8): the modules that a domU needs to find its root, and an init that mounts it.

Dom0's own is twenty times as large, and starts udev to look for what is there. A domU's root is a disk of Xen, which the
kernel names by itself. Hosts with the same kernel and the same setting have the same initramfs, byte by byte: a copy of a
domU starts on another host as its original does.
"""

import gzip
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from xen_legi import files
from xen_legi.errors import die
from xen_legi.kernels.store import Kernel
from xen_legi.run import run
from xen_legi.steps import named_point

MAKER = Path("/usr/sbin/mktirfs")
# c_ino, c_mtime, c_devmajor and c_devminor of a file's header in a cpio archive: see "newc" in cpio(5)
_HEADER, _CHANGING = 110, (0, 5, 7, 8)
_SIZE, _NAME_SIZE = 6, 11
_LARGEST = 32 << 20  # bytes of one of ours, which has some five


def current(kernel: Kernel, modules: tuple[str, ...], *sources: Path) -> bool:
    """Tell whether a kernel's initramfs holds these modules and was made after the last change of what it is made from.

    A change is a change of the inode: dpkg gives a new file an old time.
    """
    try:
        made = kernel.ramdisk.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    late = [path for path in sources if path.exists() and path.stat().st_ctime_ns >= made]
    return not late and files.read(kernel.note) == _note(modules)


def check(version: str, modules: tuple[str, ...]) -> None:
    """Die if a kernel of dom0 has not all of these modules: mktirfs says nothing of one that it does not find."""
    for module in modules:
        if run(["modinfo", "-k", version, "-F", "filename", module], ok=(0, 1)).status:
            die(f"kernel {version} has no module {module!r}", hint="see initramfs in /etc/xen-legi/xen-legi.toml")


def make(kernel: Kernel, modules: tuple[str, ...], draft: Path) -> None:
    """Make the initramfs of a kernel in the file `draft`, then put it in its place, and a note of what it holds beside it.

    What mktirfs needs on the way is in a directory beside the draft, which a killed run leaves behind: its name begins as
    the draft's does. Without the note, which comes last, it is made again.
    """
    kernel.note.unlink(missing_ok=True)
    work = draft.with_name(f"{draft.name}.d")
    work.mkdir(mode=0o700)
    try:
        run([MAKER, "--auto-modules=no", "--microcode=no", f"--include-modules={','.join(modules)}", "-o", work / "made",
             kernel.version], env={"TMPDIR": str(work)})
        draft.write_bytes(gzip.compress(lasting(gzip.decompress((work / "made").read_bytes())), mtime=0))
        files.sync(draft)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(work)
    named_point("kernel:initramfs-made")
    draft.rename(kernel.ramdisk)
    files.replace(kernel.note, _note(modules))


def lasting(archive: bytes) -> bytes:
    """Return a cpio archive (newc) without what differs from one making to the next: times and inodes."""
    result = bytearray(archive)
    for number, (place, _) in enumerate(_entries(archive), 1):
        for index in _CHANGING:
            at = place + 6 + 8 * index
            result[at:at + 8] = b"%08X" % (number if index == 0 else 0)
    return bytes(result)


def held(kernel: Kernel) -> tuple[str, ...] | None:
    """Return the modules in the initramfs of a kernel; None if it was not made for domUs. One that a peer has sent has no
    note beside it: what is in it tells."""
    if kernel.note.exists():
        return tuple(files.read(kernel.note).split())
    names = [name.removeprefix("./") for _, name in _entries(_content(kernel.ramdisk))]
    if not {"init", "modules"} <= set(names) or "scripts" in names:  # the last is initramfs-tools'
        return None
    return tuple(Path(one).name.partition(".ko")[0] for one in names if ".ko" in one)


def _content(ramdisk: Path) -> bytes:
    """Return what is in an initramfs as far as it may be ours; nothing of one that is larger, or compressed otherwise."""
    try:
        if ramdisk.stat().st_size > _LARGEST:
            return b""
        return zlib.decompressobj(wbits=31).decompress(ramdisk.read_bytes(), _LARGEST)
    except (OSError, zlib.error):
        return b""


def _entries(archive: bytes) -> Iterator[tuple[int, str]]:
    """Yield where each header of a cpio archive is, and the name in it. It ends where the archive is damaged."""
    place = 0
    while archive[place:place + 6] == b"070701" and len(archive) >= place + _HEADER:
        try:
            words = [int(archive[at:at + 8], 16) for at in range(place + 6, place + _HEADER, 8)]
        except ValueError:
            return
        name = archive[place + _HEADER:place + _HEADER + words[_NAME_SIZE] - 1]
        yield place, name.decode(errors="replace")
        place += _padded(_HEADER + words[_NAME_SIZE]) + _padded(words[_SIZE])


def _note(modules: tuple[str, ...]) -> str:
    return "".join(f"{module}\n" for module in modules)


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4
