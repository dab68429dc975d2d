"""A kernel from a Debian package that dom0 does not install: a file .deb, or a name that apt downloads.

It is unpacked beside the domUs' kernels, so that its files become theirs by links, and shown to the programs that make an
initramfs at /lib/modules, in a mount namespace of our own. What a killed run leaves, the next addition of a kernel removes.
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from xen_legi.errors import EXIT_USAGE, CommandFailed, Problem, die
from xen_legi.kernels.store import Kernel, Store
from xen_legi.run import run
from xen_legi.steps import lock, named_point, say, step
from xen_legi.storage.mounts import private_mounts

_WORK = ".new-package-"
_LOCK = "kernel-package"
_DOWNLOAD = 1800  # seconds
_SYSTEM = Path("/lib/modules")


@contextlib.contextmanager
def unpacked(store: Store, package: str) -> Iterator[Kernel]:
    """Inside the context, the kernel of a package: its image and its modules; it has no initramfs. Die if it holds none."""
    store.top.mkdir(parents=True, exist_ok=True)
    with lock(_LOCK, what="the kernel of a package", wait=30, status=EXIT_USAGE), _work(store) as work:
        tree = work / "tree"
        with step(f"unpack {package}"):
            _unpack(_file(package, work), tree)
        kernel = found(tree, package)
        named_point("kernel:unpacked")
        with step(f"list of the modules of {kernel.version}"):
            run(["depmod", "-b", tree, kernel.version], timeout=600)
            run(["sync", "-f", tree], timeout=1800)  # the domUs' kernel will be these very files
        with private_mounts():
            _show(kernel)
            yield kernel


def found(tree: Path, package: str) -> Kernel:
    """Return the kernel in an unpacked package, with lib/modules where it has usr/lib/modules. Die if there is not one."""
    images = sorted((tree / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        die(f"{package} holds no kernel" if not images else f"{package} holds {len(images)} kernels",
            hint="a package such as linux-image-amd64 only names the one of today: apt-cache depends shows it")
    version = images[0].name.removeprefix("vmlinuz-")
    if not (tree / "lib").exists() and (tree / "usr/lib").is_dir():
        (tree / "lib").symlink_to("usr/lib")
    modules = tree / "lib/modules" / version
    if not modules.is_dir():
        die(f"{package} holds no modules of its kernel {version}", hint="is it one of Debian's linux-image packages?")
    return Kernel(version, images[0], tree / f"boot/initrd.img-{version}", modules.resolve())


def clean(store: Store) -> None:
    """Remove what a killed run left, unless one is at work."""
    with contextlib.suppress(Problem), lock(_LOCK, what="the kernel of a package"):
        _remove(store)


def _remove(store: Store) -> None:
    for path in store.top.glob(f"{_WORK}*"):
        say(f"an earlier run was killed: removing {path}")
        shutil.rmtree(path)


@contextlib.contextmanager
def _work(store: Store) -> Iterator[Path]:
    """A directory that is gone at the end."""
    _remove(store)
    work = Path(tempfile.mkdtemp(prefix=_WORK, dir=store.top))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _unpack(file: Path, tree: Path) -> None:
    try:
        run(["dpkg-deb", "-x", file, tree], timeout=_DOWNLOAD)
    except CommandFailed as failed:
        reason = (failed.stderr.strip().splitlines() or ["dpkg-deb says nothing"])[-1]
        die(f"{file} is no package: {reason}", hint="dpkg-deb -I FILE shows what it is")


def _file(package: str, work: Path) -> Path:
    """Return the package's file, downloaded if it is a name."""
    if "/" in package or package.endswith(".deb"):
        file = Path(package).absolute()
        if not file.is_file():
            die(f"there is no file {file}", hint="a package is a file .deb, or a name that apt knows")
        return file
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.:~=-]+", package):
        die(f"{package!r} is no package", hint="a file .deb, or a name that apt knows: linux-image-6.12.48+deb13-amd64")
    name = package.partition("=")[0]
    if run(["apt-cache", "show", "--no-all-versions", name], ok=range(256), timeout=120).status:
        die(f"apt knows no package {name}", hint="apt-get update, or apt-cache search linux-image")  # else it is a pattern
    try:
        run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=work, timeout=_DOWNLOAD)
    except CommandFailed as failed:
        reason = (failed.stderr.strip().splitlines() or ["apt-get says nothing"])[-1]
        die(f"{package} cannot be downloaded: {reason}", hint="apt-get update, or apt-cache search linux-image")
    (file,) = work.glob("*.deb")
    return file


def _show(kernel: Kernel) -> None:
    """Put the modules where modinfo(8) and mktirfs(8) look for them; nobody else sees it."""
    run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=1M", "xen-legi", _SYSTEM])
    (_SYSTEM / kernel.version).mkdir()
    run(["mount", "--bind", kernel.modules, _SYSTEM / kernel.version])
