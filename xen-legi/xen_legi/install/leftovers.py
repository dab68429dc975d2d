"""What a killed `create` or `delete` left, found by its tags and put right by whatever verb comes next.

A volume carries `xen-legi.creating=NAME` until the domU's file is there, and `xen-legi.deleting=NAME` from before the
file goes. So, with nobody at work on NAME: a volume that a domU's file names stays and loses its tags, one that no file
names is removed. A volume without the tags is never touched.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.steps import is_locked, lock, say, warn
from xen_legi.storage import lvm
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
    """Return the name of the lock under which a domU is made, changed or removed."""
    return f"domu-{name}"


def new_file(name: str) -> Path:
    """Return where a domU's file is written before it gets its name; it does not end with .cfg."""
    return config.DIRECTORY / f".{name}.cfg.making"


def repairs(volumes: Iterable[Volume], domus: Iterable[DomuConfig]) -> list[Repair]:
    """Return what to do with volumes that carry our tags."""
    named = {Path(disk.path) for domu in domus for disk in domu.disks}
    found = []
    for one in volumes:
        name = one.tagged(CREATING) or one.tagged(DELETING)
        if one.ours and name:
            tags = tuple(tag for tag in sorted(one.tags) if tag == TAG or tag.startswith((f"{CREATING}=", f"{DELETING}=")))
            found.append(Repair(name, one, one.path not in named, tags))
    return found


def clean() -> None:
    """Put right what killed runs left. Whoever is at work is left alone; what cannot be removed now is warned of."""
    names = {one.name for one in repairs(lvm.volumes(), ())}
    names |= {path.name[1:].removesuffix(".cfg.making") for path in config.DIRECTORY.glob(".*.cfg.making")}
    for name in sorted(names):
        if is_locked(lock_name(name)):
            continue
        try:
            with lock(lock_name(name), what=f"domU {name}"):
                _put_right(name)
        except Problem as problem:
            warn(f"what an earlier run left of {name} is still there: {problem.message}")


def _put_right(name: str) -> None:
    """With the lock held, do it: the facts are read again, since another run may have come first."""
    new_file(name).unlink(missing_ok=True)
    todo = [one for one in repairs(lvm.volumes(), config.all_domus()) if one.name == name]
    for one in todo:
        if one.remove:
            say(f"an earlier run was killed: removing its volume {one.volume.full_name}")
            lvm.remove(one.volume.group, one.volume.name)
        else:
            say(f"an earlier run was killed: volume {one.volume.full_name} belongs to {name} and stays")
            lvm.change_tags(one.volume.full_name, remove=one.tags)
    if any(one.remove for one in todo):
        remove_dead_link(name)


def remove_dead_link(name: str) -> None:
    """Remove the link that starts NAME with dom0 if its file is gone."""
    link = config.AUTOSTART / f"{name}.cfg"
    if link.is_symlink() and not link.exists() and Path(os.readlink(link)).name == link.name:
        link.unlink()
