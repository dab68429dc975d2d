"""Give the modules of a kernel to a domU that exists: into its root while it is off, over ssh while it runs.

A new tree is copied beside its place and gets its name last: the guest has all modules of a kernel, or none.
"""

import contextlib
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from xen_legi.domu import addresses, disks, growth, xl
from xen_legi.domu.config import DomuConfig, all_domus
from xen_legi.errors import CommandFailed, die, fail
from xen_legi.install.copying import bytes_done, copy_tree
from xen_legi.install.guest import Guest
from xen_legi.install.templates import measured
from xen_legi.kernels.guest_modules import rsync_options
from xen_legi.kernels.store import Kernel
from xen_legi.run import lines, run
from xen_legi.steps import Progress, lock, named_point, step
from xen_legi.storage import grow, lvm, namespace
from xen_legi.storage.identity import FILES
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import mounted, private_mounts

_TREES = "/lib/modules"
_NEW = ".new-xen-legi-"
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "StrictHostKeyChecking=accept-new")


def push(domu: DomuConfig, kernel: Kernel, choice: str, address: str = "") -> None:
    """Copy the modules of a kernel into a domU whose lock is held; `choice` is the setting modules, `address` where a
    running one is reached ("": the first one of its file). Die if it cannot be."""
    running = xl.answers() and xl.stays(domu.name)
    where = _reached(domu, address) if running else ""
    volume = None if running else _root(domu)
    total = measured(kernel.modules)
    with step(f"modules of kernel {kernel.version} into {domu.name}"):
        with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
            if volume:
                _into_volume(volume, kernel, rsync_options(choice), total)
            else:
                _over_ssh(where, kernel, rsync_options(choice), total)


def _root(domu: DomuConfig) -> Volume:
    """Return the volume with the root of a domU that is off. Die if dom0 cannot write its files."""
    volumes = lvm.volumes()
    _, volume = growth.choose(domu, "", volumes, disks.devices(all_domus(), volumes))
    if not volume.active:
        die(f"{volume.full_name} is not active", hint=f"lvchange -ay {volume.full_name}")
    if volume.open:
        die(f"{volume.full_name} is in use", hint="is it mounted, or is a copy of it under way?")
    if grow.kind(volume.path) not in FILES:
        die(f"{volume.full_name} holds no filesystem that dom0 writes", hint="start the domU, and push to it over ssh")
    return volume


def _into_volume(volume: Volume, kernel: Kernel, options: Sequence[str], total: int) -> None:
    kind = grow.kind(volume.path)
    with private_mounts(), mounted(volume.path, kind, namespace.options(kind, writable=True)) as place:
        guest = Guest(place)
        if not guest.path("/etc").is_dir():
            die(f"{volume.full_name} holds no guest: it has no /etc", hint="its root may be another disk")
        target = guest.path(f"{_TREES}/{kernel.version}")
        new = target.with_name(_NEW + kernel.version)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _remove(new)  # an earlier run was killed
            copy_tree(kernel.modules, target if target.is_dir() else new, what="copied", total=total,
                      options=("--delete", *options))
            named_point("kernel:pushed")
            if new.exists():
                new.rename(target)
        finally:
            _remove(new)


def _remove(tree: Path) -> None:
    """Remove a tree that we made; a link of that name is not followed."""
    if tree.is_symlink():
        tree.unlink()
    shutil.rmtree(tree, ignore_errors=True)


def _reached(domu: DomuConfig, address: str) -> str:
    """Return where a running domU is reached. Die if nobody knows."""
    known = [address] if address else sorted(addresses.of_vifs(domu.vifs))
    if not known:
        die(f"no address of {domu.name} is known", hint="say it with --address, or stop the domU: its disk is written then")
    return str(addresses.address(known[0], what="address"))


def _over_ssh(where: str, kernel: Kernel, options: Sequence[str], total: int) -> None:
    """Let rsync in the guest take the tree. Modules that are there and the same are not sent again."""
    host = f"root@[{where}]" if ":" in where else f"root@{where}"
    target, new = f"{_TREES}/{kernel.version}", f"{_TREES}/{_NEW}{kernel.version}"
    progress = Progress("copied", total)
    rsync = ["rsync", "-aHAX", "--numeric-ids", "--delete", "--info=progress2", "--no-human-readable", *options]
    tree = [f"--link-dest={target}", f"{kernel.modules}/", f"{host}:{new}/"]
    try:
        run([*_SSH, f"root@{where}", "command -v rsync >/dev/null || { echo rsync is not installed there >&2; exit 1; }"],
            timeout=60)
        for line in lines([*rsync, *tree], env={"RSYNC_RSH": shlex.join(_SSH)}):
            if (done := bytes_done(line)) is not None:
                progress.update(min(done, total))
        run([*_SSH, f"root@{where}", f"rm -rf {target} && mv {new} {target} && sync"], timeout=300)
    except CommandFailed as failed:
        with contextlib.suppress(CommandFailed):
            run([*_SSH, f"root@{where}", f"rm -rf {new}"], timeout=60)
        fail(f"{where} did not take the modules: {failed.stderr.strip() or failed.message}",
             hint="can root of this host log in there by a key? else stop the domU: its disk is written then")
    progress.close()
