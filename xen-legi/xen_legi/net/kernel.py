"""The links that the kernel has, from `ip -json -details link`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xen_legi.run import run_json

GROUP = 0x163E  # link group of all links that we make, the tail of Xen's MAC prefix 00:16:3e; `ip link show group 5694`
GOING = GROUP + 1  # of those that are removed together, in the moment before
GUESTS = "fe:ff:ff:ff:ff:ff"  # the address that vif-bridge gives each vif
UNNAMED = GROUP + 2  # of those that no stanza names: udev need not ask ifupdown about each (81-xen-legi-ifupdown.rules)


@dataclass(frozen=True)
class Device:
    """A network device. `attributes` are those of its kind, `port` those that it has as the port of its master, as text."""

    name: str
    kind: str = ""  # bridge, vlan, bond, veth, ...; nothing for hardware
    address: str = ""
    permanent: str = ""  # the address that the hardware has by itself
    mtu: int = 1500
    up: bool = False
    master: str = ""
    lower: str = ""
    silent: bool = False  # gets no IPv6 address by itself
    group: int = 0
    alias: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    port: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Tell whether we made it."""
        return self.group in (GROUP, GOING, UNNAMED)

    @property
    def first(self) -> bool:
        """Tell whether it may be there before any stanza is brought up: it is no link of ours or on another, and no vif."""
        return not (self.ours or self.lower or self.kind in ("bridge", "bond", "vlan") or self.address == GUESTS)


State = Mapping[str, Device]


def read() -> dict[str, Device]:
    """Return all devices of this network namespace by name."""
    return parse(run_json(["ip", "-json", "-details", "link", "show"]))


def addresses() -> dict[str, tuple[str, ...]]:
    """Return the IP addresses of all devices, as 192.0.2.1/24."""
    rows = run_json(["ip", "-json", "address", "show"])
    return {row["ifname"]: tuple(f"{one['local']}/{one['prefixlen']}" for one in row.get("addr_info", ()) if "local" in one)
            for row in rows if "ifname" in row}


_OF_KERNEL = ("kernel", "ra", "redirect")
_IPV6_METRIC = 1024  # of a route for which none was given


def routes() -> list[dict[str, Any]]:
    """Return the routes of the main table, IPv4 and IPv6, as `ip -json route` tells them."""
    return [row for family in ("-4", "-6") for row in run_json(["ip", "-json", family, "route", "show"]) or ()]


def gateways(rows: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return the default routes among these by interface, as `192.0.2.1` or `192.0.2.1 metric 5`."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row.get("dst") == "default" and "gateway" in row and "dev" in row:
            plain = row.get("metric", 0) in (0, _IPV6_METRIC if ":" in row["gateway"] else 0)
            text = row["gateway"] if plain else f"{row['gateway']} metric {row['metric']}"
            found[row["dev"]] = (*found.get(row["dev"], ()), text)
    return found


def lost_routes(before: list[dict[str, Any]], now: list[dict[str, Any]], devices: State) -> list[str]:
    """Return the lines that bring routes back which a link lost when it was down for a moment; what the kernel makes by
    itself (by a router's word it would come back without its end), or has several ways, is left out."""
    there = [_route(row) for row in now]
    rows = (row for row in before if row.get("protocol") not in _OF_KERNEL and "dst" in row)
    lines = dict.fromkeys(_route(row) for row in rows if row.get("dev") in devices and devices[row["dev"]].up)
    return [f"route add {line}" for line in sorted(lines, key=lambda line: " via " in line) if line not in there]


def _route(row: dict[str, Any]) -> str:
    named = {"gateway": "via", "dev": "dev", "protocol": "proto", "scope": "scope", "prefsrc": "src", "metric": "metric"}
    words = [row.get("dst", "")] + [f"{word} {row[key]}" for key, word in named.items() if key in row]
    return " ".join(words + (["onlink"] if "onlink" in row.get("flags", ()) else []))


def vlans() -> dict[str, dict[int, bool]]:
    """Return the VLANs that the ports of VLAN-aware bridges, and these themselves, carry: ID -> is it untagged?"""
    return parse_vlans(run_json(["bridge", "-json", "vlan", "show"]) or [])


def parse_vlans(rows: list[dict[str, Any]]) -> dict[str, dict[int, bool]]:
    """Given what `bridge -json vlan show` prints, return the same."""
    found: dict[str, dict[int, bool]] = {}
    for row in rows:
        for one in row.get("vlans", ()):
            members = range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1)
            found.setdefault(row["ifname"], {}).update(dict.fromkeys(members, "PVID" in one.get("flags", ())))
    return found


def parse(rows: list[dict[str, Any]]) -> dict[str, Device]:
    """Given what `ip -json -details link` prints, return the devices by name."""
    return {row["ifname"]: _device(row) for row in rows if "ifname" in row}


def _device(row: dict[str, Any]) -> Device:
    info = row.get("linkinfo", {})
    return Device(
        name=row["ifname"],
        kind=info.get("info_kind", ""),
        address=row.get("address", ""),
        permanent=row.get("permaddr", "") or row.get("address", ""),
        mtu=row.get("mtu", 0),
        up="UP" in row.get("flags", ()),
        master=row.get("master", ""),
        lower=row.get("link") or "",
        silent=row.get("inet6_addr_gen_mode") in ("none", None),
        group=_group(row.get("group", "")),
        alias=row.get("ifalias", ""),
        attributes={key: _text(value) for key, value in info.get("info_data", {}).items()},
        port={key: _text(value) for key, value in info.get("info_slave_data", {}).items()},
    )


def _group(name: str) -> int:
    """Return the number of a link group; 0 for `default` and other names, which are nobody's of ours."""
    return int(name) if name.isdecimal() else 0


def _text(value: object) -> str:
    """Return a value of the JSON as the word that `ip` would take for it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
