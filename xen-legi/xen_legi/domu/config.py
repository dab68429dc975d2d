"""The domU's configuration file, /etc/xen/NAME.cfg: the truth about a domU, written by us, by xen-tools or by hand.

See xl.cfg(5), xl-disk-configuration(5) and xl-network-configuration(5). A change keeps every byte that it does not mean.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xen_legi.domu import otherfiles, xlcfg
from xen_legi.errors import die
from xen_legi.steps import warn

DIRECTORY = Path("/etc/xen")
AUTOSTART = DIRECTORY / "auto"

# what a disk's target may be led in by: 'phy:/dev/vg0/web1-disk', 'file:/srv/web1.img', 'tap:aio:/srv/web1.img'
_PREFIX = re.compile(r"(?:(?:phy|file|raw|qcow2?|vhd|tap2?|aio|tapdisk|ioemu|qdisk|vdi|script):)+")
_FORMATS = ("raw", "qcow", "qcow2", "vhd", "qed")
_READ_ONLY = ("r", "ro")


@dataclass(frozen=True)
class Disk:
    """One disk line: the volume or file in dom0, the device in the guest, "w" or "r"; the format, if it is told: qcow2."""

    path: str
    device: str
    access: str
    format: str = field(default="", compare=False)


@dataclass(frozen=True)
class Vif:
    """One vif line: MAC as it is written, bridge ("" if not named), and every other option."""

    mac: str
    bridge: str
    options: Mapping[str, str]

    @property
    def device(self) -> str:
        """Return the bridge's name in the kernel: with our script for Xen 4.17, VLANs follow it (br0.72, br0:80)."""
        return re.split("[.:]", self.bridge)[0] if self.options.get("script") == "vif-xen-legi" else self.bridge


@dataclass(frozen=True)
class DomuConfig:
    """What we use of a configuration file. Memory in MiB; type is pv, pvh or hvm; `settings` holds every single value."""

    file: Path
    name: str
    type: str
    kernel: str
    ramdisk: str
    memory: int
    vcpus: int
    disks: tuple[Disk, ...]
    vifs: tuple[Vif, ...]
    text: str = field(repr=False)
    settings: Mapping[str, str] = field(repr=False, compare=False, default_factory=dict)

    @property
    def root(self) -> str:
        """Return what the domU's kernel is told to be its root, as in /dev/xvda2 or UUID=...; nothing if it is not told."""
        given = self.settings
        line = f"root={given.get('root', '')} {given.get('cmdline', '')} {given.get('extra', '')}"
        roots: list[str] = re.findall(r"(?:^|\s)root=(\S+)", line)
        return roots[-1] if roots else ""

    @property
    def autostart(self) -> bool:
        """Tell whether a link in /etc/xen/auto starts this domU with dom0."""
        return any(True for _ in auto_links(self.file))


@dataclass(frozen=True)
class Unreadable:
    """A file *.cfg that cannot be read. What it names is not known, so it may be any volume."""

    file: Path
    reason: str


def all_readable() -> list[DomuConfig]:
    """Return what each file *.cfg says. Die while one cannot be read: nobody knows what it uses."""
    found, broken = all_files()
    for one in broken:
        hint = f"it may use the same volumes: mend it, or move it out of {DIRECTORY}"
        die(f"{one.file} cannot be read: {one.reason}", hint=hint)
    return found


def parse(text: str, file: Path) -> DomuConfig:
    """Given the text of a domU's file, return what it says. Raise ValueError naming the line if it is no xl.cfg text."""
    values = xlcfg.values(text)
    plain = {key: value.value for key, value in values.items() if isinstance(value, xlcfg.Atom)}
    return DomuConfig(
        file=file,
        name=plain.get("name", ""),
        type=_type(plain),
        kernel=plain.get("kernel", ""),
        ramdisk=plain.get("ramdisk", ""),
        memory=_number(plain.get("memory", "0")),
        vcpus=_number(plain.get("vcpus", "1")),
        disks=tuple(disk(one.value) for one in xlcfg.atoms(values.get("disk", ()))),
        vifs=tuple(vif(one.value) for one in xlcfg.atoms(values.get("vif", ()))),
        text=text,
        settings=plain,
    )


def read(file: Path) -> DomuConfig:
    """Read a domU's file. Die if it cannot be read or is no domU's."""
    try:
        config = parse(file.read_text(encoding="utf-8", errors="surrogateescape"), file)
    except (OSError, ValueError, RecursionError) as error:
        die(f"{file}: {_reason(error)}", hint="xl create --dryrun FILE shows what xl thinks of it")
    if not config.name:
        die(f"{file} names no domU", hint="a domU's file has a line: name = 'NAME'")
    return config


def by_name(name: str, directory: Path = DIRECTORY) -> DomuConfig:
    """Return the domU of that name, whatever its file is called. Die if there is none."""
    found = find(name, directory)
    if not found:
        known = ", ".join(one.name for one in all_domus(directory)) or "none"
        die(f"there is no domU {name!r}", hint=f"domUs in {directory}: {known}")
    return found


def find(name: str, directory: Path = DIRECTORY) -> DomuConfig | None:
    """Return the domU of that name, or None. The file that bears the name goes before others that hold it."""
    return next((one for one in all_domus(directory) if one.name == name), None)


def all_domus(directory: Path = DIRECTORY) -> list[DomuConfig]:
    """Return the domUs that have a file in `directory`, by name; of several with one name, that whose file bears it goes
    first. Warn of files that cannot be read."""
    found, broken = all_files(directory)
    for one in broken:
        warn(f"{one.file}: {one.reason}; this file is left out")
    return sorted((one for one in found if is_domu(one)), key=lambda one: (one.name, one.file.stem != one.name))


def all_files(directory: Path = DIRECTORY) -> tuple[list[DomuConfig], list[Unreadable]]:
    """Return what each file *.cfg in `directory` says, also one that lacks what makes a domU, and those that cannot be read;
    and the domUs that certainly have a file called otherwise.

    Who removes something must know all of them: a file without a name may still name a volume.
    """
    found: list[DomuConfig] = []
    broken: list[Unreadable] = []
    for file in sorted(directory.glob("*.cfg")):
        if os.path.isdir(file) or file.name.startswith(".#"):  # no files: the latter is a lock of Emacs, a link to nothing
            continue
        try:
            found.append(parse(file.read_text(encoding="utf-8", errors="surrogateescape"), file))
        except (OSError, ValueError, RecursionError) as error:
            if os.path.lexists(file):  # else it has just been removed
                broken.append(Unreadable(file, _reason(error)))
    return found + _of_other_files(directory, found), broken


def _of_other_files(directory: Path, found: list[DomuConfig]) -> list[DomuConfig]:
    """Return the domUs that have no file *.cfg: their file is called as they are (xen-tools with `extension =`), or is what
    starts with dom0."""
    more: dict[str, DomuConfig] = {}
    known = {os.path.realpath(one.file) for one in found}
    plain = map(_parsed, otherfiles.plain(directory))
    called = [one for one in plain if one and one.file.name in otherfiles.names(one.name)]
    for one in (*called, *(_parsed(path) for path in otherfiles.started(directory) if str(path) not in known)):
        if one and is_domu(one):
            more.setdefault(one.name, one)
    return [one for name, one in more.items() if not any(is_domu(other) and other.name == name for other in found)]


def _parsed(path: Path) -> DomuConfig | None:
    try:
        return parse(otherfiles.text(path), path)
    except (ValueError, RecursionError):
        return None


def that_may_name(domu: DomuConfig, directory: Path = DIRECTORY) -> tuple[list[DomuConfig], dict[Path, str]]:
    """Return what files say that are no *.cfg, but for those of this domU itself (web1.cfg.off), and the texts of those that
    are no xl.cfg: xl takes any file, so each of them may be a domU's, now or once more."""
    found: list[DomuConfig] = []
    texts: dict[Path, str] = {}
    for path in otherfiles.every(directory):
        if one := _parsed(path):
            found += [one] if one.name != domu.name and one.disks else []
        else:
            texts[path] = otherfiles.text(path)
    return found, texts


def is_domu(config: DomuConfig) -> bool:
    """Tell whether a file describes a domU; a cpupool's file, for one, has a name too."""
    return bool(config.name) and any(key in config.settings for key in ("kernel", "bootloader", "firmware", "memory"))


def auto_links(file: Path, directory: Path = AUTOSTART) -> list[Path]:
    """Return the entries of /etc/xen/auto that are this file or lead to it."""
    if not directory.is_dir():
        return []
    target = os.path.realpath(file)  # unlike Path.resolve() it does not raise where links go round in circles
    return sorted(one for one in directory.iterdir() if os.path.realpath(one) == target)


def replace_disks(text: str, paths: Mapping[str, str]) -> str:
    """Given {old path: new path}, return the text with the disks' paths replaced and every other byte kept."""
    changes = []
    for one in xlcfg.assignments(text):
        for atom in xlcfg.atoms(one.value) if one.key == "disk" else ():
            old = disk(atom.value).path
            place = _place(text[atom.start:atom.end], old) if old in paths else -1
            if place >= 0:
                changes.append((atom.start + place, atom.start + place + len(old), paths[old]))
    return xlcfg.replaced(text, changes)


def with_numbers(text: str, numbers: Mapping[str, int]) -> str:
    """Given {key: number}, return the text with these settings and every other byte kept. What is not there is added."""
    places = {one.key: one.value for one in xlcfg.assignments(text) if isinstance(one.value, xlcfg.Atom)}
    changes = [(places[key].start, places[key].end, str(number)) for key, number in numbers.items() if key in places]
    added = "".join(f"{key} = {number}\n" for key, number in numbers.items() if key not in places)
    changed = xlcfg.replaced(text, changes)
    return changed if not added else f"{changed}\n{added}" if not changed.endswith("\n") else changed + added


def rename(text: str, name: str) -> str:
    """Return the text with the domU's name replaced and every other byte kept."""
    values = [one.value for one in xlcfg.assignments(text) if one.key == "name"]
    return xlcfg.replaced(text, [(one.start, one.end, name) for one in values if isinstance(one, xlcfg.Atom)])


def disk(text: str) -> Disk:
    """Given one disk line, by position ('phy:/dev/vg0/web1-disk,xvda2,w') or by key, return the disk."""
    named: dict[str, str] = {}
    positions: list[str] = []
    prefixed = ""
    rest = text.strip()
    while rest:
        if match := re.match(r"target=(.*)", rest):  # takes all that follows, commas too
            named["target"], rest = match[1].strip(), ""
            continue
        word, _, rest = (part.strip() for part in rest.partition(","))
        key, equals, value = word.partition("=")
        if equals and re.fullmatch(r"[a-z-]+", key):
            named[key] = value
        elif not positions and _PREFIX.match(word):
            positions.append(_PREFIX.sub("", word, count=1))
            prefixed = word.removesuffix(positions[0])
        elif word == "cdrom":
            named["devtype"] = word
        elif word not in ("no-discard", "discard", "direct-io-safe"):
            positions.append(word)
    return _disk(named, positions, prefixed)


def _disk(named: dict[str, str], positions: list[str], prefixed: str) -> Disk:
    target = named.get("target") or (positions.pop(0) if positions else "")
    format = named.get("format", "") or next((one for one in _FORMATS if one != "raw" and one in prefixed.split(":")), "")
    if not prefixed and positions and (positions[0] in _FORMATS or positions[0] == ""):
        format = format or positions.pop(0)  # the format stands second, unless a prefix has told it
    device, _, kind = (named.get("vdev") or (positions.pop(0) if positions else "")).partition(":")
    access = named.get("access") or (positions.pop(0) if positions else "w")
    only_read = access in _READ_ONLY or "cdrom" in (kind, named.get("devtype"))  # a CD is never written, whatever is said
    return Disk(target, device, "r" if only_read else "w", format)


def vif(text: str) -> Vif:
    """Given one vif line, 'mac=00:16:3E:48:12:34,bridge=xenbr72', return the vif."""
    options = {}
    for word in text.split(","):
        key, equals, value = (part.strip() for part in word.partition("="))
        if equals:
            options[key] = value
    return Vif(options.pop("mac", ""), options.pop("bridge", ""), options)


def _type(plain: Mapping[str, str]) -> str:
    if plain.get("type"):
        return plain["type"].lower()
    if plain.get("builder", "").lower() == "hvm":
        return "hvm"
    return "pvh" if plain.get("pvh", "0") == "1" else "pv"


def _number(text: str) -> int:
    """Read a number as xl does: 010 is octal, 0x10 is hexadecimal."""
    try:
        return int(text, 8) if re.fullmatch(r"0\d+", text) else int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _place(raw: str, path: str) -> int:
    """Return where `path` stands whole in the raw text of a disk line, or -1."""
    match = re.search(rf"(?:^|(?<=[,:=\s])){re.escape(path)}(?=\s*(?:,|$))", raw)
    return match.start() if match else -1


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
