"""The initramfs of domUs, made by mktirfs(8): the modules that a domU needs to find its root, and an init that mounts it.

Dom0's own is fifty times as large, and starts udev to look for what is there. A domU's root is a disk of Xen, which the
kernel names by itself: from the start of its kernel to its own init a domU needs a third of the time.
"""

import shutil
from pathlib import Path

from xen_legi.errors import die
from xen_legi.files import sync
from xen_legi.run import run

MAKER = Path("/usr/sbin/mktirfs")


def current(ramdisk: Path, *sources: Path) -> bool:
    """Tell whether the file was made after the last change of the files that it is made from.

    A link to dom0's initramfs, or a copy of it, is older than the modules of its kernel, or as old. A change is a change
    of the inode: dpkg gives a new file an old time, and does not touch a conffile that is the same in the new package.
    """
    try:
        made = ramdisk.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(made > path.stat().st_ctime_ns for path in sources if path.exists())


def check(version: str, modules: tuple[str, ...]) -> None:
    """Die if a kernel of dom0 has not all of these modules: mktirfs says nothing of one that it does not find."""
    for module in modules:
        if run(["modinfo", "-k", version, "-F", "filename", module], ok=(0, 1)).status:
            die(f"kernel {version} has no module {module!r}", hint="see initramfs in /etc/xen-legi/xen-legi.toml")


def make(version: str, modules: tuple[str, ...], target: Path) -> None:
    """Make the initramfs of a kernel of dom0 as the file `target`, on disk when this returns.

    What mktirfs needs on the way is in a directory beside it, which a killed run leaves behind: its name begins as the
    target's does.
    """
    work = target.with_name(f"{target.name}.d")
    work.mkdir(mode=0o700)
    try:
        run([MAKER, "--auto-modules=no", "--microcode=no", f"--include-modules={','.join(modules)}", "-o", target, version],
            env={"TMPDIR": str(work)})
    finally:
        shutil.rmtree(work)
    sync(target)
