"""The commands of stanzas (up, down and the like), run as ifup and ifdown run them, but without these: their methods take a
link down for a moment, and with it all that is attached to it.
"""

from collections.abc import Iterable, Iterator

from xen_legi.errors import Problem
from xen_legi.net.apply import TIMEOUT
from xen_legi.net.environment import handed_over, variable, variables
from xen_legi.net.stanzas import Stanza
from xen_legi.run import run

_PHASES = {  # what ifup and ifdown run in which phase, in this order
    "start": (("pre-up", ("pre-up",)), ("post-up", ("up", "post-up"))),
    "stop": (("pre-down", ("down", "pre-down")), ("post-down", ("post-down",))),
}


def run_all(stanzas: Iterable[Stanza], mode: str) -> str:
    """Run the commands of stanzas for `start` or `stop`. Return what failed first: as ifup, start ends there, and as
    `ifdown --ignore-errors`, stop goes on."""
    failure = ""
    for stanza in stanzas:
        for command, phase in commands(stanza, mode):
            try:
                run(["/bin/sh", "-c", command], env=environment(stanza, mode, phase), timeout=TIMEOUT, capture=False)
            except Problem as problem:
                failure = failure or f"{command}: {problem.message}"
                if mode == "start":
                    return failure
    return failure


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
