"""What is to be done so that the kernel has what the files say, while guests keep their bridges. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xen_legi.net import bridge_vlans, stanzas
from xen_legi.net.commands import left_behind
from xen_legi.net.defaults import with_cards, with_defaults
from xen_legi.net.describe import Link
from xen_legi.net.ip_addresses import Delta, Kernel, delta
from xen_legi.net.kernel import GUESTS, Device, State
from xen_legi.net.links import Desired, desired
from xen_legi.net.logical import chosen, in_use, with_own
from xen_legi.net.plan import Plan, plan, released, told_above
from xen_legi.net.removal import removal
from xen_legi.net.stanzas import Interfaces, Stanza

_OWN_KINDS = ("", "vlan", "bond", "bridge")
_UP = ("pre-up", "up", "post-up")
_COMMANDS = "those for down that went, then those for up that came; its link stays up"
_UNKNOWN = "what ifup read when it came up stands neither in the files nor in what was in force: ifdown and ifup it"
_TOLD = 8  # of many that are attached, this many are named


@dataclass(frozen=True)
class Change:
    """What is to be done, in this order.

    downs: interfaces that ifupdown holds for up and that no stanza names any more; links: what is made or altered, out of
    what is wanted; vlans: what `bridge` is told for ports of VLAN-aware bridges; removals: lines of `ip -batch` that take
    away links of ours that nothing asks for any more; delta: the addresses; ups: for ifup, which knows their addresses and
    commands. kept: links of ours that nothing asks for and that stay, and why; attached: what goes down with an interface
    for which ifdown and ifup are needed; uncertain: interfaces that are left alone, since it is not known how they came up;
    left_behind: commands for up that went, where `delta` has commands run, and that none for down undoes.
    """

    downs: tuple[str, ...]
    wanted: Desired
    links: Plan
    vlans: tuple[tuple[str, str], ...]
    removals: tuple[str, ...]
    removed: tuple[str, ...]
    kept: Mapping[str, str]
    delta: Delta
    ups: tuple[str, ...]
    attached: Mapping[str, tuple[str, ...]]
    uncertain: tuple[str, ...] = ()
    left_behind: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def errors(self) -> dict[str, str]:
        """Return what cannot come to be, by interface or link, and why."""
        return {**self.links.errors, **self.delta.errors}

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Yield (what is done, the interface or link, more about it)."""
        yield from (("ifdown", name, "no stanza names it any more") for name in self.downs)
        told = told_above(self.wanted, self.links)
        errors = ((name, why) for name, why in self.errors.items() if name not in told or name in self.wanted.errors)
        yield from (("cannot", name, why) for name, why in (*errors, *self.links.missing.items()))
        yield from (("ip", step.link, step.do) for step in self.links.steps)
        yield from (("bridge", name, line) for name, line in self.vlans)
        yield from (("remove", name, "nothing asks for it any more") for name in self.removed)
        yield from (("keep", name, why) for name, why in self.kept.items())
        yield from (("leave", name, _UNKNOWN) for name in self.uncertain)
        yield from (("ip", name, line) for name, line in (*self.delta.gone, *self.delta.new))
        yield from (("commands", name, _COMMANDS + self._stays(name)) for name in self.delta.commands)
        yield from (("again", name, f"ifdown and ifup: its method or its commands changed; {self._down_for_a_moment(name)}")
                    for name in self.delta.again)
        yield from (("ifup", name, "it comes up by itself and is not up") for name in self.ups)

    def _stays(self, name: str) -> str:
        left = self.left_behind.get(name)
        return f"; no line for down went with {'; '.join(left)}: what that did stays" if left else ""

    def _down_for_a_moment(self, name: str) -> str:
        """Tell what ifdown does to a link: one that is named DEVICE.ID is removed by it."""
        what = "its link is made anew" if "." in name else "its link stays, and is down for a moment"
        others = self.attached.get(name, ())
        more = f" and {len(others) - _TOLD} more" if len(others) > _TOLD else ""
        return f"{what}, with it {', '.join(others[:_TOLD])}{more}" if others else what


@dataclass(frozen=True)
class Now:
    """What is: the kernel's links, what ifupdown holds for up (by which stanza), the stanzas by which it came up, those that
    a killed run may have brought into force, and IP addresses and VLANs; of which interfaces it is not known how they came
    up, and up to which of the guard's notes it is."""

    state: State
    up: Mapping[str, str] = field(default_factory=dict)
    in_force: Interfaces = Interfaces()
    perhaps: Interfaces = Interfaces()
    have: Kernel = Kernel()
    vlans: Mapping[str, bridge_vlans.Vlans] = field(default_factory=dict)
    uncertain: frozenset[str] = frozenset()
    seen: Mapping[str, str] = field(default_factory=dict)


def change(interfaces: Interfaces, now: Now) -> Change:
    """Given the files and what is, return what is to be done."""
    state, up = now.state, now.up
    have = interfaces.by_name()
    auto = stanzas.selected(interfaces, "auto", state)
    by = in_use(interfaces, state, up)
    asked = with_own(interfaces, by)
    wanted = desired(asked, dict.fromkeys((*auto, *by, *(name for name in up if name in have))), state)
    known = [with_own(one, by) for one in (now.in_force, now.perhaps)]
    formers = [desired(one, dict.fromkeys((*up, *one.by_name())), state).links for one in known]
    for former in formers:
        wanted = with_defaults(wanted, former)
    ports = {(link.name, port) for former in formers for link in former.values() for port in link.ports}
    kept, going = _strays(wanted, state, ports, now.uncertain)
    downs = tuple(_downs(up, {*have, *kept, *_without_address(wanted, now), *now.uncertain, "lo"}, state))
    held = [name for name in up if name not in downs and not _stays_down(have.get(up[name], ()))]
    orders = _left_alone(_held_up(with_cards(wanted, formers, state), held, state), now.uncertain, state)
    links = {**_as_it_is(going, state), **wanted.links}
    planned = plan(orders, _without(going, state))
    stay = (*wanted.links, *up)
    attached = _attached(up, state)
    todo = delta(now.in_force.by_name(), now.perhaps.by_name(), have, now.have,
                 (name for name in up if name == up[name] in have and name not in now.uncertain), wanted.links, attached)
    return Change(
        downs=downs,
        wanted=orders,
        links=planned,
        vlans=tuple(bridge_vlans.lines(wanted.links, now.vlans)),
        removals=tuple(removal(going, Desired(links), state, stay, by_ifdown=False)) if going else (),
        removed=tuple(going),
        kept=kept,
        delta=todo,
        ups=tuple(word for word in _rising(interfaces, state)
                  if _comes_up(word, {*up} - {*downs}, have) and word.partition("=")[0] not in planned.errors),
        attached=attached,
        uncertain=tuple(name for name in up if name in now.uncertain),
        left_behind={name: found for name in todo.commands if (found := _left_behind(name, now, have[name]))},
    )


def _left_behind(name: str, now: Now, stanzas_: Collection[Stanza]) -> list[str]:
    return left_behind((*now.in_force.of(name), *now.perhaps.of(name)), stanzas_)


def _rising(interfaces: Interfaces, state: State) -> list[str]:
    """Return what is to come up by itself, NAME or NAME=LOGICAL, also without hooks."""
    logical = chosen(interfaces, state)
    names = stanzas.selected(replace(interfaces, no_scripts=()), "auto", state)
    return [*(name for name in names if name not in logical), *(f"{name}={one}" for name, one in logical.items())]


def _comes_up(word: str, up: Collection[str], have: Collection[str]) -> bool:
    """Tell whether an interface is not up and has a stanza; `word` is its name, perhaps with =LOGICAL."""
    name, _, logical = word.partition("=")
    return name not in up and (logical or name) in have


def _left_alone(orders: Desired, names: Collection[str], state: State) -> Desired:
    """Return the same, with nothing to be done to the links of these interfaces themselves. One that is to become a port of
    another link would lose its network: it cannot be."""
    links = {name: link for name, link in orders.links.items() if name in names}
    masters = {port: link.name for link in orders.links.values() for port in link.ports if port in names}
    masters |= {name: link.master for name, link in links.items() if link.master}
    wrong = {name: f"it is to be a port of {master}, but {_UNKNOWN}" for name, master in masters.items()
             if name in state and state[name].master != master}
    kept = {name: Link(name) if name in links else _not_released(link, names)
            for name, link in orders.links.items() if name not in wrong}
    return replace(orders, links=kept, errors={**orders.errors, **wrong})


def _not_released(link: Link, names: Collection[str]) -> Link:
    return replace(link, released=tuple(one for one in link.released if one not in names))


def _attached(names: Iterable[str], state: State) -> dict[str, tuple[str, ...]]:
    """Return, for each of these that is not alone, what loses its network when its link goes down."""
    users = _users(state)
    masters = {name: (state[name].master,) for name in names if name in state and state[name].master}
    ports = {name: tuple(one.name for one in users[name]) for name in names if name in users}
    return {name: (*ports.get(name, ()), *masters.get(name, ())) for name in {*masters, *ports}}


def _held_up(orders: Desired, names: Iterable[str], state: State) -> Desired:
    """Return the same, with these interfaces, which ifupdown holds for up, to be set up: ifup does nothing for them."""
    links = {name: orders.links.get(name, Link(name)) for name in names
             if name in orders.links or (name in state and name not in orders.errors)}
    return replace(orders, links={**orders.links, **{name: replace(link, carries=True) for name, link in links.items()}})


def _stays_down(stanzas_: Iterable[Stanza]) -> bool:
    """Tell whether a command of an interface sets its link down again (`up ip link set dev eth3 down`)."""
    commands = ((stanza.name, one.value) for stanza in stanzas_ for one in stanza.options if one.name in _UP)
    return any("down" in text.split() and ("IFACE" in text or name in text.split()) for name, text in commands)


def _without_address(wanted: Desired, now: Now) -> set[str]:
    """Return the links that are wanted and came up without an address of their own: they need not go down. A card that
    becomes a port must lose its address."""
    stanzas_ = (*now.in_force.stanzas, *now.perhaps.stanzas)
    return {*wanted.links} - {one.name for one in stanzas_ if one.method != "manual"}


def _downs(up: Mapping[str, str], staying: Collection[str], state: State) -> Iterator[str]:
    """Yield the interfaces that are up and that no stanza asks for; a bridge with a guest is never taken down."""
    users = _users(state)
    for name, stanza in up.items():
        guests = any(one.master == name and one.address == GUESTS for one in users.get(name, ()))
        if stanza not in staying and name not in staying and not guests:
            yield name


def _without(going: Collection[str], state: State) -> dict[str, Device]:
    """Return the devices as they will be when these are gone."""
    left = (one for one in state.values() if one.name not in going)
    return {one.name: released(one, state) if one.master in going else one for one in left}


def _strays(
    wanted: Desired, state: State, ports: Collection[tuple[str, str]], uncertain: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the links of ours that nothing asks for: those that stay, and why, and those that may go. `ports`: what is a
    port by a stanza in force is nobody's guest, whatever its kind."""
    going = {one.name: one for one in state.values()
             if one.ours and one.name not in wanted.links | wanted.errors and one.name not in uncertain}
    users = _users(state)
    kept: dict[str, str] = {}
    others = {name: [one for one in users.get(name, ())
                     if (name, one.name) not in ports or one.lower == name or one.address == GUESTS] for name in going}
    while stay := {name: why for name, one in going.items() if (why := _needed(one, going, wanted, others[name]))}:
        kept |= stay
        for name in stay:
            del going[name]
    return kept, list(going)


def _users(state: State) -> dict[str, list[Device]]:
    """Return, for each link, its ports and what stands on it."""
    found: dict[str, list[Device]] = {}
    for one in state.values():
        for below in {one.master, one.lower} - {""}:
            found.setdefault(below, []).append(one)
    return found


def _needed(device: Device, going: Collection[str], wanted: Desired, users: Iterable[Device]) -> str:
    """Return what keeps a link: a guest that is attached, or a link that stays and stands on it; nothing if it may go.

    A link of the files whose port it is keeps it only if it wants it: two VLANs in one bridge would be one network.
    """
    if device.master and device.master not in going and device.master not in wanted.links:
        return f"it is a port of {device.master}"
    for other in users:
        if other.lower == device.name and other.name not in going:
            return f"{other.name} stands on it"
        if other.master == device.name and (other.address == GUESTS or other.kind not in _OWN_KINDS):
            return f"{other.name} is attached"
    return ""


def _as_it_is(names: Iterable[str], state: State) -> dict[str, Link]:
    """Return links that the kernel has, and the cards that are their ports, as if stanzas had asked for them."""
    found: dict[str, Link] = {}
    users = _users(state)
    for device in (state[name] for name in names):
        ports = tuple(one.name for one in users.get(device.name, ()) if one.master == device.name)
        lower = device.lower if device.kind == "vlan" else ""
        found[device.name] = Link(device.name, device.kind, ours=True, ports=ports, lower=lower)
        found |= {port: Link(port) for port in ports if not state[port].kind}
    return found
