"""What gets another name with a domU. Pure: what the host has in, a plan or a refusal out."""

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config, image_names
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import Devices, absolute, locate
from xen_legi.domu.removal import Removal
from xen_legi.errors import die
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import LONGEST_DEVICE, TAG, Volume, device_mapper_name

HOST_NAME_FILES = ("/etc/hostname", "/etc/hosts", "/etc/mailname")
_LISTS = ("/etc/hosts",)  # of names of others, too


@dataclass(frozen=True)
class Moved:
    """A volume and its new name."""

    group: str
    old: str
    new: str


@dataclass(frozen=True)
class MovedImage:
    """An image file and its new path."""

    old: Path
    new: Path


@dataclass(frozen=True)
class Renaming:
    """All that a domU's new name changes, in the order in which it is done. It is written down before the first change, so
    that a killed one can be ended. `root` is the device or image with the domU's own host name, if any; `links` are the
    entries of /etc/xen/auto that lead to `file`."""

    old: str
    new: str
    volumes: tuple[Moved, ...]
    root: Path | None
    file: Path
    new_file: Path
    old_text: str
    text: str
    links: tuple[Path, ...]
    images: tuple[MovedImage, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Return the plan for people."""
        moved = [f"volume {one.group}/{one.old} to {one.group}/{one.new}" for one in self.volumes]
        moved += [f"image {one.old} to {one.new}" for one in self.images]
        host_name = [f"host name of the domU, on {self.root}: {label(self.old)} to {label(self.new)}"] if self.root else []
        links = [f"link {one} to {one.with_name(link_name(one, self.old, self.new))}" for one in self.links]
        where = f" to {self.new_file}" if self.new_file != self.file else ""
        return [*moved, f"file {self.file}{where}", *links, *host_name]

    @property
    def kept(self) -> list[str]:
        """Return the disks that the domU writes and that keep their names."""
        paths = [{disk.path for disk in config.parse(text, self.file).disks if disk.access == "w"}
                 for text in (self.old_text, self.text)]
        return sorted(paths[0] & paths[1])


class Left(enum.Enum):
    """What is left of a plan that was written down, as the domU's files tell."""

    ALL = "all, or the rest of the volumes and the file"
    END = "the links and the host name"
    STALE = "something else has happened since"


def left(plan: Renaming, old_text: str, new_text: str) -> Left:
    """Given what stands in the plan's two files ("": not there), tell what is left. What a person did since goes first."""
    if plan.file == plan.new_file:
        return {plan.old_text: Left.ALL, plan.text: Left.END}.get(old_text, Left.STALE)
    if old_text == plan.old_text and new_text in ("", plan.text):
        return Left.ALL
    return Left.END if (old_text, new_text) == ("", plan.text) else Left.STALE


@dataclass(frozen=True)
class Place:
    """What there is on this host: all files that name disks, the names in /etc/xen and in /etc/xen/auto, the volumes.
    `linked`: the domU's file is a link to somewhere else."""

    domus: Sequence[DomuConfig]
    names: frozenset[str]
    starting: frozenset[str]
    volumes: Sequence[Volume]
    known: Devices
    linked: bool = False


def plan(going: Removal, new: str, place: Place, root: Volume | Image | None) -> Renaming:
    """Return what gets a new name. Die if that is taken, or if the domU has two files.

    `going` is what belongs to the domU alone, as if it were deleted; `root` the volume or image with its host name, if that
    is known.
    """
    domu = going.domu
    _check_alone(domu, place.domus)
    _check_tags(domu, place)
    moved = tuple(renamed_volume(one, domu.name, new, place.volumes) for one in going.volumes)
    new_file = domu.file.with_name(link_name(domu.file, domu.name, new))
    if domu.file.parent != config.DIRECTORY or place.linked:  # the administrator's own order
        new_file = domu.file
    _check_free(new_file, domu, new, going.links, place)
    files = tuple(MovedImage(one, image_names.renamed(one, domu.name, new)) for one in going.images)
    text = text_after(domu, new, paths_after(domu, moved, place.volumes, place.known, files))
    afterwards = [(volume.path, Path("/dev") / one.group / one.new) for volume, one in zip(going.volumes, moved)]
    afterwards += [(one.old, one.new) for one in files]
    device = next((after for before, after in afterwards if root and before == root.path), None)
    return Renaming(domu.name, new, moved, device, domu.file, new_file, domu.text, text, going.links, files)


def _check_alone(domu: DomuConfig, domus: Iterable[DomuConfig]) -> None:
    """Die if another file has the name: afterwards they would be two domUs, and nothing would keep both from starting."""
    for other in domus:
        if other.name == domu.name and other.file != domu.file:
            die(f"{other.file} is a file of domU {domu.name}, too", hint="move one of them out of /etc/xen")


def _check_tags(domu: DomuConfig, place: Place) -> None:
    """Die if one of its disks was a copy: the way back to that is found by the domU's name."""
    for volume in (locate(disk.path, place.volumes, place.known) for disk in domu.disks):
        ours = sorted(tag for tag in volume.tags if tag == TAG or tag.startswith(f"{TAG}.")) if volume else []
        if volume and ours:
            die(f"{volume.full_name} was promoted from a copy, or a command is at work on it ({', '.join(ours)})",
                hint="if it is to stay the domU for good, take these tags away with lvchange --deltag, see lvchange(8)")


def _check_free(new_file: Path, domu: DomuConfig, new: str, links: Iterable[Path], place: Place) -> None:
    if new_file != domu.file and new_file.name in place.names:
        die(f"{new_file} exists already", hint="choose another name, or move the file away")
    for link in links:
        name = link_name(link, domu.name, new)
        if name != link.name and name in place.starting:
            die(f"there is a {link.with_name(name)} already", hint="is it another domU's? else remove it")


def paths_after(
    domu: DomuConfig, moved: Iterable[Moved], volumes: Sequence[Volume], known: Devices, images: Iterable[MovedImage] = (),
) -> dict[str, str]:
    """Return {path as the file has it: new path}, in the spelling that it had if that is one of the usual. An image
    that is named through a link is named by its real path then."""
    names = {(one.group, one.old): one.new for one in moved}
    files = {str(one.old): str(one.new) for one in images}
    found = {}
    for disk in domu.disks:
        volume = locate(disk.path, volumes, known)
        if volume and (after := names.get((volume.group, volume.name))):
            spelled = dict(zip(_spellings(volume.group, volume.name), _spellings(volume.group, after)))
            found[disk.path] = spelled.get(disk.path, f"/dev/{volume.group}/{after}")
        elif volume is None and (real := known.get(absolute(disk.path), "")) in files:
            found[disk.path] = files[real]
    return found


def _spellings(group: str, name: str) -> tuple[str, ...]:
    return (f"/dev/{group}/{name}", f"{group}/{name}", f"/dev/mapper/{device_mapper_name(group, name)}")


def text_after(domu: DomuConfig, new: str, paths: dict[str, str]) -> str:
    """Return the new text of the file. Die if a name or a path stands in it in a way that cannot be replaced."""
    text = config.rename(config.replace_disks(domu.text, paths), new)
    try:
        changed = config.parse(text, domu.file)
    except ValueError:
        die(f"the name in {domu.file} is not in quotes", hint=f"write name = '{domu.name}'")
    if changed.name != new or [one.path for one in changed.disks] != [paths.get(one.path, one.path) for one in domu.disks]:
        die(f"the name or a disk of {domu.file} cannot be replaced in it", hint="is one of them there twice? see xl.cfg(5)")
    return text


def link_name(link: Path, old: str, new: str) -> str:
    """Return what a file or an entry of /etc/xen/auto is called afterwards: one that has a name of its own keeps it."""
    return {f"{old}.cfg": f"{new}.cfg", old: new}.get(link.name, link.name)


def label(name: str) -> str:
    """Return the host name in a domU's name: web1 of web1.example.org."""
    return name.partition(".")[0]


def with_host_name(path: str, text: str, old: str, new: str) -> str:
    """Return the text of a guest's file with its old name replaced, alone and before its domain. In a list of many names
    only lines are meant that have the name itself: mail.example.net is somebody else's, whatever this domU is called."""
    lines = text.split("\n")
    return "\n".join(_line(one, old, new, first=0 if path not in _LISTS else 1) for one in lines)


def _line(line: str, old: str, new: str, *, first: int) -> str:
    """Replace the names in one line, from the field number `first` on: before it stands an address."""
    kept, comment, rest = line.partition("#")
    fields = re.split(r"(\s+)", kept)
    places = [number for number, field in enumerate(fields) if field and not field.isspace()][first:]
    if first and not {fields[one] for one in places} & {old, label(old)}:
        return line
    for one in places:
        fields[one] = _field(fields[one], old, new)
    return "".join(fields) + comment + rest


def _field(field: str, old: str, new: str) -> str:
    if field == old:
        return new
    if field == label(old):
        return label(new)
    domain = field.removeprefix(f"{label(old)}.")
    return field if domain == field else new if "." in new else f"{new}.{domain}"


def renamed_volume(one: Volume, old: str, new: str, volumes: Iterable[Volume]) -> Moved:
    """Return a volume of domU `old` with its name for domU `new`. Die if that is taken or too long."""
    after = new + one.name.removeprefix(old)
    if any((other.group, other.name) == (one.group, after) for other in volumes):
        die(f"there is a volume {one.group}/{after} already", hint="choose another name; lvs(8) lists volumes")
    if len(device_mapper_name(one.group, after)) > LONGEST_DEVICE:
        die(f"the name {new} is too long for a volume", hint="choose a shorter one; each dash in it counts twice")
    return Moved(one.group, one.name, after)
