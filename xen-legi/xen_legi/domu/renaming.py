"""What gets another name with a domU. Pure: what the host has in, a plan or a refusal out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import Devices, locate
from xen_legi.domu.removal import Removal
from xen_legi.errors import die
from xen_legi.storage.lvm import LONGEST_DEVICE, TAG, Volume, device_mapper_name

HOST_NAME_FILES = ("/etc/hostname", "/etc/hosts", "/etc/mailname")


@dataclass(frozen=True)
class Moved:
    """A volume and its new name."""

    group: str
    old: str
    new: str


@dataclass(frozen=True)
class Renaming:
    """All that a domU's new name changes, in the order in which it is done. It is written down before the first change, so
    that a killed one can be ended. `text` is that of the new file; `root` the device with the domU's own host name, if any;
    `links` the entries of /etc/xen/auto."""

    old: str
    new: str
    volumes: tuple[Moved, ...]
    root: Path | None
    file: Path
    new_file: Path
    text: str
    links: tuple[Path, ...]

    @property
    def lines(self) -> list[str]:
        """Return the plan for people."""
        moved = [f"volume {one.group}/{one.old} to {one.group}/{one.new}" for one in self.volumes]
        host_name = [f"host name of the domU, on {self.root}: {label(self.old)} to {label(self.new)}"] if self.root else []
        links = [f"link {one} to {one.with_name(link_name(one, self.old, self.new))}" for one in self.links]
        where = f" to {self.new_file}" if self.new_file != self.file else ""
        return [*moved, f"file {self.file}{where}", *links, *host_name]


def plan(
    going: Removal, new: str, volumes: Sequence[Volume], known: Devices, files: Iterable[str], root: Volume | None
) -> Renaming:
    """Return what gets a new name. Die if that is taken.

    `going` is what belongs to the domU alone, as if it were deleted; `files` are the names in /etc/xen, `root` the volume
    with its host name, if that is to change.
    """
    domu = going.domu
    moved = tuple(_moved(one, domu.name, new, volumes) for one in going.volumes)
    new_file = domu.file.with_name(f"{new}.cfg") if domu.file.name == f"{domu.name}.cfg" else domu.file
    if new_file != domu.file and new_file.name in set(files):
        die(f"{new_file} exists already", hint="choose another name, or move the file away")
    text = _text(domu, new, _paths(domu, moved, volumes, known))
    return Renaming(domu.name, new, moved, _after(root, moved), domu.file, new_file, text, going.links)


def _paths(domu: DomuConfig, moved: Iterable[Moved], volumes: Sequence[Volume], known: Devices) -> dict[str, str]:
    """Return {path as the file has it: new path}, in the spelling that it had if that is one of the usual."""
    names = {(one.group, one.old): one.new for one in moved}
    found = {}
    for disk in domu.disks:
        volume = locate(disk.path, volumes, known)
        if volume and (after := names.get((volume.group, volume.name))):
            spelled = dict(zip(_spellings(volume.group, volume.name), _spellings(volume.group, after)))
            found[disk.path] = spelled.get(disk.path, f"/dev/{volume.group}/{after}")
    return found


def _spellings(group: str, name: str) -> tuple[str, ...]:
    return (f"/dev/{group}/{name}", f"{group}/{name}", f"/dev/mapper/{device_mapper_name(group, name)}")


def _text(domu: DomuConfig, new: str, paths: dict[str, str]) -> str:
    """Return the new text of the file. Die if a name or a path stands in it in a way that cannot be replaced."""
    text = config.rename(config.replace_disks(domu.text, paths), new)
    changed = config.parse(text, domu.file)
    if changed.name != new or [one.path for one in changed.disks] != [paths.get(one.path, one.path) for one in domu.disks]:
        die(f"the name or a disk of {domu.file} cannot be replaced in it", hint="is one of them there twice? see xl.cfg(5)")
    return text


def link_name(link: Path, old: str, new: str) -> str:
    """Return what an entry of /etc/xen/auto is called afterwards: one that was given a name of its own keeps it."""
    return f"{new}.cfg" if link.name == f"{old}.cfg" else link.name


def label(name: str) -> str:
    """Return the host name in a domU's name: web1 of web1.example.org."""
    return name.partition(".")[0]


def with_host_name(text: str, old: str, new: str) -> str:
    """Return a file of a guest with the domU's old name replaced wherever it is a word, alone or before a domain."""
    for before, after in {old: new, label(old): label(new)}.items():
        text = re.sub(rf"(?<![\w.-]){re.escape(before)}(?![\w-])", after, text)
    return text


def _moved(one: Volume, old: str, new: str, volumes: Sequence[Volume]) -> Moved:
    after = new + one.name.removeprefix(old)
    if any((other.group, other.name) == (one.group, after) for other in volumes):
        die(f"there is a volume {one.group}/{after} already", hint="choose another name; lvs(8) lists volumes")
    if len(device_mapper_name(one.group, after)) > LONGEST_DEVICE:
        die(f"the name {new} is too long for a volume", hint="choose a shorter one; each dash in it counts twice")
    if ours := sorted(tag for tag in one.tags if tag == TAG or tag.startswith(f"{TAG}.")):
        die(f"{one.full_name} was promoted from a copy, or a backup is at work on it ({', '.join(ours)})",
            hint=f"if it is to stay the domU for good: lvchange --deltag {ours[0]} {one.full_name}")
    return Moved(one.group, one.name, after)


def _after(root: Volume | None, moved: Iterable[Moved]) -> Path | None:
    """Return the root's device after the renaming."""
    if root is None:
        return None
    names = {(one.group, one.old): one.new for one in moved}
    return Path("/dev") / root.group / names.get((root.group, root.name), root.name)
