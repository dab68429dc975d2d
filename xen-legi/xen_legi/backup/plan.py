"""Which domU goes where, and how each of its volumes is copied. Reading the host is apart from deciding."""

import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi.backup.generations import COPY
from xen_legi.backup.request import PATH
from xen_legi.domu.config import Disk, DomuConfig
from xen_legi.domu.disks import NO_DEVICES, Devices, absolute, locate
from xen_legi.errors import Problem, fail
from xen_legi.peers.words import NAME
from xen_legi.storage import identity, images, places
from xen_legi.storage.lvm import Volume

SENT = ("files", "blocks")  # the methods that need a ghost
CANNOT = "cannot be copied yet"
_SECTOR = 512
_AGAIN = "the next run looks at it anew"
_NO_VOLUME = f"is no logical volume of this host and {CANNOT}"


@dataclass(frozen=True)
class Image:
    """A file that is a disk: its path in the filesystem of the volume that it is on, the kind of that, its own real path,
    its bytes, and its inode, by which it is known again."""

    within: str
    filesystem: str
    path: Path
    size: int
    inode: int = 0


@dataclass(frozen=True)
class Part:
    """One disk of a domU: its name in the copy, its path in the configuration, its volume, and how it is copied. Of an
    image, the volume is the one that it is on."""

    name: str
    path: str
    volume: Volume
    method: str
    image: Image | None = None

    @property
    def size(self) -> int:
        """The bytes of the disk."""
        return self.image.size if self.image else self.volume.size

    @property
    def shown(self) -> str:
        """The disk, for people: vg0/web1-disk, vg0/srv:images/web1.img."""
        return f"{self.volume.full_name}:{self.image.within}" if self.image else self.volume.full_name


Found = tuple[Volume, Image] | str  # what an image is on, or why it cannot be copied


@dataclass(frozen=True)
class Domu:
    """A domU that is to be copied; `problem` tells why it cannot be, if so."""

    config: DomuConfig
    parts: tuple[Part, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """The domU's name."""
        return self.config.name


def choose(known: Sequence[DomuConfig], names: Sequence[str], exclude: Iterable[str]) -> list[DomuConfig]:
    """Return the domUs of these names, or all that are not excluded. Raise Problem for a name that is none."""
    by_name = {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            raise Problem(f"there is no domU {name!r}", hint=f"domUs of this host: {', '.join(sorted(by_name)) or 'none'}")
    out = set(exclude)
    return [by_name[name] for name in dict.fromkeys(names)] or [one for one in known if one.name not in out]


def examine(
    config: DomuConfig, volumes: Sequence[Volume], method_of: Callable[[Path], str], devices: Devices = NO_DEVICES,
    image_of: Callable[[Path, Sequence[Volume]], Found | None] = lambda path, volumes: None,
) -> Domu:
    """Given a domU, the host's volumes, what tells a device's method (files, blocks, swap), where paths lead, and what tells
    which volume a file is on, return how it is copied."""
    if not re.fullmatch(NAME, config.name):
        return Domu(config, problem=f"its name {config.name!r} cannot name a copy: letters, digits and . _ + - are allowed")
    parts = []
    for disk in config.disks:
        volume = locate(disk.path, volumes, devices)
        if volume is None:
            found = image_of(Path(devices.get(absolute(disk.path), disk.path)), volumes) or _NO_VOLUME
            if isinstance(found, str) or (wrong := _wrong_image(disk)):
                return Domu(config, problem=f"its disk {disk.path} {found if isinstance(found, str) else wrong}")
            method = "swap" if method_of(found[1].path) == "swap" else "blocks"
            parts.append(Part("", disk.path, found[0], method, found[1]))
            continue
        if not volume.active:
            return Domu(config, problem=f"its volume {volume.full_name} is not active (lvchange -ay {volume.full_name})")
        parts.append(Part("", disk.path, volume, method_of(volume.path)))
    if not any(one.method in SENT for one in parts):
        return Domu(config, problem="it has no disk but swap" if parts else "it has no disk")
    return Domu(config, _named(config.name, parts))


def method_of(device: Path) -> str:
    """Return how the volume at a device is copied."""
    return identity.method(identity.blkid(device))


def image_of(path: Path, volumes: Sequence[Volume]) -> Found | None:
    """Return on which volume an image is, or why it cannot be copied; None if it is no file."""
    if "\0" in str(path) or images.size(path) is None:
        return None
    facts, spot = path.stat(), places.where(str(path))
    size = facts.st_size
    on = next((one for one in volumes if spot and one.active and places.number(one.path) == spot.device), None)
    kinds = ", ".join(identity.FILES)
    # a filesystem that is hidden by a later mount would be found by its place, but not by the file's own device
    if spot is None or on is None or spot.kind not in identity.FILES or places.text(facts.st_dev) != spot.device:
        return f"is a file, but on no logical volume with {kinds}, of which a snapshot could show it"
    if size % _SECTOR or not size:
        return f"is a file of {size} bytes, which is no disk"
    return on, Image(spot.within, spot.kind, path, size, facts.st_ino)


def need_same(image: Image, there: Path) -> None:
    """Fail unless what a ghost has at this path is the image that was planned."""
    try:
        facts = there.lstat()
    except OSError as error:
        fail(f"{image.path} is not in the snapshot of its volume: {error.strerror}", hint=_AGAIN)
    if not stat.S_ISREG(facts.st_mode) or (facts.st_ino, facts.st_size) != (image.inode, image.size):
        fail(f"{image.path} is another file than when the run began, or of another size", hint=_AGAIN)


def _wrong_image(disk: Disk) -> str:
    if disk.format not in ("", "raw"):
        return f"is an image in the format {disk.format} and {CANNOT}"
    return "" if re.fullmatch(PATH, disk.path) else f"has other characters in its path than A-Z a-z 0-9 _.+/:@- and {CANNOT}"


def _named(domu: str, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Give every part a name of its own: its volume's or image's, with the group in front where two have the same, and a
    number behind where even these are."""
    plain = [_plain(domu, one) for one in parts]
    names = [name if plain.count(name) == 1 else f"{one.volume.group}.{name}" for name, one in zip(plain, parts)]
    names = [name if names.count(name) == 1 else f"{name}-{at}" for at, name in enumerate(names, 1)]
    return tuple(replace(one, name=name) for name, one in zip(names, parts))


def _plain(domu: str, one: Part) -> str:
    """Return what a part is called: web1-disk, for a volume of this name, and of web1 for web1-disk.img and disk.img."""
    if not one.image:
        return one.volume.name.removesuffix(COPY)
    stem = re.sub(r"[^A-Za-z0-9_.+-]", "_", one.image.path.name.removesuffix(".img"))
    return stem[:60] if stem.startswith(f"{domu}-") else f"{domu}-{'disk' if stem == domu else stem}"[:60]
