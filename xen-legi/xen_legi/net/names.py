"""Names of VLANs, from /etc/xen-legi/vlans: a line for each, the ID and the name. Pure."""

import re
from collections.abc import Mapping

from xen_legi.net import values
from xen_legi.net.stanzas import Message

FILE = "/etc/xen-legi/vlans"
_LONGEST = 64  # the kernel takes 255; `net show` is a table
_NAME = re.compile(r"[^\s\"'\\#][^\"'\\]*")  # `ip -batch` reads quotes and backslashes


def parse(text: str, where: str = FILE) -> tuple[Mapping[str, str], list[Message]]:
    """Given the text of the file, return the names by ID, and what is wrong with other lines."""
    found: dict[str, str] = {}
    wrong: list[Message] = []
    for number, line in enumerate(text.splitlines(), 1):
        vlan, name = (*line.split(None, 1), "", "")[:2]
        if not vlan or vlan.startswith("#"):
            continue
        why = _why_not(vlan, name.strip(), found)
        if why:
            wrong.append(Message(f"{where}:{number}", why))
        else:
            found[str(int(vlan))] = name.strip()
    return found, wrong


def _why_not(vlan: str, name: str, found: Mapping[str, str]) -> str:
    if not values.is_vlan_id(vlan):
        return f"{vlan!r} is not a VLAN ID from 1 to 4094"
    if not name:
        return f"VLAN {vlan} has no name"
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name) > _LONGEST:
        return f"{name!r} is not a name: at most {_LONGEST} characters, no quotes and no backslash"
    if str(int(vlan)) in found:
        return f"VLAN {vlan} is {found[str(int(vlan))]!r} already"
    return ""
