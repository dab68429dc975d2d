"""What is wrong with interfaces files, or only looks so: with file and line. Pure.

An error is what ifup would refuse, or what would not come to be; a warning is what comes to be and was hardly meant; a
difference is what the kernel has in another way.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from xen_legi.finding import Finding
from xen_legi.net import check_addresses, check_bmc, check_links, check_options, values
from xen_legi.net.change import Change
from xen_legi.net.describe import describe
from xen_legi.net.kernel import State
from xen_legi.net.links import desired, desired_by_all, joining, of_ports
from xen_legi.net.logical import as_chosen, chosen, no_interfaces
from xen_legi.net.of_ifup import OPTIONS, REQUIRED
from xen_legi.net.options import ALIASES, BY_NAME, find, ours
from xen_legi.net.plan import plan, told_above
from xen_legi.net.stanzas import COMMANDS, Interfaces, Option, Stanza, any_matches

_FAMILIES = ("bridge-", "bond-", "vlan-", "xen-", "ipmi-")  # no other package's options begin so, once we know them all
_SINGLE = ("mtu", "hwaddress", "address", "netmask", "gateway")  # ifup hands both lines of these to `ip` as they are
_LEFTOVER = re.compile(r".*(\.dpkg-[a-z]+|\.ucf-[a-z]+|\.bak|\.orig|\.old|\.rej|~)")
_NAMES = (*BY_NAME, *ALIASES, *OPTIONS, *check_options.OTHERS)
_NEAR = 0.8  # how much alike the name of an option must be that may as well be another package's
_UNKNOWN = "is no option that we know"
_ANY = "any.1"  # stands for the interface that has a logical name
_ADDRESSED = ("static", "dhcp", "auto", "bootp", "ipv4ll")


def check(interfaces: Interfaces, devices: Collection[str] = ()) -> list[Finding]:
    """Return what there is to say of interfaces files, in the order of files and lines."""
    found = {Finding(one.where, one.level, one.text) for one in interfaces.problems}
    for rule in _RULES:
        found.update(rule(interfaces, devices))
    return sorted(found, key=lambda one: (*_place(one.where), one))


def differences(interfaces: Interfaces, names: Iterable[str], state: State) -> list[Finding]:
    """Return in what the kernel differs from what these interfaces need. What check() tells is not told again."""
    wanted = desired(interfaces, names, state)
    planned = plan(wanted, state)
    have = interfaces.by_name()

    def place(name: str) -> str:
        """Where a link's stanza stands, or that of the link which needs it."""
        where = wanted.stanza_of(name, have)
        return (wanted.links[name].where if where == name and name in wanted.links else "") or where

    told = {*wanted.errors, *told_above(wanted, planned)}
    wrong = {name: text for name, text in planned.errors.items() if name not in told}
    said = [(name, "error", text) for name, text in (*wrong.items(), *planned.missing.items())]
    said += [(step.link, "difference", f"needs: ip {step.do}") for step in planned.steps]
    return [Finding(place(name), level, f"{name}: {text}") for name, level, text in said]


def idle(interfaces: Interfaces, names: Iterable[str], state: State) -> list[Finding]:
    """Return what keeps interfaces from coming up now that neither are among `names` nor needed for these."""
    have, known = interfaces.by_name(), desired(interfaces, names, state)
    logical = no_interfaces(interfaces, state)
    plugged = {one.name for one in interfaces.classes if one.class_ == "hotplug"}
    others = [name for name in have if name not in known.links | known.errors and name not in plugged | logical]
    wanted = desired(interfaces, others, state)
    planned = plan(wanted, state)
    wrong = {name: text for name, text in (*planned.errors.items(), *planned.missing.items()) if name not in wanted.errors}
    return [Finding(have[name][0].where, "warning", f"{name}: ifup could not bring it up now: {text}")
            for name, text in wrong.items() if name in others and wanted.links[name].kind]


def with_errors(found: Iterable[Finding], todo: Change) -> list[tuple[str, str, str]]:
    """Return the lines of a change, and before them the errors of the files, so far as it does not tell them itself.

    An interface with an error of its own is refused by ifup, and so ifup is not among the lines for it. An option that
    nobody knows is no such error.
    """
    errors = [one for one in found if one.level == "error"]
    refused = {one.text.partition(":")[0] for one in errors if _UNKNOWN not in one.text}
    told = [("cannot", one.where, one.text) for one in errors if one.text.partition(":")[0] not in todo.errors]
    return [*told, *(line for line in todo.lines() if line[0] != "ifup" or not refused & {*line[1].split("=")})]


def _links(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """What the stanzas of each interface, and all of them together, cannot mean."""
    wrong, have, said = set(), interfaces.by_name(), of_ports(joining(interfaces), devices)
    logical = no_interfaces(interfaces, devices)
    for name, stanzas in have.items():
        if name in logical:
            found = list(_of_logical(name, stanzas, interfaces, devices))
            wrong |= {name} if found else set()
            yield from found
            continue
        try:
            _, remarks = describe(name, stanzas, devices, said.get(name, ()))
        except ValueError as error:
            wrong.add(name)
            yield from _errors(error, name, stanzas, devices)
        else:
            yield from (Finding(one.where, "warning", one.text) for one in remarks)
    wanted, by = desired_by_all(interfaces, devices), chosen(interfaces, devices)
    have = as_chosen(interfaces, devices).by_name()
    for name, text in wanted.errors.items():
        if by.get(name, name) not in wrong:
            yield Finding(wanted.stanza_of(name, have), "error", f"{name}: {text}")


def _of_logical(
    name: str, stanzas: Sequence[Stanza], interfaces: Interfaces, devices: Collection[str]
) -> Iterator[Finding]:
    """Yield what a stanza cannot mean whatever interface has it. Only a line auto X=NAME says that one will; of what is
    inherited the heirs' errors are told."""
    error = _why(_ANY, stanzas, devices) if name not in interfaces.parents else None
    level = "error" if name in interfaces.templates() else "warning"
    yield from (replace(one, level=level) for one in (_errors(error, name, stanzas, devices, _ANY) if error else ()))


def _errors(
    first: ValueError, name: str, stanzas: Sequence[Stanza], devices: Collection[str], stand_in: str = ""
) -> Iterator[Finding]:
    """Yield the first error of an interface, and all others of single lines: one after the other is taken away."""
    error: ValueError | None = first
    while error:
        where = getattr(error, "where", "")
        if where or error is first:
            yield Finding(where or stanzas[0].where, "error", f"{name}: {error}")
        names = {option.name for stanza in stanzas for option in stanza.options if where and option.where == where}
        stanzas = [replace(one, options=tuple(it for it in one.options if it.name not in names)) for one in stanzas]
        error = _why(stand_in or name, stanzas, devices) if names else None


def _why(name: str, stanzas: Sequence[Stanza], devices: Collection[str]) -> ValueError | None:
    """Return why an interface is refused."""
    try:
        describe(name, stanzas, devices)
    except ValueError as error:
        return error
    return None


def _names(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Names that the kernel does not take; a stanza for a pattern or a mapping need not be one."""
    logical = no_interfaces(interfaces, devices)
    for stanza in interfaces.stanzas:
        names = [option.name for option in stanza.options]
        if stanza.name not in logical and not ours(names):  # of ours, describe() has told it
            try:
                values.device(stanza.name.partition(":")[0])  # eth0:1 is an address of eth0
            except ValueError as error:
                yield Finding(stanza.where, "error", f"{stanza.name!r} {error}")


def _unknown_options(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options that look like ours, or nearly like one of ours or ifup's, and are none: ifup takes them without a word."""
    for stanza in interfaces.stanzas:
        for option in stanza.options:
            known, like_ours = _known(option), option.name.startswith(_FAMILIES)
            near = [] if known else difflib.get_close_matches(option.name, _NAMES, 1, 0.6 if like_ours else _NEAR)
            if near or (like_ours and not known):
                meant = f"; is {near[0]} meant?" if near else ""
                written = option.written or option.name
                level = "error" if option.name.startswith("ipmi-") else "warning"  # the BMC is given nothing then
                yield Finding(option.where, level, f"{stanza.name}: {written} {_UNKNOWN}{meant}")


def _known(option: Option) -> bool:
    """Tell whether an option is one of ours, or of ifup, which knows its commands by one way of writing them only."""
    if option.name in COMMANDS:
        return option.written in ("", option.name)
    return bool(find(option.name)) or option.name in OPTIONS or option.name in check_options.OTHERS


def _required(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Stanzas without an option that their method needs. One that is only inherited from may leave it to its heirs."""
    for stanza in interfaces.stanzas:
        lacking = [name for name in REQUIRED.get((stanza.family, stanza.method), ()) if not stanza.has(name)]
        if lacking and stanza.name not in interfaces.parents:
            text = f"{stanza.family} {stanza.method} needs a line {' and a line '.join(lacking)}: ifup refuses it"
            yield Finding(stanza.where, "error", f"{stanza.name}: {text}")


def _twice(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Options with one value that have two lines, inherited ones included."""
    for stanza in interfaces.stanzas:
        seen: dict[str, str] = {}
        for option in stanza.options:
            if option.name in _SINGLE and option.name in seen:
                text = f"{option.name} stands at {seen[option.name]} already: ifup would hand both values to ip"
                yield Finding(option.where, "error", f"{stanza.name}: {text}")
            seen.setdefault(option.name, option.where)


def _without_stanza(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Interfaces that are to come up and have no stanza. ifup has one for lo by itself."""
    have = {*interfaces.by_name(), "lo"}
    for one in interfaces.classes:
        name = one.name.partition("=")[2] or one.name
        if "/" not in name and name not in have and not any_matches(name, interfaces.mappings):
            line = "auto" if one.class_ == "auto" else f"allow-{one.class_}"
            yield Finding(one.where, "error", f"{line} {one.name}: there is no stanza iface {name}")


def _ports_with_addresses(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Ports that get an address: it belongs to the bridge or the bond."""
    have = as_chosen(interfaces, devices).by_name()
    for link in desired_by_all(interfaces, devices).links.values():
        for stanza in have.get(link.name, ()) if link.master else ():
            if stanza.method in _ADDRESSED:
                text = f"{link.name} is a port of {link.master} and gets an address ({stanza.method}): it is {link.master}'s"
                yield Finding(stanza.where, "warning", text)


def _ports(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Bonds that get no port, and ports whose own MTU is less than that of their bridge."""
    have, links = interfaces.by_name(), desired_by_all(interfaces, devices).links
    for link in links.values():
        named = any(find(one.name) is BY_NAME["bond-slaves"] for stanza in have.get(link.name, ()) for one in stanza.options)
        if link.kind == "bond" and not link.ports and not named:
            yield Finding(link.where, "warning", f"{link.name}: a bond without ports: bond-slaves names them, or says none")
        for port in (links[one] for one in link.ports if one in links and link.kind == "bridge"):
            if port.own_mtu and port.mtu and port.mtu < link.mtu:
                text = f"{port.name}: its mtu {port.mtu} is less than the {link.mtu} of {link.name}: larger frames are lost"
                yield Finding(port.where or link.where, "warning", text)


def _leftovers(interfaces: Interfaces, devices: Collection[str]) -> Iterator[Finding]:
    """Files that an editor or dpkg left and that `source` reads all the same."""
    places = [one.where for one in interfaces.stanzas] + [one.where for one in interfaces.classes]
    for file in {_place(where)[0] for where in places}:
        if _LEFTOVER.fullmatch(file):
            yield Finding(f"{file}:1", "warning", "the file looks like what dpkg or an editor left, and it is read")


_RULES: tuple[Callable[[Interfaces, Collection[str]], Iterable[Finding]], ...] = (
    _links, _names, _unknown_options, _required, _twice, _without_stanza, _ports_with_addresses, _ports, _leftovers,
    check_addresses.of_stanzas, check_addresses.twice, check_addresses.gateways,
    check_links.port_lists, check_links.misplaced, check_links.own_port, check_links.blanks, check_links.contradictions,
    check_links.numbers_in_names, check_links.without_effect, check_links.not_asked_for, check_links.nearly_a_link,
    check_links.spanned, check_options.of_others, check_options.hw_mac_address, check_options.no_scripts,
    check_options.both_ways, check_options.no_ports, check_options.hardware_addresses,
    check_bmc.nonsense, check_bmc.gateway, check_bmc.shared_vlan,
)


def _place(where: str) -> tuple[str, int]:
    """Return the file and the line of a place."""
    file, _, line = where.rpartition(":")
    return (file, int(line)) if line.isdecimal() else (where, 0)
