"""Where the copies are: what the other dom0s tell of ours, and what this host keeps, of its own domUs and of others'."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from xen_legi.backup import copies, state
from xen_legi.backup.destination import Destination, strange
from xen_legi.backup.report import age
from xen_legi.columns import aligned
from xen_legi.errors import Problem
from xen_legi.peers import words
from xen_legi.peers.asking import ask_all
from xen_legi.units import format_size


@dataclass(frozen=True)
class Place:
    """One copy: of which domU, of which host, where; `problem` if the place could not be asked."""

    domu: str
    source: str
    where: str
    state: str
    generation: int = 0
    time: int = 0
    size: int = 0
    problem: str = ""
    hint: str = ""


def sent(destinations: Iterable[Destination]) -> list[Place]:
    """Return the copies that this host has sent to other hosts, as they tell it: all are asked beside each other."""
    hosts = [one for one in destinations if not one.local]
    answers = zip(hosts, ask_all(_told, hosts, "copies"), strict=True)
    return [place for one, told in answers for place in ([_unknown(one, told)] if isinstance(told, Problem) else told)]


def _told(host: Destination) -> list[Place]:
    try:
        answer = host.call("status", timeout=60)
        return [_place(f"{host.name}:{_word(answer['group'])}", facts) for facts in answer["copies"]]
    except Problem as problem:
        return [_unknown(host, problem)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return [_unknown(host, strange(host.name, error))]


def _unknown(host: Destination, problem: Problem) -> Place:
    return Place("-", state.host(), host.name, "unreachable", problem=problem.message, hint=problem.hint)


def kept() -> list[Place]:
    """Return the copies that this host keeps."""
    known = [state.facts(one) for one in copies.all_copies().values()]
    return [Place(one.domu, one.source, one.group, one.state, one.generation, one.time, one.size) for one in known]


def text(places: Sequence[Place], domus: Mapping[str, Collection[str]]) -> str:
    """Return the overview for people; `domus` are those of this host, of which each should have a copy, and where."""
    rows = [("domU", "of", "where", "state", "generation", "age", "size")]
    for one in sorted(places, key=lambda one: (one.domu, one.where)):
        rows.append((one.domu, one.source, _shown(one), one.state, *_figures(one)))
    lines = aligned(rows) if places else ["there are no copies"]
    copied = {one.domu for one in places if one.generation and one.source == state.host()}
    silent = [one.where for one in places if one.problem]
    for name in sorted(domus.keys() - copied):
        unknown = [one for one in domus[name] if one in silent]
        perhaps = f" but perhaps at {', '.join(unknown)}, which cannot be asked" if unknown else ""
        lines.append(f"{name} of this host has no good copy{perhaps}")
    for one in places:
        lines += [line for line in (one.problem, f"  hint: {one.hint}" if one.hint else "") if line]
    return "\n".join(lines) + "\n"


def _shown(one: Place) -> str:
    """Return where it is, as HOST:GROUP; of a host that cannot be asked, no group is known."""
    return one.where if one.problem or ":" in one.where else f"{state.host()}:{one.where}"


def _figures(one: Place) -> tuple[str, str, str]:
    """Return generation, age and size; of a host that cannot be asked they are not known, which is not the same as none."""
    if one.problem:
        return "-", "-", "-"
    return str(one.generation), age(one.time), format_size(one.size) if one.size else "-"


def _place(where: str, facts: dict[str, object]) -> Place:
    generation, then, size = (
        value if isinstance(value := facts.get(name), int) else 0 for name in ("generation", "time", "size")
    )
    # its words go to a terminal, into a plugin's line, and to Prometheus; and it tells of our own copies only
    return Place(_word(facts["domu"]), state.host(), where, _word(facts["state"]), generation, then, size)


def _word(text: object) -> str:
    """Return a name that a peer tells. Raise ValueError if it is none."""
    if not re.fullmatch(words.NAME, str(text)):
        raise ValueError(f"{text!r} is no name")
    return str(text)
