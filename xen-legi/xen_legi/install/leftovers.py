"""What a killed `create` or `delete` left, found by its tags and put right by whatever verb comes next.

A volume carries `xen-legi.creating=NAME` until the domU's file is there, and `xen-legi.deleting=NAME` from before the
file goes. So, with nobody at work on NAME: a volume that a file names stays and loses its tags, one that no file names is
removed. A volume without the tags is never touched, and none is removed while a file that cannot be read, or that was
set aside (NAME.cfg.off, NAME.cfg~), may name it.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.domu import config, disks, names
from xen_legi.domu.config import DomuConfig, Unreadable
from xen_legi.domu.disks import NO_DEVICES, Devices
from xen_legi.errors import Problem
from xen_legi.steps import is_locked, lock, say, warn
from xen_legi.storage import images, lvm
from xen_legi.storage.lvm import TAG, Volume

CREATING, DELETING = "xen-legi.creating", "xen-legi.deleting"


@dataclass(frozen=True)
class Repair:
    """What is to be done with a volume: removed, or freed of its tags. `name` is the domU."""

    name: str
    volume: Volume
    remove: bool
    tags: tuple[str, ...]


def lock_name(name: str) -> str:
    """Return the name of the lock under which a domU is made, changed or removed. Die if that cannot be its name."""
    names.check(name)
    return f"domu-{name}"


def new_file(name: str) -> Path:
    """Return where a domU's file is written before it gets its name; it does not end with .cfg."""
    return config.DIRECTORY / f".{name}.cfg.making"


def repairs(volumes: Iterable[Volume], configs: Iterable[DomuConfig], devices: Devices = NO_DEVICES) -> list[Repair]:
    """Return what to do with volumes that carry our tags; `devices` tells where the paths of the files' disks lead."""
    everything = tuple(volumes)
    named = [disks.locate(disk.path, everything, devices) for one in configs for disk in one.disks]
    found = []
    for one in everything:
        name = one.tagged(CREATING) or one.tagged(DELETING)
        if one.ours and name:
            tags = tuple(tag for tag in sorted(one.tags) if tag == TAG or tag.startswith((f"{CREATING}=", f"{DELETING}=")))
            found.append(Repair(name, one, one not in named, tags))
    return found


def doubt(name: str, broken: Iterable[Unreadable], files: Iterable[str]) -> str:
    """Return why a volume of NAME that no file names may be somebody's after all, or nothing.

    `broken` are the files that cannot be read, `files` the names in /etc/xen.
    """
    for one in broken:
        return f"{one.file} may name it, but cannot be read: {one.reason}"
    aside = sorted(one for one in files if one.startswith(f"{name}.cfg"))
    return f"{config.DIRECTORY / aside[0]} may name it" if aside else ""


def remove_drafts() -> None:
    """Remove what was to become a file of /etc/xen when its writer was killed: it may hold a password."""
    for path in config.DIRECTORY.rglob(f".*.{files.DRAFT}"):
        if files.drop_draft(path):
            say(f"an earlier run was killed: removing {path}")


def clean() -> None:
    """Put right what killed runs left. Whoever is at work is left alone; what cannot be removed now is warned of."""
    remove_drafts()
    found = {one.name for one in repairs(lvm.volumes(), ())}
    found |= set(images.notes())
    found |= {path.name[1:].removesuffix(".cfg.making") for path in config.DIRECTORY.glob(".*.cfg.making")}
    for name in sorted(found):
        try:
            if is_locked(lock_name(name)):
                continue
            with lock(lock_name(name), what=f"domU {name}"):
                _put_right(name)
        except (Problem, OSError) as problem:
            warn(f"what an earlier run left of {name} is still there: {getattr(problem, 'message', problem)}")


def _put_right(name: str) -> None:
    """With the lock held, do it: the facts are read again, since another run may have come first."""
    new_file(name).unlink(missing_ok=True)
    volumes, (configs, broken) = lvm.volumes(), config.all_files(config.DIRECTORY)
    todo = [one for one in repairs(volumes, configs, disks.devices(configs, volumes)) if one.name == name]
    if todo:
        files.sync(config.DIRECTORY)  # it was killed perhaps before that: lvm2's changes are on disk at once
    why = doubt(name, broken, (path.name for path in config.DIRECTORY.glob("*")))
    for one in todo:
        if one.remove and why:
            warn(f"an earlier run was killed and left {one.volume.full_name}, which stays: {why}; lvremove(8) removes it")
        elif one.remove:
            say(f"an earlier run was killed: removing its volume {one.volume.full_name}")
            lvm.remove(one.volume.group, one.volume.name)
        else:
            say(f"an earlier run was killed: volume {one.volume.full_name} belongs to {name} and stays")
            lvm.change_tags(one.volume.full_name, remove=one.tags)
    named = set(disks.devices(configs, volumes).values())
    going = [_put_image_right(one, name, os.path.realpath(one) in named, why) for one in images.noted(name)]
    if (any(going) or any(one.remove for one in todo)) and not why:
        remove_dead_link(name)


def _put_image_right(image: Path, name: str, named: bool, why: str) -> bool:
    """The same for an image that is noted; `named`: by a file. Tell whether it was to be removed."""
    mine = images.marked(image) == name
    if mine and not named and why:
        warn(f"an earlier run was killed and left {image}, which stays: {why}; rm removes it")
        return True
    if mine and named:
        say(f"an earlier run was killed: image {image} belongs to {name} and stays")
        images.unmark(image)
    elif mine or images.gone(name, image):
        if mine:
            say(f"an earlier run was killed: removing its image {image}")
        images.remove(image, name)
    elif not image.exists():  # its file system is not mounted now
        return False
    elif not named:  # its file system keeps no marks
        warn(f"an earlier run was killed and may have left {image}: if it is nobody's, rm removes it")
    images.forget(name, [image])
    return mine and not named


def remove_dead_link(name: str) -> None:
    """Remove the link that starts NAME with dom0 if its file is gone."""
    link = config.AUTOSTART / f"{name}.cfg"
    if link.is_symlink() and not link.exists() and Path(os.readlink(link)).name == link.name:
        link.unlink()
