"""What the kernel takes of a bond's options together: it refuses a whole bond for two that exclude each other. Pure.

By bond_netlink.c and bond_options.c: a bond is watched either by MII (the links of its ports) or by ARP probes.
"""

from collections.abc import Iterator, Mapping

_DELAYS = ("bond-updelay", "bond-downdelay", "bond-peer-notify-delay")


def by_arp(values: Mapping[str, str]) -> bool:
    """Given values by the names of their options, tell whether they ask for ARP probes."""
    return values.get("bond-arp-interval", "0") != "0"


def by_mii(values: Mapping[str, str]) -> bool:
    """Tell whether they ask for a look at the links of the ports."""
    return values.get("bond-miimon", "0") != "0"


def as_kept(name: str, value: str, values: Mapping[str, str]) -> str:
    """Return the value of an option as the kernel keeps it, nothing if it is not to be said: delays are multiples of miimon,
    and without that the kernel refuses even a delay of 0."""
    if name not in _DELAYS:
        return value
    step = int(values.get("bond-miimon", "0"))
    return str(int(value) // step * step) if step else ""


def refused(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (option, why) for what the kernel would refuse, and the bond with it, or what means two things at once.

    What stays is what stays with ifenslave, which writes one attribute after the other: a later one switches a former off.
    """
    if by_arp(values) and by_mii(values):
        yield "bond-arp-interval", "a bond is watched by one of bond-miimon and this"
    if values.get("bond-arp-validate", "none") != "none" and (by_mii(values) or not by_arp(values)):
        yield "bond-arp-validate", "it is for ARP probes, and these need a bond-arp-interval"
    for name in _DELAYS:
        if values.get(name, "0") != "0" and not by_mii(values):
            yield name, "it is for a bond that is watched by bond-miimon"
    one = values.get("bond-num-unsol-na")
    if one and values.get("bond-num-grat-arp", one) != one:
        yield "bond-num-grat-arp", f"it is the same setting as bond-num-unsol-na, which is {one}"
