"""What the kernel's network looks like, for people: each link with what it stands on, its ports, its addresses. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xen_legi.columns import aligned
from xen_legi.net import kernel
from xen_legi.net.kernel import Device, State

_HEADING = ("LINK", "KIND", "NAME", "STATE", "MTU", "ON", "PORTS", "ADDRESSES")


@dataclass(frozen=True)
class Row:
    """One link. `kind` is hardware, bridge, bond, vlan, vif or the kernel's own word; `detail` its VLAN or its mode.

    `on` is the raw device of a VLAN and the master of a port is `port_of`; `domu` is the domU at the other end of a vif.
    """

    name: str
    kind: str
    detail: str
    up: bool
    carrier: bool
    mtu: int
    on: str
    port_of: str
    ports: tuple[str, ...]
    addresses: tuple[str, ...]
    domu: str
    ours: bool
    alias: str = ""


def rows(answer: Sequence[Mapping[str, Any]], domus: Mapping[int, str]) -> list[Row]:
    """Given what `ip -json -details address show` prints and the names of domUs by ID, return the links.

    Cards come first, then bonds, VLANs, bridges, and the vifs of the domUs.
    """
    state = kernel.parse([dict(one) for one in answer])
    facts = {one["ifname"]: one for one in answer if "ifname" in one}
    return [_row(state[name], state, facts[name], domus) for name in _in_order(state)]


def table(links: Iterable[Row]) -> str:
    """Return the links as a table for people."""
    return "\n".join(aligned([_HEADING, *(_words(one) for one in links)]))


def _row(device: Device, state: State, facts: Mapping[str, Any], domus: Mapping[int, str]) -> Row:
    vif = re.fullmatch(r"vif(\d+)\.\d+(-emu)?", device.name)
    flags = facts.get("flags", ())
    return Row(
        name=device.name,
        kind="vif" if vif else device.kind or ("loopback" if "LOOPBACK" in flags else "hardware"),
        detail=device.attributes.get({"vlan": "id", "bond": "mode"}.get(device.kind, ""), ""),
        up=device.up,
        carrier="LOWER_UP" in flags,
        mtu=device.mtu,
        on=device.lower if device.kind == "vlan" else "",
        port_of=device.master,
        ports=tuple(sorted(one.name for one in state.values() if one.master == device.name)),
        addresses=tuple(f"{one['local']}/{one['prefixlen']}" for one in facts.get("addr_info", ()) if "local" in one),
        domu=domus.get(int(vif[1]), "") if vif else "",
        ours=device.ours,
        alias=device.alias,
    )


def _words(one: Row) -> tuple[str, ...]:
    state = ("up" if one.carrier else "no carrier") if one.up else "down"
    kind = " ".join(word for word in (one.kind, one.detail, one.domu) if word)
    return (one.name, kind, one.alias, state, str(one.mtu), one.on, " ".join(one.ports), " ".join(one.addresses))


def _in_order(state: State) -> list[str]:
    """Return the names: loopback and hardware, then bonds, VLANs and bridges by name and number, then what domUs have."""
    return sorted(state, key=lambda name: (_rank(state[name]), _natural(name)))


def _rank(device: Device) -> int:
    if device.name.startswith("vif"):
        return 4
    return {"": 0, "bond": 1, "vlan": 2, "bridge": 3}.get(device.kind, 5)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which vlan9 comes before vlan72."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
