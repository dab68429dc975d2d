"""MAC addresses of the links that we make. Pure.

A bridge or bond that is made without an address gets one from the kernel, then another from udev a moment later, and
a bridge one more when its first port joins. We give each its address in the message that makes it: it then stays.
"""

from collections.abc import Mapping

from xen_legi.net import values
from xen_legi.net.describe import Link
from xen_legi.net.kernel import State

_NONE = ("", "00:00:00:00:00:00", "fe:ff:ff:ff:ff:ff")  # the last one is that of every vif


def address(link: Link, links: Mapping[str, Link], state: State) -> str:
    """Return the address with which a link is to be made; nothing where the kernel's own choice is right.

    A bond has that of its first port, a bridge that of its first port too (all bridges of an uplink have its address,
    as the kernel itself would do it), and a bridge without ports one of its own that no other host has.
    """
    if values.is_mac(link.address):
        return link.address
    if link.kind == "vlan" or not link.kind:
        return ""
    named = (link.address,) if link.address else ()  # by bridge-hw; it may not be there
    found = next((mac for mac in (_of(one, links, state, set()) for one in (*named, *link.ports)) if mac), "")
    return found or (_invented(link.name, state) if link.kind == "bridge" else "")


def _of(name: str, links: Mapping[str, Link], state: State, seen: set[str]) -> str:
    """Return the address that a device has, or will have."""
    if device := state.get(name):
        enslaved = state[device.master].kind == "bond" if device.master in state else False
        mac = device.permanent if enslaved else device.address
        return mac if mac not in _NONE and values.is_mac(mac) else ""
    link = links.get(name)
    if not link or name in seen:
        return ""
    seen.add(name)
    if values.is_mac(link.address):
        return link.address
    below = (link.lower,) if link.kind == "vlan" else link.ports
    return next((mac for mac in (_of(one, links, state, seen) for one in below) if mac), "")


def _invented(name: str, state: State) -> str:
    """Return an address from the bridge's name and the host's hardware, the same at each boot."""
    import hashlib  # here, because it loads OpenSSL, a tenth of the hook's start, and is seldom needed

    hardware = sorted(device.permanent for device in state.values() if not device.kind and device.permanent not in _NONE)
    digest = hashlib.sha256("\n".join([name, *hardware]).encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
