"""Are the copies what they should be? For Nagios, Icinga and the like, and for Prometheus. Pure.

See the Monitoring Plugins' guidelines: one line, figures after a bar, exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xen_legi.backup.overview import Place
from xen_legi.backup.report import age

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_KEPT = ("good", "dirty")  # one that was promoted is a domU now


@dataclass(frozen=True)
class Limits:
    """Seconds after which a copy is too old: for a warning, and for an alarm."""

    warning: int
    critical: int

    def level(self, seconds: int) -> int:
        """Return how bad that age is."""
        return CRITICAL if seconds > self.critical else WARNING if seconds > self.warning else OK


@dataclass(frozen=True)
class Expected:
    """What should be there: this host's name, its domUs that are to be copied, and the destinations' names."""

    host: str
    domus: Sequence[str]
    destinations: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and how bad it is."""

    level: int
    text: str


def findings(places: Sequence[Place], wanted: Expected, limits: Limits, now: int) -> list[Finding]:
    """Return what is wrong with the copies of this host's domUs, and with those that it keeps for others; worst first."""
    found = [Finding(WARNING, one.problem) for one in places if one.problem]
    silent = {one.where for one in places if one.problem}
    for name in wanted.domus:
        mine = [one for one in places if (one.domu, one.source) == (name, wanted.host) and one.generation]
        found += _of_domu(name, mine, [one for one in wanted.destinations if one not in silent], limits, now)
    others = (one for one in places if one.source != wanted.host and one.generation and one.state in _KEPT)
    for one in others:
        if level := limits.level(now - one.time):
            found.append(Finding(level, f"the copy of {one.domu} of {one.source} here is {age(one.time, now)} old"))
    return sorted(found, key=lambda one: (-one.level, one.text))


def line(places: Sequence[Place], found: Sequence[Finding], now: int) -> str:
    """Return all of it in one line, with the figures that a plugin gives."""
    good = [one for one in places if one.generation]
    oldest = max((max(0, now - one.time) for one in good), default=0)
    said = "; ".join(one.text for one in found) or f"{_copies(len(good))}, the oldest {age(now - oldest, now)} old"
    return f"{_WORDS[status(found)]}: {said} | copies={len(good)} oldest={oldest}s"


def status(found: Iterable[Finding]) -> int:
    """Return the worst level."""
    return max((one.level for one in found), default=OK)


def prometheus(places: Iterable[Place], found: Iterable[Finding]) -> str:
    """Return the copies in Prometheus' text format, for node_exporter's textfile collector."""
    good = [one for one in places if one.generation]
    lines = [*_metric("copy_time_seconds", "when the newest good copy was made", [(one, one.time) for one in good])]
    lines += _metric("copy_generation", "number of the newest good copy", [(one, one.generation) for one in good])
    lines += _metric("copy_size_bytes", "size of its volumes", [(one, one.size) for one in good])
    lines += _head("copies_problem", "how bad the worst finding of backup-domu check is: 0 OK, 1 warning, 2 critical")
    return "\n".join([*lines, f"xen_legi_copies_problem {status(found)}"]) + "\n"


def _of_domu(name: str, mine: Sequence[Place], destinations: Sequence[str], limits: Limits, now: int) -> list[Finding]:
    """Return what is wrong with the copies of one domU: the newest counts for an alarm, each for a warning."""
    if not mine:
        return [Finding(CRITICAL, f"{name} has no good copy")]
    newest = max(one.time for one in mine)
    if limits.level(now - newest) == CRITICAL:
        return [Finding(CRITICAL, f"the newest copy of {name} is {age(newest, now)} old")]
    found = [Finding(WARNING, f"the copy of {name} at {one.where} is {age(one.time, now)} old")
             for one in mine if limits.level(now - one.time)]
    there = {one.where.partition(":")[0] for one in mine}
    return found + [Finding(WARNING, f"{name} has no good copy at {one}") for one in destinations if one not in there]


def _copies(number: int) -> str:
    return "1 good copy" if number == 1 else f"{number} good copies"


def _metric(name: str, meaning: str, values: Iterable[tuple[Place, int]]) -> list[str]:
    return [*_head(name, meaning), *(f"xen_legi_{name}{_labels(one)} {value}" for one, value in values)]


def _head(name: str, meaning: str) -> list[str]:
    return [f"# HELP xen_legi_{name} {meaning}", f"# TYPE xen_legi_{name} gauge"]


def _labels(one: Place) -> str:
    """Return a copy's labels. Prometheus escapes in a value what JSON escapes: backslash, quote, line end."""
    named = (("domu", one.domu), ("source", one.source), ("where", one.where))
    return "{" + ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in named) + "}"
