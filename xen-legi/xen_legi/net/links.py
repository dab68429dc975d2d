"""From stanzas to the links that they want: bridges, VLANs, bonds, and the devices that these stand on. Pure.

A name is wanted when ifup is to bring it up, or when what is wanted needs it: a bridge its ports, a VLAN its raw
device, a port with bond-master its bond. A stanza that makes no sense costs itself only: its message is kept under
its name, and the rest goes on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from xen_legi.net.describe import Link, describe, for_bond, implicit, spans
from xen_legi.net.logical import as_chosen, no_interfaces
from xen_legi.net.options import ours
from xen_legi.net.stanzas import Interfaces, Message, Option, Stanza, any_matches


@dataclass(frozen=True)
class Desired:
    """Links by name, each after what must be made before it; why others are not among them; what is worth saying."""

    links: dict[str, Link] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    remarks: tuple[Message, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)  # bridge of xen-vlans -> the interface with that option

    def stanza_of(self, name: str, have: Mapping[str, Sequence[Stanza]]) -> str:
        """Return where a link's stanza stands, or that of the link which needs it; the name itself if there is none."""
        pending = [name]
        for one in pending:  # grows: what needs it may itself be made for another
            if one in have:
                return have[one][0].where
            pending += [self.owners[one]] if self.owners.get(one, one) not in pending else []
            pending += [user for user in self._users.get(one, ()) if user not in pending]
        return name

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        """What stands on each link."""
        found: dict[str, list[str]] = {}
        for link in self.links.values():
            for below in {*link.ports, link.lower}:
                found.setdefault(below, []).append(link.name)
        return found


def desired(interfaces: Interfaces, names: Iterable[str], devices: Collection[str]) -> Desired:
    """Return what these interfaces need. `devices` are the names that the kernel has, for `all`, regex and the like."""
    names = list(names)
    builder = _Builder(interfaces, names, devices)
    for name in names:
        builder.add(name, needed=False)
    builder.hang()
    builder.carriers = {one.lower for one in builder.links.values()}
    links = {name: builder.finished(name) for name in builder.in_order()}
    return Desired(_with_mtus(links, builder.errors), builder.errors, tuple(builder.remarks), builder.owners)


def desired_by_all(interfaces: Interfaces, devices: Collection[str]) -> Desired:
    """Return what all interfaces that have a stanza need, or come up by one of another name."""
    asked, logical = as_chosen(interfaces, devices), no_interfaces(interfaces, devices)
    return desired(asked, [name for name in asked.by_name() if name not in logical], devices)


def joining(interfaces: Interfaces) -> dict[str, list[Stanza]]:
    """Return, for each bond, the stanzas that name it as their bond-master."""
    found: dict[str, list[Stanza]] = {}
    for stanza in interfaces.stanzas:
        for option in stanza.options:
            if option.name == "bond-master":
                found.setdefault(option.value, []).append(stanza)
    return found


def of_ports(asking: Mapping[str, Sequence[Stanza]], devices: Collection[str]) -> dict[str, list[Option]]:
    """Given what joining() returns, return for each bond what the stanzas of its ports say of it."""
    return {bond: [option for stanza in stanzas for option in for_bond(stanza, devices)] for bond, stanzas in asking.items()}


class _Builder:
    """The links found so far."""

    def __init__(self, interfaces: Interfaces, names: Collection[str], devices: Collection[str]) -> None:
        self.devices = devices
        self.stanzas = interfaces.by_name()
        self.joining = joining(interfaces)
        self.logical = no_interfaces(interfaces, devices) - ({*names} - interfaces.templates())
        self.of_ports = of_ports(self.joining, devices)
        self.vlans = _vlans_of(interfaces, self.logical)
        self.uplinks = _uplinks_of(interfaces)
        self.vlan_names = interfaces.vlan_names
        self.plugged = [_pattern(word) for word in interfaces.listed("hotplug")]
        self.links: dict[str, Link] = {}
        self.errors: dict[str, str] = {}
        self.carriers: set[str] = set()
        self.remarks: list[Message] = []
        self.masters: dict[str, str] = {}
        self.owners: dict[str, str] = {}  # bridge of xen-vlans -> the interface with that option

    def add(self, name: str, needed: bool) -> None:
        """Take in an interface and what it needs; one that is not ours only when another needs it."""
        if name in self.links or name in self.errors:
            return
        try:
            link, remarks = describe(name, self.stanzas.get(name, ()), self.devices, self.of_ports.get(name, ()))
        except ValueError as error:
            self.errors[name] = str(error)
            return
        if not link.ours and not needed:
            return
        link = link if link.kind else self.by_name(link)
        self.remarks += remarks
        self.links[name] = link  # known before what it needs: it may, by mistake, need itself
        try:
            self.links[name] = self.with_ports(link)
        except ValueError as error:
            return self.leave_out(name, str(error))
        for other in (*self.links[name].ports, link.lower, link.joins):
            if other:
                self.add(other, needed=True)
        self.span(self.links[name])

    def by_name(self, link: Link) -> Link:
        """Return what a link is by its name. One that is there without its raw device is no VLAN, but somebody's vxlan.5."""
        found = implicit(link)
        return link if link.name in self.devices and found.lower not in {*self.devices, *self.stanzas} else found

    def span(self, link: Link) -> None:
        """Take in the bridges of xen-vlans. One that has a stanza with options of ours is what that says."""
        bridges = list(spans(link))
        for bridge in bridges:
            if taken := self.owners.get(bridge.name):
                return self.leave_out(link.name, f"{bridge.name} is already a bridge of {taken}")
        for bridge in bridges:
            self.owners[bridge.name] = link.name
            if self.described(bridge.name):
                self.add(bridge.name, needed=True)
            elif bridge.name not in self.links:
                self.raise_bridge(self.with_mtu(bridge))

    def with_mtu(self, bridge: Link) -> Link:
        """Return a bridge that no stanza describes with the MTU that its stanza, if any, has ifup give it."""
        try:
            found = describe(bridge.name, self.stanzas[bridge.name], ()) if bridge.name in self.stanzas else None
        except ValueError:
            return bridge  # `net check` tells it
        return replace(bridge, mtu=found[0].mtu) if found else bridge

    def raise_bridge(self, bridge: Link) -> None:
        """Take in a bridge that no stanza describes."""
        self.links[bridge.name] = bridge
        try:
            self.links[bridge.name] = self.with_ports(bridge)
        except ValueError as error:
            return self.leave_out(bridge.name, str(error))
        for port in self.links[bridge.name].ports:
            self.add(port, needed=True)

    def described(self, name: str) -> bool:
        """Tell whether a stanza says what kind of link this is."""
        return ours(option.name for stanza in self.stanzas.get(name, ()) for option in stanza.options)

    def with_ports(self, link: Link) -> Link:
        """Add the ports that ask for this bond themselves, and the VLAN of a bridge that is written as one stanza."""
        if link.kind == "bond":
            asking = [stanza.name for stanza in self.joining.get(link.name, ()) if stanza.name not in self.logical]
            return replace(link, ports=tuple(dict.fromkeys((*link.ports, *asking))))
        if link.over:
            return replace(link, ports=tuple(dict.fromkeys((self.vlan_below(link.over), *link.ports))))
        return link

    def vlan_below(self, over: Link) -> str:
        """Return the name of a bridge's own VLAN, which is taken in. Raise ValueError if it is that of something else."""
        name = self.vlans.get(_identity(over), over.name)
        if name != over.name:
            return name
        if name in self.stanzas and (self.described(name) or implicit(Link(name)).kind):
            self.add(name, needed=True)
        else:
            self.links.setdefault(name, over)
            self.add(over.lower, needed=True)
        there = self.links.get(name, over)
        if _identity(there) != _identity(over):
            other = f"VLAN {there.vlan} of {there.lower}" if there.kind == "vlan" else "something else"
            raise ValueError(f"VLAN {over.vlan} of {over.lower} would be called {name}, and that is {other}: "
                             "a stanza of another name, with vlan-raw-device and vlan-id, gives it its own")
        return name

    def hang(self) -> None:
        """Give each port its master; a port can have one only."""
        for link in list(self.links.values()):
            for port in link.ports:
                master = self.masters.setdefault(port, link.name)
                if master != link.name:
                    self.leave_out(link.name, f"{port} is already a port of {master}")
        vlans: dict[tuple[str, str, str], str] = {}
        for name, link in list(self.links.items()):
            first = vlans.setdefault(_identity(link), name) if link.kind == "vlan" else name
            if first != name:
                self.leave_out(name, f"is VLAN {link.vlan} of {link.lower}, and so is {first}")
            elif name in self.below(name):
                self.leave_out(name, "stands, through its ports or its raw device, on itself")

    def leave_out(self, name: str, why: str) -> None:
        self.errors[name] = why
        self.links.pop(name, None)

    def below(self, name: str) -> set[str]:
        """Return all that a link stands on, through ports and raw devices."""
        found: set[str] = set()
        pending = [name]
        while pending:
            link = self.links.get(pending.pop())
            new = {*link.ports, link.lower} - found - {""} if link else set()
            found |= new
            pending += new
        return found

    def finished(self, name: str) -> Link:
        """Return a link with what depends on the others."""
        link, carriers = self.links[name], self.carriers
        manual = all(stanza.method == "manual" for stanza in self.stanzas.get(name, ()))
        master = self.masters.get(name, "")
        return replace(
            link,
            alias=self.alias(link),
            unnamed=bool(link.kind) and name not in self.stanzas and not any_matches(name, self.plugged),
            master=master if master in self.links else "",
            carries=bool(master) or name in carriers or link.raised,
            silent=bool(master) or (
                manual and (link.kind == "vlan" or link.raised or name in carriers or name in self.uplinks)
            ),
        )

    def alias(self, link: Link) -> str:
        """Return the name of a VLAN, also for the bridge over it alone; nothing where a stanza has its own."""
        if not self.vlan_names or any(stanza.has("description") for stanza in self.stanzas.get(link.name, ())):
            return ""
        vlans = [link] if link.kind == "vlan" else [self.links[port] for port in link.ports if port in self.links]
        tagged = [one for one in vlans if one.kind == "vlan" and self.links.get(one.lower, one).kind != "vlan"]
        return self.vlan_names.get(tagged[0].vlan, "") if len(tagged) == 1 and link.kind in ("vlan", "bridge") else ""

    def in_order(self) -> list[str]:
        """Return the names so that a raw device comes before its VLAN and a master before its ports."""
        order: dict[str, None] = {}
        pending: set[str] = set()

        def visit(name: str) -> None:
            if name in order or name not in self.links:
                return
            if name in pending:
                self.errors[name] = "stands, through its ports or its raw device, on itself"
                return
            pending.add(name)
            visit(self.masters.get(name, ""))
            visit(self.links[name].lower)
            order[name] = None
            if self.links[name].kind == "bond":  # complete before what stands on it
                for port in (one for one in self.links[name].ports if one not in pending):
                    visit(port)

        for name in list(self.links):
            visit(name)
        return [name for name in order if name not in self.errors]


def _pattern(word: str) -> str:
    """Given a word of an allow- line, NAME or [VARIABLE]/PATTERN[/NUMBER], perhaps with =LOGICAL, return its pattern."""
    device = word.partition("=")[0]
    return device.partition("/")[2].partition("/")[0] or device


def _identity(vlan: Link) -> tuple[str, str, str]:
    return (vlan.lower, vlan.vlan, vlan.protocol)


def _vlans_of(interfaces: Interfaces, logical: Collection[str]) -> dict[tuple[str, str, str], str]:
    """Return the names of the VLANs that have a stanza, by (raw device, ID, protocol)."""
    found: dict[tuple[str, str, str], str] = {}
    for stanza in interfaces.stanzas:
        if stanza.has("vlan-raw-device") and stanza.name not in logical:
            try:
                link, _ = describe(stanza.name, (stanza,), ())
            except ValueError:
                continue
            found.setdefault(_identity(link), link.name)
    return found


def _uplinks_of(interfaces: Interfaces) -> frozenset[str]:
    """Return what is named anywhere as a raw device or as a port: also an interface that is brought up alone is one."""
    words = {
        word for stanza in interfaces.stanzas for option in stanza.options for word in option.value.split()
        if option.name in ("vlan-raw-device", "xen-vlan", "bridge-ports")
    }
    return frozenset(words | {word.rpartition(".")[0] for word in words})


def _with_mtus(links: dict[str, Link], errors: dict[str, str]) -> dict[str, Link]:
    """Give what lies below a link with an MTU the same, where it has none of its own; so too what xen-vlans makes above."""
    wanted = {name: link.mtu for name, link in links.items()}

    def push(name: str) -> None:
        link = links[name]
        for below in (link.lower, *(link.ports if link.kind == "bridge" else ())):
            if below in links and not links[below].mtu and wanted[below] < wanted[name]:
                wanted[below] = wanted[name]
                push(below)

    for name in links:
        push(name)
    for name, link in links.items():
        lower = links.get(link.lower)
        if lower and lower.mtu and wanted[name] > lower.mtu:
            errors[name] = f"mtu {wanted[name]} does not fit on {lower.name}, which has mtu {lower.mtu}"
    above = _mtus_above(links, wanted)
    good = (link for name, link in links.items() if name not in errors)
    mtus = {**wanted, **above}
    return {link.name: replace(link, mtu=mtus[link.name], own_mtu=bool(link.mtu) or link.name in above) for link in good}


def _mtus_above(links: Mapping[str, Link], wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the MTUs of VLANs and bridges of xen-vlans, that of their device: the kernel gives it to new ones only."""
    found: dict[str, int] = {}
    for bridge in (one for link in links.values() if link.mtu for one in spans(link)):
        made = links.get(bridge.name)
        if made and made.raised and bridge.over:
            below = bridge.over.lower
            for name in (made.ports[0], made.name):
                if name in links and not wanted[name]:
                    found[name] = found.get(below, wanted[below])
                below = name
    return found
