"""What a link gets back when an option is taken out of its stanza: the value with which the kernel makes it; and the ports
that it loses. Pure.

tests/lab compares the values with links that the kernel has just made. An option without a value here (the targets of ARP
probes, a primary port, a MAC address) keeps what it has until its link is made anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xen_legi.net.bonds import as_kept
from xen_legi.net.describe import Link
from xen_legi.net.kernel import State
from xen_legi.net.links import Desired
from xen_legi.net.options import MODES_OF

_MTU = 1500
VALUES = {
    "bridge-hello": "200", "bridge-maxage": "2000", "bridge-ageing": "30000", "bridge-bridgeprio": "32768",
    "bridge-vlan-aware": "0", "bridge-mcsnoop": "1", "bridge-mcquerier": "0",
    "bond-mode": "balance-rr", "bond-updelay": "0", "bond-downdelay": "0", "bond-peer-notify-delay": "0",
    "bond-use-carrier": "1", "bond-arp-interval": "0", "bond-arp-validate": "none", "bond-arp-all-targets": "any",
    "bond-arp-missed-max": "2", "bond-primary-reselect": "always", "bond-fail-over-mac": "none",
    "bond-xmit-hash-policy": "layer2", "bond-resend-igmp": "1", "bond-num-grat-arp": "1", "bond-num-unsol-na": "1",
    "bond-all-slaves-active": "0", "bond-min-links": "0", "bond-lp-interval": "1", "bond-packets-per-slave": "1",
    "bond-tlb-dynamic-lb": "1", "bond-lacp-rate": "slow", "bond-lacp-active": "on", "bond-ad-select": "stable",
}


def with_defaults(wanted: Desired, before: Mapping[str, Link]) -> Desired:
    """Given what is desired, and the links as their stanzas in force make them, return the same with what those no longer
    ask for set back."""
    links = {name: _set_back(link, before[name]) if name in before else link for name, link in wanted.links.items()}
    return replace(wanted, links=links)


def with_cards(wanted: Desired, formers: Iterable[Mapping[str, Link]], state: State) -> Desired:
    """Return the same with the cards that were ports or raw devices and are nothing to any link any more: they may have IPv6
    addresses by themselves again, and the usual MTU."""
    cards = {
        one.name: Link(one.name, loud=one.silent, mtu=_MTU if one.mtu and one.own_mtu else 0)
        for former in formers for one in former.values()
        if not one.kind and one.name in state and one.name not in wanted.links | wanted.errors
    }
    return replace(wanted, links={**wanted.links, **cards})


def _set_back(link: Link, before: Link) -> Link:
    if link.kind != before.kind:
        return replace(link, loud=before.silent and not link.silent)
    said = {known.name: value for known, value in link.settings}
    mode = said.get("bond-mode", VALUES["bond-mode"])
    values = {"bond-miimon": "100", **said}  # without that line, it is what the bond has at this moment
    gone = [known for known, _ in before.settings if known.name not in said and known.name in VALUES
            and mode in MODES_OF.get(known.name, (mode,)) and as_kept(known.name, VALUES[known.name], values)]
    return replace(
        link,
        settings=(*link.settings, *((known, VALUES[known.name]) for known in gone)),
        mtu=link.mtu or (_MTU if before.mtu and before.own_mtu else 0),
        own_mtu=link.own_mtu or (not link.mtu and before.own_mtu),
        loud=before.silent and not link.silent,
        released=tuple(port for port in (*link.released, *before.ports) if port not in link.ports),
    )
