"""Take kernels away from the domUs: those that no domU and no copy of one needs.

The image is moved aside first, so that a kernel is whole or is none, and is removed last: while it is there, whoever comes
next ends what a killed run began.
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from xen_legi.domu import config
from xen_legi.errors import die
from xen_legi.files import read
from xen_legi.kernels.store import Kernel, Store
from xen_legi.steps import lock, named_point, step

GONE = ".new-gone-"  # before the name of an image; add() takes what begins with .new- for its own leftovers
_LARGEST = 1 << 20  # bytes of a file that may be one of a domU


def texts(directory: Path = config.DIRECTORY) -> dict[Path, str]:
    """Return all files that may name a kernel: of domUs, of copies, those set aside at a promotion, also unreadable ones."""
    found = (path for path in sorted(directory.rglob("*.cfg*")) if path.is_file() and path.stat().st_size <= _LARGEST)
    return {path: read(path) for path in found}


def users(kernel: Kernel, files: Mapping[Path, str]) -> list[Path]:
    """Return the files that name a kernel, by whatever path."""
    named = re.compile(rf"(vmlinuz|initrd\.img)-{re.escape(kernel.version)}(?![A-Za-z0-9.+~_-])")
    return [path for path, text in files.items() if named.search(text)]


def superfluous(store: Store, files: Mapping[Path, str], keep: int) -> list[Kernel]:
    """Return the kernels that no file names, but for the newest `keep` and the default of new domUs; oldest first."""
    known = store.kernels()
    kept = {one.version for one in known[-keep:]} | ({store.default().version} if known else set())
    return [one for one in known if one.version not in kept and not users(one, files)]


def check(store: Store, version: str, files: Mapping[Path, str]) -> Kernel:
    """Return the kernel of that version. Die if something needs it."""
    one = store.find(version)
    if needing := users(one, files):
        die(f"kernel {version} is in use: {', '.join(map(str, needing))}", hint="let them name another kernel first")
    if version == store.default().version:
        die(f"kernel {version} is that of new domUs", hint="xen-legi kernel default VERSION makes it another one")
    return one


def remove(store: Store, kernels: Iterable[Kernel]) -> None:
    """Remove kernels. Who makes a domU with one of them is waited for."""
    with lock("kernels", what=f"{store.top}/boot", wait=1800):
        finish(store)
        for one in kernels:
            with step(f"remove kernel {one.version}"):
                one.image.rename(one.image.with_name(GONE + one.image.name))
                named_point("kernel:image-aside")
                finish(store)


def finish(store: Store) -> None:
    """Remove what is left of kernels whose image was moved aside. The lock of kernels is held."""
    for image in (store.top / "boot").glob(f"{GONE}*"):
        one = store.kernel(image.name.removeprefix(f"{GONE}vmlinuz-"))
        if not one.image.exists():  # else it was added again
            one.ramdisk.unlink(missing_ok=True)
            one.note.unlink(missing_ok=True)
            if one.modules.exists():
                shutil.rmtree(one.modules)
        named_point("kernel:parts-gone")
        image.unlink()
