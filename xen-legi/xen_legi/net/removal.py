"""What `ifdown` of a stanza takes away. Pure."""

from collections.abc import Iterable

from xen_legi.net.describe import Link, spans
from xen_legi.net.kernel import GOING, GROUP, Device, State
from xen_legi.net.links import Desired


def removal(
    names: Iterable[str], desired: Desired, state: State, configured: Iterable[str], *, by_ifdown: bool = True
) -> list[str]:
    """Return the lines of `ip -batch` that take down the links of stanzas and what was made for them alone.

    The link of a stanza goes, whoever made it: its stanza says that it is there while the stanza is up. Of the others go
    those that we made, for which no stanza that is up (`configured`) stands, and which nothing else needs. Hardware is
    released and set down, unless a stanza of its own keeps it up.

    With `by_ifdown`, what is named DEVICE.ID is left to ifupdown, which removes it itself after us.

    The links are put into a group of their own, and the group is removed: the kernel waits for readers of its tables once
    then, and not once for each link, which for thousands of them takes minutes.
    """
    names = tuple(names)
    remover = _Remover(desired, state, frozenset(configured) - frozenset(names), by_ifdown)
    for name in names:
        remover.remove(name, itself=True)
    spared = [one.name for one in state.values() if one.group == GOING and one.name not in remover.going]
    group = [f"link set dev {name} group {GOING}" for name in remover.going if state[name].group != GOING]
    return [
        *(f"link set dev {name} group {GROUP}" for name in spared),
        *group, *([f"link del group {GOING}"] if remover.going else []), *remover.after,
    ]


class _Remover:
    """What goes, and what is to be said of the hardware after it; and who stands on what, less what goes."""

    def __init__(self, desired: Desired, state: State, configured: frozenset[str], by_ifdown: bool) -> None:
        self.links, self.state, self.configured, self.by_ifdown = desired.links, state, configured, by_ifdown
        self.gone: set[str] = set()
        self.going: list[str] = []
        self.after: list[str] = []
        self.ports: dict[str, set[str]] = {}
        self.above: dict[str, set[str]] = {}
        for device in state.values():
            self.ports.setdefault(device.master, set()).add(device.name)
            self.above.setdefault(device.lower, set()).add(device.name)

    def remove(self, name: str, itself: bool = False) -> None:
        """Remove a link, what xen-vlans made over it, and then what it stood on."""
        device, link = self.state.get(name), self.links.get(name)
        if not device or not link or name in self.gone or name in self.configured:
            return
        for bridge in spans(link) if itself else ():
            self.remove(bridge.name)
        if not link.kind:
            return self.release(device)
        if device.kind != link.kind or not (itself or (device.ours and not self.needed(device, link))):
            return
        self.go(device)
        if not (self.by_ifdown and itself and "." in name):
            self.going.append(name)
        for below in (*link.ports, link.lower):
            self.remove(below)

    def go(self, device: Device) -> None:
        self.gone.add(device.name)
        self.ports[device.master].discard(device.name)
        self.above[device.lower].discard(device.name)

    def release(self, device: Device) -> None:
        """Leave a port that we did not make as we found it."""
        if device.master in self.gone:
            self.after += [f"link set dev {device.name} down"]
            self.after += [f"link set dev {device.name} addrgenmode eui64"] if device.silent else []

    def needed(self, device: Device, link: Link) -> bool:
        """Tell whether something that stays needs this device: its master, what stands on it, a domU on a bridge."""
        if (device.master and device.master not in self.gone) or self.above.get(device.name):
            return True
        return link.kind == "bridge" and not self.ports.get(device.name, set()) <= set(link.ports)
