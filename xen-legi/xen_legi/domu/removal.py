"""Which parts of a domU go when it is deleted: only what its file names and what bears its name, and is of nobody else.

All that it writes and that no other file names, whatever it is called, goes if a person says so: a volume called otherwise
may have been lent to it. An image bears the name when its directory is called so, or its own name begins with it:
web1/disk.img, web1.img.
"""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from xen_legi.domu import image_names, names
from xen_legi.domu.config import Disk, DomuConfig
from xen_legi.domu.disks import NO_DEVICES, Devices, absolute, locate
from xen_legi.errors import die
from xen_legi.storage.lvm import BASE_TAG, Volume, device_mapper_name


@dataclass(frozen=True)
class Removal:
    """What goes, and what stays with the reason for it."""

    domu: DomuConfig
    volumes: tuple[Volume, ...]
    links: tuple[Path, ...]
    kept: tuple[tuple[str, str], ...]
    images: tuple[Path, ...] = ()
    bases: tuple[Volume, ...] = ()  # snapshots of the volumes that only help the next copy
    more: tuple[str, ...] = ()  # what stays only because it is called otherwise

    def described(self) -> str:
        """Return it for people, before they are asked."""
        lines = [f"  volume {one.path}" for one in (*self.volumes, *self.bases)]
        lines += [f"  image {one}" for one in self.images]
        lines += [f"  link {one}" for one in self.links]
        lines += [f"  file {self.domu.file}"]
        lines += [f"  (stays: {path}, {why})" for path, why in self.kept]
        lines += [f"  (with --all-disks go, too: {', '.join(self.more)})"] if self.more else []
        return "\n".join(lines)


def removal(
    domu: DomuConfig,
    others: Iterable[DomuConfig],
    volumes: Iterable[Volume],
    links: Iterable[Path],
    *,
    devices: Devices = NO_DEVICES,
    images: Iterable[str] = (),
    busy: Set[str] = frozenset(),
    idle: bool = True,
    all_disks: bool = False,
    texts: Mapping[Path, str] = MappingProxyType({}),
) -> Removal:
    """Return what goes with a domU. Die if one of its volumes cannot be removed: it has snapshots, or `idle` and is open.

    `others` are all files that name disks, `devices` tells where the disks' paths lead; `images` are the real paths that are
    files, `busy` those of them that somebody has. `all_disks`: also those that it writes and that are called otherwise.
    `texts` are those of files that nobody can read as a domU's: what they mention stays.
    """
    everything = tuple(volumes)
    users = _users(domu, others, everything, devices)
    going: list[Volume] = []
    kept: list[tuple[str, str]] = []
    files: list[Path] = []
    more: list[str] = []
    for disk in domu.disks:
        volume, real = locate(disk.path, everything, devices), devices.get(absolute(disk.path), "")
        is_file = volume is None and real in images
        why = _why_no_image(disk, real, users) if is_file else _why_not(volume, domu.name, users)
        why = why or _mentioned(disk, volume, real, texts)
        called = "" if why else _why_not_so_called(Path(real) if is_file else volume, domu.name)
        if called and disk.access == "w" and not all_disks:
            more.append(disk.path)
        why = why or ("" if all_disks and disk.access == "w" else called)
        if why:
            kept.append((disk.path, why))
        elif is_file:
            files += [Path(real)] if Path(real) not in files else []
        elif volume and volume not in going:
            going.append(volume)
    if idle and (held := [str(one) for one in files if str(one) in busy]):
        die(f"{held[0]} is in use", hint=f"mounted, or held by another program? losetup -j {held[0]}")
    for one in going:
        _check_free(one, everything)
        if idle and one.open:
            die(f"{one.full_name} is in use", hint=f"mounted, or held by another program? lsof {one.path}")
    bases = [one for one in everything if BASE_TAG in one.tags and any(_of(one, other) for other in going)]
    return Removal(domu, tuple(going), tuple(links), tuple(kept), tuple(files), tuple(bases), tuple(more))


def _of(snapshot: Volume, volume: Volume) -> bool:
    """Tell whether it is one of the other."""
    return bool(snapshot.origin) and (snapshot.group, snapshot.origin) == (volume.group, volume.name)


def _users(
    domu: DomuConfig, others: Iterable[DomuConfig], volumes: tuple[Volume, ...], devices: Devices
) -> dict[str, str]:
    """Return who else names a volume or file: {GROUP/NAME or real path: the domU, or its file where the name does not tell
    it}."""
    found = {}
    for other in others:
        who = str(other.file) if other.name in ("", domu.name) else f"domU {other.name}"
        for disk in other.disks if other.file != domu.file else ():
            volume = locate(disk.path, volumes, devices)
            found[volume.full_name if volume else devices.get(absolute(disk.path), disk.path)] = who
    return found


def _mentioned(disk: Disk, volume: Volume | None, real: str, texts: Mapping[Path, str]) -> str:
    """Return which file mentions a disk, nothing if none does."""
    paths = {volume.full_name, f"/dev/mapper/{device_mapper_name(volume.group, volume.name)}"} if volume else {real}
    words = re.compile("|".join(rf"{re.escape(path)}(?![\w.+-])" for path in paths | {disk.path} if path) or "(?!)")
    return next((f"{file} may name it" for file, text in texts.items() if words.search(text)), "")


def _why_not(volume: Volume | None, name: str, users: dict[str, str]) -> str:
    """Return why a disk stays, nothing if it goes."""
    if volume is None:
        return "it is no logical volume of this host"
    if volume.ours and not names.bears(volume.name, name):
        return "it is a copy of a domU, or a command is at work on it"
    return f"it is in use by {users[volume.full_name]}" if volume.full_name in users else ""


def _why_no_image(disk: Disk, real: str, users: dict[str, str]) -> str:
    if disk.access != "w":  # what is installed from
        return "it is only read"
    return f"it is in use by {users[real]}" if real in users else ""


def _why_not_so_called(one: Volume | Path | None, name: str) -> str:
    """Return why a volume or an image is not called after the domU, nothing if it is."""
    if isinstance(one, Path):
        return "" if image_names.bears(one, name) else f"neither its name nor its directory's is that of {name}"
    return "" if one is None or names.bears(one.name, name) else f"it is not called {name}, nor {name}-..."


def _check_free(one: Volume, volumes: tuple[Volume, ...]) -> None:
    """Die if a volume has thick snapshots: lvremove would take them along."""
    mine = [other for other in volumes if _of(other, one) and not other.pool]
    if mine:
        names = ", ".join(other.full_name for other in mine)
        die(f"{one.full_name} has a snapshot: {names}", hint="is a backup running? then wait for its end")
