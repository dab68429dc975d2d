"""The commands of stanzas (up, down and the like), run as ifup and ifdown run them, but without these: their methods take a
link down for a moment, and with it all that is attached to it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from xen_legi.errors import Problem
from xen_legi.net.apply import TIMEOUT
from xen_legi.net.stanzas import COMMANDS, Stanza
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
    """Return what ifup and ifdown tell a command of its interface, options as they hand them over."""
    options: dict[str, str] = {}
    for option in stanza.options:
        if option.name not in COMMANDS:
            before = f"{options[option.name]}\n" if option.name in options else ""
            options[option.name] = before + option.value
    options |= _address(stanza, options)
    facts = {"IFACE": stanza.name, "LOGICAL": stanza.name, "ADDRFAM": stanza.family, "METHOD": stanza.method, "MODE": mode,
             "PHASE": phase, "VERBOSITY": "0", f"IFUPDOWN_{_variable(stanza.name)}": phase}
    return {**facts, **{f"IF_{_variable(name).upper()}": value for name, value in options.items()}}


def _address(stanza: Stanza, options: Mapping[str, str]) -> dict[str, str]:
    """Return what ifup makes of an address: ADDRESS/LENGTH is two options."""
    if stanza.method != "static" or "address" not in options:
        return {}
    address, slash, mask = options["address"].partition("/")
    found = {"address": address, **({"netmask": mask} if slash else {})}
    return {"broadcast": "+", **options, **found} if stanza.family == "inet" else found


def _variable(name: str) -> str:
    return re.sub("[^a-zA-Z0-9]", "_", name)
