"""Are the copies what they should be? For Nagios, Icinga and the like, and for Prometheus. Pure.

See the Monitoring Plugins' guidelines: one line, figures after a bar, exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
class Aim:
    """Where a domU may have copies, and how many it should have (0: one at each)."""

    where: Sequence[str]
    copies: int = 0

    @property
    def chosen(self) -> bool:
        """Tell whether there are more destinations than copies."""
        return 0 < self.copies < len(self.where)


@dataclass(frozen=True)
class Expected:
    """What should be there: this host's name, and its domUs that are to be copied."""

    host: str
    domus: Mapping[str, Aim]
    wrong: Sequence[str] = ()  # what is not right with the settings of single domUs
    excluded: Collection[str] = ()  # domUs of this host that are not to be copied


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and how bad it is."""

    level: int
    text: str


def findings(places: Sequence[Place], wanted: Expected, limits: Limits, now: int) -> list[Finding]:
    """Return what is wrong with the copies of this host's domUs, and with those that it keeps for others; worst first."""
    found = [Finding(WARNING, one) for one in (*(one.problem for one in places if one.problem), *wanted.wrong)]
    silent = [one.where for one in places if one.problem]
    for name, aim in wanted.domus.items():
        mine = [one for one in _good(places) if (one.domu, one.source) == (name, wanted.host)]
        found += _of_domu(name, mine, aim, silent, Ages(limits, now))
    for one in places:
        if ":" in one.where and (one.source, one.state) == (wanted.host, "promoted") and one.domu in wanted.domus:
            found.append(Finding(WARNING, f"the copy of {one.domu} at {one.where} was promoted: only one may run"))
    for one in _good(places):
        own = one.source == wanted.host
        if own and one.domu not in wanted.domus and one.domu not in wanted.excluded:
            found.append(Finding(WARNING, f"there is a copy of {one.domu} at {one.where}, and no such domU here any more"))
        if not own and (level := limits.level(now - one.time)):
            found.append(Finding(level, f"the copy of {one.domu} of {one.source} here is {age(one.time, now)} old"))
    return sorted(found, key=lambda one: (-one.level, one.text))


def line(places: Sequence[Place], found: Sequence[Finding], now: int) -> str:
    """Return all of it in one line, with the figures that a plugin gives."""
    good = _good(places)
    oldest = max((max(0, now - one.time) for one in good), default=0)
    said = "; ".join(one.text for one in found) or f"{_copies(len(good))}, the oldest {age(now - oldest, now)} old"
    plain = re.sub(r"\s", " ", said).replace("|", "/")  # what follows the bar are figures
    return f"{_WORDS[status(found)]}: {plain} | copies={len(good)} oldest={oldest}s"


def status(found: Iterable[Finding]) -> int:
    """Return the worst level."""
    return max((one.level for one in found), default=OK)


def prometheus(places: Iterable[Place], level: int, now: int) -> str:
    """Return the copies, and how bad it is, in Prometheus' text format, for node_exporter's textfile collector."""
    good = list({(one.domu, one.source, one.where): one for one in _good(places)}.values())
    lines = [*_metric("copy_time_seconds", "when the newest good copy was made", [(one, one.time) for one in good])]
    lines += _metric("copy_generation", "number of the newest good copy", [(one, one.generation) for one in good])
    lines += _metric("copy_size_bytes", "size of its volumes", [(one, one.size) for one in good])
    lines += [*_head("check_time_seconds", "when backup-domu check looked"), f"xen_legi_check_time_seconds {now}"]
    lines += _head("copies_problem", "the status of backup-domu check: 0 OK, 1 warning, 2 critical, 3 unknown")
    return "\n".join([*lines, f"xen_legi_copies_problem {level}"]) + "\n"


@dataclass(frozen=True)
class Ages:
    """The limits, and the moment for which they are asked."""

    limits: Limits
    now: int

    def level(self, one: Place) -> int:
        """Return how bad the age of a copy is."""
        return self.limits.level(self.now - one.time)

    def told(self, one: Place) -> str:
        """Return the age of a copy."""
        return f"{age(one.time, self.now)} old"


def _good(places: Iterable[Place]) -> list[Place]:
    return [one for one in places if one.generation and one.state in _KEPT]


def _of_domu(name: str, mine: Sequence[Place], aim: Aim, silent: Sequence[str], ages: Ages) -> list[Finding]:
    """Return what is wrong with the copies of one domU: the newest counts for an alarm, each for a warning. Where a
    destination does not answer, there may be a better one: that is no alarm yet."""
    unknown = [one for one in aim.where if one in silent]
    worst = WARNING if unknown else CRITICAL
    if not mine:
        return [Finding(worst, f"{name} has no good copy" + (f" but perhaps at {', '.join(unknown)}" if unknown else ""))]
    newest = max(mine, key=lambda one: one.time)
    if ages.level(newest) == CRITICAL:
        return [Finding(worst, f"the newest copy of {name} is {ages.told(newest)}")]
    young = [one for one in mine if not ages.level(one)]
    if aim.chosen:  # it may have an old one where it went in former times
        few = len(young) + len(unknown) < aim.copies
        return [Finding(WARNING, f"{name} has {_young(len(young))}, and {aim.copies} are wanted")] if few else []
    found = [Finding(WARNING, f"the copy of {name} at {one.where} is {ages.told(one)}") for one in mine if ages.level(one)]
    there = {one.where.partition(":")[0] for one in mine} | set(unknown)
    return found + [Finding(WARNING, f"{name} has no good copy at {one}") for one in aim.where if one not in there]


def _young(number: int) -> str:
    return "1 young copy" if number == 1 else f"{number} young copies"


def _copies(number: int) -> str:
    return "1 good copy" if number == 1 else f"{number} good copies"


def _metric(name: str, meaning: str, values: Iterable[tuple[Place, int]]) -> list[str]:
    return [*_head(name, meaning), *(f"xen_legi_{name}{_labels(one)} {value}" for one, value in values)]


def _head(name: str, meaning: str) -> list[str]:
    return [f"# HELP xen_legi_{name} {meaning}", f"# TYPE xen_legi_{name} gauge"]


def _labels(one: Place) -> str:
    """Return a copy's labels: all of them are names, which need no escapes."""
    return f'{{domu="{one.domu}",source="{one.source}",where="{one.where}"}}'
