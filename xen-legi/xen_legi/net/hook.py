"""What ifup and ifdown call, through the guard in hooks/ifupdown. See xen-legi-interfaces(5).

Before `ifup -a` (interface --all) all that it will need is made at once. The call for an interface makes what is
missing of it and says what cannot be; after `ifdown` its link goes, and what was made for it alone. All links of an
`ifdown -a` go at once, after it.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from xen_legi.errors import EXIT_FAILED, EXIT_OK, Problem, fail
from xen_legi.net import came_up, files, kernel, stamps, stanzas
from xen_legi.net.apply import TIMEOUT, Outcome, batch, carry_out, undo
from xen_legi.net.describe import Link
from xen_legi.net.environment import stanza_of
from xen_legi.net.links import Desired, desired
from xen_legi.net.needed import needed
from xen_legi.net.removal import removal
from xen_legi.net.stanzas import Interfaces
from xen_legi.net.vifs import attach, bridges
from xen_legi.steps import lock

_LOCK_SECONDS = TIMEOUT + 10  # who waits for the batch of another hook waits for its end
_ALL_SECONDS = 200  # but what all interfaces wait for: networking.service gives all of us 300
_SYS = "/sys/class/net"


def main(environment: Mapping[str, str]) -> int:
    """Do what ifupdown's environment asks for and return the exit status. The --all call always succeeds."""
    interface, phase = environment.get("IFACE", ""), environment.get("PHASE", "")
    if environment.get("ADDRFAM") == "meta":
        _never_failing(all_up if phase == "pre-up" else all_down, environment.get("LOGICAL", "auto"))
        return EXIT_OK
    try:
        if phase == "pre-up":
            one_up(interface, environment)
        elif phase == "post-down":
            one_down(interface, environment)
    except Problem as problem:
        hint = f" ({problem.hint})" if problem.hint else ""
        say(f"{interface}: {problem.message}{hint}")
        return EXIT_FAILED
    return EXIT_OK


def say(text: str) -> None:
    """Tell the administrator; at boot this is the journal of networking.service."""
    print(f"xen-legi: {text}", file=sys.stderr, flush=True)


def all_up(class_: str) -> None:
    """Make all links that `ifup -a` is about to configure, in one batch, and leave a stamp for each that is right.

    What cannot be made is left to the call for that interface, which says why; for a link without one that is said here.
    """
    until = time.monotonic() + _ALL_SECONDS
    caller = files.caller()
    interfaces = files.load(caller.interfaces)
    for problem in interfaces.problems:
        say(f"warning: {problem}")
    with _alone(until):
        devices = os.listdir(_SYS)
        up = files.configured()
        names = [name for name in stanzas.selected(interfaces, class_, devices, caller.exclude) if name not in up]
        wanted = desired(interfaces, names, devices)
        wanted = needed(wanted, names, _in_use(wanted.links, up))
        for remark in wanted.remarks:
            say(str(remark))
        outcome = carry_out(wanted, until)
        _attach(wanted)
        _note(interfaces, {*names, *_made(outcome)}, wanted)
    good = {name: link for name, link in wanted.links.items() if name not in {**outcome.errors, **outcome.missing}}
    stamps.write(interfaces.stanzas, good)
    for name in (one for one in outcome.missing if one not in names):
        say(f"{name}: {outcome.missing[name]}")
    made = sum(step.do.startswith("link add") for step in outcome.done)
    if made:
        say(f"{made} links made")


def one_up(interface: str, environment: Mapping[str, str]) -> None:
    """Make an interface's link, or what is missing of it. Raise Problem if it cannot be what its stanza says."""
    noted = files.load(files.caller().interfaces)  # the environment has no commands, which ifdown will want
    interfaces = stanzas.with_stanza(noted, stanza_of(interface, environment))
    _wait_for_ports(interface, desired(interfaces, [interface], os.listdir(_SYS)))
    with _alone():
        wanted = desired(interfaces, [interface], os.listdir(_SYS))
        wanted = needed(wanted, [interface], _in_use(wanted.links, files.configured()))
        for remark in wanted.remarks:
            say(str(remark))
        outcome = carry_out(wanted)
        if interface in outcome.errors:
            undo(outcome.done)
            fail(outcome.errors[interface])
        _attach(wanted)
        _note(noted, {interface, *_made(outcome)}, wanted)
    for name, why in outcome.missing.items():
        say(f"{name}: {why}")


def one_down(interface: str, environment: Mapping[str, str]) -> None:
    """Remove an interface's link and what was made for it alone, when the last of its stanzas goes down."""
    interfaces = _with_environment(interface, environment)
    if not stamps.later_stanza(interface, environment.get("ADDRFAM", "inet"), interfaces):
        link = _remove(interfaces, interface).links.get(interface)
        if link and link.kind and os.path.exists(f"{_SYS}/{interface}") and "." not in interface:
            fail("its link cannot be removed", hint=f"try: ip link del dev {interface}")


def all_down(class_: str) -> None:
    """Remove the links of all interfaces that this `ifdown` has taken down."""
    _remove(files.load(files.caller().interfaces), until=time.monotonic() + _ALL_SECONDS)


def _remove(interfaces: Interfaces, *names: str, until: float = math.inf) -> Desired:
    """Remove the links of these interfaces, and of those that an `ifdown -a` (perhaps one that was killed) left to us.

    Return what these interfaces were: hardware stays.
    """
    with _alone(until):
        up = files.configured()
        names += tuple(name for name in stamps.taken_down() if name not in up)
        wanted = desired(interfaces, names, os.listdir(_SYS))
        batch(removal(names, wanted, kernel.read(), up), force=True, until=until)
    return wanted


def _attach(wanted: Desired) -> None:
    """Give the bridges the vifs back that belong to them."""
    if vifs := attach(bridges(wanted.links)):
        say(f"attached again: {', '.join(vifs)}")


def _note(interfaces: Interfaces, coming: Collection[str], wanted: Desired) -> None:
    """Note by which stanzas interfaces are up: those that come up now, or whose links were made, by the files', all others
    by what was noted then."""
    up = files.up()
    with contextlib.suppress(OSError, ValueError, Problem):  # `net apply` then knows less; nothing else needs it
        there = {*coming, *up, *up.values(), *wanted.links}
        known = came_up.look(came_up.files_now(interfaces, files.caller().interfaces), up)
        came_up.note(known, interfaces, coming, there - {*coming}, there)


def _in_use(names: Iterable[str], up: Collection[str]) -> set[str]:
    """Return those of these links that are there and that ifupdown holds for up, or that something stands on or is a port
    of: the kernel has an entry upper_NAME for each."""
    found = {name for name in names if os.path.exists(f"{_SYS}/{name}")}
    return {name for name in found if name in up or any(one.startswith("upper_") for one in os.listdir(f"{_SYS}/{name}"))}


def _made(outcome: Outcome) -> set[str]:
    return {step.link for step in outcome.done if step.do.startswith("link add")}


def _with_environment(interface: str, environment: Mapping[str, str]) -> Interfaces:
    """Return the files' stanzas, with that of the interface as ifupdown gave it to us: mappings have been applied."""
    return stanzas.with_stanza(files.load(files.caller().interfaces), stanza_of(interface, environment))


def _wait_for_ports(interface: str, wanted: Desired) -> None:
    """Wait, for bridge-waitport and at most as long as that says, until the bridge's ports that others make are there."""
    link = wanted.links.get(interface, Link(interface))
    ports = [port for port in link.wait_ports if port not in wanted.links or not wanted.links[port].kind]
    deadline = time.monotonic() + link.wait
    while not all(os.path.exists(f"{_SYS}/{port}") for port in ports) and time.monotonic() < deadline:
        time.sleep(0.1)


@contextlib.contextmanager
def _alone(until: float = math.inf) -> Iterator[None]:
    """Keep other hooks of ours away while we read the state, plan and act: ifup runs in several processes at boot."""
    with lock("net", what="the network of this host", wait=min(_LOCK_SECONDS, until - time.monotonic())):
        yield


def _never_failing(job: Callable[[str], None], argument: str) -> None:
    try:
        job(argument)
    except Problem as problem:
        say(f"{problem.message}; each interface is now brought up by itself")
    except Exception as error:  # a failure here would leave the whole host without network
        say(f"{type(error).__name__}: {error}; each interface is now brought up by itself")
