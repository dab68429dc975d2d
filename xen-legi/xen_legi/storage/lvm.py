"""Logical volumes and snapshots, through lvm2's own JSON. See lvs(8), vgs(8), lvcreate(8), lvremove(8).

Whatever we make for a time carries the tag `xen-legi`; only what carries it is ever removed by a clean-up.
Commands that change metadata are left to finish when we die: lvm2 killed half way can leave a device suspended.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xen_legi.errors import CommandFailed, die
from xen_legi.run import run, run_json

TAG = "xen-legi"
BASE_TAG = f"{TAG}.base"  # a snapshot that stays until the next copy, see backup/base.py
TEST_TAG = f"{TAG}.test"  # a snapshot from which a copy is started for a trial, see backup/trial.py
TIMEOUT = 120  # seconds for one command
MERGE_TIMEOUT = 7200  # every block that has changed is copied
LONGEST_DEVICE = 110  # characters that device-mapper's 127 leave when a snapshot and its layers have added theirs
_FIELDS = (
    "lv_name,vg_name,lv_size,lv_attr,lv_tags,origin,pool_lv,lv_uuid,lv_active,lv_device_open,"
    "lv_snapshot_invalid,lv_merge_failed,data_percent,metadata_percent"
)


@dataclass(frozen=True)
class Group:
    """A volume group; sizes in bytes."""

    name: str
    size: int
    free: int
    extent: int

    def rounded(self, size: int) -> int:
        """Return `size` rounded up to whole extents, as lvcreate does."""
        return -(-size // self.extent) * self.extent


@dataclass(frozen=True)
class Volume:
    """A logical volume as lvs shows it; size in bytes, `percent` how full a snapshot's space is (None: no snapshot), or the
    data of a thin pool, and `table` how full the pool's metadata are."""

    group: str
    name: str
    size: int
    attributes: str
    tags: frozenset[str]
    origin: str
    pool: str
    uuid: str
    active: bool
    open: bool
    invalid: bool
    percent: float | None
    table: float | None = None

    @property
    def path(self) -> Path:
        """Return the device's path, as people and xl write it."""
        return Path("/dev") / self.group / self.name

    @property
    def full_name(self) -> str:
        """Return GROUP/NAME, as lvm2 writes it."""
        return f"{self.group}/{self.name}"

    @property
    def ours(self) -> bool:
        """Tell whether we made this volume for a time, or as a copy."""
        return TAG in self.tags

    @property
    def merging(self) -> bool:
        """Tell whether this volume is being set back to one of its snapshots; it can be used meanwhile."""
        return self.attributes.startswith("O")

    def tagged(self, prefix: str) -> str:
        """Return what follows `prefix=` in the volume's tags, or nothing."""
        return next((tag.removeprefix(f"{prefix}=") for tag in sorted(self.tags) if tag.startswith(f"{prefix}=")), "")


def groups() -> dict[str, Group]:
    """Return the volume groups of this host by name."""
    rows = _report(["vgs", "-o", "vg_name,vg_size,vg_free,vg_extent_size"], "vg")
    return {
        row["vg_name"]: Group(row["vg_name"], int(row["vg_size"]), int(row["vg_free"]), int(row["vg_extent_size"]))
        for row in rows
    }


def group(name: str) -> Group:
    """Return one volume group; die if there is none of that name."""
    known = groups()
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        die(f"there is no volume group {name!r}", hint=f"volume groups on this host: {names}; see vgs(8)")
    return known[name]


def volumes(select: str = "") -> list[Volume]:
    """Return the logical volumes of this host; `select` is GROUP or GROUP/NAME, nothing: all."""
    return [_volume(row) for row in _report(["lvs", "-o", _FIELDS, *([select] if select else [])], "lv")]


def find(group: str, name: str) -> Volume | None:
    """Return one volume, or None."""
    return next((one for one in volumes() if (one.group, one.name) == (group, name)), None)


def create(group: str, name: str, size: int, *, pool: str = "", tags: Iterable[str] = ()) -> Path:
    """Make a volume of `size` bytes, with a thin pool in that, and return its device. Old signatures in its first blocks are
    wiped."""
    space = ["-V", sectors(size), "--thinpool", pool] if pool else ["-L", sectors(size), "--zero", "y"]
    _change(["lvcreate", "--yes", "--wipesignatures", "y", *space, "-n", name, *_tags(tags), group])
    return Path("/dev") / group / name


def snapshot(origin: Volume, name: str, size: int, *, tags: Iterable[str] = ()) -> Path:
    """Make a writable snapshot of a thick volume with `size` bytes for changes and return its device."""
    _change(["lvcreate", "-s", "-p", "rw", "-L", sectors(size), "-n", name, *_tags(tags), origin.full_name])
    return Path("/dev") / origin.group / name


def thin_snapshot(origin: Volume, name: str, *, tags: Iterable[str] = ()) -> Path:
    """Make a snapshot of a thin volume, active at once, and return its device; its changes take space in the pool."""
    _change(["lvcreate", "-s", "-kn", "-n", name, *_tags(tags), origin.full_name])
    return Path("/dev") / origin.group / name


def extend(full_name: str, size: int) -> None:
    """Make a volume `size` bytes large, whatever is on it. Who has it open sees the new size."""
    _change(["lvextend", "--yes", "-L", sectors(size), full_name])


def rename(group: str, old: str, new: str) -> None:
    """Give a volume another name; who has it open keeps it."""
    _change(["lvrename", "--yes", group, old, new])


def activate(full_name: str) -> None:
    """Make a volume's device appear."""
    _change(["lvchange", "--activate", "y", full_name])


def put_away(full_name: str) -> None:
    """Make the device of a thin snapshot disappear, until somebody wants it by name (lvchange -ay -K)."""
    _change(["lvchange", "--setactivationskip", "y", full_name])
    _change(["lvchange", "--activate", "n", full_name])


def thin_id(volume: Volume) -> int:
    """Return the number that a thin volume has in the table of its pool."""
    (row,) = _report(["lvs", "-o", "thin_id", volume.full_name], "lv")
    return int(row["thin_id"])


def sectors(size: int) -> str:
    """Return `size` bytes for lvm2's -L, rounded up: it takes whole sectors only, and makes whole extents of them itself."""
    return f"{-(-size // 512)}s"


def device_mapper_name(group: str, name: str) -> str:
    """Return the name of a volume's device in /dev/mapper, where lvm2 doubles every dash."""
    return f"{group.replace('-', '--')}-{name.replace('-', '--')}"


def change_tags(full_name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Add and remove tags of GROUP/NAME in one command."""
    words = [word for tag in add for word in ("--addtag", tag)] + [word for tag in remove for word in ("--deltag", tag)]
    if words:
        _change(["lvchange", *words, full_name])


def remove(group: str, name: str, *, tries: int = 10) -> None:
    """Remove a volume that is not in use. What has it open for a moment (udev, a probe) is waited for."""
    for last in range(tries):
        try:
            run(["udevadm", "settle", "--timeout=10"], ok=range(256))
            return _change(["lvremove", "-y", f"{group}/{name}"])
        except CommandFailed:
            if find(group, name) is None:
                return None
            if last == tries - 1:
                raise
            time.sleep(0.5 * (last + 1))


def check_name(name: str, *, what: str) -> None:
    """Die if `name` cannot be the name of a logical volume (lvm(8), VALID NAMES)."""
    if not re.fullmatch(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}", name):
        die(f"{what} {name!r} cannot name a volume", hint="letters, digits and . _ + - are allowed")


def _report(argv: list[str], kind: str) -> list[dict[str, str]]:
    tree = run_json([*argv, "--reportformat", "json", "--units", "b", "--nosuffix"], timeout=TIMEOUT)
    try:
        rows: list[dict[str, str]] = tree["report"][0][kind]
    except (KeyError, IndexError, TypeError):
        die(f"{argv[0]} answered without a list of {kind}s", hint="is lvm2 whole? try it by hand")
    return rows


def _volume(row: dict[str, Any]) -> Volume:
    return Volume(
        group=row["vg_name"],
        name=row["lv_name"],
        size=int(row["lv_size"]),
        attributes=row["lv_attr"],
        tags=frozenset(filter(None, row["lv_tags"].split(","))),
        origin=row["origin"],
        pool=row["pool_lv"],
        uuid=row["lv_uuid"],
        active=row["lv_active"] == "active",
        open=row["lv_device_open"] == "open",
        # lvs says "unknown" of what is no snapshot, or not active
        invalid=not {row["lv_snapshot_invalid"], row["lv_merge_failed"]} <= {"", "unknown"},
        percent=_percent(row["data_percent"]),
        table=_percent(row["metadata_percent"]),
    )


def _percent(text: str) -> float | None:
    return float(text) if text else None


def _tags(tags: Iterable[str]) -> list[str]:
    return [word for tag in tags for word in ("--addtag", tag)]


def _change(argv: list[str], *, timeout: float = TIMEOUT) -> None:
    run(argv, timeout=timeout, outlives_us=True)
