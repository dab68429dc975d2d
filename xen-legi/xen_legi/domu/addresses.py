"""Addresses as they are given on the command line: 192.168.72.11/24, an address and a netmask, dhcp or auto6."""

import ipaddress
from collections.abc import Collection, Iterable

from xen_legi.domu.config import Vif
from xen_legi.errors import die

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
DHCP = "dhcp"
AUTO6 = "auto6"  # IPv6 as routers announce it: SLAAC
ASKED = {DHCP: "DHCP", AUTO6: "SLAAC"}  # what a guest asks its network for, and what people call that
_NO_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 1122, 3.2.1.3: "this network"


def interface(text: str, netmask: str = "") -> Interface | None:
    """Given ADDRESS/LENGTH, or ADDRESS and a netmask, return the address in its network; None for what is asked for."""
    if text in ASKED:
        return None
    if "/" not in text and not netmask:
        die(f"address {text!r} has no network", hint="write 192.168.72.11/24, or add --netmask")
    written = text if "/" in text else f"{text}/{netmask}"
    _check_netmask(written.partition("/")[2])
    try:
        one = ipaddress.ip_interface(_without_zone(written))
    except ValueError:
        die(f"{written!r} is not an address", hint="write 192.168.72.11/24 or 2001:db8::11/64")
    check_host(one)
    if one.version == 6 and one.is_link_local:
        die(f"{one.ip} is reached from nowhere else: it is link-local, and a guest has one of these by itself",
            hint="give one of the network that the domU is in: 2001:db8::11/64")
    return one


def _check_netmask(mask: str) -> None:
    """Die for 0.0.0.255, which ipaddress takes for the mask's opposite, and whatever else is no row of ones."""
    if "." not in mask:
        return
    try:
        free = int(ipaddress.IPv4Address(mask)) ^ 0xFFFFFFFF
    except ValueError:
        free = 2
    if free & (free + 1):
        die(f"{mask!r} is not a netmask", hint="write 255.255.255.0, or the length of the network: /24")


def address(text: str, *, what: str) -> Address:
    """Return an address without a network; die naming `what` it was to be."""
    try:
        return ipaddress.ip_address(_without_zone(text))
    except ValueError:
        die(f"{what} {text!r} is not an address", hint="write 192.168.72.254 or 2001:db8::1")


def gateway(text: str, fixed: Collection[Interface]) -> Address:
    """Return the gateway; die unless one of the guest's networks holds it and it is not the guest itself. On each network of
    IPv6 there are link-local addresses as well, and a router's is the usual gateway."""
    one = address(text, what="gateway")
    if one in [nic.ip for nic in fixed]:
        die(f"gateway {one} is the domU's own address", hint="give the address of its router, or leave --gateway out")
    local = one.version == 6 and one.is_link_local and any(nic.version == 6 for nic in fixed)
    if not local and not any(one in nic.network for nic in fixed):
        networks = ", ".join(str(nic.network) for nic in fixed) or "none, it asks for its addresses"
        die(f"gateway {one} is outside of the domU's network", hint=f"networks of this domU: {networks}")
    return one


def of_vifs(vifs: Iterable[Vif]) -> set[str]:
    """Return the addresses that vif lines name, without their networks, in their usual form."""
    return {usual(word.partition("/")[0]) for vif in vifs for word in vif.options.get("ip", "").split()}


def usual(word: str) -> str:
    """Return an address in its usual form; what is none, as it is."""
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
    network, ip = one.network, one.ip
    mapped = getattr(ip, "ipv4_mapped", None)  # reserved, but from Python 3.13 on it counts as the IPv4 address in it
    if mapped or ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.is_reserved or ip in _NO_NETWORK:
        die(f"{one.ip} cannot be a machine's address", hint="give one of the network that the domU is in: 192.168.72.11/24")
    if not network.prefixlen:
        die(f"{one} would have every address in its network", hint="give the length of its network: 192.168.72.11/24")
    if network.prefixlen >= network.max_prefixlen - 1:
        return  # a point-to-point network has no address of its own
    if one.ip == network.network_address:
        die(f"{one.ip} is the network {network} itself", hint="give the address of the machine")
    if one.version == 4 and one.ip == network.broadcast_address:
        die(f"{one.ip} is the broadcast address of {network}", hint="give the address of the machine")
