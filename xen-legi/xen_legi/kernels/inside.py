"""Has a domU that is off the modules of the kernel that its file names? Its disk is read and never written: a journal that
waits to be replayed goes on waiting."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from xen_legi.domu import disks, growth
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.install import leftovers
from xen_legi.install.guest import Guest
from xen_legi.kernels.guest_modules import TREES
from xen_legi.kernels.store import Kernel, Store
from xen_legi.steps import lock
from xen_legi.storage import grow, lvm, namespace
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import mounted, private_mounts

_NO_REPLAY = {"ext2": "", "ext3": ",noload", "ext4": ",noload", "xfs": ",norecovery"}


def lacking(domu: DomuConfig, store: Store) -> str:
    """Return the version of the kernel of a domU that is off, if its root has no modules of it. Return nothing if it has
    them, brings a kernel of its own, or nobody can tell: its root is in use, or no filesystem that dom0 knows."""
    kernel = next((one for one in store.kernels() if one.image == Path(domu.kernel)), None)
    if not kernel:
        return ""
    try:
        with lock(leftovers.lock_name(domu.name), what=f"domU {domu.name}"):
            return "" if _has(domu, kernel) else kernel.version
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


def _has(domu: DomuConfig, kernel: Kernel) -> bool:
    volume = _root(domu)
    if not volume.active or volume.open:
        return True
    with seen(volume.path) as guest:
        return not guest or not guest.has("/etc") or guest.has(f"{TREES}/{kernel.version}/modules.dep")


def _root(domu: DomuConfig) -> Volume | Image:
    volumes = lvm.volumes()
    known = disks.devices([domu], volumes)
    return growth.choose(domu, "", volumes, known, disks.images_of(domu, known))[1]
