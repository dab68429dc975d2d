"""Give the modules of a kernel to a domU that exists: into its root while it is off, over ssh while it runs.

A new tree is copied beside its place and gets its name last; of one that is there, what the kernel's package brings is
brought to its state. What the guest has of its own is left: modules that it built, those outside of the choice of modules.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from xen_legi.domu import disks, growth, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die, fail
from xen_legi.install.copying import copy_tree
from xen_legi.install.guest import Guest
from xen_legi.install.templates import measured
from xen_legi.kernels import over_ssh
from xen_legi.kernels.guest_modules import KERNELS_OWN, NEW, TREES, rsync_options
from xen_legi.kernels.store import Kernel
from xen_legi.steps import lock, named_point, step, warn
from xen_legi.storage import grow, lvm, namespace
from xen_legi.storage.identity import FILES
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import mounted, private_mounts

_OWN_MODULES = ("updates", "extra", "misc", "weak-updates")


def push(domu: DomuConfig, kernel: Kernel, choice: str, address: str = "") -> None:
    """Copy the modules of a kernel into a domU whose lock is held; `choice` is the setting modules, `address` where a
    running one is reached ("": the first one of its file). Die if it cannot be."""
    where, volume = target(domu, address)
    options, total = rsync_options(choice), measured(kernel.modules)
    with step(f"modules of kernel {kernel.version} into {domu.name}, {where or (volume and volume.full_name)}"):
        with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
            if volume:
                _into_volume(volume, kernel, options, total)
            else:
                over_ssh.push(over_ssh.login(where, domu), kernel, options, total)


def target(domu: DomuConfig, address: str = "") -> tuple[str, Volume | Image | None]:
    """Return the address of a domU that runs, or the volume or image with the root of one that is off. Die if there is none.
    """
    if xl.answers() and xl.stays(domu.name):
        return over_ssh.address(domu, address), None
    if address:
        die(f"{domu.name} is off: its disk is written, not {address}", hint="leave --address out")
    return "", _root(domu)


def _root(domu: DomuConfig) -> Volume | Image:
    """Return the volume or image with the root of a domU that is off. Die if dom0 cannot write its files."""
    volumes = lvm.volumes()
    known = disks.devices([domu], volumes)
    _, volume = growth.choose(domu, "", volumes, known, disks.images_of(domu, known))
    if not volume.active:
        die(f"{volume.full_name} is not active", hint=f"lvchange -ay {volume.full_name}")
    if volume.open:
        die(f"{volume.full_name} is in use", hint="is it mounted, or is a copy of it under way?")
    if grow.kind(volume.path) not in FILES:
        die(f"{volume.full_name} holds no filesystem that dom0 writes", hint="start the domU, and push to it over ssh")
    return volume


def _into_volume(volume: Volume | Image, kernel: Kernel, options: Sequence[str], total: int) -> None:
    kind = grow.kind(volume.path)
    try:
        with private_mounts(), mounted(volume.path, kind, namespace.options(kind, writable=True)) as place:
            _into_tree(Guest(place), volume.full_name, kernel, options, total)
    except OSError as error:  # the guest made it: a file where a directory should be, a full disk
        fail(f"{volume.full_name} did not take the modules: {over_ssh.printable(f'{error.strerror} ({error.filename})')}")


def _into_tree(guest: Guest, name: str, kernel: Kernel, options: Sequence[str], total: int) -> None:
    if not guest.path("/etc").is_dir():
        die(f"{name} holds no guest: it has no /etc", hint="its root may be another disk")
    tree = guest.path(f"{TREES}/{kernel.version}")
    new = tree.with_name(NEW + kernel.version)
    tree.parent.mkdir(parents=True, exist_ok=True)
    _clean(tree.parent)
    there = tree.is_dir() and not tree.is_symlink()
    try:
        how = (*options, *KERNELS_OWN) if there else options
        copy_tree(kernel.modules, tree if there else new, what="copied", total=total, options=how)
        named_point("kernel:pushed")
        if not there:
            new.rename(tree)
        elif any((tree / one).is_dir() for one in _OWN_MODULES):
            warn(f"modules of its own are not in the guest's list of them any more: in it, depmod {kernel.version}")
    finally:
        _clean(tree.parent)


def _clean(trees: Path) -> None:
    """Remove what a run that was killed or failed left of ours. A link is not followed."""
    for path in trees.glob(f"{NEW}*"):
        path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)
