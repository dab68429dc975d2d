"""Ghosts: short-lived snapshots of a domU's volumes, from which it is copied while it runs.

A ghost is writable, because a filesystem that was in use has a journal to replay, and it is mounted read-only. Its name
has the run in it and its tags say whose it is; while it lives, a lock is held for its domU. So a ghost without that
lock is a leftover, and what does not carry our tag is none of our ghosts, whatever its name.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.backup.pause import Pause, paused
from xen_legi.errors import Problem, die, fail
from xen_legi.run import run
from xen_legi.steps import lock, named_point, warn
from xen_legi.storage import lvm
from xen_legi.storage.lvm import TAG, Volume
from xen_legi.units import MIB, format_size, parse_size

GHOST_TAG = f"{TAG}.ghost"
_LEAST = 8 * MIB
_DEAD = ("Invalid", "Overflow", "Merge failed", "Unknown")


@dataclass(frozen=True)
class Ghost:
    """A ghost and the volume that it shows as it was."""

    origin: Volume
    name: str

    @property
    def device(self) -> Path:
        """The ghost's device."""
        return Path("/dev") / self.origin.group / self.name

    def percent(self) -> float:
        """Return how full the ghost is; it only ever grows. Fail if the ghost no longer shows what was."""
        device = lvm.device_mapper_name(self.origin.group, self.name)
        status = run(["dmsetup", "status", device], timeout=60).stdout
        filled = fullness(status)
        if filled is None:
            fail(
                f"the ghost of {self.origin.full_name} is not valid any more: {status.strip() or 'it is gone'}",
                hint="the domU changed more than ghost_size allows; nothing was deleted anywhere; make ghost_size larger",
            )
        return filled


def lock_name(domu: str) -> str:
    """Return the name of the lock under which a domU is copied; its own lock is for those who change it."""
    return f"backup-{domu}"


def size_of(setting: str, origin: int) -> int:
    """Given the setting ghost_size (20% or 2G) and a volume's size, return the ghost's size in bytes. Die if it is none."""
    if match := re.fullmatch(r"(\d{1,3})\s*%", setting.strip()):
        if not 1 <= int(match[1]) <= 100:
            die(f"ghost_size {setting!r} is not between 1% and 100%", hint="a share, as in 20%, or a size, as in 2G")
        return max(_LEAST, origin * int(match[1]) // 100)
    return min(max(_LEAST, parse_size(setting, what="ghost_size")), origin + origin // 64 + _LEAST)


def fullness(status: str) -> float | None:
    """Given what `dmsetup status` says of a snapshot, return how full it is in percent, or None if it is of no use.

    A thin snapshot shares its pool's space and has no fullness of its own: 0, unless its pool has failed.
    """
    words = status.split()
    if len(words) < 4 or any(dead in status for dead in _DEAD):
        return None
    if words[2] == "thin":
        return None if "Fail" in status else 0.0
    used, slash, total = words[3].partition("/")
    if words[2] != "snapshot" or not slash or not used.isdecimal() or not int(total):
        return None
    return 100 * int(used) / int(total)


@contextlib.contextmanager
def ghosts(domu: str, origins: Sequence[Volume], setting: str, run_name: str) -> Iterator[tuple[list[Ghost], Pause]]:
    """Make a ghost of every volume, all of the same moment, and yield them; they are removed at the end."""
    _need_space(domu, origins, setting)
    made = [Ghost(origin, f"{origin.name}.ghost-{run_name}") for origin in origins]
    tags = [TAG, GHOST_TAG, f"{TAG}.domu={domu}", f"{TAG}.run={run_name}"]
    try:
        with lock(f"domu-{domu}", what=f"domU {domu}", wait=10), paused(domu, len(made) > 1) as pause:
            for one in made:
                _make(one, setting, tags)
                named_point("backup:ghost-made")
        named_point("backup:ghosts-made")
        yield made, pause
    finally:
        for one in made:
            _remove(one.origin.group, one.name)
        named_point("backup:ghosts-removed")


def reap() -> list[str]:
    """Remove the ghosts that killed runs have left, and return their names."""
    reaped = []
    for one in _all_ghosts():
        with _abandoned(one.tagged(f"{TAG}.domu")) as free:
            if free and any(now.uuid == one.uuid for now in _all_ghosts()) and _remove(one.group, one.name):
                reaped.append(one.full_name)
    return reaped


@contextlib.contextmanager
def _abandoned(domu: str) -> Iterator[bool]:
    """Hold the lock of a domU's backup and yield True, or False if a run holds it: then its ghosts are in use."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(lock_name(domu), what=domu))
        except Problem:
            yield False
            return
        yield True


def _all_ghosts() -> list[Volume]:
    return [one for one in lvm.volumes() if is_ghost(one)]


def is_ghost(one: Volume) -> bool:
    """Tell whether a volume is a ghost of ours. lvcreate(8) makes a volume first and then a snapshot of it: one that was
    killed between the two, or cut off, leaves it without origin, with the same tags and the name of its run."""
    run_name = one.tagged(f"{TAG}.run")
    half_made = bool(run_name) and one.name.endswith(f".ghost-{run_name}")
    return GHOST_TAG in one.tags and one.ours and (bool(one.origin) or half_made)


def _make(one: Ghost, setting: str, tags: Sequence[str]) -> None:
    if one.origin.pool:
        lvm.thin_snapshot(one.origin, one.name, tags=tags)
    else:
        lvm.snapshot(one.origin, one.name, size_of(setting, one.origin.size), tags=tags)


def _remove(group: str, name: str) -> bool:
    """Remove a ghost if it is there and really one. One that cannot go now is left to the next run, and said: False."""
    try:
        found = lvm.find(group, name)
        if found and is_ghost(found):
            lvm.remove(group, name)
    except Problem as error:
        warn(f"the ghost {group}/{name} could not be removed; the next run tries again: {error.message}")
        return False
    return True


def _need_space(domu: str, origins: Sequence[Volume], setting: str) -> None:
    for name in sorted({one.group for one in origins if not one.pool}):
        group = lvm.group(name)
        wanted = sum(group.rounded(size_of(setting, one.size)) for one in origins if one.group == name and not one.pool)
        if wanted > group.free:
            die(
                f"volume group {name} has {format_size(group.free)} free, the ghosts of {domu} need {format_size(wanted)}",
                hint="make room, or set a smaller ghost_size in /etc/xen-legi/xen-legi.toml",
            )
