"""What one interface's stanzas say about its link. Pure; ValueError, with a sentence about the option, for nonsense."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from xen_legi.net import bonds, patterns, values
from xen_legi.net.options import MODES, MODES_OF, TABLE, Known, find
from xen_legi.net.stanzas import Message, Option, Stanza

Setting = tuple[Known, str]
_LONGEST_NAME = 15
_SHORTEST_DELAY, _LONGEST_DELAY = 200, 3000  # of a bridge with STP, in hundredths of seconds
_PORT = "port of a bond"
_LISTS = (values.arp_targets, values.ns_targets, values.devices, values.vlan_ranges)  # read all lines, not only the last


class Nonsense(ValueError):
    """An option that makes no sense; `where` is its file:line."""

    def __init__(self, text: str, where: str) -> None:
        super().__init__(text)
        self.where = where


@dataclass(frozen=True)
class Link:
    """A link as it shall be. What is empty is not decided by the stanzas and left as it is."""

    name: str
    kind: str = ""  # bridge, vlan, bond; nothing: a device that must be there already
    ours: bool = False  # the stanzas have an option of ours
    where: str = ""
    settings: tuple[Setting, ...] = ()  # attributes of a bridge or bond
    ports: tuple[str, ...] = ()
    port_settings: tuple[tuple[str, Known, str], ...] = ()  # (port, option, value)
    lower: str = ""  # raw device of a VLAN
    vlan: str = ""
    protocol: str = ""
    over: "Link | None" = None  # xen-vlan: the VLAN that a bridge makes for itself
    joins: str = ""  # bond-master
    vlans: tuple[str, ...] = ()  # xen-vlans: their IDs
    vids: tuple[str, ...] = ()  # bridge-vids, bridge-pvid, bridge-access: see bridge_vlans.py
    pvid: str = ""
    access: str = ""
    unnamed: bool = False  # no stanza and no line of the files is about it
    raised: bool = False  # a bridge of xen-vlans: no stanza says to bring it up
    mtu: int = 0
    own_mtu: bool = True  # no: a link above needs at least that
    address: str = ""  # MAC address, or (bridge-hw) the device to take it from
    wait: float = 0  # bridge-waitport: seconds, and for which ports
    wait_ports: tuple[str, ...] = ()
    master: str = ""  # from here on: what the other links decide
    alias: str = ""  # the name of its VLAN
    carries: bool = False  # a port or a raw device: somebody must bring it up before what stands on it
    silent: bool = False  # must not get an IPv6 address by itself
    loud: bool = False  # may have one again: its stanza in force says otherwise
    released: tuple[str, ...] = ()  # what was a port by that stanza, and is to be none
    joining: tuple[str, ...] | None = None  # of a link in use, which stays as it is: the ports that join it now


def describe(
    name: str, stanzas: Iterable[Stanza], devices: Collection[str], of_ports: Sequence[Option] = ()
) -> tuple[Link, list[Message]]:
    """Return the link of an interface and remarks about options that are not done. Raise ValueError for nonsense.

    `of_ports` is what the stanzas of a bond's ports say of it: see for_bond().
    """
    stanzas = list(stanzas)
    given = _Given([option for stanza in stanzas for option in stanza.options])
    if of_ports and not given.has("bond-master") and any(known.link == "bond" for known, _ in given.known):
        given = given.completed_by(of_ports)
    link = Link(name, ours=any(known.ours for known, _ in given.known), where=stanzas[0].where if stanzas else "")
    remarks = [Message(link.where or name, f"{name}: {known.name} {known.help}") for known in given.remarks()]
    if not link.ours:
        return replace(link, mtu=_mtu(given), address=_address(given)), []
    given.read("name", name, values.device)
    link = replace(link, kind=_kind(given), joins=given.value("bond-master"), mtu=_mtu(given), address=_address(given),
                   vlans=tuple(given.value("xen-vlans").split()), vids=tuple(given.value("bridge-vids").split()),
                   pvid=given.value("bridge-pvid"), access=given.value("bridge-access"))
    altered = [*_ruled_out(given), *_unprobed(given)] if link.kind == "bond" else []
    altered += _raised(given) if link.kind == "bridge" else ()
    remarks += [Message(given.place(known.name) or name, f"{name}: {text}") for known, text in altered]
    return _COMPLETE.get(link.kind, _device)(link, given, devices), remarks


def for_bond(stanza: Stanza, devices: Collection[str]) -> tuple[Option, ...]:
    """Return the options in the stanza of a port that are for its bond, as ifenslave takes them; none if it is nonsense."""
    found = [(known, option) for option in stanza.options if (known := find(option.name)) and _of_a_bond(known)]
    try:
        if found:
            describe(stanza.name, (stanza,), devices)
    except ValueError:
        return ()
    return tuple(option for _, option in found)


def _of_a_bond(known: Known) -> bool:
    return known.kind in ("bond", "port") and known.name.startswith("bond-")


def spans(link: Link) -> Iterator[Link]:
    """Yield the bridges of xen-vlans, each over its VLAN of the link."""
    for vlan in link.vlans:
        yield Link(f"xenbr{vlan}", "bridge", ours=True, where=link.where, settings=_PLAIN, over=_vlan_of(link.name, vlan),
                   raised=True)


def implicit(link: Link) -> Link:
    """Given a link of which no stanza tells the kind: DEVICE.ID is a VLAN, anything else must be there already."""
    raw, vlan = _from_name(link.name)
    if not raw or not values.is_vlan_id(vlan):
        return link
    return replace(link, kind="vlan", lower=raw, vlan=vlan, protocol="802.1Q")


class _Given:
    """The options of an interface that we know."""

    def __init__(self, options: Iterable[Option]) -> None:
        found = ((find(option.name), option) for option in options)
        self.known = [(known, option) for known, option in found if known]

    def completed_by(self, others: Iterable[Option]) -> "_Given":
        """Return the same with what others say and this does not."""
        own = {known.name for known, _ in self.known}
        more = (option for known, option in _Given(others).known if known.name not in own)
        return _Given([*more, *(option for _, option in self.known)])

    def has(self, name: str) -> bool:
        return any(known.name == name for known, _ in self.known)

    def lines(self, name: str) -> list[str]:
        """Return the values of a list option: one string a line."""
        return [line for known, option in self.known if known.name == name for line in option.value.split("\n")]

    def words(self, name: str) -> list[str]:
        """Return the words of a list option, over all its lines."""
        return " ".join(self.lines(name)).split()

    def ports(self, name: str) -> list[str]:
        """Return the words of a list of ports. A line `none` names none, and may stand in each stanza of an interface."""
        return " ".join(line for line in self.lines(name) if line.split() != ["none"]).split()

    def value(self, name: str) -> str:
        """Return the value of an option that has one value: the last line wins. Raise ValueError if it is nonsense."""
        found = [(known, option) for known, option in self.known if known.name == name]
        if not found:
            return ""
        known, option = found[-1]
        if known.read in _LISTS:
            return self.read(option.name, " ".join(self.words(name)), known.read)
        return self.read(option.name, option.value.strip().rpartition("\n")[2].strip(), known.read)

    def read(self, name: str, value: str, read: Callable[[str], str]) -> str:
        try:
            return read(value)
        except ValueError as error:
            raise Nonsense(f"{name} {value!r} {error}", self.place(name)) from None

    def place(self, name: str) -> str:
        """Return where the last line of an option stands."""
        return next((option.where for known, option in reversed(self.known) if name in (option.name, known.name)), "")

    def remarks(self) -> list[Known]:
        return [known for known in TABLE if known.kind == "remark" and self.has(known.name)]

    def settings(self, kind: str) -> tuple[Setting, ...]:
        return tuple((known, self.value(known.name)) for known in TABLE if known.kind == kind and self.has(known.name))


def _kind(given: _Given) -> str:
    kinds: dict[str, str] = {}
    for known, option in given.known:
        if not (known.name == "vlan-protocol" and given.has("xen-vlan")):  # it is that of the bridge's VLAN
            kinds.setdefault(_PORT if known.name == "bond-master" else known.link, option.written or option.name)
    kinds.pop("", None)
    if _PORT in kinds and not given.ports("bond-slaves"):
        kinds.pop("bond", None)  # what a port says of its bond
    if "vlan" in kinds:
        kinds.pop(_PORT, None)  # a VLAN may be one
    if len(kinds) > 1:
        told = " and of a ".join(f"{kind} ({option})" for kind, option in sorted(kinds.items()))
        more = "; xen-vlans ID... makes bridges over this one" if given.has("xen-vlan") and "bond" in kinds else ""
        raise ValueError(f"has options of a {told}: one interface is one of them{more}")
    return next(iter(kinds), "").removeprefix(_PORT)


def _device(link: Link, given: _Given, devices: Collection[str]) -> Link:
    given.settings("bond")  # of a port with bond-master: they are its bond's, but nonsense is told where it stands
    _pairs(given, "bond-queue-id", ":")
    return link


def _vlan(link: Link, given: _Given, devices: Collection[str]) -> Link:
    raw, vlan = _from_name(link.name)
    raw, vlan = given.value("vlan-raw-device") or raw, given.value("vlan-id") or vlan
    if not raw:
        raise ValueError("vlan-raw-device is missing")
    if not vlan:
        raise ValueError(f"no VLAN ID: give vlan-id, or a name like vlan72 or {raw}.72")
    if not values.is_vlan_id(vlan):
        raise ValueError(f"VLAN ID {vlan} is not a number from 1 to 4094")
    if raw == link.name:
        raise ValueError("vlan-raw-device is the VLAN itself")
    return _device(replace(link, lower=raw, vlan=vlan, protocol=given.value("vlan-protocol") or "802.1Q"), given, devices)


def _bridge(link: Link, given: _Given, devices: Collection[str]) -> Link:
    settings = {known.name: (known, value) for known, value in given.settings("bridge")}
    settings.setdefault("bridge-stp", (_of("bridge-stp"), "0"))
    if settings["bridge-stp"][1] == "0":
        settings.setdefault("bridge-fd", (_of("bridge-fd"), "0"))
    elif "bridge-fd" in settings:
        settings["bridge-fd"] = (_of("bridge-fd"), _delay_with_stp(given))
    seconds, *wait_ports = "".join(given.lines("bridge-waitport")[-1:]).split() or ["0"]
    given.value("bridge-maxwait")
    ports = tuple(port for port in _ports(given, "bridge-ports", devices) if port != link.name)
    return replace(
        link,
        settings=tuple(settings.values()),
        ports=ports,
        port_settings=_pairs(given, "bridge-pathcost", " ") + _pairs(given, "bridge-portprio", " "),
        over=_over(given) if given.has("xen-vlan") else None,
        address=_bridge_address(given) or link.address,
        wait=int(given.read("bridge-waitport", seconds, values.centiseconds)) / 100,
        wait_ports=tuple(wait_ports) or ports,
    )


def _delay_with_stp(given: _Given) -> str:
    """Return the forward delay, 2 to 30 seconds: the kernel raises less when it begins with STP, and refuses it later."""
    delay = int(given.value("bridge-fd"))
    if delay > _LONGEST_DELAY:
        raise Nonsense("bridge-fd is more than 30 seconds, which the kernel refuses with STP", given.place("bridge-fd"))
    return str(max(delay, _SHORTEST_DELAY))


def _raised(given: _Given) -> Iterator[tuple[Known, str]]:
    """Yield the option of a bridge that is not done as it is written, and why."""
    if given.value("bridge-stp") == "1" and given.has("bridge-fd") and int(given.value("bridge-fd")) < _SHORTEST_DELAY:
        yield _of("bridge-fd"), "bridge-fd is raised to 2 seconds, the least that the kernel takes with STP"


def _bond(link: Link, given: _Given, devices: Collection[str]) -> Link:
    settings = _watched(given, [known for known, _ in _ruled_out(given)])
    said = {known.name: value for known, value in settings}
    kept = ((known, bonds.as_kept(known.name, value, said)) for known, value in settings)
    ports = _ports(given, "bond-slaves", devices)
    return replace(link, settings=tuple(one for one in kept if one[1]), ports=ports,
                   port_settings=_pairs(given, "bond-queue-id", ":"))


def _watched(given: _Given, left_out: Collection[Known]) -> tuple[Setting, ...]:
    """Return the settings of a bond. One that nobody watches would never leave a dead port."""
    settings = tuple((known, value) for known, value in given.settings("bond") if known not in left_out)
    said = {known.name: value for known, value in settings}
    return settings if "bond-miimon" in said or bonds.by_arp(said) else ((_of("bond-miimon"), "100"), *settings)


def _ruled_out(given: _Given) -> list[tuple[Known, str]]:
    """Return the options that the kernel would refuse in the mode of a bond or beside others, and the whole bond with them,
    and why."""
    mode = given.value("bond-mode") or MODES[0]
    by_mode = {known: f"it is for mode {' or '.join(MODES_OF[known.name])}, and this is {mode}"
               for known in TABLE if given.has(known.name) and mode not in MODES_OF.get(known.name, (mode,))}
    said = {known.name: value for known, value in _watched(given, by_mode)}
    refused = {_of(name): why for name, why in bonds.refused(said)}
    return [(known, f"{known.name} is left out: {why}") for known, why in (by_mode | refused).items()]


def _unprobed(given: _Given) -> Iterator[tuple[Known, str]]:
    """Yield the lists of addresses with some that the kernel refuses: these are left out."""
    for name in ("bond-arp-ip-target", "bond-ns-ip6-target"):
        words = given.words(name)
        if odd := values.unprobed(" ".join(words)) if words else ():
            yield _of(name), f"{name}: {', '.join(odd)} is left out: the kernel does not probe it"


_COMPLETE = {"vlan": _vlan, "bridge": _bridge, "bond": _bond}


def _of(name: str) -> Known:
    return next(known for known in TABLE if known.name == name)


_PLAIN = ((_of("bridge-stp"), "0"), (_of("bridge-fd"), "0"))  # a bridge of which no stanza says more


def _over(given: _Given) -> Link:
    """Return the VLAN of `xen-vlan ID DEVICE`."""
    words = given.lines("xen-vlan")[-1].split()
    if len(words) != 2:
        many = "; xen-vlans is for several" if len(words) == 1 and not values.is_vlan_id(words[0]) else ""
        text = f"xen-vlan {' '.join(words)!r} is not a VLAN ID and a device, as in xen-vlan 72 bond0{many}"
        raise Nonsense(text, given.place("xen-vlan"))
    vlan, raw = given.read("xen-vlan", words[0], values.vlan_id), given.read("xen-vlan", words[1], values.device)
    return _vlan_of(raw, vlan, given.value("vlan-protocol") or "802.1Q")


def _vlan_of(raw: str, vlan: str, protocol: str = "802.1Q") -> Link:
    """Return a VLAN that has no stanza."""
    name = f"{raw}.{vlan}"
    if len(name) > _LONGEST_NAME:
        name = f"vlan{vlan}"
    return Link(name, "vlan", lower=raw, vlan=vlan, protocol=protocol)


def _from_name(name: str) -> tuple[str, str]:
    """Given vlan72, vlan0072 or bond0.72, return (raw device or nothing, VLAN ID); two times nothing for other names."""
    if match := re.fullmatch(r"vlan0*(\d+)", name):
        return "", match[1]
    if match := re.fullmatch(r"(.+)\.0*(\d+)", name):
        return match[1], match[2]
    return "", ""


def _mtu(given: _Given) -> int:
    return int(given.value("mtu") or 0)


def _address(given: _Given) -> str:
    """Return the MAC address of `hwaddress`. What else ifupdown takes there (random) it does itself, after us."""
    words = given.value("hwaddress").lower().split()
    if not words or words[-1].startswith("random"):
        return ""
    return given.read("hwaddress", words[-1], values.mac)


def _bridge_address(given: _Given) -> str:
    value = given.value("bridge-hw").removeprefix("MAC").strip()
    if not value:
        return ""
    return given.read("bridge-hw", value, values.mac if ":" in value else values.device)


def _ports(given: _Given, name: str, devices: Collection[str]) -> tuple[str, ...]:
    """Return the names that a list of ports stands for, each once."""
    try:
        found = list(patterns.expand(name, given.ports(name), devices))
    except ValueError as error:
        raise Nonsense(f"{name}: {error}", given.place(name)) from None
    return tuple(dict.fromkeys(given.read(name, one, values.device) for one in found))


def _pairs(given: _Given, name: str, separator: str) -> tuple[tuple[str, Known, str], ...]:
    """Return (port, option, value) of an option that gives a value to each of some ports."""
    known = _of(name)
    words = given.words(name)
    if separator != " ":
        words = [part for word in words for part in (word.partition(separator)[0], word.partition(separator)[2])]
    if len(words) % 2:
        raise ValueError(f"{name} {' '.join(words)!r} is not pairs of a port and a number")
    return tuple(
        (given.read(name, port, values.device), known, given.read(name, value, known.read))
        for port, value in zip(words[::2], words[1::2], strict=True)
    )
