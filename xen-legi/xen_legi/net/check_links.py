"""What comes to be by interfaces files and was hardly meant: names, ports, links that nobody asks for. Pure."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

from xen_legi.finding import Finding
from xen_legi.net.bridge_vlans import aware
from xen_legi.net.check_options import named, of, open_ended
from xen_legi.net.describe import Link
from xen_legi.net.links import desired, desired_by_all
from xen_legi.net.logical import as_chosen, means, no_interfaces
from xen_legi.net.options import Known, find
from xen_legi.net.stanzas import COMMANDS, Interfaces, Option, Stanza

_PORTS = ("bridge-ports", "bond-slaves")
_LISTS = (*_PORTS, "bond-primary", "bond-arp-ip-target", "bond-ns-ip6-target", "bridge-vids", "xen-vlans", "bridge-pathcost",
          "bridge-portprio", "bond-queue-id")  # their lines are joined
_NAMED = {"bridge": r"xenbr0*(\d+)", "vlan": r"(?:vlan|.+\.)0*(\d+)"}  # links that bear the ID of their VLAN in their names
_OF_AWARE = ("bridge-vids", "bridge-pvid", "bridge-access")
_ALIKE = 0.75


def port_lists(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Commas and comments in a list of ports: to ifup they are names like others."""
    for stanza, option in named(interfaces, _PORTS):
        words = [word for word in option.value.split() if word not in devices]
        if any(word.startswith("#") for word in words):
            yield of(stanza, option, "error", "a comment has a line of its own: # and what follows it are ports here")
        elif any("," in word for word in words) and "regex" not in words:
            yield of(stanza, option, "error", "ports have blanks between them, no commas")


def misplaced(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Ports that the kernel refuses, raw devices that get no frames, options of bonds that need others."""
    have, wanted = as_chosen(interfaces, devices).by_name(), desired_by_all(interfaces, devices)
    logical = no_interfaces(interfaces, devices)
    joined = {option.value for stanza, option in named(interfaces, ("bond-master",)) if stanza.name in logical}
    for link in wanted.links.values():
        for level, text in _misplaced(link, wanted.links, link.name in joined):
            yield Finding(wanted.stanza_of(link.name, have), level, f"{link.name}: {text}")
    for stanza, option in named(interfaces, _PORTS):
        if "none" in (words := option.value.split()) and len(words) > 1:
            yield of(stanza, option, "error", "none stands alone: here it is the name of a port")


def _misplaced(link: Link, links: Mapping[str, Link], joined: bool) -> Iterator[tuple[str, str]]:
    """Yield (level, text). joined: cards join it by a pattern and a logical name, so that its ports are not known."""
    master, lower = links.get(link.master), links.get(link.lower)
    if master and master.kind == link.kind == "bridge":
        yield "error", f"a bridge cannot be a port of the bridge {master.name}"
    if lower and (bond := links.get(lower.master)) and bond.kind == "bond":
        yield "warning", f"it gets no frames on {lower.name}, a port of {bond.name}: is {bond.name} meant?"
    yield from (("warning", text) for text in _lacking(link, joined) if link.kind == "bond")


def _lacking(bond: Link, joined: bool) -> Iterator[str]:
    """Say what the options of a bond are in vain without."""
    values_of = {known.name: value for known, value in bond.settings}
    primaries = values_of.get("bond-primary", "").split()
    if primaries and not joined and not set(primaries) & set(bond.ports):
        yield f"bond-primary {' '.join(primaries)} is none of its ports"
    targets = {"bond-arp-ip-target", "bond-ns-ip6-target"} & values_of.keys()
    if values_of.get("bond-arp-interval", "0") != "0" and not targets:
        yield "bond-arp-interval asks nobody without bond-arp-ip-target: all ports are taken for dead"


def own_port(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Bridges and bonds that name themselves as a port."""
    for stanza, option in named(interfaces, _PORTS):
        if stanza.name in option.value.split():
            yield of(stanza, option, "warning", "it names itself as a port, which is ignored")


def blanks(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Characters that look like a blank, or like nothing, and are part of a word to ifup."""
    for stanza in interfaces.stanzas:
        for option in stanza.options:
            text = option.written + (option.value if find(option.name) else "")
            if odd := sorted({f"U+{ord(one):04X}" for one in text if ord(one) > 127 and not one.isalnum()}):
                yield of(stanza, option, "error", f"{', '.join(odd)} is no blank, but part of a word: write a plain blank")


def contradictions(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options with one value to which the lines of an interface give several. What is inherited may be said anew."""
    for stanzas in interfaces.by_name().values():
        seen: dict[str, Option] = {}
        for option in (one for stanza in stanzas for one in stanza.options if _own(one, stanza)):
            known = find(option.name)
            former = seen.setdefault(known.name, option) if known and known.name not in _LISTS else option
            if known and _value(known, former) != _value(known, option):
                text = f"{option.name} {option.value}: it is {former.value} at {former.where}; the last counts"
                yield Finding(option.where, "warning", f"{stanzas[0].name}: {text}")


def numbers_in_names(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Bridges and VLANs whose names speak of another VLAN than their options."""
    for link in _links(interfaces, devices).values():
        match = re.fullmatch(_NAMED.get(link.kind, ""), link.name)
        vlan = link.over.vlan if link.over else link.vlan
        if match and vlan and int(match[1]) != int(vlan):
            yield Finding(link.where, "warning", f"{link.name}: it is VLAN {vlan}, and its name says {match[1]}")


def without_effect(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options about the VLANs of ports, where no VLAN-aware bridge heeds them."""
    links, have = _links(interfaces, devices), interfaces.by_name()
    all_known = not open_ended(interfaces, devices)
    for link in (one for one in links.values() if one.name not in interfaces.parents):
        where = {known.name: option.where for stanza in have.get(link.name, ()) for option in stanza.options
                 if (known := find(option.name))}
        bridge = link if link.kind == "bridge" else links.get(link.master, link)
        for name in (one for one in _OF_AWARE if one in where):
            if (all_known or bridge.kind) and (why := _why_unheeded(name, link, bridge)):
                yield Finding(where[name], "warning", f"{link.name}: {name} has no effect: {why}")


def _why_unheeded(name: str, link: Link, bridge: Link) -> str:
    if bridge.kind != "bridge":
        return "it is no port of a bridge"
    if not aware(bridge):
        return f"{bridge.name} lacks bridge-vlan-aware yes"
    if name == "bridge-access" and link is bridge:
        return "it is for the stanza of a port"
    return "bridge-access stands beside it" if name != "bridge-access" and link.access and link is not bridge else ""


def spanned(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Devices of xen-vlans that have no VLANs, or have them in a way that is seldom meant."""
    links = _links(interfaces, devices)
    for stanza, option in named(interfaces, ("xen-vlans",)):
        link = links.get(stanza.name, Link(stanza.name))
        if stanza.name == "lo":
            yield of(stanza, option, "error", "the kernel makes no VLANs of lo")
        elif link.kind == "vlan" or (link.kind == "bridge" and not aware(link)):
            kind = "a VLAN: they are VLANs within it" if link.kind == "vlan" else "a bridge without bridge-vlan-aware yes"
            yield of(stanza, option, "warning", f"{link.name} is {kind}; is the card or the bond below it meant?")


def not_asked_for(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Bridges, bonds and VLANs that no line brings up: no auto or allow-, no other link, no command of a stanza."""
    have, listed = interfaces.by_name(), [one.name for one in interfaces.classes]
    asked = [name for name in have if any(means(name, one) for one in listed)]  # in the order of the files
    options = [option for stanza in interfaces.stanzas for option in stanza.options]
    commands = re.findall(r"[\w.:-]+", " ".join(option.value for option in options if option.name in COMMANDS))
    wanted = desired(interfaces, asked, devices)
    needed = {*asked, *wanted.links, *wanted.errors, *interfaces.parents, *interfaces.mappings, *commands}
    for link in _links(interfaces, devices).values():
        if link.kind and link.name in have and link.name not in needed:
            text = f"nothing brings it up: no line auto {link.name}, and no other stanza that needs it"
            yield Finding(link.where, "warning", f"{link.name}: {text}")


def nearly_a_link(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Names of ports, raw devices and bonds that are none, and nearly that of a bridge, bond or VLAN with a stanza."""
    have = interfaces.by_name()
    wanted = desired_by_all(interfaces, devices)
    made = {name for name, link in wanted.links.items() if link.kind and name in have}
    known = {*made, *devices, *have, *wanted.errors, "", *(link.name for link in wanted.links.values() if link.kind)}
    for link in wanted.links.values():
        for name in {link.lower, link.joins, *link.ports} - known:
            others = {one for one in made - {link.name} if "." not in one}  # eth0.1 is not meant for eth1
            if near := difflib.get_close_matches(name, others, 1, _ALIKE):
                text = f"no stanza makes {name}, and there is no such device; is {near[0]} meant?"
                yield Finding(wanted.stanza_of(link.name, have), "warning", f"{link.name}: {text}")
        if link.joins in have and link.joins in wanted.links and wanted.links[link.joins].kind != "bond":
            place = wanted.stanza_of(link.name, have)
            yield Finding(place, "error", f"{link.name}: bond-master {link.joins}: the stanza of {link.joins} is no bond's")


def _value(known: Known, option: Option) -> str:
    """Return what an option means: off and no are one value."""
    text = option.value.removeprefix("ether").strip()
    try:
        return known.read(text)
    except ValueError:
        return text


def _own(option: Option, stanza: Stanza) -> bool:
    """Tell whether an option stands in the stanza itself, and is not inherited."""
    (file, _, line), (own_file, _, own_line) = option.where.rpartition(":"), stanza.where.rpartition(":")
    return file == own_file and line.isdecimal() and own_line.isdecimal() and int(line) > int(own_line)


def _links(interfaces: Interfaces, devices: Collection[str]) -> Mapping[str, Link]:
    return desired_by_all(interfaces, devices).links
