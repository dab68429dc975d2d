"""What is wrong with the addresses of static stanzas, or only looks so: with file and line. Pure."""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from xen_legi.finding import Finding
from xen_legi.net.logical import as_chosen, chosen
from xen_legi.net.stanzas import Interfaces, Option, Stanza

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAMES = {"inet": "IPv4", "inet6": "IPv6"}
_INTERFACES: Mapping[str, Callable[[str], Interface]] = {"inet": ipaddress.IPv4Interface, "inet6": ipaddress.IPv6Interface}


def of_stanzas(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Addresses that are none, and gateways that no address of their interface reaches."""
    for stanza in _static(interfaces):
        read = [_read(stanza, option) for option in stanza.options if option.name == "address"]
        yield from (one for one in read if isinstance(one, Finding))
        networks = [one.network for one in read if not isinstance(one, Finding)]
        for option in stanza.options:
            if option.name == "gateway":
                yield from _gateway(stanza, option, networks)


def twice(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Addresses that two interfaces get. Those that nothing brings up by itself may be there in place of each other."""
    seen: dict[str, Stanza] = {}
    for stanza in _brought_up(interfaces, devices):
        for option in (one for one in stanza.options if one.name == "address"):
            read = _read(stanza, option)
            if isinstance(read, Finding):
                continue
            first = seen.setdefault(str(read.ip), stanza)
            if first.name != stanza.name:
                text = f"{stanza.name}: address {read.ip} is that of {first.name}, too: {first.where}"
                yield Finding(option.where, "warning", text)


def gateways(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """More than one default route of IPv4 with the same metric: the kernel refuses the second one to ifup."""
    seen: dict[str, tuple[str, Option]] = {}
    for stanza in _brought_up(interfaces, devices):
        metric = next((one.value for one in stanza.options if one.name == "metric"), "0")
        for option in (one for one in stanza.options if one.name == "gateway" and stanza.family == "inet"):
            name, first = seen.setdefault(metric, (stanza.name, option))
            if first is not option:
                text = f"{stanza.name}: {name} has a gateway already, at {first.where}: of one metric there can be one"
                yield Finding(option.where, "warning", text)


def _static(interfaces: Interfaces) -> Iterable[Stanza]:
    return (one for one in interfaces.stanzas if one.method == "static" and one.family in _NAMES)


def _brought_up(interfaces: Interfaces, devices: Collection[str]) -> Iterable[Stanza]:
    names = {*(one.name for one in interfaces.classes), *chosen(interfaces, devices)}
    return (one for one in _static(as_chosen(interfaces, devices)) if one.name in names)


def _read(stanza: Stanza, option: Option) -> Interface | Finding:
    """Return the address with its network, as ifup reads it, or what is wrong with it."""
    kind = _INTERFACES[stanza.family]
    mask = next((one for one in reversed(stanza.options) if one.name == "netmask"), None)
    alone = mask is None or "/" in option.value
    try:
        return kind(option.value if alone or mask is None else f"{option.value}/{mask.value.removeprefix('/')}")
    except ipaddress.NetmaskValueError:
        bad = option if alone or mask is None else mask
        return Finding(bad.where, "error", f"{stanza.name}: {bad.name} {bad.value!r} has no network mask that can be")
    except ValueError:
        text = f"{stanza.name}: address {option.value!r} is no {_NAMES[stanza.family]} address"
        return Finding(option.where, "error", text)


def _gateway(stanza: Stanza, option: Option, networks: Iterable[Network]) -> Iterator[Finding]:
    kind = ipaddress.IPv4Address if stanza.family == "inet" else ipaddress.IPv6Address
    try:
        address = kind(option.value)
    except ValueError:
        text = f"{stanza.name}: gateway {option.value!r} is no {_NAMES[stanza.family]} address"
        yield Finding(option.where, "error", text)
        return
    known = list(networks)
    near = address.is_link_local or any(address in one or one.prefixlen == one.max_prefixlen for one in known)
    if known and not near and not stanza.has("pointopoint"):
        text = f"{stanza.name}: gateway {address} is in no network of this stanza ({', '.join(map(str, known))})"
        yield Finding(option.where, "warning", text)
