"""Give a kernel of dom0 to the domUs: hard links where the file system allows, else copies, and an initramfs of their own.

Nothing is done, and nothing said, when the domUs have it already: the kernel packages' hook and our own maintainer
scripts call this each time. Each part appears by one rename; the modules come first and the image last, so that a kernel
whose image is there is whole. What a killed run left (names that begin with ".new-") is removed by the next.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die
from xen_legi.files import sync
from xen_legi.kernels import initramfs, package, prune
from xen_legi.kernels.store import Kernel, Store, in_order
from xen_legi.run import run
from xen_legi.steps import lock, named_point, say, step

_NEW = ".new-"
_PARTS = ("modules", "initramfs", "image")


@dataclass(frozen=True)
class Source:
    """Where dom0 keeps its own kernels."""

    boot: Path = Path("/boot")
    modules: Path = Path("/lib/modules")

    def kernel(self, version: str) -> Kernel:
        """Return where dom0 has the parts of a kernel."""
        return Kernel(version, self.boot / f"vmlinuz-{version}", self.boot / f"initrd.img-{version}", self.modules / version)

    def versions(self) -> list[str]:
        """Return the versions that dom0 has whole, oldest first."""
        names = [path.name.removeprefix("vmlinuz-") for path in self.boot.glob("vmlinuz-*")]
        return [one for one in in_order(names) if self.kernel(one).complete]


def add(store: Store, version: str, modules: tuple[str, ...], source: Source = Source()) -> bool:
    """Make the domUs have dom0's kernel of that version, with an initramfs of these modules; with none they get dom0's own.
    Tell whether there was anything to do."""
    want = source.kernel(version)
    _check(want, source)
    if missing(store.kernel(version), want, modules) or store.kernel(version).foreign:
        return take(store, want, modules)
    return False


def add_package(store: Store, name: str, modules: tuple[str, ...]) -> tuple[str, bool]:
    """Make the domUs have the kernel of a Debian package that dom0 does not install: a file .deb, or a name that apt knows.
    Return its version, and whether there was anything to do."""
    if not modules:
        die("the initramfs of a kernel that dom0 does not install is made for domUs", hint="say which modules: initramfs")
    with package.unpacked(store, name) as want:
        have = store.kernel(want.version)
        ours = have.complete and not have.foreign
        if ours and same(have.image, want.image) and initramfs.current(have, modules, initramfs.MAKER):
            return want.version, False
        return want.version, take(store, want, modules)


def take(store: Store, want: Kernel, modules: tuple[str, ...]) -> bool:
    """Take what the domUs lack of a kernel whose modules are in /lib/modules. Tell whether there was anything to do."""
    version, have = want.version, store.kernel(want.version)
    initramfs.check(version, modules)
    with lock("kernels", what=f"{store.top}/boot", wait=1800):
        _clean(store)  # first: it may take parts of this kernel away
        parts = list(_PARTS) if have.foreign else missing(have, want, modules)
        if not parts:
            return False
        with step(f"kernel {version} for domUs: {', '.join(parts)}"):
            _take(have, want, parts, modules)
        have.mark.unlink(missing_ok=True)
    return True


def missing(have: Kernel, want: Kernel, modules: tuple[str, ...]) -> list[str]:
    """Return which of modules, initramfs and image the domUs lack, or have in an older state than dom0."""
    there = {
        "modules": same(have.modules / "modules.dep", want.modules / "modules.dep"),
        "initramfs": _has_initramfs(have, want, modules),
        "image": same(have.image, want.image),
    }
    return [part for part, good in there.items() if not good]


def _has_initramfs(have: Kernel, want: Kernel, modules: tuple[str, ...]) -> bool:
    if not modules:
        return same(have.ramdisk, want.ramdisk)
    return initramfs.current(have, modules, want.modules / "modules.dep", initramfs.MAKER)


def same(one: Path, other: Path) -> bool:
    """Tell whether two paths are one file, or copies: the same size and time."""
    try:
        first, second = one.stat(), other.stat()
    except FileNotFoundError:
        return False
    if (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino):
        return True
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def _check(want: Kernel, source: Source) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*", want.version):
        die(f"{want.version!r} is no kernel version", hint="uname -r prints the one that runs")
    if not want.complete:
        lacks = [str(path) for path in (want.image, want.ramdisk, want.modules / "modules.dep") if not path.is_file()]
        known = ", ".join(source.versions()) or "none"
        die(f"dom0 has no whole kernel {want.version}: {', '.join(lacks)} missing", hint=f"kernels of dom0: {known}")


def _take(have: Kernel, want: Kernel, parts: list[str], modules: tuple[str, ...]) -> None:
    if "modules" in parts:
        _take_tree(want.modules, have.modules)
        named_point("kernel:after-modules")
    if "initramfs" in parts:
        _take_initramfs(have, want, modules)
        named_point("kernel:after-initramfs")
    if "image" in parts:
        _take_file(want.image, have.image)


def _take_initramfs(have: Kernel, want: Kernel, modules: tuple[str, ...]) -> None:
    if not modules:
        have.note.unlink(missing_ok=True)
        _take_file(want.ramdisk, have.ramdisk)
        return
    have.ramdisk.parent.mkdir(parents=True, exist_ok=True)
    initramfs.make(have, modules, have.ramdisk.with_name(_NEW + have.ramdisk.name))


def _take_file(source: Path, target: Path) -> None:
    """Put a link to `source`, or a copy, at `target` by one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(_NEW + target.name)
    try:
        os.link(source.resolve(), new)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, new)
        sync(new)
    new.rename(target)


def _take_tree(source: Path, target: Path) -> None:
    """Put the tree `source` at `target`: rsync links each file if it can. The links build, source are dom0's: left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(_NEW + target.name)
    run(["rsync", "-aHAX", "--exclude=/build", "--exclude=/source", f"--link-dest={source}/", f"{source}/", f"{new}/"])
    if target.exists():
        target.rename(target.with_name(f"{_NEW}old-{target.name}"))
    new.rename(target)
    shutil.rmtree(target.with_name(f"{_NEW}old-{target.name}"), ignore_errors=True)


def _clean(store: Store) -> None:
    """Remove what a killed run left; put a tree back that was moved aside and not yet replaced."""
    prune.finish(store)
    package.clean(store)
    for aside in (store.top / "lib/modules").glob(f"{_NEW}old-*"):
        version = aside.name.removeprefix(f"{_NEW}old-")
        if not store.kernel(version).modules.exists():
            aside.rename(store.kernel(version).modules)
    leftovers = [*(store.top / "lib/modules").glob(f"{_NEW}*"), *(store.top / "boot").glob(f"{_NEW}*")]
    for path in leftovers:
        say(f"an earlier run was killed: removing {path}")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
