"""From the links that are wanted and those that are there: the lines of one `ip -batch`, each with what takes it back.

Pure. A link's own step makes it with all its attributes in one message to the kernel, its address included (udev then
leaves the address alone), and its place under a master or on a raw device; links come in an order in which those two
are there already.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from xen_legi.net.addresses import address
from xen_legi.net.describe import Link, Setting, spans
from xen_legi.net.kernel import GROUP, UNNAMED, Device, State
from xen_legi.net.links import Desired


_TOLD = 8  # of many links that are missing, this many are named


@dataclass(frozen=True)
class Step:
    """One line of `ip -batch` for the sake of a link, and the line that takes it back (or nothing)."""

    link: str
    do: str
    undo: str = ""
    optional: bool = False  # the link is good without it: the primary of a bond, the cost of a port


@dataclass(frozen=True)
class Plan:
    """What is to be done, in order; why links cannot be made; what bridges and bonds must do without."""

    steps: tuple[Step, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def told_above(desired: Desired, planned: Plan) -> set[str]:
    """Return the links whose absence is told of the bridge, bond or VLAN that lacks them."""
    return {below for link in desired.links.values() for below in (*link.ports, link.lower)
            if link.name in (planned.missing if below in link.ports else planned.errors)}


def plan(desired: Desired, state: State) -> Plan:
    """Return how to get from the kernel's state to what is desired."""
    steps = list(_releases(desired, state))
    planner = _Planner(desired, _released(steps, state))
    for link in desired.links.values():
        try:
            steps += planner.steps(link)
        except ValueError as error:
            planner.errors[link.name] = str(error)
    for link in desired.links.values():
        if link.name not in planner.errors:
            steps += planner.late_steps(link)
    return Plan(tuple(steps), planner.errors, dict(planner.missing()))


def _releases(desired: Desired, state: State) -> Iterator[Step]:
    """Yield the steps that take ports out of bridges and bonds."""
    for link in desired.links.values():
        for port in link.released:
            device = state.get(port)
            if device and device.master == link.name:
                words = " addrgenmode eui64" if device.silent and port not in desired.links else ""
                line = f"link set dev {port}"
                yield Step(link.name, f"{line} nomaster{words}", f"{line} master {link.name}")


def _released(steps: Iterable[Step], state: State) -> State:
    """Return the devices as they are after these steps."""
    free = {step.do.split()[3] for step in steps}
    return {name: released(one, state) if name in free else one for name, one in state.items()} if free else state


def released(device: Device, state: State) -> Device:
    """Return a port as it is without its master. A bond that loses a port, or goes, leaves it down; a bridge does not."""
    bond = device.master in state and state[device.master].kind == "bond"
    return replace(device, master="", up=device.up and not bond)


class _Planner:
    """What is known while planning: the wish, the state, and what turned out to be impossible."""

    def __init__(self, desired: Desired, state: State) -> None:
        self.links, self.state = desired.links, state
        self.errors = dict(desired.errors)
        self.vlans = {
            (one.lower, one.attributes.get("id"), one.attributes.get("protocol")): one.name
            for one in state.values() if one.kind == "vlan"
        }

    def will_be(self, name: str) -> bool:
        """Tell whether a device is there, or is made by this plan."""
        return name in self.state or (name in self.links and name not in self.errors)

    def missing(self) -> Iterator[tuple[str, str]]:
        """Yield, for each bridge and bond that comes to be, the ports that it lacks."""
        for link in self.links.values():
            ports = [(f"port {port}", self.errors[port]) for port in link.ports if port in self.errors]
            bridges = [(one.name, self.errors[one.name]) for one in spans(link) if one.name in self.errors]
            lacking = [f"{what} is missing: {why}" for what, why in (*ports, *bridges)]
            if lacking and link.name not in self.errors:
                more = [f"and {len(lacking) - _TOLD} more"] if len(lacking) > _TOLD else []
                yield link.name, "; ".join([*lacking[:_TOLD], *more])

    def steps(self, link: Link) -> list[Step]:
        """Return the steps for one link. Raise ValueError if it cannot be made."""
        device = self.state.get(link.name)
        if device is None:
            return list(self.make(link))
        if link.kind and device.kind != link.kind:
            raise ValueError(f"there is a {device.kind or 'hardware'} device of that name, not a {link.kind}")
        return list(self.change(link, device))

    def make(self, link: Link) -> Iterator[Step]:
        """Yield the steps for a link that is not there."""
        if not link.kind:
            raise ValueError("there is no such device, and no stanza that makes it")
        if link.kind == "vlan":
            self.check_vlan(link)
        master = self.master_kind(link) == "bridge"
        yield Step(link.name, self.creation(link, master), f"link del dev {link.name}")
        made = Device(link.name, link.kind, mtu=link.mtu, master=link.master if master else "")
        yield from self.settle(link, made)

    def creation(self, link: Link, with_master: bool) -> str:
        """Return the line that makes a link."""
        mac = address(link, self.links, self.state)
        words = ["link add"]
        words += [f"link {link.lower}"] if link.kind == "vlan" else []
        words += [f"name {link.name}"]
        words += [f"address {mac}"] if mac else []
        words += [f"mtu {link.mtu}"] if link.mtu else []
        words += [f"group {UNNAMED if link.unnamed else GROUP}"]
        words += [f"master {link.master}"] if with_master else []
        words += [f"type {link.kind}"]
        words += [f"protocol {link.protocol} id {link.vlan}"] if link.kind == "vlan" else []
        words += [_words(one for one in link.settings if one[0].needs != "ports")]
        return " ".join(words).rstrip()

    def check_vlan(self, link: Link) -> None:
        """Raise ValueError if a VLAN cannot be made."""
        if not self.will_be(link.lower):
            why = self.errors.get(link.lower, "there is no such device")
            raise ValueError(f"raw device {link.lower} is missing: {why}")
        if other := self.vlans.get((link.lower, link.vlan, link.protocol)):
            raise ValueError(f"VLAN {link.vlan} of {link.lower} is there already, under the name {other}")

    def master_kind(self, link: Link) -> str:
        """Return the kind of the link's master, or nothing if it has none (or one that cannot be made)."""
        if not link.master or not self.will_be(link.master):
            return ""
        return self.links[link.master].kind if link.master in self.links else self.state[link.master].kind

    def change(self, link: Link, device: Device) -> Iterator[Step]:
        """Yield the steps for a link that is there: only for what differs."""
        if link.kind == "vlan":
            _check_same_vlan(link, device)
        settings = link.settings if link.joining is None else ()
        differing = [one for one in settings if one[0].needs != "ports" and not _has(device.attributes, one)]
        if differing:
            yield from self.set_attributes(link, device, differing)
        mac = address(link, self.links, self.state) if link.address and link.kind else ""
        if mac and mac != device.address:
            line = f"link set dev {link.name} address"
            yield Step(link.name, f"{line} {mac}", f"{line} {device.address}")
        yield from self.settle(link, device)

    def set_attributes(self, link: Link, device: Device, differing: list[Setting]) -> Iterator[Step]:
        """Yield the steps that change attributes; a bond is stopped or emptied meanwhile where the kernel wants it."""
        needs = {known.needs for known, _ in differing} - {""}
        ports = [port.name for port in self.state.values() if port.master == link.name] if "empty" in needs else []
        if needs and device.up:
            yield Step(link.name, f"link set dev {link.name} down", f"link set dev {link.name} up")
        for port in ports:
            yield Step(link.name, f"link set dev {port} nomaster", f"link set dev {port} master {link.name}")
        before = [(known, device.attributes[known.shown]) for known, _ in differing if device.attributes.get(known.shown)]
        back = f"link set dev {link.name} type {link.kind} {_words(before)}" if before else ""
        for some in _one_after_the_other(differing):
            yield Step(link.name, f"link set dev {link.name} type {link.kind} {_words(some)}", back)
        for port in ports:
            yield Step(link.name, f"link set dev {port} down")
            yield Step(link.name, f"link set dev {port} master {link.name}")
        if needs and device.up:
            yield Step(link.name, f"link set dev {link.name} up")

    def settle(self, link: Link, device: Device) -> Iterator[Step]:
        """Yield the steps that give a device (that is there, or was just made) its MTU and its place."""
        name, kind = link.name, self.master_kind(link)
        if link.mtu and (device.mtu < link.mtu or (link.own_mtu and device.mtu != link.mtu)):
            yield Step(name, f"link set dev {name} mtu {link.mtu}", f"link set dev {name} mtu {device.mtu}")
        words = ["addrgenmode none"] if link.silent and not device.silent else []
        words += ["addrgenmode eui64"] if link.loud and device.silent else []
        if kind and device.master != link.master:
            if device.master:
                raise ValueError(f"it is a port of {device.master} already, not of {link.master}")
            words += [f"master {link.master}"]
            if kind == "bond" and device.up:
                yield Step(name, f"link set dev {name} down", f"link set dev {name} up")
                device = replace(device, up=False)
        if words:
            undo = f"link set dev {name} nomaster" if kind and device.master != link.master else ""
            yield Step(name, f"link set dev {name} {' '.join(words)}", undo)
        if link.alias and device.alias != link.alias:
            line = f"link set dev {name} alias"
            yield Step(name, f'{line} "{link.alias}"', f'{line} "{device.alias}"')
        if link.carries and not device.up:
            yield Step(name, f"link set dev {name} up", f"link set dev {name} down")

    def late_steps(self, link: Link) -> Iterator[Step]:
        """Yield the steps for what can be said only when the ports have joined."""
        device = self.state.get(link.name, Device(link.name))
        for known, value in link.settings:
            if known.needs == "ports":
                port = next((name for name in value.split() if name in link.ports and self.will_be(name)), "")
                concerned = link.joining is None or port in link.joining
                if port and concerned and device.attributes.get(known.shown) != port:
                    yield Step(link.name, f"link set dev {link.name} type {link.kind} {known.word} {port}", optional=True)
        for port, known, value in link.port_settings:
            joined = self.state.get(port, Device(port))
            if self.will_be(port) and (joined.master != link.name or joined.port.get(known.shown) != value):
                yield Step(link.name, f"link set dev {port} type {link.kind}_slave {known.word} {value}", optional=True)


def _check_same_vlan(link: Link, device: Device) -> None:
    there = (device.lower, device.attributes.get("id", ""), device.attributes.get("protocol", ""))
    if there != (link.lower, link.vlan, link.protocol):
        raise ValueError(f"it is there already as VLAN {there[1]} of {there[0]}, not as VLAN {link.vlan} of {link.lower}")


def _has(attributes: Mapping[str, str], setting: Setting) -> bool:
    known, value = setting
    return attributes.get(known.shown) == value


def _one_after_the_other(differing: list[Setting]) -> Iterator[list[Setting]]:
    """Yield what is said in one message each. Of one, the kernel takes the delay before the end of STP, and with STP it
    refuses a delay of 0 (br_netlink.c)."""
    ending = [one for one in differing if one[0].name == "bridge-stp" and one[1] == "0"]
    yield from (some for some in (ending, [one for one in differing if one not in ending]) if some)


def _words(settings: Iterable[Setting]) -> str:
    return " ".join(f"{known.word} {value}" for known, value in settings)
