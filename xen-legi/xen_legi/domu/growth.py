"""To what size a disk of a domU grows. Pure: what the host has in, a plan or a refusal out.

Logical volumes and raw image files grow, and never shrink: a filesystem that is larger than its volume is lost.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu.config import Disk, DomuConfig
from xen_legi.domu.disks import NO_IMAGES, Devices, Images, absolute, backing
from xen_legi.errors import die
from xen_legi.storage import images
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Group, Volume
from xen_legi.units import MIB, exact_size, format_size, parse_size


@dataclass(frozen=True)
class Growth:
    """A disk of a domU, its volume or image as it is, and the size that it will have in bytes (whole extents, or MiB)."""

    disk: Disk
    volume: Volume | Image
    size: int

    @property
    def grows(self) -> bool:
        """Tell whether the volume is smaller yet; else only its filesystem may be."""
        return self.size > self.volume.size

    def described(self) -> str:
        """Return the plan for a person, in one line."""
        what = f"{self.disk.device}, {self.volume.full_name}:"
        if not self.grows:
            return f"{what} has its {exact_size(self.size)}, only the filesystem may have to grow"
        return f"{what} {exact_size(self.volume.size)} to {exact_size(self.size)}"


def plan(
    domu: DomuConfig, wanted: str, size: str, volumes: Sequence[Volume], groups: dict[str, Group], known: Devices,
    files: Images = NO_IMAGES, free: Callable[[Path], int] = images.free,
) -> Growth:
    """Return what grows. `wanted` is a disk as the domU or dom0 calls it ("": the root), `size` is 4G, or +1G for more;
    `free` tells the bytes that are free beside an image."""
    disk, volume = choose(domu, wanted, volumes, known, files)
    if isinstance(volume, Image):
        group = Group("", 0, free(volume.path), MIB)
    else:
        group = groups[volume.group]
    growth = Growth(disk, volume, group.rounded(bytes_of(size, volume.size)))
    if growth.size < volume.size:
        die(f"{volume.full_name} has {format_size(volume.size)} already: a disk is never made smaller",
            hint="--size +1G makes it larger by so much")
    if growth.grows:
        _check(growth, volumes, group)
    return growth


def bytes_of(text: str, now: int) -> int:
    """Given 4G, or +1G for so much more than `now`, return bytes."""
    more = text.startswith("+")
    return parse_size(text.removeprefix("+")) + (now if more else 0)


def check_raw(disk: Disk) -> None:
    """Die if an image is not its disk as it is, but holds it in some format: nothing in it is where it seems to be."""
    if disk.format not in ("", "raw"):
        die(f"{disk.path} is an image in the format {disk.format}, which is not known here",
            hint="raw ones are; qemu-img(1) convert makes one of it")


def choose(
    domu: DomuConfig, wanted: str, volumes: Sequence[Volume], known: Devices, files: Images = NO_IMAGES
) -> tuple[Disk, Volume | Image]:
    """Return the disk that is meant and its volume, or its image where `files` are known. Die if that is none or several."""
    located = [(disk, backing(disk.path, volumes, known, files)) for disk in domu.disks if disk.access == "w"]
    name = wanted or re.sub("^/dev/", "", domu.root)
    meant = [(disk, volume) for disk, volume in located if name in names_of(disk, volume)]
    if not wanted and not meant:  # a root that is told by its UUID, or by the domU's own boot loader
        meant = located if len(located) == 1 else []
    if not meant:
        there = ", ".join(disk.device or disk.path for disk, _ in located) or "none"
        what = f"no disk {wanted!r} that it may write" if wanted else "several disks, and which is its root is not told"
        die(f"domU {domu.name} has {what}", hint=f"say which: --disk with one of {there}")
    disk, volume = meant[0]
    if volume is None:
        die(f"{disk.path} is no logical volume and no image file of this host: nothing can be done with it here",
            hint="lvs shows the volumes")
    if isinstance(volume, Image):
        check_raw(disk)
    return disk, volume


def names_of(disk: Disk, volume: Volume | Image | None) -> set[str]:
    """Return all that a person may call a disk."""
    own = {disk.device, disk.path, absolute(disk.path)}
    if isinstance(volume, Image):
        return own | {str(volume.path)}
    return own | ({volume.name, volume.full_name, str(volume.path)} if volume else set())


def _check(growth: Growth, volumes: Iterable[Volume], group: Group) -> None:
    volume, more = growth.volume, growth.size - growth.volume.size
    if isinstance(volume, Image):
        if more > group.free:
            die(f"{volume.path.parent} has {format_size(group.free)} free, {format_size(more)} more are needed",
                hint="make room there; see df(1)")
        return
    if volume.origin and not volume.pool:
        die(f"{volume.full_name} is a snapshot of {volume.origin}: it has the size of that", hint="lvs shows the volumes")
    snapshots = [one.name for one in volumes if (one.group, one.origin) == (volume.group, volume.name) and not one.pool]
    if snapshots:
        die(f"{volume.full_name} has the snapshot {', '.join(snapshots)}: until that is gone it keeps its size",
            hint="is a backup under way? wait for its end, or remove the snapshot with lvremove(8)")
    if not volume.pool and more > group.free:
        die(f"volume group {group.name} has {format_size(group.free)} free, {format_size(more)} more are needed",
            hint="make room there, or grow the group with vgextend(8)")
