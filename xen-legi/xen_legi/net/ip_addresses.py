"""The IP addresses and default routes that stanzas give to an interface, and how a change of them is brought about. Pure.

An address that is exchanged takes the routes of its network along. So `ip` is left to do it only where a stanza has nothing
but addresses and gateways; commands (`up ip route add …`), and options of others, are run again by ifdown and ifup.
"""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from xen_legi.net.options import find
from xen_legi.net.stanzas import COMMANDS, Stanza

_OPTIONS = ("address", "netmask", "gateway", "metric", "broadcast")
_OF_CARDS = ("mtu", "hwaddress", "description")  # ifup's, where the link is not ours
_T = TypeVar("_T")
Rest = tuple[str, str, tuple[tuple[str, str], ...]]
Stanzas = Mapping[str, Iterable[Stanza]]


@dataclass(frozen=True)
class Wish:
    """What an interface's stanzas ask for beside its link.

    addresses: as `ip` takes them, 192.0.2.1/24, in the order of the stanzas; routes: gateways, perhaps with a metric; rest:
    all that only ifup and ifdown can do (DHCP, commands, options of other packages); kinds: the same of all stanzas.
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    rest: tuple[Rest, ...] = ()
    kinds: tuple[Rest, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """What the kernel has, by interface: addresses, and gateways as Wish has them."""

    addresses: Mapping[str, Collection[str]] = field(default_factory=dict)
    routes: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Delta:
    """What is to be done.

    gone, new: lines of `ip -batch`, with their interface (with what one takes away, more may go: that a later one fails
    means nothing); again: interfaces that only ifdown and ifup can bring to what is asked; commands: those with something
    attached, of which no more than commands and addresses changed: their links need not go down; errors: what makes no
    sense.
    """

    gone: tuple[tuple[str, str], ...] = ()
    new: tuple[tuple[str, str], ...] = ()
    again: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


def wish(stanzas: Iterable[Stanza], *, ours: bool = True) -> Wish:
    """Return what these stanzas of one interface ask for; `ours`: its link is made by us. Raise ValueError for an address
    that is none."""
    addresses: list[str] = []
    routes: list[str] = []
    kinds: list[Rest] = []
    for stanza in stanzas:
        static = stanza.method == "static"
        if static:
            addresses += _addresses(stanza)
            routes += _routes(stanza)
        others = ((one.name, one.value) for one in stanza.options if not _known(one.name, static, ours))
        kinds.append((stanza.family, stanza.method, tuple(others)))
    rest = (one for one in kinds if one[2] or one[1] not in ("static", "manual"))
    return Wish(_once(addresses), _once(routes), _once(rest), _once(kinds))


def _beyond_commands(kinds: Iterable[Rest]) -> set[Rest]:
    """Return what is neither a command nor, as static and manual are, for us to do: DHCP, options of other packages."""
    found = {(family, "" if method in ("static", "manual") else method,
              tuple(option for option in options if option[0] not in COMMANDS)) for family, method, options in kinds}
    return {one for one in found if one[1:] != ("", ())}


def _once(found: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(found))


def _known(name: str, static: bool, ours: bool) -> bool:
    """Tell whether an option is ours to change: of the link, or of a static address."""
    if name in _OF_CARDS:
        return ours
    return find(name) is not None or (static and name in _OPTIONS)


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
    metric = "".join(_values(stanza, "metric")[-1:])
    for gateway in map(ipaddress.ip_address, _values(stanza, "gateway")):
        plain = metric in ("", "0", "1024" if gateway.version == 6 else "")
        yield str(gateway) if plain else f"{gateway} metric {metric}"


def delta(
    before: Stanzas, perhaps: Stanzas, now: Stanzas, have: Kernel, names: Iterable[str], ours: Collection[str],
    attached: Collection[str] = (),
) -> Delta:
    """Given the stanzas in force, those that a killed run may have brought into force, and those of the files, by interface,
    and what the kernel has, return what is to be done for these interfaces, of which the links of some are `ours`, and
    others are `attached` to some.

    Of an interface that nothing is known of, addresses are added and none are taken away.
    """
    gone: list[tuple[str, str]] = []
    new: list[tuple[str, str]] = []
    again: list[str] = []
    commands: list[str] = []
    errors: dict[str, str] = {}
    for name in names:
        try:
            wanted, *was = (wish(one.get(name, ()), ours=name in ours) for one in (now, before, perhaps))
        except ValueError as error:
            errors[name] = str(error)
            continue
        lines = _Lines(name, wanted, was, have)
        changed = name in before and was[0].rest != wanted.rest
        if changed or (name in perhaps and set(was[1].kinds) != set(wanted.kinds)) or (lines.gone and wanted.rest):
            known = [one for one, known in zip(was, (before, perhaps), strict=True) if name in known]
            same = all(_beyond_commands(one.kinds) == _beyond_commands(wanted.kinds) for one in known)
            if not same or name not in attached:
                again.append(name)
                continue
            commands.append(name)
        gone += ((name, line) for line in lines.gone)
        new += ((name, line) for line in lines.new)
    return Delta(tuple(gone), tuple(new), tuple(again), tuple(commands), errors)


class _Lines:
    """The lines for one interface. All addresses are said again after a removal: with the first one of a network the kernel
    may take away the others, and the routes."""

    def __init__(self, name: str, wanted: Wish, was: Iterable[Wish], have: Kernel) -> None:
        device, alias, _ = name.partition(":")  # eth0:1 is an address of eth0
        there, routes = have.addresses.get(device, ()), have.routes.get(device, ())
        addresses = {one for known in was for one in known.addresses if one not in wanted.addresses and one in there}
        former = {one for known in was for one in known.routes if one not in wanted.routes and one in routes}
        self.gone = [f"route del default via {_on(one, device)}" for one in sorted(former)]
        self.gone += [f"address del {one} dev {device}" for one in sorted(addresses)]
        missing = [one for one in wanted.addresses if addresses or one not in there]
        label = f" label {name}" if alias else ""
        self.new = [f"address replace {one}{_broadcast(one)} dev {device}{label}" for one in missing]
        self.new += [f"route replace default via {_on(one, device)} onlink" for one in wanted.routes
                     if self.gone or one not in routes]


def _broadcast(address: str) -> str:
    interface = ipaddress.ip_interface(address)
    return " broadcast +" if interface.version == 4 and interface.network.prefixlen < 31 else ""


def _on(route: str, name: str) -> str:
    gateway, _, metric = route.partition(" ")
    return f"{gateway} dev {name} {metric}".rstrip()
