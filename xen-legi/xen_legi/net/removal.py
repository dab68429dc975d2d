"""What `ifdown` of a stanza takes away. Pure."""

from collections.abc import Iterable

from xen_legi.net.describe import Link
from xen_legi.net.kernel import Device, State
from xen_legi.net.links import Desired


def removal(names: Iterable[str], desired: Desired, state: State, configured: Iterable[str]) -> list[str]:
    """Return the lines of `ip -batch` that take down the links of stanzas and what was made for them alone.

    The link of a stanza goes, whoever made it: its stanza says that it is there while the stanza is up. Of the others go
    those that we made, for which no stanza that is up (`configured`) stands, and which nothing else needs. Hardware is
    released and set down, unless a stanza of its own keeps it up.
    """
    names = tuple(names)
    remover = _Remover(desired, state, frozenset(configured) - frozenset(names))
    for name in names:
        remover.remove(name, itself=True)
    return remover.lines


class _Remover:
    def __init__(self, desired: Desired, state: State, configured: frozenset[str]) -> None:
        self.links, self.state, self.configured = desired.links, state, configured
        self.gone: list[str] = []
        self.lines: list[str] = []

    def remove(self, name: str, itself: bool = False) -> None:
        """Remove a link and then what it stood on."""
        device, link = self.state.get(name), self.links.get(name)
        if not device or not link or name in self.gone or name in self.configured:
            return
        if not link.kind:
            return self.release(device)
        if device.kind != link.kind or not (itself or (device.ours and not self.needed(device, link))):
            return
        self.gone.append(name)
        if not (itself and "." in name):  # what has a stanza and is named DEVICE.ID, ifupdown removes itself after us
            self.lines.append(f"link del dev {name}")
        for below in (*link.ports, link.lower):
            self.remove(below)

    def release(self, device: Device) -> None:
        """Leave a port that we did not make as we found it."""
        if device.master in self.gone:
            self.lines += [f"link set dev {device.name} down"]
            self.lines += [f"link set dev {device.name} addrgenmode eui64"] if device.silent else []

    def needed(self, device: Device, link: Link) -> bool:
        """Tell whether something that stays needs this device: its master, what stands on it, a domU on a bridge."""
        staying = [other for other in self.state.values() if other.name not in self.gone]
        guests = (other.name for other in staying if other.master == device.name and link.kind == "bridge")
        return (
            any(other.name == device.master or other.lower == device.name for other in staying)
            or any(guest not in link.ports for guest in guests)
        )
