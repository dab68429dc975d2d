"""What a domU that is like another one consists of. Pure: what the host has in, a plan or a refusal out.

Every disk that the domU writes is a volume or a raw image file that the clone gets as its own; a disk that it only reads is
shared. What says who a machine is becomes another: name, MACs, addresses, the uuid of its file. All else stays as it is.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xen_legi.domu import addresses, claims, config, exclusive, image_names, mac, names, renaming, xlcfg
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import Disk, DomuConfig, Vif
from xen_legi.domu.disks import Devices, Images, backing
from xen_legi.domu.growth import check_raw, names_of
from xen_legi.domu.renaming import Moved, MovedImage
from xen_legi.errors import die
from xen_legi.storage import images as image_files
from xen_legi.storage.identity import EXT, FILES, SWAP
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Group, Volume
from xen_legi.storage.pool import check_room
from xen_legi.units import exact_size, format_size

_OWN = ("vif", "uuid", "root", "extra", "cmdline")  # keys of the file that may say who the domU is
_LONGEST_LINK = 15  # characters of a network interface's name: IFNAMSIZ in <linux/if.h>


@dataclass(frozen=True)
class Twin:
    """A volume or image of the domU, the name of the clone's, the disk that it is, and what blkid finds on it. The name of
    an image is its whole path."""

    origin: Volume | Image
    name: str
    disk: Disk
    kind: str

    @property
    def path(self) -> Path:
        """Return the device or file of the clone's."""
        return Path(self.name) if isinstance(self.origin, Image) else Path("/dev") / self.origin.group / self.name

    @property
    def label(self) -> str:
        """Return what people call the clone's: GROUP/NAME, or the path of a file."""
        return self.name if isinstance(self.origin, Image) else f"{self.origin.group}/{self.name}"

    @property
    def thin(self) -> bool:
        """Tell whether it is a snapshot in a thin pool: there at once, and as good as a volume of its own."""
        return bool(self.origin.pool)

    @property
    def copied(self) -> bool:
        """Tell whether something is copied into it: a swap space is made anew."""
        return not self.thin and self.kind != SWAP

    def described(self) -> str:
        """Return it for a person."""
        is_image = isinstance(self.origin, Image)
        copied = "copied" if is_image else f"{self.kind}, its files copied"
        how = "thin snapshot" if self.thin else "made anew" if self.kind == SWAP else copied
        what = f"{'image' if is_image else 'volume'} {self.label} {exact_size(self.origin.size)}"
        return f"{what}, {how}: like {self.origin.full_name}"


@dataclass(frozen=True)
class Cloning:
    """All of a clone. `words` are MACs and addresses of the domU with those that the clone has in their place; `root` is
    the volume whose files are settled; `doubts` are fixed addresses of the domU that its kernel would be given; `left` is
    what its file does not name because only one domU can have it."""

    old: str
    new: str
    twins: tuple[Twin, ...]
    root: Twin
    text: str
    words: Mapping[str, str]
    macs: frozenset[str]
    ips: frozenset[str]
    doubts: frozenset[str]
    mode: int = 0o644
    left: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Return the plan for people."""
        words = [f"{old} becomes {new}" for old, new in self.words.items()]
        left = [f"left out: {one}" for one in self.left]
        return [*(one.described() for one in self.twins), *words, *left, f"file /etc/xen/{self.new}.cfg"]


@dataclass(frozen=True)
class Place:
    """What there is on this host: files that name disks, volumes, groups, dom0's own addresses, a uuid that no domU has;
    `vlan` tells that of a bridge, `kind` what is on a device, `ghost` how many bytes the ghost of a volume takes. Of images:
    those of the domU, whether a path is taken, and which filesystem a path is in, with the bytes that are free there.
    `others` are dom0 and domUs that have no file here."""

    domus: Sequence[DomuConfig]
    volumes: Sequence[Volume]
    groups: Mapping[str, Group]
    known: Devices
    addresses: frozenset[str]
    uuid: str
    vlan: Callable[[str], int | None]
    kind: Callable[[Path], str]
    ghost: Callable[[int], int]
    images: Images = field(default_factory=dict)
    taken: Callable[[Path], bool] = os.path.lexists
    room: Callable[[Path], tuple[int, int]] = image_files.room
    others: Sequence[Claim] = ()


def plan(domu: DomuConfig, new: str, root: str, ips: Sequence[str], place: Place) -> Cloning:
    """Return the clone of a domU under the name `new`. `root` is the disk with its root ("": as its file tells), `ips` are
    its addresses, in the order of those of the domU."""
    claims.need_free_name(new, place.others)
    twins = _twins(domu, new, place)
    given = _addresses(domu.vifs, ips, place)
    words = {**_macs(domu.vifs, new, place), **given}
    moved = [Moved(one.origin.group, one.origin.name, one.name) for one in twins if isinstance(one.origin, Volume)]
    files = [MovedImage(one.origin.path, one.path) for one in twins if isinstance(one.origin, Image)]
    text = renaming.text_after(domu, new, renaming.paths_after(domu, moved, place.volumes, place.known, files))
    text = _own_text(text, {**words, **_names_of_vifs(domu, new), **_uuid(domu, place)}, domu.file)
    text, left = exclusive.without(text)
    _need_space(twins, place)
    _need_room(twins, place)
    return Cloning(
        old=domu.name,
        new=new,
        twins=twins,
        root=_root(domu, twins, root),
        text=f"# a clone of {domu.name}\n{text}",
        words=words,
        macs=frozenset(after for before, after in words.items() if before not in given),
        ips=frozenset(given.values()),
        doubts=_of_kernel(config.parse(text, domu.file)) - frozenset(given.values()),
        left=tuple(left),
    )


def replaced(text: str, words: Mapping[str, str]) -> str:
    """Return a text with MACs and addresses replaced, each as a whole: 10.0.0.1 is no part of 10.0.0.11. In small letters
    what was in small letters."""
    if not words:
        return text
    known = {old.lower(): new for old, new in words.items()}
    any_of = "|".join(_whole(one) for one in words)
    return re.sub(any_of, lambda match: _in_letters(known[match[0].lower()], match[0]), text, flags=re.IGNORECASE)


def fixed_addresses(text: str) -> set[str]:
    """Return the addresses that a text of a guest's network gives it, without their networks: those that are called so,
    and those with the length of their network (interfaces(5), systemd.network(5), netplan(5), NetworkManager). Not those
    that every machine has, nor networks themselves."""
    return {str(one.ip) for one in _interfaces(text)}


def check_networks(words: Mapping[str, str], texts: Iterable[str]) -> None:
    """Given the words of a plan and the texts of the guest's network, die if an address of the clone cannot be one of the
    network of that in whose place it comes. Where no text tells the network, nothing is known of it."""
    new = {addresses.usual(old): word for old, word in words.items()}
    for one in (one for text in texts for one in _in_networks(text) if str(one.ip) in new):
        length = one.network.prefixlen
        if length == one.network.max_prefixlen:
            continue
        there = ipaddress.ip_interface(f"{new[str(one.ip)]}/{length}")
        if there.network != one.network:
            die(f"address {there.ip} is outside of {one.network}, the network that {one.ip} is in",
                hint="the clone stays in the network of the domU: give an address of that")
        addresses.check_host(there)


def _in_networks(text: str) -> Iterator[addresses.Interface]:
    """Yield a guest's fixed addresses, each in its network as far as the text tells it: in interfaces(5), a netmask may be
    on a line of its own in the same stanza."""
    for stanza in _STANZAS.split(text):
        masks = _NETMASK.findall(stanza)
        for one in _interfaces(stanza):
            alone = one.network.prefixlen == one.network.max_prefixlen
            yield (_masked(one, masks[0]) if alone and len(masks) == 1 else None) or one


def _masked(one: addresses.Interface, mask: str) -> addresses.Interface | None:
    try:
        return ipaddress.ip_interface(f"{one.ip}/{mask}")
    except ValueError:
        return None


_STANZAS = re.compile(r"^(?=\s*iface\s)", re.MULTILINE)
_NETMASK = re.compile(r"^\s*netmask\s+(\S+)", re.MULTILINE)


def _interfaces(text: str) -> list[addresses.Interface]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#") and "route" not in line.lower()]
    found = [_interface(match[1] or match[2]) for line in lines for match in _ADDRESS.finditer(line)]
    return [one for one in found if one and not (one.ip.is_loopback or one.ip.is_unspecified)]


_ADDRESS = re.compile(
    r"(?:^|\s)address(?:es|\d*)?\s*[=:]?\s*[\"']?([0-9a-f:.]+(?:/\d{1,3})?)|(?<![0-9a-f:.])([0-9a-f:.]+/\d{1,3})(?!\d)",
    re.IGNORECASE,
)


def _interface(word: str) -> addresses.Interface | None:
    """Return an address; None for what is none, or is a network."""
    try:
        one = ipaddress.ip_interface(word)
    except ValueError:
        return None
    network = one.network
    return None if network.prefixlen < network.max_prefixlen - 1 and one.ip == network.network_address else one


def _whole(word: str) -> str:
    """Return a pattern of a word whose neighbours are no part of it. An IPv4 address may stand beside a colon."""
    inside = r"[\d.]" if re.fullmatch(r"[\d.]+", word) else r"[\w.:-]"
    after = r"(?!\d|\.\d)" if inside == r"[\d.]" else rf"(?!{inside})"
    return rf"(?<!{inside}){re.escape(word)}{after}"


def _in_letters(new: str, like: str) -> str:
    return new.lower() if like == like.lower() else new


def _own_text(text: str, words: Mapping[str, str], file: Path) -> str:
    """Return the domU's file with words replaced in the lines that say who it is, comments at their ends among them. Die if
    that would change what else it is made of."""
    places = [atom.start for one in xlcfg.assignments(text) if one.key in _OWN for atom in xlcfg.atoms(one.value)]
    numbers = {text.count("\n", 0, start) for start in places}
    lines = [replaced(line, words) if number in numbers else line for number, line in enumerate(text.split("\n"))]
    changed = "\n".join(lines)
    before, after = config.parse(text, file), config.parse(changed, file)
    if (before.name, before.disks, before.kernel, before.ramdisk) != (after.name, after.disks, after.kernel, after.ramdisk):
        die(f"a MAC or an address in {file} is a part of a path, too", hint="put the vif lines on lines of their own")
    return changed


def _names_of_vifs(domu: DomuConfig, new: str) -> dict[str, str]:
    """Return the names that vifs have in dom0, where the file gives some: Xen would take the one for the other."""
    found = {}
    for name in (vif.options["vifname"] for vif in domu.vifs if vif.options.get("vifname")):
        found[name] = new + name.removeprefix(domu.name)
        if not name.startswith(domu.name) or len(found[name]) > _LONGEST_LINK:
            die(f"a vif of {domu.name} has the name {name}, and the clone's needs another one",
                hint=f"take vifname out of {domu.file}, or let it begin with {domu.name}")
    return found


def _uuid(domu: DomuConfig, place: Place) -> dict[str, str]:
    return {domu.settings["uuid"]: place.uuid} if domu.settings.get("uuid") else {}


def _of_kernel(domu: DomuConfig) -> frozenset[str]:
    """Return the addresses that the domU's kernel is given (ip= as in the kernel's nfsroot.rst)."""
    line = " ".join(domu.settings.get(key, "") for key in ("root", "extra", "cmdline"))
    return frozenset(re.findall(r"(?:^|\s)ip=(\d+\.\d+\.\d+\.\d+)", line))


def _twins(domu: DomuConfig, new: str, place: Place) -> tuple[Twin, ...]:
    found: list[Twin] = []
    for disk in (one for one in domu.disks if one.access == "w"):
        volume = backing(disk.path, place.volumes, place.known, place.images)
        if volume is None:
            die(f"{disk.path} of {domu.name} is no logical volume and no image file of this host: it cannot be cloned",
                hint="lvs shows the volumes")
        if isinstance(volume, Image):
            check_raw(disk)
            name = str(_image(volume.path, domu.name, new, [one.path for one in found], place))
            found.append(Twin(volume, name, disk, place.kind(volume.path)))
        else:
            taken = [replace(one.origin, name=one.name) for one in found if isinstance(one.origin, Volume)]
            name = _name(volume, domu.name, new, [*place.volumes, *taken])
            found.append(Twin(volume, name, disk, _kind(volume, place)))
    if not found:
        die(f"domU {domu.name} has no disk that it writes", hint="xen-legi info shows its disks")
    return tuple(found)


def _name(volume: Volume, old: str, new: str, taken: Iterable[Volume]) -> str:
    """Return the name of the clone's volume: one that does not bear the domU's name has the clone's before its own. A domU
    that was promoted beside another may have disks named NAME-disk.copy; the clone's are no copies."""
    volume = replace(volume, name=volume.name.removesuffix(".copy"))
    if names.bears(volume.name, old):
        return renaming.renamed_volume(volume, old, new, taken).new
    return renaming.renamed_volume(replace(volume, name=f"-{volume.name}"), "", new, taken).new


def _image(file: Path, old: str, new: str, planned: Sequence[Path], place: Place) -> Path:
    """Return the path of the clone's image. Die if it is taken, or if its directory is there already: it is another's."""
    path = image_names.of_clone(file, old, new)
    beside = path if path.parent == file.parent else path.parent
    if path in planned or place.taken(beside):
        die(f"{path if path in planned else beside} exists already", hint="choose another name, or move it away")
    return path


def _kind(volume: Volume, place: Place) -> str:
    if not volume.active:
        die(f"{volume.full_name} is not active", hint=f"lvchange -ay {volume.full_name}")
    found = place.kind(volume.path)
    if not volume.pool and found not in (*FILES, SWAP):
        die(f"{volume.full_name} holds {found or 'nothing that blkid knows'} and is not thin: it cannot be cloned",
            hint=f"{', '.join((*EXT, 'xfs'))} and swap can, and whatever is on a thin volume")
    return found


def _root(domu: DomuConfig, twins: Sequence[Twin], wanted: str) -> Twin:
    """Return the volume with the root: that which is named, or which the file tells, or the only one with files."""
    name = wanted or re.sub("^/dev/", "", domu.root)
    meant = [one for one in twins if name in names_of(one.disk, one.origin)]
    if not wanted and not meant:
        meant = [one for one in twins if one.kind in FILES]
    if len(meant) != 1:
        there = ", ".join(one.disk.device for one in twins)
        what = f"no disk {wanted!r} that it writes" if wanted else "no disk, or several, that could be its root"
        die(f"domU {domu.name} has {what}", hint=f"say which is its root: --root with one of {there}")
    if meant[0].kind not in FILES:
        root = meant[0].origin.full_name
        die(f"{root}, the root of {domu.name}, holds no filesystem whose files could be changed from here",
            hint=f"a clone must not call itself {domu.name}: its root has to be one of {', '.join(FILES)}")
    return meant[0]


def _macs(vifs: Iterable[Vif], new: str, place: Place) -> dict[str, str]:
    taken = {vif.mac.upper() for one in place.domus for vif in one.vifs} | claims.macs(place.others)
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
    new = [_free(before, after, place) for before, after in zip(old, given)]
    if len(set(new)) < len(new):
        die("the same address was given twice", hint="each --ip is another address")
    return dict(zip(old, new))


def _free(before: str, after: str, place: Place) -> str:
    """Return an address as it is written. Die if it is none, of another kind than that in whose place it comes, or taken."""
    if "/" in after:
        die(f"--ip {after!r} names a network", hint="the clone stays in the network of the domU: give the address alone")
    one = addresses.address(after, what="address")
    addresses.check_host(ipaddress.ip_interface(one))
    if one.version != addresses.address(before, what=f"address in {place.domus[0].file.parent}").version:
        die(f"address {one} cannot come in the place of {before}", hint="give one of the same kind")
    if str(one) in place.addresses:
        die(f"address {one} is dom0's own", hint="choose another one")
    for domu in place.domus:
        if str(one) in addresses.of_vifs(domu.vifs):
            die(f"address {one} is that of domU {domu.name}: {domu.file}", hint="choose another one")
    claims.need_free_address(str(one), place.others)
    return str(one)


def _need_room(twins: Iterable[Twin], place: Place) -> None:
    """Die if the filesystems that images are on have no room for their likes."""
    needed: dict[int, int] = {}
    for one, origin in ((one, one.origin) for one in twins if isinstance(one.origin, Image)):
        filesystem, free = place.room(one.path)
        needed[filesystem] = needed.get(filesystem, 0) + min(origin.size, origin.allocated)
        if needed[filesystem] > free:
            die(f"{one.path.parent} has {format_size(free)} free, {format_size(needed[filesystem])} are needed",
                hint="make room there; see df(1)")


def _need_space(twins: Sequence[Twin], place: Place) -> None:
    for name, group in place.groups.items():
        own = [one for one in twins if one.origin.group == name and not one.thin]
        volumes = sum(group.rounded(one.origin.size) for one in own)
        ghosts = sum(group.rounded(place.ghost(one.origin.size)) for one in own if one.copied)
        if volumes + ghosts > group.free:
            needed = f"{format_size(volumes)} are needed, and {format_size(ghosts)} meanwhile"
            die(f"volume group {name} has {format_size(group.free)} free, {needed}", hint="make room there; see vgs(8)")
    pools = {(one.origin.group, one.origin.pool) for one in twins if one.thin}
    for pool in (one for one in place.volumes if (one.group, one.name) in pools):
        check_room(pool)
