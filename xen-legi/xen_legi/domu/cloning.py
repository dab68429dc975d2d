"""What a domU that is like another one consists of. Pure: what the host has in, a plan or a refusal out.

Every disk that the domU writes is a volume that the clone gets as its own; a disk that it only reads is shared. What says
who a machine is becomes another: name, MACs, addresses, the uuid of its file. All else stays as it is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi.domu import addresses, mac, renaming
from xen_legi.domu.config import DomuConfig, Vif
from xen_legi.domu.disks import Devices, locate
from xen_legi.domu.renaming import Moved
from xen_legi.errors import die
from xen_legi.storage.identity import EXT, FILES, SWAP
from xen_legi.storage.lvm import Group, Volume
from xen_legi.units import exact_size, format_size

_FULL = 90  # percent of a thin pool from which on it is too full for one more domU


@dataclass(frozen=True)
class Twin:
    """A volume of the domU, the name of the clone's, the disk in the guest, and what blkid finds on it."""

    origin: Volume
    name: str
    device: str
    kind: str

    @property
    def path(self) -> Path:
        """Return the device of the clone's volume."""
        return Path("/dev") / self.origin.group / self.name

    @property
    def thin(self) -> bool:
        """Tell whether it is a snapshot in a thin pool: there at once, and as good as a volume of its own."""
        return bool(self.origin.pool)

    @property
    def copied(self) -> bool:
        """Tell whether files are copied into it: a swap space is made anew."""
        return not self.thin and self.kind != SWAP

    def described(self) -> str:
        """Return it for a person."""
        how = "thin snapshot" if self.thin else "made anew" if self.kind == SWAP else f"{self.kind}, its files copied"
        return f"volume {self.origin.group}/{self.name} {exact_size(self.origin.size)}, {how}: like {self.origin.full_name}"


@dataclass(frozen=True)
class Cloning:
    """All of a clone. `words` are MACs, addresses and the uuid of the domU with those that the clone has instead; `root` is
    the volume whose files are settled."""

    old: str
    new: str
    twins: tuple[Twin, ...]
    root: Twin
    text: str
    words: Mapping[str, str]
    macs: frozenset[str]
    ips: frozenset[str]

    @property
    def lines(self) -> list[str]:
        """Return the plan for people."""
        words = [f"{old} becomes {new}" for old, new in self.words.items()]
        return [*(one.described() for one in self.twins), *words, f"file /etc/xen/{self.new}.cfg"]


@dataclass(frozen=True)
class Place:
    """What there is on this host: files that name disks, volumes, groups, dom0's own addresses, a uuid that no domU has;
    `vlan` tells that of a bridge, `kind` what is on a device, `ghost` how many bytes the ghost of a volume takes."""

    domus: Sequence[DomuConfig]
    volumes: Sequence[Volume]
    groups: Mapping[str, Group]
    known: Devices
    addresses: frozenset[str]
    uuid: str
    vlan: Callable[[str], int | None]
    kind: Callable[[Path], str]
    ghost: Callable[[int], int]


def plan(domu: DomuConfig, new: str, root: Volume, ips: Sequence[str], place: Place) -> Cloning:
    """Return the clone of a domU under the name `new`; `ips` are its addresses, in the order of those of the domU."""
    twins = _twins(domu, new, place)
    words = {**_macs(domu.vifs, new, place), **_addresses(domu.vifs, ips, place)}
    words |= {domu.settings["uuid"]: place.uuid} if domu.settings.get("uuid") else {}
    moved = [Moved(one.origin.group, one.origin.name, one.name) for one in twins]
    text = renaming.text_after(domu, new, renaming.paths_after(domu, moved, place.volumes, place.known))
    _need_space(twins, place)
    return Cloning(
        old=domu.name,
        new=new,
        twins=twins,
        root=_root(domu, twins, root),
        text=f"# a clone of {domu.name}\n{replaced(text, words)}",
        words=words,
        macs=frozenset(word for word in words.values() if re.fullmatch("[0-9A-F:]{17}", word)),
        ips=frozenset(ips),
    )


def replaced(text: str, words: Mapping[str, str]) -> str:
    """Return a text with MACs and addresses replaced, each as a whole: 10.0.0.1 is no part of 10.0.0.11. In small letters
    what was in small letters."""
    if not words:
        return text
    known = {old.lower(): new for old, new in words.items()}
    any_of = "|".join(re.escape(one) for one in sorted(words, key=len, reverse=True))
    pattern = rf"(?<![\w:.])(?:{any_of})(?![\w:]|\.\d)"
    return re.sub(pattern, lambda match: _in_letters(known[match[0].lower()], match[0]), text, flags=re.IGNORECASE)


def fixed_addresses(text: str) -> set[str]:
    """Return the addresses that a guest's text of its network gives it, without their networks (interfaces(5),
    systemd.network(5)); not those that every machine has."""
    found = re.findall(r"^\s*(?:address\s+|Address\s*=\s*)([0-9A-Fa-f:.]+)", text, re.MULTILINE)
    return {one for one in found if not one.startswith("127.") and one != "::1"}


def _in_letters(new: str, like: str) -> str:
    return new.lower() if like == like.lower() else new


def _twins(domu: DomuConfig, new: str, place: Place) -> tuple[Twin, ...]:
    found: list[Twin] = []
    for disk in (one for one in domu.disks if one.access == "w"):
        volume = locate(disk.path, place.volumes, place.known)
        if volume is None:
            die(f"{disk.path} of {domu.name} is no logical volume of this host: it cannot be cloned",
                hint="lvs shows the volumes")
        taken = [*place.volumes, *(replace(one.origin, name=one.name) for one in found)]
        found.append(Twin(volume, _name(volume, domu.name, new, taken), disk.device, _kind(volume, place)))
    if not found:
        die(f"domU {domu.name} has no disk that it writes", hint="xen-legi info shows its disks")
    return tuple(found)


def _name(volume: Volume, old: str, new: str, taken: Iterable[Volume]) -> str:
    """Return the name of the clone's volume: one that does not bear the domU's name has the clone's before its own."""
    if volume.name == old or volume.name.startswith(f"{old}-"):
        return renaming.renamed_volume(volume, old, new, taken).new
    return renaming.renamed_volume(replace(volume, name=f"-{volume.name}"), "", new, taken).new


def _kind(volume: Volume, place: Place) -> str:
    if not volume.active:
        die(f"{volume.full_name} is not active", hint=f"lvchange -ay {volume.full_name}")
    found = place.kind(volume.path)
    if not volume.pool and found not in (*FILES, SWAP):
        die(f"{volume.full_name} holds {found or 'nothing that blkid knows'} and is not thin: it cannot be cloned",
            hint=f"{', '.join((*EXT, 'xfs'))} and swap can, and whatever is on a thin volume")
    return found


def _root(domu: DomuConfig, twins: Iterable[Twin], root: Volume) -> Twin:
    found = next((one for one in twins if one.origin == root and one.kind in FILES), None)
    if found is None:
        die(f"the root of {domu.name} holds no filesystem whose files could be changed from here",
            hint=f"a clone must not call itself {domu.name}: its root has to be one of {', '.join(FILES)}")
    return found


def _macs(vifs: Iterable[Vif], new: str, place: Place) -> dict[str, str]:
    taken = {vif.mac.upper() for one in place.domus for vif in one.vifs}
    found: dict[str, str] = {}
    for vif in vifs:
        if vif.mac:
            found[vif.mac.upper()] = mac.made(new, place.vlan(vif.bridge) or 0, {*taken, *found.values()})
    return found


def _addresses(vifs: Iterable[Vif], given: Sequence[str], place: Place) -> dict[str, str]:
    old = [word.partition("/")[0] for vif in vifs for word in vif.options.get("ip", "").split()]
    if len(given) != len(old):
        what = f"the domU has {len(old)} fixed addresses" + (f" ({', '.join(old)})" if old else "")
        die(f"{what}, {len(given)} were given", hint="give one --ip for each, in this order" if old else "leave --ip out")
    if len(set(given)) < len(given):
        die("the same address was given twice", hint="each --ip is another address")
    return {before: _free(before, after, place) for before, after in zip(old, given)}


def _free(before: str, after: str, place: Place) -> str:
    """Return an address as it is written. Die if it is none, of another kind than that in whose place it comes, or taken."""
    if "/" in after:
        die(f"--ip {after!r} names a network", hint="the clone stays in the network of the domU: give the address alone")
    one = addresses.address(after, what="address")
    if one.version != addresses.address(before, what="address").version:
        die(f"address {one} cannot come in the place of {before}", hint="give one of the same kind")
    if str(one) in place.addresses:
        die(f"address {one} is dom0's own", hint="choose another one")
    for domu in place.domus:
        if any(str(one) == word.partition("/")[0] for vif in domu.vifs for word in vif.options.get("ip", "").split()):
            die(f"address {one} is that of domU {domu.name}: {domu.file}", hint="choose another one")
    return str(one)


def _need_space(twins: Iterable[Twin], place: Place) -> None:
    for name, group in place.groups.items():
        own = [one for one in twins if one.origin.group == name and not one.thin]
        volumes = sum(group.rounded(one.origin.size) for one in own)
        ghosts = sum(group.rounded(place.ghost(one.origin.size)) for one in own if one.copied)
        if volumes + ghosts > group.free:
            needed = f"{format_size(volumes)} are needed, and {format_size(ghosts)} meanwhile"
            die(f"volume group {name} has {format_size(group.free)} free, {needed}", hint="make room there; see vgs(8)")
    pools = {(one.origin.group, one.origin.pool) for one in twins if one.thin}
    for pool in (one for one in place.volumes if (one.group, one.name) in pools):
        if (pool.percent or 0) >= _FULL:
            die(f"the thin pool {pool.full_name} is full to {pool.percent:.0f} %", hint="make it larger first: lvextend(8)")
