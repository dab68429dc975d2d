"""The options that we know: one table that is parser, check, manual and the ifupdown hook's guard at once.

What is not in the table belongs to others and is left alone. Values are read by xen_legi.net.values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xen_legi.net import values
from xen_legi.net.values import Reader, centiseconds, choice, number, number_as_in_c, on_off, seconds, switch, vlan_ranges


@dataclass(frozen=True)
class Known:
    """An option.

    kind: bridge or bond (an attribute of such a link), shape (what the links are and how they hang together; links.py
    knows its meaning), port (pairs PORT VALUE), remark (no link has anything like it: said, not done).
    word: the attribute in `ip link set type KIND`; shown: the same in `ip -json -details link`.
    ours: an interface with this option is for our hook to look at.
    needs: state in which the kernel takes a change: "" any, down, empty (no ports), ports (they must have joined).
    """

    name: str
    kind: str
    help: str
    read: Reader = values.text
    word: str = ""
    shown: str = ""
    needs: str = ""
    ours: bool = True

    @property
    def link(self) -> str:
        """Return the kind of link that a stanza with this option describes, or nothing."""
        if self.kind == "remark" or self.name in _OF_PORTS:
            return ""
        if self.name == "xen-vlan":
            return "bridge"
        prefix = self.name.partition("-")[0]
        return prefix if prefix in ("bridge", "vlan", "bond") else ""


_OF_PORTS = ("bond-master", "bond-primary", "bridge-vids", "bridge-pvid", "bridge-access")  # in the stanzas of ports too
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_PLAIN_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast")
_PRIMARY_MODES = ("active-backup", "balance-tlb", "balance-alb")
MODES_OF: Mapping[str, tuple[str, ...]] = {  # the modes in which the kernel takes an option at all (bond_options.c)
    "bond-lacp-rate": ("802.3ad",), "bond-lacp-active": ("802.3ad",), "bond-ad-actor-sys-prio": ("802.3ad",),
    "bond-ad-actor-system": ("802.3ad",), "bond-ad-user-port-key": ("802.3ad",),
    "bond-primary": _PRIMARY_MODES, "bond-active-slave": _PRIMARY_MODES,
    "bond-packets-per-slave": ("balance-rr",), "bond-tlb-dynamic-lb": ("balance-tlb", "balance-alb"),
    "bond-arp-interval": _PLAIN_MODES, "bond-arp-validate": _PLAIN_MODES, "bond-arp-missed-max": _PLAIN_MODES,
}
_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
_VALIDATE = ("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")
_EVER = (2**32 - 1) // 100  # seconds: the kernel takes hundredths of them, in 32 bits
_MILLISECONDS = number(0, 2**31 - 1)


def _shape(name: str, help: str, read: Reader = values.text, ours: bool = True) -> Known:
    return Known(name, "shape", help, read, ours=ours)


def _bridge(name: str, word: str, read: Reader, help: str) -> Known:
    return Known(name, "bridge", help, read, word, word)


def _bond(name: str, word: str, read: Reader, help: str, needs: str = "", shown: str = "") -> Known:
    return Known(name, "bond", help, read, word, shown or word, needs)


def _bmc(name: str, read: Reader, help: str) -> Known:
    return Known(name, "bmc", help, read, ours=False)


def _remark(name: str, help: str) -> Known:
    return Known(name, "remark", help)


TABLE = (
    _shape("xen-vlan", "ID DEVICE: this is a bridge over that VLAN of DEVICE; the VLAN DEVICE.ID is made too"),
    _shape("vlan-raw-device", "this is a VLAN on that device", values.device),
    _shape("vlan-id", "ID of the VLAN (default: from the name, as in vlan72, vlan0072 or bond0.72)", values.vlan_id),
    _shape("vlan-protocol", "802.1q (default) or 802.1ad", values.vlan_protocol),
    _shape("bridge-ports", "ports of this bridge: names, none, all, or regex REGEX... noregex NAME..."),
    _shape("bridge-hw", "MAC address of the bridge, or a device whose address it takes"),
    _shape("bridge-waitport", "SECONDS [PORT...]: wait at most that long for the ports to appear"),
    _shape("bridge-maxwait", "accepted for any number of seconds; we never wait for a bridge", centiseconds),
    _bridge("bridge-stp", "stp_state", switch, "spanning tree protocol (default: off)"),
    _bridge("bridge-fd", "forward_delay", seconds(0, _EVER), "forward delay in seconds (default: 0 without STP)"),
    _bridge("bridge-hello", "hello_time", seconds(1, 10), "hello time in seconds"),
    _bridge("bridge-maxage", "max_age", seconds(6, 40), "maximum message age in seconds"),
    _bridge("bridge-ageing", "ageing_time", seconds(0, _EVER), "seconds until an address that is not seen is forgotten"),
    _bridge("bridge-bridgeprio", "priority", number_as_in_c(0, 65535), "priority of the bridge in the spanning tree"),
    _bridge("bridge-vlan-aware", "vlan_filtering", switch, "one bridge for many VLANs"),
    _bridge("bridge-mcsnoop", "mcast_snooping", switch, "multicast snooping"),
    _bridge("bridge-mcquerier", "mcast_querier", switch, "multicast querier"),
    Known("bridge-pathcost", "port", "PORT COST: cost of a port in the spanning tree", number_as_in_c(1, 2**16 - 1), "cost",
          "cost"),
    Known("bridge-portprio", "port", "PORT PRIORITY: priority of a port", number_as_in_c(0, 63), "priority", "priority"),
    _remark("bridge-gcint", "has no effect: Linux collects forgotten addresses by itself"),
    _shape("bridge-vids", "RANGES: VLANs of a VLAN-aware bridge's ports; in a port's stanza: of that one", vlan_ranges),
    _shape("bridge-pvid", "VLAN of frames without a tag, of all ports or of one (default: 1)", values.vlan_id),
    _shape("bridge-access", "in a port's stanza: its only VLAN, without a tag", values.vlan_id),
    _shape("xen-vlans", "RANGES: a bridge xenbrID for each of these VLANs of this interface, as in 1-100 200", vlan_ranges),
    _shape("bond-slaves", "ports of this bond, none, or all (eth*); the old name is slaves"),
    _shape("bond-master", "this is a port of that bond", values.device),
    _bond("bond-mode", "mode", choice(*MODES), f"{', '.join(MODES)} (default: balance-rr, the kernel's)", "empty"),
    _bond("bond-miimon", "miimon", _MILLISECONDS, "milliseconds between two looks at the ports' links (default: 100)"),
    _bond("bond-updelay", "updelay", _MILLISECONDS, "milliseconds until a link that came up is used"),
    _bond("bond-downdelay", "downdelay", _MILLISECONDS, "milliseconds until a link that went down is left"),
    _bond("bond-peer-notify-delay", "peer_notify_delay", _MILLISECONDS, "milliseconds between two notifications of peers"),
    _bond("bond-use-carrier", "use_carrier", switch, "look at the carrier (1, default) or ask the driver (0)"),
    _bond("bond-arp-interval", "arp_interval", _MILLISECONDS, "milliseconds between two ARP probes (0: none)"),
    _bond("bond-arp-ip-target", "arp_ip_target", values.arp_targets, "IPv4 addresses for the ARP probes"),
    _bond("bond-arp-validate", "arp_validate", choice(*_VALIDATE), f"which probes must be seen: {', '.join(_VALIDATE)}"),
    _bond("bond-arp-all-targets", "arp_all_targets", choice("any", "all"), "any or all targets must answer"),
    _bond("bond-arp-missed-max", "arp_missed_max", number(1, 255), "probes that may be missed"),
    _bond("bond-ns-ip6-target", "ns_ip6_target", values.ns_targets, "IPv6 addresses for neighbour solicitation probes"),
    _bond("bond-primary", "primary", values.devices, "port that is used whenever it can be", "ports"),
    _bond("bond-primary-reselect", "primary_reselect", choice("always", "better", "failure"), "when to go back to it"),
    _bond("bond-active-slave", "active_slave", values.device, "port to use now", "ports"),
    _bond("bond-fail-over-mac", "fail_over_mac", choice("none", "active", "follow"), "none, active or follow", "empty"),
    _bond("bond-xmit-hash-policy", "xmit_hash_policy", choice(*_POLICIES), ", ".join(_POLICIES)),
    _bond("bond-resend-igmp", "resend_igmp", number(0, 255), "IGMP reports after a fail-over"),
    _bond("bond-num-grat-arp", "num_grat_arp", number(0, 255), "notifications after a fail-over", "", "num_peer_notif"),
    _bond("bond-num-unsol-na", "num_unsol_na", number(0, 255), "the same under its IPv6 name", "", "num_peer_notif"),
    _bond("bond-all-slaves-active", "all_slaves_active", switch, "take duplicates from inactive ports too"),
    _bond("bond-min-links", "min_links", _MILLISECONDS, "ports that must be up for the bond to be up"),
    _bond("bond-lp-interval", "lp_interval", number(1, 2**31 - 1), "seconds between two learning packets"),
    _bond("bond-packets-per-slave", "packets_per_slave", number(0, 65535), "packets in a row on a port"),
    _bond("bond-tlb-dynamic-lb", "tlb_dynamic_lb", switch, "balance-tlb by load (1) or by hash (0)", "down"),
    _bond("bond-lacp-rate", "lacp_rate", choice("slow", "fast"), "how often the partner sends", "down", "ad_lacp_rate"),
    _bond("bond-lacp-active", "lacp_active", on_off, "begin to talk LACP, or only answer", "down", "ad_lacp_active"),
    _bond("bond-ad-select", "ad_select", choice("stable", "bandwidth", "count"), "stable, bandwidth, count", "down"),
    _bond("bond-ad-user-port-key", "ad_user_port_key", number(0, 1023), "upper bits of the port key", "down"),
    _bond("bond-ad-actor-sys-prio", "ad_actor_sys_prio", number(1, 65535), "our LACP system priority"),
    _bond("bond-ad-actor-system", "ad_actor_system", values.mac, "our LACP system address"),
    Known("bond-queue-id", "port", "PORT:ID ...: transmit queue of a port", number(0, 65535), "queue_id", "queue_id"),
    _remark("bond-give-a-chance", "is not done: it is for wireless ports"),
    _shape("mtu", "MTU; what lies below is raised to it where it has no MTU of its own", number(68, 65535), ours=False),
    _shape("hwaddress", "MAC address of this link", ours=False),
    _bmc("ipmi-channel", number(1, 11), "the BMC's channel (default: the first that is a LAN)"),
    _bmc("ipmi-source", choice("static", "dhcp"), "where the BMC's address comes from"),
    _bmc("ipmi-address", values.bmc_address, "the BMC's address, as in 192.0.2.5/24"),
    _bmc("ipmi-gateway", values.bmc_gateway, "the BMC's gateway, or none"),
    _bmc("ipmi-vlan", values.bmc_vlan, "the VLAN of the BMC on a port that it shares, or off"),
)
ALIASES = {"slaves": "bond-slaves", "bridge-prio": "bridge-bridgeprio", "hw-mac-address": "hwaddress"}
BY_NAME = {known.name: known for known in TABLE}


def find(name: str) -> Known | None:
    """Given an option's name as Stanza has it, return what we know of it."""
    return BY_NAME.get(ALIASES.get(name, name))


def ours(names: Iterable[str]) -> bool:
    """Tell whether one of these options makes an interface one for our hook to look at."""
    return any(known.ours for known in map(find, names) if known)


def variables() -> tuple[str, ...]:
    """Return the variables by which a hook sees that an interface is ours to look at, in the order of the table."""
    names = [known.name for known in TABLE if known.ours]
    names += [alias for alias, name in ALIASES.items() if BY_NAME[name].ours]
    return tuple("IF_" + name.upper().replace("-", "_") for name in names)
