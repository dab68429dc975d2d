"""The volumes of a domU that is being made, and what is written on them before its files."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from xen_legi import files
from xen_legi.domu import config, disks
from xen_legi.errors import Problem
from xen_legi.install.leftovers import CREATING
from xen_legi.install.model import SWAP, Part
from xen_legi.run import need, run
from xen_legi.steps import named_point, step, warn
from xen_legi.storage import images, lvm
from xen_legi.units import exact_size

# Not metadata_csum_seed and orphan_file: the grub that starts a guest's own kernel cannot read filesystems with them.
_MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-O", "^metadata_csum_seed,^orphan_file"),
    "ext3": ("mkfs.ext3", "-q", "-F", "-E", "nodiscard"),
    "ext2": ("mkfs.ext2", "-q", "-F", "-E", "nodiscard"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-K"),
    SWAP: ("mkswap",),
}
# While it is filled nothing on it is of use to anybody; it is flushed as a whole when it is unmounted.
_FILL_OPTIONS = {
    **dict.fromkeys(("ext4", "ext3"), "noatime,barrier=0,data=writeback"), "ext2": "noatime", "xfs": "noatime",
}  # fmt: skip

Maker = Callable[[Part, tuple[str, ...]], object]


def fill_options(part: Part) -> str:
    """Return with what options a new filesystem is mounted to be filled."""
    return _FILL_OPTIONS[part.filesystem]


def _make_volume(part: Part, tags: tuple[str, ...]) -> None:
    lvm.create(part.group, part.name, part.size, pool=part.pool, tags=tags)


@contextlib.contextmanager
def volumes(name: str, parts: tuple[Part, ...], make: Maker = _make_volume) -> Iterator[None]:
    """Make the volumes, tagged as being made; at the end drop the tags, or after a failure remove the volumes.

    `make(part, tags)` makes one. Once the domU's file is there they are not removed: a signal may come between its link(2)
    and our knowing of it. The next command drops their tags then.
    """
    tags = (lvm.TAG, f"{CREATING}={name}")
    files_of = [one.image for one in parts if one.image]
    if files_of:
        images.note(name, files_of)
    try:
        with step("volumes: " + ", ".join(f"{one.label} {exact_size(one.size)}" for one in parts)):
            for part in parts:
                images.make(part.image, part.size, name, sparse=part.sparse) if part.image else make(part, tags)
                named_point(f"create:after-lvcreate-{part.device}")
        yield
    except BaseException:
        if not _named(name, parts):
            _remove(name, parts)
        raise
    for part in parts:
        images.unmark(part.image) if part.image else lvm.change_tags(part.label, remove=tags)
    images.forget(name, files_of)


def need_programs(parts: tuple[Part, ...]) -> None:
    """Die if a program that makes one of the filesystems is not installed."""
    for program in (_MAKE[part.filesystem][0] for part in parts):
        need(program)


def make_filesystems(parts: tuple[Part, ...]) -> None:
    """Make the filesystems and the swap."""
    with step("filesystems: " + ", ".join(f"{one.name} {one.filesystem}" for one in parts)):
        for part in parts:
            run([*_MAKE[part.filesystem], part.path], timeout=1800)


def _named(name: str, parts: tuple[Part, ...]) -> bool:
    """Tell whether the domU's file is there and names one of the volumes, or that this cannot be told."""
    try:
        file = config.DIRECTORY / f"{name}.cfg"
        if not file.exists():
            return False
        known, there = config.parse(files.read(file), file), lvm.volumes()
        devices = disks.devices([known], there)
        if {os.path.realpath(one.image) for one in parts if one.image} & set(devices.values()):
            return True
    except (OSError, ValueError, Problem):
        return True  # the next command looks again
    found = {(one.group, one.name) for disk in known.disks if (one := disks.locate(disk.path, there, devices))}
    return bool(found & {(one.group, one.name) for one in parts})


def _remove_image(name: str, image: Path) -> None:
    try:
        if images.marked(image) == name or not image.exists():
            images.remove(image, name)
        images.forget(name, [image])
    except OSError as error:
        warn(f"{image} may be left, the next xen-legi command looks for it: {error.strerror}")


def _remove(name: str, parts: tuple[Part, ...]) -> None:
    """Remove those of the volumes that carry our tag: lvcreate may have ended after a signal took us away from it."""
    for one in (one.image for one in parts if one.image):
        _remove_image(name, one)
    try:
        tagged = {(one.group, one.name) for one in lvm.volumes() if one.tagged(CREATING) == name}
    except Problem as problem:
        return warn(f"what was made is left, the next xen-legi command removes it: {problem.message}")
    for part in parts:
        try:
            if (part.group, part.name) in tagged:
                lvm.remove(part.group, part.name)
        except Problem as problem:
            warn(f"{part.path} is left, the next xen-legi command removes it: {problem.message}")
