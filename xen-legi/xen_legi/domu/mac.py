"""MAC addresses of domUs, in the range that Xen has from the IEEE: 00:16:3E:VV:HH:HH.

VV is the VLAN (modulo 256) in hexadecimal, so that a switch's table tells where a guest belongs; HH:HH is the beginning
of SHA-256("NAME VLAN"), so that a guest made anew gets its address again. An address that is known to be taken (by another
domU of this host or of a peer, by a card or bridge of dom0, by another interface of the same domU) is passed over: the hash
is then of "NAME VLAN 1", "NAME VLAN 2" and so on. Without a VLAN (--bridge), VV is 00.
"""

import hashlib
import re
from collections.abc import Collection

from xen_legi.errors import die

_NOBODYS = ("00:00:00:00:00:00", "FE:FF:FF:FF:FF:FF")  # the latter is dom0's end of every vif


def made(name: str, vlan: int, taken: Collection[str]) -> str:
    """Return the MAC of a domU on a VLAN; `taken` are the addresses of all others, in any case."""
    others = {one.upper() for one in taken}
    for attempt in range(1 << 16):
        mac = _candidate(name, vlan, attempt)
        if mac not in others:
            return mac
    die(f"VLAN {vlan} has no free MAC address", hint="give one with --mac")


def check(mac: str) -> str:
    """Return a MAC address in capitals; die if it is none, or one that a single machine cannot have."""
    text = mac.upper().replace("-", ":")
    if not re.fullmatch(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}", text):
        die(f"{mac!r} is not a MAC address", hint="write it as 00:16:3E:48:12:34")
    if text in _NOBODYS:
        die(f"{mac!r} is no machine's address", hint="Xen's own range begins with 00:16:3E")
    if int(text[:2], 16) & 1:
        die(f"{mac!r} is a group address: no machine can have it", hint="Xen's own range begins with 00:16:3E")
    return text


def _candidate(name: str, vlan: int, attempt: int) -> str:
    seed = f"{name} {vlan}" + (f" {attempt}" if attempt else "")
    first, second = hashlib.sha256(seed.encode()).digest()[:2]
    return f"00:16:3E:{vlan % 256:02X}:{first:02X}:{second:02X}"
