"""The IP addresses and default routes that stanzas give to an interface, and how a change of them is brought about. Pure."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xen_legi.net.options import find
from xen_legi.net.stanzas import Stanza

_OPTIONS = ("address", "netmask", "gateway", "metric", "broadcast")
Rest = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Wish:
    """What an interface's stanzas ask for beside its link.

    addresses: as `ip` takes them, 192.0.2.1/24, in the order of the stanzas; routes: gateways, perhaps with a metric; rest:
    all that only ifup and ifdown can do (DHCP, commands, options of other packages).
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    rest: tuple[Rest, ...] = ()


@dataclass(frozen=True)
class Delta:
    """Lines of `ip -batch` for addresses, by interface; interfaces that only ifdown and ifup can bring to what is asked;
    what makes no sense, by interface."""

    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    again: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


def wish(stanzas: Iterable[Stanza]) -> Wish:
    """Return what these stanzas of one interface ask for. Raise ValueError for an address that is none."""
    addresses: list[str] = []
    routes: list[str] = []
    rest: list[Rest] = []
    for stanza in stanzas:
        static = stanza.method == "static"
        if static:
            addresses += _addresses(stanza)
            routes += _routes(stanza)
        others = tuple((one.name, one.value) for one in stanza.options if not _known(one.name, static))
        if others or stanza.method not in ("static", "manual"):
            rest.append((stanza.family, stanza.method, others))
    return Wish(tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(routes)), tuple(dict.fromkeys(rest)))


def _known(name: str, static: bool) -> bool:
    """Tell whether an option is ours to change: of the link, or of a static address."""
    return find(name) is not None or name == "description" or (static and name in _OPTIONS)


def _values(stanza: Stanza, name: str) -> list[str]:
    return [one.value.split()[0] for one in stanza.options if one.name == name and one.value.split()]


def _addresses(stanza: Stanza) -> Iterator[str]:
    masks = _values(stanza, "netmask")
    for value in _values(stanza, "address"):
        mask = "" if "/" in value or not masks else f"/{masks[-1].removeprefix('/')}"
        interface = ipaddress.ip_interface(value + mask)
        length = interface.network.prefixlen
        if not mask and "/" not in value:  # ifupdown's defaults
            length = 64 if interface.version == 6 else _classful(interface.ip)
        yield f"{interface.ip}/{length}"


def _classful(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    first = address.packed[0]
    return 8 if first < 128 else 16 if first < 192 else 24


def _routes(stanza: Stanza) -> Iterator[str]:
    metric = "".join(f" metric {one}" for one in _values(stanza, "metric")[-1:])
    for gateway in _values(stanza, "gateway"):
        yield f"{ipaddress.ip_address(gateway)}{metric}"


def delta(
    before: Mapping[str, Iterable[Stanza]], now: Mapping[str, Iterable[Stanza]], have: Mapping[str, Collection[str]],
    names: Iterable[str],
) -> Delta:
    """Given the stanzas in force and those of the files, by interface, and the addresses that the kernel has, return what is
    to be done for these interfaces. Of one that nothing is known of, addresses are added and none are taken away."""
    lines: dict[str, tuple[str, ...]] = {}
    again: list[str] = []
    errors: dict[str, str] = {}
    for name in names:
        try:
            wanted = wish(now.get(name, ()))
            was = wish(before[name]) if name in before else Wish(routes=wanted.routes, rest=wanted.rest)
        except ValueError as error:
            errors[name] = str(error)
            continue
        if was.rest != wanted.rest:
            again.append(name)
        elif found := tuple(_lines(name, was, wanted, have.get(name, ()))):
            lines[name] = found
    return Delta(lines, tuple(again), errors)


def _lines(name: str, was: Wish, wanted: Wish, have: Collection[str]) -> Iterator[str]:
    """Yield the lines for one interface. All that stays is said again after a removal: with the first address of a network
    the kernel may take away the others, and the routes."""
    gone = [one for one in was.addresses if one not in wanted.addresses and one in have]
    routes = [one for one in was.routes if one not in wanted.routes]
    new = [one for one in wanted.addresses if one not in have]
    yield from (f"route del default via {route} dev {name}" for route in routes)
    yield from (f"address del {one} dev {name}" for one in gone)
    yield from (f"address replace {one}{_broadcast(one)} dev {name}" for one in (wanted.addresses if gone else new))
    if gone or new or was.routes != wanted.routes:
        yield from (f"route replace default via {_metric_last(route, name)} onlink" for route in wanted.routes)


def _broadcast(address: str) -> str:
    interface = ipaddress.ip_interface(address)
    return " broadcast +" if interface.version == 4 and interface.network.prefixlen < 31 else ""


def _metric_last(route: str, name: str) -> str:
    gateway, _, metric = route.partition(" ")
    return f"{gateway} dev {name} {metric}".rstrip()
