"""From a wish and the facts to a plan, or to a line that says why not. Nothing here changes anything."""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi.domu import addresses, claims, loader, mac, names
from xen_legi.errors import die
from xen_legi.install import addressing
from xen_legi.install.model import SWAP, Facts, Nic, Part, Partition, Plan, Wish
from xen_legi.storage.identity import EXT
from xen_legi.storage.lvm import LONGEST_DEVICE, Group, Volume, check_name, device_mapper_name
from xen_legi.storage.pool import check_room, is_pool
from xen_legi.units import GIB, MIB, exact_size, format_size

_ROOT_OPTIONS = {**dict.fromkeys(EXT, "noatime,errors=remount-ro"), "xfs": "noatime"}
_OPTIONS = {**dict.fromkeys(EXT, "noatime"), "xfs": "noatime", SWAP: "sw"}
# lvm(8), VALID NAMES; the other words that lvm2 keeps for itself have a low dash, which no name of ours has
_RESERVED = ("snapshot", "pvmove")
_LEAST = {**dict.fromkeys(EXT, 64 * MIB), "xfs": 300 * MIB}


@dataclass(frozen=True)
class Source:
    """What the chosen method installs: a text for people, the distribution, and bytes it needs (0: not known)."""

    method: str
    text: str
    dist: str
    size: int = 0


def plan(
    wish: Wish, facts: Facts, source: Source, *, roles: tuple[Path, ...] = (), ssh_keys: str = "", password: str = ""
) -> Plan:
    """Return the plan of a domU; die with one line for whatever could not work."""
    check_wish(wish, facts)
    parts = _images(wish, facts, source) if wish.directory else _volumes(wish, facts, source)
    _check_memory(wish, facts)
    _check_own_kernel(wish, facts, parts)
    return Plan(
        name=wish.name,
        type=wish.type,
        memory=wish.memory,
        maxmem=wish.maxmem,
        vcpus=wish.vcpus,
        kernel=facts.kernel,
        parts=parts,
        nics=_nics(wish, facts),
        nameservers=_nameservers(wish, facts),
        source=source.text,
        dist=source.dist,
        method=source.method,
        roles=roles,
        role_args=wish.role_args,
        ssh_keys=ssh_keys,
        password=password,
        modules=wish.modules,
        start=wish.start,
    )


def check_wish(wish: Wish, facts: Facts) -> None:
    """Die for its name and its place in the network: what was mistyped is told before what is missing or too little."""
    check_domu_name(wish.name)
    _check_free(wish, facts)
    _nics(wish, facts)
    _nameservers(wish, facts)


def check_domu_name(name: str) -> None:
    """Die if `name` cannot be a host name, the name of a file and the beginning of a volume's name."""
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if not re.fullmatch(rf"{label}(?:\.{label})*", name) or len(name) > 100:
        die(f"{name!r} cannot be the name of a domU", hint="letters, digits and dashes, as in a host name: web1")
    if name.lower() in ("localhost", "domain-0"):
        die(f"{name!r} is a name that is taken on every host", hint="choose another one")
    if name.isdecimal():
        die(f"{name!r} cannot be the name of a domU", hint="xl takes a number for that of any domain; add a letter: web1")
    if reserved := next((word for word in _RESERVED if name.startswith(word)), ""):
        die(f"{name!r} cannot be the name of a domU", hint=f"lvm2 keeps names that begin with {reserved} for itself")
    names.check(name)
    check_name(f"{name}-disk", what="name")


def _check_free(wish: Wish, facts: Facts) -> None:
    """Die if a domU, a file or a running domain has the name."""
    same = next((one for one in facts.domus if one.name == wish.name), None)
    if same:
        die(f"there is a domU {wish.name!r} already: {same.file}", hint="take another name; xen-legi list")
    if f"{wish.name}.cfg" in facts.files:
        die(f"/etc/xen/{wish.name}.cfg exists already", hint="choose another name, or move the file away")
    if wish.name in facts.domains:
        die(f"a domain {wish.name!r} is running", hint="xl list shows it; choose another name")
    claims.need_free_name(wish.name, facts.others)


def _volumes(wish: Wish, facts: Facts, source: Source) -> tuple[Part, ...]:
    """Return the logical volumes. Die if they cannot be made."""
    group = _group(wish.group, facts)
    parts = tuple(replace(one, pool=wish.pool) for one in _parts(wish, group))
    _check_storage(parts, group, wish, facts, source)
    return parts


def _images(wish: Wish, facts: Facts, source: Source) -> tuple[Part, ...]:
    """Return the image files: what would be the volume NAME-disk is NAME/disk.img. Die if they cannot be made."""
    assert facts.directory
    place = facts.directory.of(wish.name)
    if wish.name in facts.directory.names:
        die(f"{place} exists already", hint="choose another name, or move it away")
    raw = _parts(wish, Group("", 0, facts.directory.free, MIB))
    parts = tuple(replace(one, image=place / f"{one.name.removeprefix(f'{wish.name}-')}.img") for one in raw)
    _check_sizes(wish, parts, source, source.size + facts.modules_size)
    wanted = sum(one.size for one in parts)
    if wanted > facts.directory.free:
        die(f"{facts.directory.path} has {format_size(facts.directory.free)} free, {format_size(wanted)} are needed",
            hint="choose smaller sizes, or another directory (--dir)")
    return parts


def _parts(wish: Wish, group: Group) -> tuple[Part, ...]:
    """Return the volumes, of whole extents: swap is xvda1 and root xvda2, as xen-tools has it."""
    if wish.partitions:
        return _described(wish, group)
    size, options = group.rounded(wish.size), _ROOT_OPTIONS[wish.filesystem]
    root = Part(group.name, f"{wish.name}-disk", size, "xvda2", wish.filesystem, "/", options)
    if not wish.swap:
        return (root,)
    return (Part(group.name, f"{wish.name}-swap", group.rounded(wish.swap), "xvda1", SWAP, options="sw"), root)


def _described(wish: Wish, group: Group) -> tuple[Part, ...]:
    """Return the volumes of a file of partitions: xvda1 is the first swap, xvda2 the root, then the others by the length of
    their places, as xen-tools has it."""
    swaps = [one for one in wish.partitions if one.filesystem == SWAP]
    root = next(one for one in wish.partitions if one.mount == "/")
    others = sorted((one for one in wish.partitions if one.mount and one is not root), key=lambda one: len(one.mount))
    in_order = [(1, one) for one in swaps[:1]] + [(2, root), *enumerate([*others, *swaps[1:]], 3)]
    return tuple(_part(wish.name, group, number, one) for number, one in in_order)


def _part(name: str, group: Group, number: int, one: Partition) -> Part:
    options = one.options or (_ROOT_OPTIONS if one.mount == "/" else _OPTIONS)[one.filesystem]
    size = group.rounded(one.size)
    return Part(group.name, f"{name}-{one.name}", size, f"xvda{number}", one.filesystem, one.mount, options)


def _check_storage(parts: tuple[Part, ...], group: Group, wish: Wish, facts: Facts, source: Source) -> None:
    there = {(one.group, one.name) for one in facts.volumes}
    for part in parts:
        if (part.group, part.name) in there:
            die(f"there is a volume {part.group}/{part.name} already", hint="choose another name; lvs(8) lists volumes")
        if len(device_mapper_name(part.group, part.name)) > LONGEST_DEVICE:
            die(f"the name {wish.name} is too long for a volume", hint="choose a shorter one; each dash in it counts twice")
    _check_sizes(wish, parts, source, source.size + facts.modules_size)
    if wish.pool:
        return check_room(_pool(wish, facts), source.size + facts.modules_size)
    wanted = sum(part.size for part in parts)
    if wanted > group.free:
        die(
            f"volume group {group.name} has {format_size(group.free)} free, {format_size(wanted)} are needed",
            hint="choose smaller sizes, another group (--lvm), or grow it with vgextend(8)",
        )


def _group(name: str, facts: Facts) -> Group:
    if name not in facts.groups:
        names = ", ".join(sorted(facts.groups)) or "none"
        die(f"there is no volume group {name!r}", hint=f"volume groups on this host: {names}; choose one with --lvm")
    return facts.groups[name]


def _pool(wish: Wish, facts: Facts) -> Volume:
    pools = {one.name: one for one in facts.volumes if one.group == wish.group and is_pool(one)}
    if wish.pool not in pools:
        known = ", ".join(sorted(pools)) or "none"
        die(f"there is no thin pool {wish.group}/{wish.pool}", hint=f"thin pools of {wish.group}: {known}; see lvmthin(7)")
    return pools[wish.pool]


def _check_sizes(wish: Wish, parts: Iterable[Part], source: Source, content: int) -> None:
    """Die if a filesystem cannot be made, or if all cannot hold what is copied: a tenth and the journals are theirs."""
    kept = [one for one in parts if one.filesystem != SWAP]
    for one in kept if wish.partitions else ():
        if one.size < (smallest := _LEAST[one.filesystem]):
            die(f"{one.name} of {format_size(one.size)} is too small for {one.filesystem}",
                hint=f"at least size = {format_size(smallest)}")
    size = sum(one.size for one in kept) if wish.partitions else wish.size
    smallest = 0 if wish.partitions else _LEAST[wish.filesystem]
    least = max(smallest, content + content // 10 + min(size // 16, GIB // 8) if content else 0)
    if size < least:
        needed = format_size(-(-least // (64 * MIB)) * 64 * MIB)
        hint = f"all partitions together need {needed}" if wish.partitions else f"it needs at least --size {needed}"
        die(f"size {format_size(size)} is too small for {source.text} and the modules of its kernel", hint=hint)


def _check_memory(wish: Wish, facts: Facts) -> None:
    if wish.maxmem and wish.maxmem < wish.memory:
        most, least = exact_size(wish.maxmem * MIB), exact_size(wish.memory * MIB)
        die(f"maxmem {most} is less than memory {least}", hint="leave --maxmem out, or raise it")
    if wish.start and facts.free_memory is not None and wish.memory > facts.free_memory:
        wanted, free = exact_size(wish.memory * MIB), exact_size(facts.free_memory * MIB)
        die(
            f"memory {wanted} is more than the {free} that Xen has free",
            hint="choose less, stop a domU, or make it without starting it: --no-start",
        )


def _check_own_kernel(wish: Wish, facts: Facts, parts: tuple[Part, ...]) -> None:
    """Die if GRUB cannot start the domU's own kernel. It is as old as dom0's Debian: a newer xfs it may not read."""
    if not wish.own_kernel:
        return
    if wish.type not in facts.loaders:
        die(f"{loader.IMAGES[wish.type]}, which starts a domU's own kernel, is not there",
            hint=f"apt install {loader.PACKAGE}")
    places = {one.mount.rstrip("/") or "/": one for one in parts if one.mount}
    if (holder := places.get("/boot") or places["/"]).filesystem != "ext4":
        die(f"GRUB may not read the {holder.filesystem} of {holder.name}, where /boot is",
            hint="--fs ext4, or an ext4 of its own for /boot (--partitions)")


def _nics(wish: Wish, facts: Facts) -> tuple[Nic, ...]:
    places: list[tuple[str, str, int | None]] = [
        (addressing.device(vlan, len(wish.vlans)), _bridge(wish, vlan), vlan) for vlan in wish.vlans
    ]
    if wish.bridge:
        places = [("eth0", wish.bridge, None)]
    _check_places(places, wish, facts)
    given = addressing.given(wish.ips, wish.netmask, len(places))
    _check_addresses([address for one in given for address in one.addresses], facts)
    gateways = addressing.gateways(wish.gateways, given)
    macs = _macs(wish, [vlan or 0 for _, _, vlan in places], facts)
    return tuple(
        Nic(device, bridge, one_mac, vlan, one.addresses, ways, one.asks)
        for (device, bridge, vlan), one_mac, one, ways in zip(places, macs, given, gateways)
    )


def _bridge(wish: Wish, vlan: int) -> str:
    if not 1 <= vlan <= 4094:
        die(f"VLAN {vlan} does not exist", hint="VLANs are numbered 1 to 4094")
    return wish.bridge_of_vlan.format(vlan=vlan)


def _check_places(places: list[tuple[str, str, int | None]], wish: Wish, facts: Facts) -> None:
    if len({bridge for _, bridge, _ in places}) < len(places):
        die("the same VLAN was given twice", hint="one --vlan for each VLAN")
    for _, bridge, vlan in places:
        if bridge not in facts.bridges:
            known = ", ".join(sorted(facts.bridges)) or "none"
            what = f"VLAN {vlan} has no bridge {bridge!r}" if vlan else f"there is no bridge {bridge!r}"
            hint = f"bridges: {known}; describe it in /etc/network/interfaces.d, then xen-legi net apply"
            die(f"{what} on this host", hint=hint)
    if wish.netmask and not addressing.need_netmask(wish.ips):
        die("--netmask was given and no address needs it", hint="leave it out, or leave out the network of --ip")
    if wish.ips and not places:
        die("an address needs a place", hint="add --vlan ID (or --bridge NAME)")


def _check_addresses(found: list[addresses.Interface], facts: Facts) -> None:
    texts = [str(one.ip) for one in found]
    if len(set(texts)) < len(texts):
        die("the same address was given twice", hint="each --ip is the address of another interface")
    for text in texts:
        if text in facts.addresses:
            die(f"address {text} is dom0's own", hint="choose another one")
        for domu in facts.domus:
            if text in addresses.of_vifs(domu.vifs):
                die(f"address {text} is that of domU {domu.name}: {domu.file}", hint="choose another one")
        claims.need_free_address(text, facts.others)


def _macs(wish: Wish, vlans: list[int], facts: Facts) -> list[str]:
    known = [*map(claims.of_domu, facts.domus), *facts.others]
    if not wish.mac:
        return _made(wish.name, vlans, claims.macs(known))
    given = mac.check(wish.mac)
    if len(vlans) != 1:
        die(f"--mac was given and there are {len(vlans)} interfaces", hint="leave it out: each gets its own")
    claims.need_free_mac(given, known)
    return [given]


def _made(name: str, vlans: list[int], taken: Set[str]) -> list[str]:
    """Return a MAC for each VLAN, no two the same: VLANs that differ by 256 have those of one range."""
    found: list[str] = []
    for vlan in vlans:
        found.append(mac.made(name, vlan, {*taken, *found}))
    return found


def _nameservers(wish: Wish, facts: Facts) -> tuple[str, ...]:
    given = tuple(str(addresses.address(one, what="name server")) for one in wish.nameservers)
    return given or facts.nameservers
