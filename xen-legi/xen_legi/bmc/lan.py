"""What the BMC's LAN settings are, what interfaces(5) asks for, and what separates them. Pure."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from xen_legi.net.options import BY_NAME
from xen_legi.net.stanzas import Interfaces, Option

_SOURCES = {"static": "Static Address", "dhcp": "DHCP Address"}


@dataclass(frozen=True)
class Lan:
    """LAN settings. In what a BMC has, all are set; in what is asked for, an empty one is left as it is.

    source: static or dhcp, or what ipmitool prints of others; vlan: an ID or off.
    """

    source: str = ""
    address: str = ""
    netmask: str = ""
    gateway: str = ""
    vlan: str = ""


@dataclass(frozen=True)
class Wish:
    """What a stanza asks for. No channel: the first that is a LAN."""

    lan: Lan
    channel: int = 0


@dataclass(frozen=True)
class Difference:
    """A setting that is not as asked for, and the words for `ipmitool lan set CHANNEL` that change it."""

    name: str
    have: str
    want: str
    words: tuple[str, ...]


class UnknownOption(ValueError):
    """A stanza has an ipmi- option that there is not."""


def parse(text: str) -> Lan:
    """Given what `ipmitool lan print` prints, return the settings."""
    told = dict(re.findall(r"^(\S[^:\n]*?) *: (.*?) *$", text, re.MULTILINE))
    source = told.get("IP Address Source", "")
    vlan = told.get("802.1q VLAN ID", "")
    return Lan(
        source=next((word for word, shown in _SOURCES.items() if shown == source), source),
        address=told.get("IP Address", ""),
        netmask=told.get("Subnet Mask", ""),
        gateway=told.get("Default Gateway IP", ""),
        vlan=vlan if vlan.isdecimal() else "off",
    )


def wish(interfaces: Interfaces) -> Wish | None:
    """Return what the files ask for; None if no stanza has an ipmi- option. Raise ValueError (FILE:LINE: …) for nonsense."""
    found = [(stanza, [one for one in stanza.options if one.name.startswith("ipmi-")]) for stanza in interfaces.stanzas]
    asking = [(stanza, options) for stanza, options in found if options]
    if not asking:
        return None
    (stanza, options), *more = asking
    if more:
        raise ValueError(f"{more[0][1][0].where}: {more[0][0].name}: {stanza.name} says already what the BMC is to be")
    values = {one.name: _value(one) for one in options}
    address, _, netmask = values.get("ipmi-address", "").partition(" ")
    source = values.get("ipmi-source", "static" if address else "")
    if source == "dhcp" and address:
        raise ValueError(f"{options[0].where}: {stanza.name}: ipmi-source dhcp and an ipmi-address exclude each other")
    if source == "static" and not address:
        raise ValueError(f"{options[0].where}: {stanza.name}: ipmi-source static needs an ipmi-address")
    lan = Lan(source, address, netmask, values.get("ipmi-gateway", ""), values.get("ipmi-vlan", ""))
    return Wish(lan, int(values.get("ipmi-channel", "0")))


def _value(option: Option) -> str:
    known = BY_NAME.get(option.name)
    if known is None:
        raise UnknownOption(f"{option.where}: {option.name} is no option that we know")
    try:
        return known.read(option.value.strip())
    except ValueError as error:
        raise ValueError(f"{option.where}: {option.name} {option.value!r} {error}") from None


def differences(want: Lan, have: Lan) -> Iterator[Difference]:
    """Yield what is to be set, in the order in which BMCs take it: an address only when its source is static."""
    words = {
        "source": ("ipsrc", want.source), "address": ("ipaddr", want.address), "netmask": ("netmask", want.netmask),
        "gateway": ("defgw", "ipaddr", want.gateway), "vlan": ("vlan", "id", want.vlan),
    }
    wanted, there = asdict(want), asdict(have)
    for one in fields(Lan):
        if wanted[one.name] and wanted[one.name] != there[one.name]:
            yield Difference(one.name, there[one.name], wanted[one.name], words[one.name])
