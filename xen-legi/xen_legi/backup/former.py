"""What stood in /etc/xen before a copy was promoted, and its way back there. No file is ever lost; deciding is pure.

A domU's own file is kept beside its place as FILE.before-promote (then .2, .3); a promoted copy's file that somebody has
changed is kept as FILE.promoted and is never put back by itself. Whether a file is that of the promoted copy is told by
its disks: our header proves nothing, because a domU that was promoted once bears it ever after.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.backup.generations import COPY, Copy
from xen_legi.domu import config as domu_config
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die
from xen_legi.steps import say
from xen_legi.storage import lvm

BEFORE, AFTER = ".before-promote", ".promoted"


@dataclass(frozen=True)
class Kept:
    """A domU's file that made room for a promoted copy's; the highest number is the latest."""

    file: Path
    domu: str

    @property
    def place(self) -> Path:
        """Where it stood."""
        return self.file.with_name(self.file.name.rpartition(BEFORE)[0])

    @property
    def number(self) -> int:
        """Which one it is; the first has no number in its name."""
        return _number(self.file, BEFORE)


@dataclass(frozen=True)
class WayBack:
    """The files of the promoted copy, which go, and what takes its old place again."""

    gone: tuple[Path, ...]
    kept: Kept | None


def disk_paths(copy: Copy) -> frozenset[str]:
    """Return the paths by which a file can name the volumes of a copy, promoted or not, and nobody else's volumes."""
    names = {(slot.copy.volume.group, name) for slot in copy.slots.values() if slot.copy
             for name in (slot.copy.volume.name, f"{slot.name}{COPY}")}
    plain = {f"/dev/{group}/{name}" for group, name in names}
    return frozenset(plain | {f"/dev/mapper/{lvm.device_mapper_name(group, name)}" for group, name in names})


def is_of_copy(config: DomuConfig, paths: Collection[str]) -> bool:
    """Tell whether a file describes the copy with these disks; one disk is enough, others may have been added since."""
    return any(disk.path in paths for disk in config.disks)


def place(domu: str, own: DomuConfig | None, directory: Path = domu_config.DIRECTORY) -> Path:
    """Return where a promoted copy's file goes: to that of its domU, so that what starts it with dom0 still does. Die if
    another domU is in its place."""
    if own and own.file.parent != directory:  # what is kept beside it would not be found, or would start with dom0
        die(f"the file of {domu} is {own.file}", hint=f"move it to {directory / f'{domu}.cfg'}")
    file = own.file if own else directory / f"{domu}.cfg"
    there = _parsed(file)
    if there and there.name not in ("", domu):
        die(f"{file} is the file of {there.name!r}, not of {domu!r}", hint=f"give it another name: mv {file} ...")
    return file


def make_room(file: Path, text: str, copy: Copy, renamed: Mapping[str, str]) -> None:
    """Keep what stands at `file`, where `text` is to be written, unless an earlier attempt of this promotion wrote it.

    `renamed` are the paths of the copy's volumes: what they were called, and what they are called from now on.
    """
    there = _parsed(file)
    if there and domu_config.replace_disks(there.text, renamed) == text or not os.path.lexists(file):
        return
    paths = disk_paths(copy) | set(renamed.values())
    kept = keep(file, AFTER if there and is_of_copy(there, paths) else BEFORE)
    say(f"• {file} is written anew; what it was is kept as {kept}")


def keep(file: Path, suffix: str) -> Path:
    """Give a file a second name beside its own, which no other file has, and return that; once for each content."""
    found = [(_number(one, suffix), one) for one in file.parent.glob(f"*{suffix}*")]
    mine = [(number, one) for number, one in found if number and one.name.startswith(f"{file.name}{suffix}")]
    if mine and file.is_file() and max(mine)[1].is_file() and max(mine)[1].read_bytes() == file.read_bytes():
        return max(mine)[1]
    number = max((number for number, _ in found), default=0) + 1  # higher than all, so that the latest is known
    kept = file.with_name(f"{file.name}{suffix}" + (f".{number}" if number > 1 else ""))
    os.link(file, kept, follow_symlinks=False)  # unlike a rename, it never takes another file's place
    files.sync(file.parent)
    return kept


def all_kept(domu: str, directory: Path = domu_config.DIRECTORY) -> list[Kept]:
    """Return the kept files of a domU, the latest last, whatever their names: a file need not be called as its domU is."""
    found = [Kept(file, one.name) for file in directory.glob(f"*{BEFORE}*") if (one := _parsed(file))]
    return sorted((one for one in found if one.domu == domu and one.number), key=lambda one: (one.number, one.file))


def way_back(own: Sequence[DomuConfig], paths: Collection[str], kept: Sequence[Kept], *, local: bool) -> WayBack:
    """Given the files of the domU in /etc/xen, the disks of its promoted copy and what was kept, return the way back.

    Only a copy on its domU's own host has displaced a file. A file that is not the promoted copy's has come back already.
    """
    gone = tuple(one.file for one in own if is_of_copy(one, paths))
    return WayBack(gone, kept[-1] if kept and local and (gone or not own) else None)


def go_back(way: WayBack, written: str) -> None:
    """Take the way back. `written` is what the promotion wrote: what differs from it is kept, too."""
    for file in way.gone:
        if files.read(file) != written:
            say(f"• the promoted copy's file was changed; it is kept as {keep(file, AFTER)}")
    if way.kept and (way.kept.place in way.gone or not os.path.lexists(way.kept.place)):
        way.kept.file.replace(way.kept.place)
    elif way.kept:
        say(f"• {way.kept.place} is another file; the domU's former one stays {way.kept.file}")
    for file in way.gone:
        if not way.kept or file != way.kept.place:
            file.unlink(missing_ok=True)
    for directory in {file.parent for file in (*way.gone, *([way.kept.place] if way.kept else []))}:
        files.sync(directory)


def forget_twins(own: Iterable[DomuConfig], kept: Iterable[Kept]) -> None:
    """Remove second names of files that are in their place: a promotion was killed before it wrote its own."""
    for one in kept:
        if any(_same(one.file, config.file) for config in own):
            one.file.unlink(missing_ok=True)


def _parsed(file: Path) -> DomuConfig | None:
    """Return what a file says; None if it cannot be read, or is not there."""
    try:
        return domu_config.parse(file.read_text(encoding="utf-8", errors="surrogateescape"), file)
    except (OSError, ValueError, RecursionError):
        return None


def _number(file: Path, suffix: str) -> int:
    """Return the number in a kept file's name; 0 if it is none."""
    match = re.fullmatch(rf".+{re.escape(suffix)}(?:\.(\d+))?", file.name)
    return int(match[1] or 1) if match else 0


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False
