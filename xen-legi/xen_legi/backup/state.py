"""What a receiver tells of itself: its copies, its room, its programs, and whether a domU runs here."""

import re
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from xen_legi import VERSION
from xen_legi.backup import generations
from xen_legi.backup.generations import Copy
from xen_legi.domu import config as domu_config
from xen_legi.domu import renamed, xl
from xen_legi.errors import Problem
from xen_legi.peers import book
from xen_legi.run import run
from xen_legi.storage import lvm

SAFE_RSYNC = (3, 2, 7)  # the oldest that a supported Debian ships with its security fixes


@dataclass(frozen=True)
class Facts:
    """A copy in numbers; state: good, dirty (a run is under way or died, the last good one is kept), promoted, none."""

    domu: str
    group: str
    source: str
    state: str
    generation: int
    newest: int
    time: int
    files: int
    size: int


def host() -> str:
    """Return this host's name as the other dom0s know it."""
    return book.this_host()


def facts(copy: Copy) -> Facts:
    """Return a copy in numbers."""
    best = copy.best
    state = "none" if best is None else "good" if copy.clean else "dirty"
    size = sum(slot.copy.volume.size for slot in copy.slots.values() if slot.copy)
    return Facts(
        domu=copy.domu,
        group=copy.group,
        source=copy.source,
        state="promoted" if copy.promoted else state,
        generation=best.number if best else 0,
        newest=copy.newest,
        time=copy.time,
        files=copy.files,
        size=size,
    )


def status(source: str, group: str) -> dict[str, Any]:
    """Return what a caller may know: the host, its room for copies, and the caller's own copies."""
    room = lvm.group(group)
    known = generations.copies(lvm.volumes(group)).values()
    return {
        "host": host(),
        "version": VERSION,
        "rsync": rsync_version(),
        "time": int(time.time()),
        "group": group,
        "size": room.size,
        "free": room.free,
        "copies": [asdict(facts(one)) for one in known if one.source == source],
    }


def domu(name: str) -> dict[str, Any]:
    """Return whether a domU is known here, and whether it runs; also if it has another name by now. Of one that is off and
    was promoted from a copy, also the host that made the copy."""
    now = renamed.now(name)
    try:
        running = xl.answers() and any(xl.stays(one) for one in {name, now})
    except Problem:
        running = True  # xl does not answer: then nobody may take it for stopped
    defined = domu_config.find(now) is not None
    promoted = _promoted({name, now}) if defined and not running else ""  # LVM may hang; that it runs must be told
    return {"domu": name, "defined": defined, "running": running, "promoted": promoted}


def _promoted(names: Collection[str]) -> str:
    """Return the host whose copy of a domU of one of these names was promoted here; none, where LVM does not answer."""
    try:
        known = generations.copies(lvm.volumes()).values()
    except Problem:
        return ""
    return next((one.source for one in known if one.promoted and one.domu in names), "")


def rsync_version() -> str:
    """Return the version of this host's rsync, such as 3.5.0."""
    match = re.search(r"version v?(\d+(?:\.\d+)+)", run(["rsync", "--version"], timeout=60).stdout)
    return match[1] if match else "0"
