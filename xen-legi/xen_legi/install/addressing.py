"""How the addresses, gateways and names of a command line are shared out among a new domU's interfaces. Pure."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xen_legi.domu import addresses
from xen_legi.domu.addresses import AUTO6, Address, Interface
from xen_legi.errors import die


@dataclass(frozen=True)
class Given:
    """What one interface is given: fixed addresses, that of IPv4 first, and what it asks its network for."""

    addresses: tuple[Interface, ...]
    asks: tuple[str, ...]


def device(vlan: int, count: int) -> str:
    """Return what the guest calls its interface on a VLAN. While it boots, its kernel calls `count` interfaces eth0, eth1 …
    in the order in which they are ready: which is to have one of these names may find it taken (systemd.link(5), Name=)."""
    return f"eth{vlan}" if vlan >= count else f"vlan{vlan}"


def family(word: str) -> int:
    """Return of which family an address is, or what is asked for: 4 or 6."""
    return 6 if ":" in word or word == AUTO6 else 4


def fixed_families(ips: Iterable[str]) -> set[int]:
    """Return of which families fixed addresses are given."""
    return {family(word) for one in ips for word in one.split(",") if word not in addresses.ASKED}


def need_netmask(ips: Iterable[str]) -> bool:
    """Tell whether an address was given without its network."""
    return any("/" not in word and word not in addresses.ASKED for one in ips for word in one.split(","))


def given(ips: Sequence[str], netmask: str, count: int) -> list[Given]:
    """Return what each of `count` interfaces is given. Die if that is not clear."""
    shared = _shared(ips, count)
    if len(shared) != count:
        number = sum(map(len, shared))
        die(f"{_counted(count, 'network interface')} and {_counted(number, 'address', 'addresses')}",
            hint="give one --ip for each --vlan, in the same order: --ip 192.168.72.11/24, or --ip dhcp; those of one "
            "interface with a comma: --ip 192.168.72.11/24,2001:db8::11/64")
    return [_given(words, netmask) for words in shared]


def gateways(texts: Sequence[str], nics: Sequence[Given]) -> list[tuple[Address, ...]]:
    """Return the gateways of each interface, that of IPv4 first. Die unless there is at most one of each family."""
    fixed = [one for nic in nics for one in nic.addresses]
    found = sorted((addresses.gateway(text, fixed) for text in texts), key=lambda one: one.version)
    for one, other in zip(found, found[1:]):
        if one.version == other.version:
            die(f"two gateways for IPv{one.version}: {one} and {other}", hint="a domU has one for each family of addresses")
    where = [_nearest(one, nics) for one in found]
    return [tuple(one for one, at in zip(found, where) if at == number) for number in range(len(nics))]


def _shared(ips: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """Return the words of each interface: an --ip for each, or, where there are more, one of the other family directly after
    one is the same interface's. A comma says it in so many words."""
    apart = [tuple(one.split(",")) for one in ips]
    if len(apart) == count or any(len(one) > 1 for one in apart):
        return apart
    found: list[tuple[str, ...]] = []
    for words in apart:
        if found and len(found[-1]) == 1 and family(found[-1][0]) != family(words[0]):
            found[-1] += words
        else:
            found.append(words)
    return found


def _given(words: Sequence[str], netmask: str) -> Given:
    if len({family(one) for one in words}) < len(words):
        die(f"one interface cannot have {' and '.join(words)}", hint="one address of IPv4 and one of IPv6 for each")
    found = [addresses.interface(one, netmask if family(one) == 4 else "") for one in words]
    fixed = sorted((one for one in found if one), key=lambda one: one.version)
    return Given(tuple(fixed), tuple(one for one in words if one in addresses.ASKED))


def _nearest(gateway: Address, nics: Sequence[Given]) -> int:
    """Return the number of the interface that leads to a gateway: of networks that hold each other, the smallest decides."""
    if gateway.version == 6 and isinstance(gateway, ipaddress.IPv6Address) and gateway.is_link_local:
        return _only_one(gateway, nics)
    lengths = [max((one.network.prefixlen for one in nic.addresses if gateway in one.network), default=-1) for nic in nics]
    return lengths.index(max(lengths))


def _only_one(gateway: Address, nics: Sequence[Given]) -> int:
    """Return the number of the interface with IPv6: a link-local address does not tell on which network it is."""
    found = [number for number, nic in enumerate(nics) if any(one.version == 6 for one in nic.addresses)]
    if len(found) > 1:
        die(f"gateway {gateway} may be on each network of IPv6 that the domU is in",
            hint="give the address that the router has in one of them")
    return found[0]


def _counted(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
