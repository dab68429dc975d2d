"""Which logical volume or image file a disk of a domU is, however its path is written.

/dev/vg0/web1-disk, /dev/mapper/vg0-web1--disk, vg0/web1-disk (xl puts /dev/ before it) and any link to the device are
one volume: who compares the texts removes what another domU uses.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from xen_legi.domu.config import DomuConfig
from xen_legi.storage import lvm
from xen_legi.storage.images import Image, look, size
from xen_legi.storage.lvm import Volume

Devices = Mapping[str, str]  # path -> the device to which it leads: /dev/dm-3
NO_DEVICES: Devices = MappingProxyType({})
Images = Mapping[str, Image]  # real path -> the image
NO_IMAGES: Images = MappingProxyType({})


def absolute(path: str) -> str:
    """Return a disk's path as xl understands it: what does not begin with a slash is below /dev."""
    return os.path.normpath(path if path.startswith("/") else f"/dev/{path}")


def devices(configs: Iterable[DomuConfig], volumes: Iterable[Volume]) -> Devices:
    """Return where the paths of disks and volumes lead on this host. The only question that is asked of the host here."""
    paths = {absolute(disk.path) for config in configs for disk in config.disks} | {str(one.path) for one in volumes}
    return {path: os.path.realpath(path) for path in paths if "\0" not in path}


def images(known: Devices) -> Mapping[str, int]:
    """Return the files that disks lead to, with their bytes: disk images, by their real paths. The host is asked."""
    found = {real: size(Path(real)) for real in set(known.values())}
    return {real: size for real, size in found.items() if size is not None}


def images_of(config: DomuConfig, known: Devices) -> Images:
    """Return what there is of the files that are disks of this domU, by their real paths. The host is asked."""
    reals = {known[path] for disk in config.disks if (path := absolute(disk.path)) in known}
    return {real: one for real in sorted(reals) if (one := look(Path(real)))}


def backing(path: str, volumes: Iterable[Volume], known: Devices, images: Images = NO_IMAGES) -> Volume | Image | None:
    """Return the volume or image that a disk's path names, or None."""
    return locate(path, volumes, known) or images.get(known.get(absolute(path), ""))


def locate(path: str, volumes: Iterable[Volume], known: Devices = NO_DEVICES) -> Volume | None:
    """Return the volume that a disk's path names, or None."""
    mine = _forms(absolute(path), known)
    return next((one for one in volumes if mine & {*_forms(str(one.path), known), _mapper(one)}), None)


def _forms(path: str, known: Devices) -> set[str]:
    return {path, known.get(path, path)}


def _mapper(one: Volume) -> str:
    return f"/dev/mapper/{lvm.device_mapper_name(one.group, one.name)}"
