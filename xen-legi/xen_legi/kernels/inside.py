"""Has a domU that is off the modules of the kernel that its file names? Its disk is read and never written: a journal that
waits to be replayed goes on waiting."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from xen_legi.domu import disks, growth
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.install import leftovers
from xen_legi.install.guest import Guest
from xen_legi.kernels.guest_modules import TREES
from xen_legi.kernels.store import Store
from xen_legi.steps import lock
from xen_legi.storage import grow, lvm, namespace
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import mounted, private_mounts

_MOST = 8 << 20  # characters of a guest's list of modules; Debian's have one
_NO_REPLAY = {"ext2": "", "ext3": ",noload", "ext4": ",noload", "xfs": ",norecovery"}


def lacking(domu: DomuConfig, store: Store) -> str:
    """Return the version of the kernel of a domU that is off, if its root has no modules of it. Return nothing if it has
    them, brings a kernel of its own, or nobody can tell: its root is in use, or no filesystem that dom0 knows."""
    kernel = version(domu, store)
    if not kernel:
        return ""
    try:
        with lock(leftovers.lock_name(domu.name), what=f"domU {domu.name}"):
            return "" if _has(domu, kernel) else kernel
    except (Problem, OSError):
        return ""


@contextlib.contextmanager
def seen(path: Path) -> Iterator[Guest | None]:
    """Inside the context, what is on a disk, a volume or an image file; None if dom0 reads no such filesystem."""
    kind = grow.kind(path)
    if kind not in _NO_REPLAY:
        yield None
        return
    options = namespace.options(kind, writable=False) + _NO_REPLAY[kind]
    with private_mounts(), mounted(path, kind, options) as place:
        yield Guest(place)


def version(domu: DomuConfig, store: Store) -> str:
    """Return the version of the kernel that a domU's file names: of one in the store by its name, else as the image says,
    else as its name ends. Return nothing if that is no Linux, or a Linux of which nobody knows."""
    if domu.settings.get("bootloader"):
        return ""  # the kernel's path is one in the guest
    path = Path(domu.kernel)
    if any(one.image == path for one in store.kernels()):
        return path.name.removeprefix("vmlinuz-")
    named = re.fullmatch(r"vmlinu[xz]-(\d[^/\s]*)", path.name)
    return _release(path) or (named[1] if named else "")


def _release(image: Path) -> str:
    """Return what an image says of its version: see kernel_version in the kernel's Documentation/arch/x86/boot.rst."""
    try:
        with image.open("rb") as file:
            head = file.read(0x10000)
    except OSError:
        return ""
    if head[0x202:0x206] != b"HdrS":
        return ""
    at = 0x200 + int.from_bytes(head[0x20E:0x210], "little")
    found = re.match(rb"\d[\w.+~-]*", head[at:at + 200])
    return found[0].decode() if found else ""


def has_modules(guest: Guest, kernel: str) -> bool:
    """Tell whether a guest has modules of a kernel: a list of them, and one that it names; a list that names none is one."""
    tree = f"{TREES}/{kernel}"
    listed = guest.path(f"{tree}/modules.dep")
    if listed.is_symlink() or not listed.is_file():
        return False
    with listed.open(encoding="utf-8", errors="surrogateescape") as file:
        names = [line.partition(":")[0] for line in file.read(_MOST).splitlines() if ":" in line]
    return not names or any(guest.has(f"{tree}/{one}") for one in names)


def _has(domu: DomuConfig, kernel: str) -> bool:
    volume = _root(domu)
    if not volume.active or volume.open:
        return True
    with seen(volume.path) as guest:
        return not guest or not guest.has("/etc") or has_modules(guest, kernel)


def _root(domu: DomuConfig) -> Volume | Image:
    volumes = lvm.volumes()
    known = disks.devices([domu], volumes)
    return growth.choose(domu, "", volumes, known, disks.images_of(domu, known))[1]
