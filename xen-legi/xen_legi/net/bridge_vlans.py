"""Which VLANs the ports of a VLAN-aware bridge carry, and what `bridge` is told to make it so. Pure.

A vif is no port of a stanza: its VLANs are those of its domU's file, and are left alone here.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

from xen_legi.net.describe import Link

Vlans = dict[int, bool]  # ID -> is it the one of frames without a tag, in and out?
_DEFAULT = 1  # of the kernel, for frames without a tag


def aware(link: Link) -> bool:
    """Tell whether this is a VLAN-aware bridge."""
    return any(known.name == "bridge-vlan-aware" and value == "1" for known, value in link.settings)


def wanted(links: Mapping[str, Link]) -> dict[str, Vlans]:
    """Return, for ports of VLAN-aware bridges, and for these themselves (for VLANs that stand on them), what they carry."""
    found: dict[str, Vlans] = {}
    for bridge in filter(aware, links.values()):
        for port in bridge.ports if bridge.joining is None else bridge.joining:
            found[port] = _of_port(links.get(port, Link(port)), bridge)
        above = {int(one.vlan): False for one in links.values() if one.kind == "vlan" and one.lower == bridge.name}
        found[bridge.name] = above if bridge.joining is not None else {_pvid(bridge, bridge): True, **above}
    return found


def _of_port(port: Link, bridge: Link) -> Vlans:
    if port.access:
        return {int(port.access): True}
    carried = {int(one): False for one in port.vids or bridge.vids}
    return {**carried, _pvid(port, bridge): True}


def _pvid(port: Link, bridge: Link) -> int:
    return int(port.pvid or bridge.pvid or _DEFAULT)


def lines(links: Mapping[str, Link], have: Mapping[str, Vlans]) -> Iterator[tuple[str, str]]:
    """Yield (interface, line) for what differs. `have` has what the kernel tells; what is not in it cannot be changed."""
    for name, vlans in wanted(links).items():
        if name in have:
            link = links.get(name, Link(name))
            itself, stays = (" self", link.joining is not None) if aware(link) else ("", False)
            gone = [one for one in have[name] if one not in vlans and not stays]
            new = [one for one, untagged in vlans.items() if have[name].get(one) is not untagged]
            new = [one for one in new if one not in have[name]] if stays else new
            yield from ((name, f"vlan del dev {name} vid {text}{itself}") for text in _ranges(gone))
            yield from ((name, f"vlan add dev {name} vid {text}{itself}")
                        for text in _ranges(one for one in new if not vlans[one]))
            yield from ((name, f"vlan add dev {name} vid {one} pvid untagged{itself}") for one in new if vlans[one])


def _ranges(numbers: "Iterator[int] | list[int]") -> Iterator[str]:
    """Yield numbers as ranges: 3, 7-9."""
    for _, group in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in group]
        yield f"{found[0]}-{found[-1]}" if len(found) > 1 else str(found[0])
