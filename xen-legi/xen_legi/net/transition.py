"""Bring the running network to what interfaces files say: what goes, the links, their addresses, then what only ifup can do.

Links are never taken down for it: a bridge keeps its vifs. Where ifdown and ifup are needed for the commands of a stanza, a
mark tells our hook to leave the link. Whatever is killed half way is found by the next call, which looks at what is.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from xen_legi.errors import Problem
from xen_legi.net import files, in_force, kernel, stamps
from xen_legi.net.apply import TIMEOUT, batch, carry_out, reason
from xen_legi.net.change import Change, Now, change
from xen_legi.net.stanzas import Interfaces, Stanza
from xen_legi.net.vifs import attach
from xen_legi.run import run
from xen_legi.steps import lock, named_point, step

_GOING = in_force.FILE.with_name("going-down")


@dataclass
class Done:
    """What came of it: what failed, by interface, and what bridges and bonds do without."""

    errors: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def look() -> Now:
    """Return what is."""
    return Now(kernel.read(), files.up(), in_force.load(), kernel.addresses(), kernel.vlans())


@contextlib.contextmanager
def alone(wait: float = 0) -> Iterator[None]:
    """Keep others away who change the network by this module."""
    with lock("net-apply", what="the network of this host", wait=wait):
        yield


def bring(interfaces: Interfaces, path: str, perhaps: Interfaces = Interfaces()) -> Done:
    """Do all that separates the host from these files; `path` is where ifup reads them. The caller is alone().

    `perhaps`: what a change that was killed may have brought into force, beside what was noted.
    """
    before = look()
    stanzas = (*perhaps.stanzas, *before.in_force.stanzas)
    todo, done = change(interfaces, replace(before, in_force=Interfaces(stanzas))), Done()
    if todo.downs:
        with step(f"down: {_named(todo.downs)}"):
            _down(todo.downs, before.in_force)
        named_point("net:downs")
    _links(interfaces, todo, done)
    named_point("net:links")
    for name in todo.delta.again:
        with step(f"again, its link stays: {name}"):
            _down([name], before.in_force)
            _up([name], path, done)
    if todo.ups:
        with step(f"up: {_named(todo.ups)}"):
            _up(todo.ups, path, done)
    in_force.save(in_force.merged(before.in_force, interfaces, {*done.errors, *todo.kept}))
    return done


def _links(interfaces: Interfaces, todo: Change, done: Done) -> None:
    """Remove, make and alter links, attach vifs, set addresses; leave a stamp for each interface that ifup gets next."""
    with lock("net", what="the network of this host", wait=TIMEOUT + 10), step(f"links: {_counted(todo)}"):
        # What is named DEVICE.ID, ifdown itself has removed.
        _batch(change(interfaces, look()).removals, "links that go", done)
        outcome = carry_out(todo.wanted)
        done.errors.update(outcome.errors)
        done.missing.update(outcome.missing)
        attach({one.link for one in outcome.done if one.do.startswith("link add")})
        for name, lines in todo.delta.lines.items():
            _batch(lines, name, done)
        good = {name: todo.wanted.links[name] for name in todo.ups if name in todo.wanted.links and name not in done.errors}
        stamps.write(interfaces.stanzas, good)


def _batch(lines: Sequence[str], name: str, done: Done) -> None:
    result = batch(lines, force=True)
    if result.status != 0:
        done.errors[name] = reason(result.stderr)


def _down(names: Iterable[str], known: Interfaces) -> None:
    """Have ifdown take interfaces down by the stanzas by which they came up; their links stay."""
    have = known.by_name()
    unknown = tuple(Stanza(name, "inet", "manual") for name in names if name not in have)
    in_force.save(replace(known, stanzas=(*known.stanzas, *unknown)), _GOING)
    with contextlib.ExitStack() as marks:
        for name in names:
            marks.enter_context(_link_stays(name))
        run(["ifdown", "-i", _GOING, *names], ok=range(256), capture=False, timeout=TIMEOUT)


@contextlib.contextmanager
def _link_stays(name: str) -> Iterator[None]:
    """Tell the guard in hooks/ifupdown to leave an interface's link, as long as this process lives."""
    mark = stamps.DIRECTORY / f"{name}{stamps.STAYS}"
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _up(names: Iterable[str], path: str, done: Done) -> None:
    names = [name for name in names if name not in done.errors]
    try:
        run(["ifup", "-i", path, *names], ok=range(256), capture=False, timeout=TIMEOUT)
    except Problem as problem:
        done.errors.update(dict.fromkeys(names, problem.message))
    lacking = [name for name in names if name not in files.configured()]
    done.errors.update(dict.fromkeys(lacking, "ifup failed, see above"))


def _counted(todo: Change) -> str:
    """Return how many links are made, changed and removed."""
    made = {one.link for one in todo.links.steps if one.do.startswith("link add")}
    changed = {one.link for one in todo.links.steps} - made
    return f"{len(made)} made, {len(changed)} changed, {len(todo.removed)} removed"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
