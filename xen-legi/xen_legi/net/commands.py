"""The commands of stanzas (up, down and the like), run as ifup and ifdown run them, but without these: their methods take a
link down for a moment, and with it all that is attached to it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from xen_legi.errors import Problem
from xen_legi.net import in_force
from xen_legi.net.apply import TIMEOUT
from xen_legi.net.environment import handed_over, variable, variables
from xen_legi.net.stanzas import Stanza
from xen_legi.run import run

SESSION = in_force.FILE.with_name("net-session")  # of the ifup, ifdown or command that a change is running
_PHASES = {  # what ifup and ifdown run in which phase, in this order
    "start": (("pre-up", ("pre-up",)), ("post-up", ("up", "post-up"))),
    "stop": (("pre-down", ("down", "pre-down")), ("post-down", ("post-down",))),
}


@dataclass(frozen=True)
class Line:
    """A command and the stanza that it is run for."""

    stanza: Stanza
    command: str
    phase: str

    def is_in(self, stanzas: Iterable[Stanza], mode: str) -> bool:
        """Tell whether one of these stanzas, of the same family, has it too."""
        return any((self.command, self.phase) in commands(one, mode) for one in stanzas if one.family == self.stanza.family)


def gone(known: Iterable[Stanza], now: Collection[Stanza]) -> list[Line]:
    """Return the commands for down that the stanzas of now have no longer, each once."""
    found: dict[tuple[str, str, str], Line] = {}
    for line in _lines(known, "stop"):
        if not line.is_in(now, "stop"):
            found.setdefault((line.stanza.family, line.command, line.phase), line)
    return list(found.values())


def come(before: Collection[Stanza], perhaps: Collection[Stanza], now: Iterable[Stanza]) -> list[Line]:
    """Return the commands for up that are new: those that were there are not run again, since what they did is there still
    (`ip route add` would fail). Where a killed run may have undone it they are: each of `perhaps` is a stanza that it may
    have brought into force."""
    return [line for line in _lines(now, "start") if not (line.is_in(before, "start") and _in_each(line, perhaps))]


def left_behind(known: Collection[Stanza], now: Collection[Stanza]) -> list[str]:
    """Return the commands for up that went while none for down did: nothing undoes what they did. They may be in the way of
    those that came (`ip route add` of the same network); ifdown would have run all for down."""
    if gone(known, now):
        return []
    return list(dict.fromkeys(line.command for line in _lines(known, "start") if not line.is_in(now, "start")))


def _in_each(line: Line, perhaps: Collection[Stanza]) -> bool:
    same = [one for one in perhaps if one.family == line.stanza.family]
    return all(line.is_in([one], "start") for one in same) and bool(same or not perhaps)


def _lines(stanzas: Iterable[Stanza], mode: str) -> Iterator[Line]:
    for stanza in stanzas:
        yield from (Line(stanza, command, phase) for command, phase in commands(stanza, mode))


def run_lines(lines: Iterable[Line], mode: str) -> str:
    """Run commands for `start` or `stop`, each whatever became of the others. Return what failed."""
    failures = []
    for one in lines:
        words = ["/bin/sh", "-c", one.command]
        try:
            run(words, env=environment(one.stanza, mode, one.phase), timeout=TIMEOUT, capture=False, session=SESSION)
        except Problem as problem:
            failures.append(f"{one.command}: {problem.message}")
    return "; ".join(failures)


def commands(stanza: Stanza, mode: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a stanza, each with its phase."""
    for phase, names in _PHASES[mode]:
        for option in stanza.options:
            if option.name in names:
                yield from ((line, phase) for line in option.value.split("\n"))


def environment(stanza: Stanza, mode: str, phase: str) -> dict[str, str]:
    """Return what ifup and ifdown tell a command of its interface."""
    return {"IFACE": stanza.name, "LOGICAL": stanza.name, "ADDRFAM": stanza.family, "METHOD": stanza.method, "MODE": mode,
            "PHASE": phase, "VERBOSITY": "0", f"IFUPDOWN_{variable(stanza.name)}": phase, **variables(handed_over(stanza))}
