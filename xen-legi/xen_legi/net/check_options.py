"""Options that are not done, or not as they were hardly meant: those of other packages, of no port, of no hook. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping

from xen_legi.finding import Finding
from xen_legi.net.links import desired_by_all
from xen_legi.net.logical import no_interfaces
from xen_legi.net.options import find, ours
from xen_legi.net.stanzas import Interfaces, Option, Stanza, any_matches

OTHERS: Mapping[str, str] = {"ip-rp-filter": "vlan", "ip-proxy-arp": "vlan", "bridge-token": "bridge-utils"}
_OF_PORTS = ("bridge-pathcost", "bridge-portprio", "bond-queue-id")


def of_others(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options that other packages do, beside ours or alone."""
    for stanza in interfaces.stanzas:
        for option in stanza.options:
            if package := OTHERS.get(option.name):
                yield of(stanza, option, "warning", f"xen-legi does not do this, the package {package} does")


def hw_mac_address(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """The name that the package vlan has for hwaddress, of an interface that is no link of ours: ifup does not know it."""
    found = [(stanza, option) for stanza, option in named(interfaces, ("hwaddress",)) if option.name != "hwaddress"]
    if not found:
        return
    wanted, logical = desired_by_all(interfaces, devices), no_interfaces(interfaces, devices)
    for stanza, option in found:
        link = wanted.links.get(stanza.name)
        if stanza.name not in {*wanted.errors, *interfaces.parents, *logical} and not (link and link.kind):
            yield of(stanza, option, "error", "it is for links that xen-legi makes; hwaddress is meant, which ifup knows")


def no_scripts(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options of ours where ifup runs no hooks."""
    for stanza in interfaces.stanzas:
        mine = [option for option in stanza.options if ours([option.name])]
        if mine and any_matches(stanza.name, interfaces.no_scripts):
            yield of(stanza, mine[0], "warning", "a line no-scripts keeps ifup from all hooks here, so that nothing is made")


def both_ways(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options that a stanza has with - and with _: they are two to ifup, and one in the environment of a hook."""
    for stanza in interfaces.stanzas:
        seen: dict[str, Option] = {}
        for option in (one for one in stanza.options if one.written and ours([one.name])):
            former = seen.setdefault(option.name, option)
            if former.written != option.written:
                text = f"it is {former.written} at {former.where}: ifup hands over one of the two only, write both alike"
                yield of(stanza, option, "warning", text)


def no_ports(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Costs, priorities and queues of what is no port."""
    found = [] if open_ended(interfaces, devices) else list(named(interfaces, _OF_PORTS))
    links = desired_by_all(interfaces, devices).links if found else {}
    for stanza, option in found:
        link = links.get(stanza.name)
        if link := links.get(link.joins, link) if link else None:
            strange = dict.fromkeys(port for port, known, _ in link.port_settings if port not in link.ports)
            for port in (one for one in strange if one in re.split(r"[\s:]+", option.value)):
                yield of(stanza, option, "warning", f"{port} is no port of {link.name}")


def open_ended(interfaces: Interfaces, devices: Collection[str]) -> bool:
    """Tell whether ports depend on the devices of the host, and these are not known."""
    lists = named(interfaces, ("bridge-ports", "bond-slaves"))
    return not devices and any({"all", "regex"} & set(option.value.split()) for _, option in lists)


def hardware_addresses(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Devices of bridge-hw that are not there: the address is then that of the first port."""
    found = list(named(interfaces, ("bridge-hw",))) if devices else []
    known = {*devices, *(desired_by_all(interfaces, devices).links if found else ())}
    for stanza, option in found:
        device = option.value.removeprefix("MAC").strip()
        if device and ":" not in device and device not in known:
            yield of(stanza, option, "warning", f"there is no device {device}: it has the address of its first port")


def named(interfaces: Interfaces, names: Collection[str]) -> Iterator[tuple[Stanza, Option]]:
    """Yield the options with these names, or other names for them, each with its stanza."""
    for stanza in interfaces.stanzas:
        for option in stanza.options:
            if (known := find(option.name)) and known.name in names:
                yield stanza, option


def of(stanza: Stanza, option: Option, level: str, text: str) -> Finding:
    """Return what there is to say of an option."""
    return Finding(option.where or stanza.where, level, f"{stanza.name}: {option.written or option.name}: {text}")
