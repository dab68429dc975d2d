"""What the BMC cannot be, or hardly is meant to be, by interfaces files. Pure."""

import ipaddress
from collections.abc import Collection, Iterator

from xen_legi.bmc import lan
from xen_legi.finding import Finding
from xen_legi.net.check_options import named, of
from xen_legi.net.links import desired_by_all
from xen_legi.net.stanzas import Interfaces


def nonsense(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """What the BMC cannot be."""
    try:
        lan.wish(interfaces)
    except lan.UnknownOption:
        pass  # it is told of all options, with the one that was probably meant
    except ValueError as error:
        where, _, text = str(error).partition(": ")
        yield Finding(where, "error", text)


def gateway(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """A gateway that is not in the BMC's own network."""
    try:
        wish = lan.wish(interfaces)
    except ValueError:
        return
    if wish is None or not wish.lan.address or wish.lan.gateway in ("", "0.0.0.0"):
        return
    network = ipaddress.IPv4Interface(f"{wish.lan.address}/{wish.lan.netmask}").network
    for stanza, option in named(interfaces, ("ipmi-gateway",)):
        if ipaddress.IPv4Address(wish.lan.gateway) not in network:
            yield of(stanza, option, "warning", f"{wish.lan.gateway} is not in the BMC's network, {network}")


def shared_vlan(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """A VLAN of the BMC that this host has as well: what is in it, domUs perhaps, reaches the BMC."""
    found = list(named(interfaces, ("ipmi-vlan",)))
    links = desired_by_all(interfaces, devices).links.values() if found else ()
    vlans = {one.vlan: one for one in reversed(list(links)) if one.kind == "vlan"}
    for stanza, option in found:
        if link := vlans.get(option.value.strip()):
            yield of(stanza, option, "warning", f"{link.name} is VLAN {link.vlan}, too: what is in it reaches the BMC")
