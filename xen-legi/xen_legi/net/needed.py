"""What ifup of some interfaces may do to links that are in use already: what these interfaces need of them, no more. Pure.

The files may have been edited since such a link came up. That its bond gets another mode is not what somebody wants who
brings up one more VLAN of it: `xen-legi net apply` does that, and `plan` tells it before.
"""

from collections.abc import Collection
from dataclasses import replace

from xen_legi.net.describe import Link, spans
from xen_legi.net.links import Desired


def needed(wanted: Desired, names: Collection[str], in_use: Collection[str]) -> Desired:
    """Given all that these interfaces want, return the same with the links that are `in_use`, and that are not these
    interfaces themselves, left as they are: ports of what comes up join it, an MTU is raised, and what joins such a link is
    told there as it would be by the link's own ifup: its VLANs, its queue, that it is the primary."""
    own = {*names, *(bridge.name for name in names if name in wanted.links for bridge in spans(wanted.links[name]))}
    left = {name for name in wanted.links if name in in_use and name not in own}
    reached = _reached(wanted, own, left)
    links = {name: _as_it_is(link, wanted, left, reached) if name in left else link
             for name, link in wanted.links.items() if name in reached}
    return replace(wanted, links=links, errors={name: why for name, why in wanted.errors.items() if name in reached})


def _reached(wanted: Desired, own: Collection[str], left: Collection[str]) -> set[str]:
    """Return what they want without that which only a link wants that is left as it is."""
    found, pending = {*own}, [*own]
    while pending:
        name = pending.pop()
        if link := wanted.links.get(name):
            others = (link.lower,) if name in left else (*link.ports, link.lower, link.joins, link.master)
            new = {*others} - found - {""}
            found |= new
            pending += new
    return found


def _as_it_is(link: Link, wanted: Desired, left: Collection[str], reached: Collection[str]) -> Link:
    above = (one for one in wanted.links.values() if one.name in reached and one.name not in left)
    mtu = max((one.mtu for one in above if link.name in (*one.ports, one.lower)), default=0)
    joining = tuple(port for port in link.ports if port in reached and port not in left)
    of_joining = tuple(one for one in link.port_settings if one[0] in joining)
    return Link(link.name, link.kind, ours=link.ours, where=link.where, settings=link.settings, ports=link.ports,
                port_settings=of_joining, lower=link.lower, vlan=link.vlan, protocol=link.protocol, vids=link.vids,
                pvid=link.pvid, access=link.access, mtu=mtu, own_mtu=False,
                master="" if link.master in left else link.master, carries=link.carries, silent=link.silent, joining=joining)
