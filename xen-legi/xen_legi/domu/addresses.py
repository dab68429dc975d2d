"""Addresses as they are given on the command line: 192.168.72.11/24, an address and a netmask, or dhcp."""

import ipaddress
from collections.abc import Iterable

from xen_legi.domu.config import Vif
from xen_legi.errors import die

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
DHCP = "dhcp"


def interface(text: str, netmask: str = "") -> Interface | None:
    """Given ADDRESS/LENGTH, or ADDRESS and a netmask, return the address in its network; None for "dhcp"."""
    if text == DHCP:
        return None
    if "/" not in text and not netmask:
        die(f"address {text!r} has no network", hint="write 192.168.72.11/24, or add --netmask")
    written = text if "/" in text else f"{text}/{netmask}"
    try:
        one = ipaddress.ip_interface(_without_zone(written))
    except ValueError:
        die(f"{written!r} is not an address", hint="write 192.168.72.11/24 or 2001:db8::11/64")
    check_host(one)
    return one


def address(text: str, *, what: str) -> Address:
    """Return an address without a network; die naming `what` it was to be."""
    try:
        return ipaddress.ip_address(_without_zone(text))
    except ValueError:
        die(f"{what} {text!r} is not an address", hint="write 192.168.72.254 or 2001:db8::1")


def gateway(text: str, nics: list[Interface]) -> Address | None:
    """Return the gateway; die unless one of the guest's networks holds it and it is not the guest itself."""
    if not text:
        return None
    one = address(text, what="gateway")
    if one in [nic.ip for nic in nics]:
        die(f"gateway {one} is the domU's own address", hint="give the address of its router, or leave --gateway out")
    if not any(one in nic.network for nic in nics):
        networks = ", ".join(str(nic.network) for nic in nics) or "none, it uses DHCP"
        die(f"gateway {one} is outside of the domU's network", hint=f"networks of this domU: {networks}")
    return one


def of_vifs(vifs: Iterable[Vif]) -> set[str]:
    """Return the addresses that vif lines name, without their networks, in their usual form."""
    return {_usual(word.partition("/")[0]) for vif in vifs for word in vif.options.get("ip", "").split()}


def _usual(word: str) -> str:
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return word  # the vif script may know what it is


def _without_zone(text: str) -> str:
    """Raise ValueError for fe80::1%eth0: dom0's interfaces are not the guest's."""
    if "%" in text:
        raise ValueError("no address of a guest")
    return text


def check_host(one: Interface) -> None:
    """Die for what cannot be a machine's address."""
    network = one.network
    if one.ip.is_multicast or one.ip.is_unspecified or one.ip.is_loopback:
        die(f"{one.ip} cannot be a machine's address", hint="give one of the network that the domU is in: 192.168.72.11/24")
    if network.prefixlen >= network.max_prefixlen - 1:
        return  # a point-to-point network has no address of its own
    if one.ip == network.network_address:
        die(f"{one.ip} is the network {network} itself", hint="give the address of the machine")
    if one.version == 4 and one.ip == network.broadcast_address:
        die(f"{one.ip} is the broadcast address of {network}", hint="give the address of the machine")
