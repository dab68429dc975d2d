"""What the kernel's network looks like, for people: each link with what it stands on, its ports, its addresses. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    vifs = {name: number for name in state if (number := _domain(name, facts)) is not None}
    return [_row(state[name], state, facts[name], vifs.get(name), domus) for name in _in_order(state, vifs)]


def _domain(name: str, facts: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Return the number of the domain at the other end of a vif, also of one with a name by `vifname`; None for others."""
    base = name.removesuffix("-emu")
    parent = facts[base].get("parentdev", "") if base in facts else ""
    match = re.fullmatch(r"vif(\d+)\.\d+", base) or re.fullmatch(r"vif-(\d+)-\d+", parent)
    return int(match[1]) if match else None


def table(links: Iterable[Row]) -> str:
    """Return the links as a table for people."""
    return "\n".join(aligned([_HEADING, *(_words(one) for one in links)]))


def _row(device: Device, state: State, facts: Mapping[str, Any], domain: int | None, domus: Mapping[int, str]) -> Row:
    flags = facts.get("flags", ())
    return Row(
        name=device.name,
        kind="vif" if domain is not None else device.kind or ("loopback" if "LOOPBACK" in flags else "hardware"),
        detail=device.attributes.get({"vlan": "id", "bond": "mode"}.get(device.kind, ""), ""),
        up=device.up,
        carrier="LOWER_UP" in flags,
        mtu=device.mtu,
        on=device.lower if device.kind == "vlan" else "",
        port_of=device.master,
        ports=tuple(sorted(one.name for one in state.values() if one.master == device.name)),
        addresses=tuple(f"{one['local']}/{one['prefixlen']}" for one in facts.get("addr_info", ()) if "local" in one),
        domu=domus.get(domain, "") if domain is not None else "",
        ours=device.ours,
        alias=device.alias,
    )


def _words(one: Row) -> tuple[str, ...]:
    state = ("up" if one.carrier else "no carrier") if one.up else "down"
    kind = " ".join(word for word in (one.kind, one.detail, one.domu) if word)
    return (one.name, kind, one.alias, state, str(one.mtu), one.on, " ".join(one.ports), " ".join(one.addresses))


def _in_order(state: State, vifs: Collection[str]) -> list[str]:
    """Return the names: loopback and hardware, then bonds, VLANs and bridges by name and number, then what domUs have."""
    ranks = {"": 0, "bond": 1, "vlan": 2, "bridge": 3}
    return sorted(state, key=lambda name: (4 if name in vifs else ranks.get(state[name].kind, 5), _natural(name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which vlan9 comes before vlan72."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
