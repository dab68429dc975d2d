"""The initramfs of domUs, made by mkinitramfs(8) from a recipe of its own: what a domU needs to find its root, no more.

Dom0's own, with Debian's MODULES=most, is five times as large. Xen copies it into each domU that starts, and the domU
unpacks it: that is most of the time until its kernel runs init.
"""

import shutil
from pathlib import Path

from xen_legi.files import sync
from xen_legi.run import run

RECIPE = Path("/etc/xen-legi/initramfs")


def current(ramdisk: Path, *sources: Path) -> bool:
    """Tell whether the file was made after the last change of what it is made from: files, and all files of directories.

    A link to dom0's initramfs, or a copy of it, is as old as that and therefore not current. A change is a change of the
    inode: dpkg gives a new file an old time, and does not touch a conffile that is the same in the new package.
    """
    try:
        made = ramdisk.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    files = [path for source in sources for path in (source, *source.rglob("*")) if path.is_file()]
    return all(made > path.stat().st_ctime_ns for path in files)


def make(version: str, recipe: Path, target: Path) -> None:
    """Make the initramfs of a kernel of dom0 as the file `target`, on disk when this returns.

    What mkinitramfs needs on the way is in a directory beside it, which a killed run leaves behind: its name begins as
    the target's does. The environment's TMPDIR is the only way to tell mkinitramfs.
    """
    work = target.with_name(f"{target.name}.d")
    work.mkdir(mode=0o700)
    try:
        run(["mkinitramfs", "-d", recipe, "-o", target, version], env={"TMPDIR": str(work)})
    finally:
        shutil.rmtree(work)
    sync(target)
