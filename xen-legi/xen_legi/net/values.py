"""How the value of an option is read: from what a person writes to what `ip` takes and shows.

A reader returns the text that `ip link` takes, which is also what `ip -json` shows afterwards, so that the two can be
compared; it raises ValueError with the end of a sentence ("is not ...").
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ipaddress

Reader = Callable[[str], str]
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_MOST_TARGETS = 16
_NAME = re.compile(r"[^\s/:]{1,15}")


def text(value: str) -> str:
    """Take anything."""
    return value


def switch(value: str) -> str:
    """Take yes/no, on/off, true/false or 1/0; return 1 or 0."""
    if value.lower() in ("on", "yes", "true", "1"):
        return "1"
    if value.lower() in ("off", "no", "false", "0"):
        return "0"
    raise ValueError("is neither yes nor no")


def on_off(value: str) -> str:
    """Like switch(), for what `ip` wants as a word."""
    return "on" if switch(value) == "1" else "off"


def centiseconds(value: str) -> str:
    """Take seconds, perhaps with a fraction; return hundredths, as the bridge counts."""
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise ValueError("is not a number of seconds")
    return str(round(float(value) * 100))


def seconds(low: int, high: int) -> Reader:
    """Return a reader like centiseconds(), of `low` to `high` seconds."""

    def read(value: str) -> str:
        found = centiseconds(value)
        if not 100 * low <= int(found) <= 100 * high:
            raise ValueError(f"is not a number of seconds from {low} to {high}")
        return found

    return read


def number(low: int, high: int) -> Reader:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(value: str) -> str:
        if not re.fullmatch(r"\d+", value) or not low <= int(value) <= high:
            raise ValueError(f"is not a number from {low} to {high}")
        return str(int(value))

    return read


def number_as_in_c(low: int, high: int) -> Reader:
    """Return a reader like number() that takes 0x80 and 0200, too, as brctl does."""

    def read(value: str) -> str:
        base = 16 if re.fullmatch(r"0[xX][0-9a-fA-F]+", value) else 8 if re.fullmatch(r"0[0-7]+", value) else 10
        return number(low, high)(value if base == 10 else str(int(value, base)))

    return read


def choice(*names: str) -> Reader:
    """Return a reader of one of these names, or of its number, as the driver's own parameters take it."""

    def read(value: str) -> str:
        if value.isdecimal() and int(value) < len(names):
            return names[int(value)]
        if value.lower() in names:
            return value.lower()
        raise ValueError(f"is not one of {', '.join(names)}")

    return read


def arp_targets(value: str) -> str:
    """Take IPv4 addresses with spaces or commas between them, at most 16; return those that can be probed, with commas."""
    return _targets(value, 4)


def ns_targets(value: str) -> str:
    """Take IPv6 addresses in the same way."""
    return _targets(value, 6)


def _targets(value: str, version: int) -> str:
    import ipaddress  # here, because the ifupdown hook must start fast and few bonds have them

    words = value.replace(",", " ").split()
    try:
        found = [ipaddress.ip_address(word) for word in words if "%" not in word]
    except ValueError:
        found = []
    if not words or len(found) < len(words) or {one.version for one in found} != {version}:
        raise ValueError(f"is not a list of IPv{version} addresses")
    distinct = dict.fromkeys(str(one) for one in found if not _unprobed(one))  # the kernel refuses an address that it has
    if len(distinct) > _MOST_TARGETS:
        raise ValueError(f"are more than {_MOST_TARGETS} addresses")
    return ",".join(distinct)


def unprobed(value: str) -> list[str]:
    """Return the addresses of such a list that the kernel refuses as targets."""
    import ipaddress

    return [word for word in value.replace(",", " ").split() if _unprobed(ipaddress.ip_address(word))]


def _unprobed(address: "ipaddress.IPv4Address | ipaddress.IPv6Address") -> bool:
    """Tell whether the kernel refuses a target (bonding.h)."""
    if address.version == 4:
        return address.packed[0] == 0 or str(address) == "255.255.255.255"
    return address.is_unspecified or address.is_loopback or address.is_multicast


def mac(value: str) -> str:
    """Take a MAC address, perhaps after the word `ether`; return it in lower case."""
    word = value.lower().removeprefix("ether").strip()
    if not _MAC.fullmatch(word):
        raise ValueError("is not a MAC address")
    if int(word[:2], 16) & 1:
        raise ValueError("is a multicast address, which no link can have")
    return word


def is_mac(value: str) -> bool:
    """Tell whether this is a MAC address and not the name of a device."""
    return bool(_MAC.fullmatch(value.lower()))


def device(value: str) -> str:
    """Take the name of a network device."""
    if not _NAME.fullmatch(value) or value in (".", ".."):
        raise ValueError("is not a name that the kernel takes: at most 15 characters, no blank, slash or colon")
    return value


def devices(value: str) -> str:
    """Take names of network devices with blanks between them."""
    return " ".join(dict.fromkeys(device(word) for word in value.split()))


def vlan_id(value: str) -> str:
    """Take a VLAN ID."""
    return number(1, 4094)(value)


def vlan_ranges(value: str) -> str:
    """Take VLAN IDs and ranges of them, with blanks or commas between them; return the IDs in order, with blanks."""
    found: set[int] = set()
    for word in value.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not is_vlan_id(first) or (dash and not is_vlan_id(last)) or (dash and int(first) > int(last)):
            raise ValueError("is not a list of VLAN IDs from 1 to 4094 and ranges of them, as in 1-100 200")
        found.update(range(int(first), int(last or first) + 1))
    if not found:
        raise ValueError("names no VLAN")
    return " ".join(map(str, sorted(found)))


def vlan_protocol(value: str) -> str:
    """Take 802.1q or 802.1ad; return it as `ip` shows it."""
    names = {"802.1q": "802.1Q", "802.1ad": "802.1ad"}
    if value.lower() not in names:
        raise ValueError("is neither 802.1q nor 802.1ad")
    return names[value.lower()]


def bmc_address(value: str) -> str:
    """Take 192.0.2.5/24; return address and netmask with a blank between them."""
    import ipaddress  # here, because the ifupdown hook must start fast and never needs it

    try:
        interface = ipaddress.IPv4Interface(value)
    except ValueError:
        interface = None
    if interface is None or "/" not in value or not 0 < interface.network.prefixlen < 32:
        raise ValueError("is no IPv4 address with the length of its network, as in 192.0.2.5/24")
    return f"{interface.ip} {interface.netmask}"


def bmc_gateway(value: str) -> str:
    """Take an IPv4 address, or none; return it as ipmitool writes it."""
    import ipaddress

    try:
        return "0.0.0.0" if value == "none" else str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError("is neither an IPv4 address nor none") from None


def bmc_vlan(value: str) -> str:
    """Take a VLAN ID, or off."""
    return value if value == "off" else vlan_id(value)


def is_vlan_id(value: str) -> bool:
    """Tell whether this is a VLAN ID."""
    return bool(re.fullmatch(r"[0-9]{1,6}", value)) and 1 <= int(value) <= 4094
