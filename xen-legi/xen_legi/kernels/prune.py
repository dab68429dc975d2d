"""Take kernels away from the domUs: those that no domU and no copy of one needs.

The image is moved aside first, so that a kernel is whole or is none, and is removed last: while it is there, whoever comes
next ends what a killed run began.
"""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from xen_legi.domu import config, xl
from xen_legi.errors import die, fail
from xen_legi.files import is_draft, read
from xen_legi.kernels.store import Kernel, Store
from xen_legi.steps import lock, named_point, step

GONE = ".new-gone-"  # before the name of an image; add() takes what begins with .new- for its own leftovers
COPIES = Path("/var/lib/xen-legi/copies")  # what a sender says of a copy before its file is in /etc/xen
_PATH = re.compile(r"""['"](/[^'"\n]*)['"]|(/[^\s'",;\]]*)""")
_LARGEST = 1 << 20  # bytes of a file that may be one of a domU


def texts() -> dict[str, str]:
    """Return every text that may name a kernel, by where it is: files in /etc/xen, what senders said of copies under way,
    and what Xen knows of domUs that run (a reboot inside one starts it with the kernel that it was started with)."""
    found = {str(path): _text(path) for place in (config.DIRECTORY, config.AUTOSTART, COPIES) for path in _files(place)}
    if xl.answers():
        found |= _running(xl.started_with())
    return found


def _running(text: str) -> dict[str, str]:
    """Given what xl knows of how domains were started, return it by domain; as one if it is not what we know."""
    try:
        return {f"domU {one['config']['c_info']['name']}, which runs": json.dumps(one) for one in json.loads(text)}
    except (ValueError, LookupError, TypeError):
        return {"a domU that runs": text}


def _files(place: Path) -> Iterator[Path]:
    """Yield the files below a directory; a link to a directory is entered as /etc/xen/auto may be one. A draft is none yet,
    whether its writer is at work or was killed: what it replaces is there, or its kernel is held, see need_whole()."""
    for directory, _, names in os.walk(place, followlinks=True):
        yield from (path for name in names if (path := Path(directory, name)).is_file() and not is_draft(path))


def _text(path: Path) -> str:
    """Return a file's text. Die if nobody can say what it names."""
    try:
        if path.stat().st_size > _LARGEST:
            die(f"{path} is too large to be looked at: it may name a kernel", hint="move it elsewhere")
        return read(path)
    except FileNotFoundError:
        return ""  # it went just now


def users(kernel: Kernel, files: Mapping[str, str]) -> list[str]:
    """Return the files that name a kernel: by its name wherever that is, or by a path that leads to it, as links do."""
    named = re.compile(rf"(vmlinuz|initrd\.img)-{re.escape(kernel.version)}(?![A-Za-z0-9.+~_-])")
    parts = {_identity(one) for one in (kernel.image, kernel.ramdisk)} - {None}
    return [path for path, text in files.items() if named.search(text) or parts & set(map(_identity, _paths(text)))]


def naming(link: Path, files: Mapping[str, str]) -> list[str]:
    """Return the files that name a path, as it is written."""
    return [file for file, text in files.items() if str(link) in {os.path.normpath(one) for one in _paths(text)}]


def _paths(text: str) -> set[str]:
    """Return all that may be an absolute path in a text: between quotes, or as far as no blank or comma comes."""
    plain = text.replace("\\/", "/")  # some JSON writes it so
    return {one for found in _PATH.findall(plain) for one in found if one}


def _identity(path: Path | str) -> tuple[int, int] | None:
    """Return what a path leads to, whatever it is called."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino


def superfluous(store: Store, files: Mapping[str, str], keep: int, without: Sequence[Kernel] = ()) -> list[Kernel]:
    """Return the kernels that no file names, but for the newest `keep` of this host's own of each flavour and the default of
    new domUs; oldest first. Those that go in any case (`without`) are not among them, and are not counted."""
    known = [one for one in store.kernels() if one not in without]
    default = store.default_or_none()
    flavours = {one.flavour: [of for of in known if of.flavour == one.flavour and not of.foreign] for one in known}
    kept = {one.version for own in flavours.values() for one in own[-keep:]}
    kept |= {default.version} if default else set()
    return [one for one in known if one.version not in kept and not users(one, files)]


def check(store: Store, version: str, files: Mapping[str, str]) -> Kernel:
    """Return the kernel of that version. Die if something needs it."""
    one = store.find(version)
    if needing := users(one, files):
        die(f"kernel {version} is in use: {', '.join(needing)}", hint="let them name another kernel first")
    if one == store.default_or_none():
        die(f"kernel {version} is that of new domUs", hint="xen-legi kernel default VERSION makes it another one")
    return one


def remove(store: Store, choose: Callable[[], list[Kernel]]) -> list[Kernel]:
    """Remove the kernels that are chosen while nobody copies one, and return them. A domU that is being made with one of
    them is not finished then: see need_whole()."""
    with lock("kernels", what=f"{store.top}/boot", wait=1800):
        finish(store)
        going = _twice(choose)
        for one in going:
            with step(f"remove kernel {one.version}"):
                one.image.rename(one.image.with_name(GONE + one.image.name))
                named_point("kernel:image-aside")
                finish(store)
    return going


def _twice(choose: Callable[[], list[Kernel]]) -> list[Kernel]:
    """Choose a second time after some seconds: a domU that reboots is away for two, and nothing names its kernel then."""
    going = choose()
    if going and xl.answers():
        time.sleep(xl.AWAY)
        going = [one for one in choose() if one in going]
    return going


@contextlib.contextmanager
def need_whole(kernel: Kernel) -> Iterator[None]:
    """Inside the context, where a domU's file is written, the kernel that it names stays. Fail if it has gone meanwhile."""
    with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
        if not kernel.complete:
            fail(f"kernel {kernel.version} was removed meanwhile", hint="xen-legi kernel list shows what there is")
        yield


def unfinished(store: Store) -> bool:
    """Tell whether a removal was killed, or is under way."""
    return any((store.top / "boot").glob(f"{GONE}*"))


def finish(store: Store) -> None:
    """Remove what is left of kernels whose image was moved aside. The lock of kernels is held."""
    for image in (store.top / "boot").glob(f"{GONE}*"):
        one = store.kernel(image.name.removeprefix(f"{GONE}vmlinuz-"))
        if not one.image.exists():  # else it was added again
            one.ramdisk.unlink(missing_ok=True)
            one.note.unlink(missing_ok=True)
            one.mark.unlink(missing_ok=True)
            if one.modules.exists():
                shutil.rmtree(one.modules)
        named_point("kernel:parts-gone")
        image.unlink()
