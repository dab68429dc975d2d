"""Bring the running network to what interfaces files say: what goes, the links, what only ifup can do, then addresses.

Links are never taken away for it: a bridge keeps its vifs. Where ifdown is needed, for another method, it is given that
stanza alone and without any option of a link, so that no hook takes the link away; the link is down for a moment then. Where
something is attached and only commands changed, those that did are run without ifdown. Whatever is killed half way is found
by the next call: it looks at what is, and what a killed run wanted is noted before it begins. What that had started and has
not ended, as a DHCP client that waits for its server, is ended first (sessions.py); one that detached itself, by ifdown.
"""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from xen_legi import sessions
from xen_legi.errors import Problem
from xen_legi.net import came_up, files, in_force, kernel, stamps
from xen_legi.net.apply import TIMEOUT, batch, carry_out, reason
from xen_legi.net.came_up import Known, files_now
from xen_legi.net.change import Change, Now, change
from xen_legi.net.commands import SESSION, come, gone, run_lines
from xen_legi.net.ip_addresses import Kernel
from xen_legi.net.options import find
from xen_legi.net.stanzas import COMMANDS, Interfaces, Stanza
from xen_legi.net.vifs import attach, bridges
from xen_legi.run import Argument, run
from xen_legi.steps import lock, named_point, step

LOCK = "net-apply"
_GOING = in_force.FILE.with_name("going-down")
_OF_IFUP = ("mtu", "hwaddress")  # options that we know and that ifdown may see


@dataclass
class Done:
    """What came of it: what failed, by interface, what bridges and bonds do without, and commands that failed: as all else
    is done and they are not run again, that is the administrator's."""

    errors: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def excuse(self, names: Iterable[str]) -> None:
        """Have what failed with these told, as no failure: it could not be before either."""
        self.missing.update({name: self.errors.pop(name) for name in names if name in self.errors})


def look(interfaces: Interfaces, leave: Collection[str] = ()) -> Now:
    """Return what is. These are the files: what came up without our knowing did so by them, or by what was noted before, or
    it is not known how; then it is left alone, as what is to be (`leave`) is."""
    have = Kernel(kernel.addresses(), kernel.gateways(kernel.routes()))
    up = files.up()
    known = came_up.look(interfaces, up)
    noted = in_force.corrected(known.in_force, interfaces, have.addresses)
    uncertain = frozenset({*known.uncertain, *leave})
    return Now(kernel.read(), up, noted, in_force.load(in_force.PERHAPS), have, kernel.vlans(), uncertain, known.seen or {})


@contextlib.contextmanager
def alone(wait: float = 0) -> Iterator[None]:
    """Keep others away who change the network by this module."""
    with lock(LOCK, what="the network of this host", wait=wait):
        yield


def bring(interfaces: Interfaces, path: str, leave: Collection[str] = ()) -> Done:
    """Do all that separates the host from these files; `path` is where ifup reads them. The caller is alone(). Interfaces to
    `leave` are left as they are."""
    sessions.end(SESSION)
    now = look(files_now(interfaces, path), leave)
    in_force.save(in_force.joined(now.perhaps, interfaces), in_force.PERHAPS)
    named_point("net:begun")
    todo, done = change(interfaces, now), Done()
    if todo.downs:
        with step(f"down: {_named(todo.downs)}"):
            _down(todo.downs, now)
    named_point("net:downs")
    _links(interfaces, todo, now, done)
    named_point("net:links")
    if todo.delta.commands:
        with step(f"commands: {_named(todo.delta.commands)}"):
            _commands(interfaces, todo, now, done)
    if todo.delta.again:
        with step(f"again: {_named(todo.delta.again)}"), _routes_stay(todo.delta.again):
            _bounce(todo, now)
            named_point("net:again")
            _take_away(todo)  # a gateway that moves must have gone before ifup sets it
            _up(todo.delta.again, path, done)
    named_point("net:ups")
    _finish(interfaces, path, now, done)
    _note(interfaces, todo, now, done)
    _forget_doubts({*done.errors, *todo.errors, *todo.uncertain})
    return done


def _forget_doubts(failed: Collection[str]) -> None:
    """Keep what may be in force only of what failed: all else was brought about."""
    perhaps = in_force.load(in_force.PERHAPS)
    names = {name for one in failed for name in one.split("=")}
    left = tuple(one for one in perhaps.stanzas if one.name in names)
    if left:
        in_force.save(replace(perhaps, stanzas=left), in_force.PERHAPS)
    else:
        in_force.PERHAPS.unlink(missing_ok=True)


def _note(interfaces: Interfaces, todo: Change, before: Now, done: Done) -> None:
    """Note by which stanzas the interfaces are up now: the files', but for what failed, and for what stays for a guest."""
    known = Known(before.in_force, before.uncertain, before.seen)
    coming = {*todo.delta.again, *todo.ups} - {*done.errors}
    with _alone_with_hooks():
        up = files.up()
        there = {*up, *up.values(), *todo.wanted.links}
        came_up.note(known, interfaces, coming, {*done.errors, *todo.kept}, there)


def _commands(interfaces: Interfaces, todo: Change, now: Now, done: Done) -> None:
    """Run the commands for down that went, exchange addresses, and run the commands for up that came: the links stay up."""
    names = todo.delta.commands
    failed = {name: run_lines(gone(_known(name, now), interfaces.of(name)), "stop") for name in names}
    named_point("net:commands")
    with _routes_of_commands_stay(todo):
        _take_away(todo)
        for name in names:
            _batch([line for one, line in todo.delta.new if one == name], name, done)
    for name in names:
        lines = come(now.in_force.of(name), now.perhaps.of(name), interfaces.of(name))
        why = run_lines(lines, "start")
        if why and (left := todo.left_behind.get(name)):
            why += f" (is what an earlier line did in the way? No line for down went with {'; '.join(left)})"
        failed[name] = "; ".join(filter(None, (failed[name], why)))
    done.commands.update({name: why for name, why in failed.items() if why})


@contextlib.contextmanager
def _routes_of_commands_stay(todo: Change) -> Iterator[None]:
    """Put the routes back that go with an address: the commands that set them are not run again."""
    names = {name.partition(":")[0] for name in todo.delta.commands}
    before = [row for row in kernel.routes() if row.get("dev") in names and row.get("dst") != "default"]
    try:
        yield
    finally:
        batch(kernel.lost_routes(before, kernel.routes(), kernel.read()), force=True)


def _known(name: str, now: Now) -> tuple[Stanza, ...]:
    """Return the stanzas by which an interface is, or may be, up."""
    found = (*now.in_force.of(name), *now.perhaps.of(name))
    return tuple(dict.fromkeys(map(_without_link, found)))


def _bounce(todo: Change, now: Now) -> None:
    """Take interfaces down for a moment: one after the other where others are attached to them, the rest together."""
    alone = [(name,) for name in todo.delta.again if name in todo.attached]
    for names in (*alone, tuple(name for name in todo.delta.again if name not in todo.attached)):
        _down(names, now)
        batch([f"link set dev {name} up" for name in names], force=True)


def _finish(interfaces: Interfaces, path: str, before: Now, done: Done) -> None:
    """Join again what ifdown made anew, set addresses, and bring up what is not up, by what is now."""
    with _alone_with_hooks():
        todo = change(interfaces, _as_before(before))
        if todo.links.steps:
            _make(todo, done)
            todo = change(interfaces, _as_before(before))  # a link that was down for a moment has lost addresses
        _take_away(todo)
        for name in dict.fromkeys(name for name, _ in todo.delta.new):
            _batch([line for one, line in todo.delta.new if one == name], name, done)
        good = {name: link for name, link in todo.wanted.links.items() if name in todo.ups and name not in done.errors}
        stamps.write(interfaces.stanzas, good)  # ifup need not look: the links are made
    if todo.ups:
        with step(f"up: {_named(todo.ups)}"):
            # What a run that was killed, or an ifup that failed, has left of it would be in the way of this one.
            _down([name for name in todo.ups if name.rpartition("=")[2] in before.perhaps.by_name()], before, "--force")
            _up(todo.ups, path, done)


def _as_before(before: Now) -> Now:
    """Return what is now, with what was in force before."""
    have = Kernel(kernel.addresses(), kernel.gateways(kernel.routes()))
    return replace(before, state=kernel.read(), up=files.up(), have=have, vlans=kernel.vlans())


@contextlib.contextmanager
def _alone_with_hooks() -> Iterator[None]:
    with lock("net", what="the network of this host", wait=TIMEOUT + 10):
        yield


def _links(interfaces: Interfaces, todo: Change, before: Now, done: Done) -> None:
    """Remove, make and alter links, and attach vifs. The routes of a link that was down for a moment come back."""
    with _alone_with_hooks(), step(f"links: {_counted(todo)}"), _routes_stay():
        # By what is now: what is named DEVICE.ID, ifdown itself has removed.
        _batch(change(interfaces, _as_before(before)).removals, "links that go", done)
        _make(todo, done)


def _make(todo: Change, done: Done) -> None:
    outcome = carry_out(todo.wanted)
    done.errors.update(outcome.errors)
    done.missing.update(outcome.missing)
    attach(bridges(todo.wanted.links))  # also where an earlier run was killed before it


def _take_away(todo: Change) -> None:
    batch([line for _, line in todo.delta.gone], force=True)


@contextlib.contextmanager
def _routes_stay(without: Collection[str] = ()) -> Iterator[None]:
    """Put the routes back that links lose inside, but for those of some interfaces."""
    before = [row for row in kernel.routes() if row.get("dev") not in without]
    try:
        yield
    finally:
        batch(kernel.lost_routes(before, kernel.routes(), kernel.read()), force=True)


def _batch(lines: Sequence[str], name: str, done: Done) -> None:
    result = batch(lines, force=True)
    if result.status != 0:
        done.errors[name] = reason(result.stderr)


def _down(names: Sequence[str], now: Now, *options: str) -> None:
    """Have ifdown take interfaces (NAME or NAME=LOGICAL) down by the stanzas by which they are, or may be, up; their links
    stay, and stay up."""
    if not names:
        return
    logical = [now.up.get(name, name.rpartition("=")[2]) for name in names]
    known = [one for one in (*now.in_force.stanzas, *now.perhaps.stanzas) if one.name in logical]
    unknown = [Stanza(name, "inet", "manual") for name in logical if name not in {one.name for one in known}]
    in_force.save(Interfaces(tuple(dict.fromkeys(map(_without_link, (*known, *unknown))))), _GOING)
    _run(["ifdown", "--ignore-errors", *options, "-i", _GOING, *names])


def _run(argv: Sequence[Argument]) -> None:
    run(argv, ok=range(256), capture=False, timeout=TIMEOUT, session=SESSION)


def _without_link(stanza: Stanza) -> Stanza:
    """Return a stanza without what touches its link: options of it, by which hooks go, ours and others', and nested ifdowns.
    (ifdown would also take down all that is named NAME.ID in the file that it is given.)"""
    options = (one for one in stanza.options if not find(one.name) or one.name in _OF_IFUP)
    kept = (one for one in options if one.name not in COMMANDS or not re.match(r"(/sbin/|/usr/sbin/)?ifdown\b", one.value))
    return replace(stanza, options=tuple(replace(one, where="") for one in kept), where="")


def _up(names: Iterable[str], path: str, done: Done) -> None:
    names = [name for name in names if name not in done.errors]
    try:
        _run(["ifup", "-i", path, *names])
    except Problem as problem:
        done.errors.update(dict.fromkeys(names, problem.message))
    lacking = [name for name in names if name.partition("=")[0] not in files.configured()]
    done.errors.update(dict.fromkeys(lacking, "ifup failed, see above"))


def _counted(todo: Change) -> str:
    """Return how many links are made, changed and removed."""
    made = {one.link for one in todo.links.steps if one.do.startswith("link add")}
    changed = {one.link for one in todo.links.steps} - made
    return f"{len(made)} made, {len(changed)} changed, {len(todo.removed)} removed"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
