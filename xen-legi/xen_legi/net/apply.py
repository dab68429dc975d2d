"""Carry out a plan: one `ip -batch`, and where the kernel refuses a line, the rest without that line's link."""

import contextlib
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xen_legi.errors import Problem
from xen_legi.net import bridge_vlans, kernel
from xen_legi.net.links import Desired
from xen_legi.net.plan import Plan, Step, plan
from xen_legi.run import Result, run

TIMEOUT = 240  # seconds; networking.service gives all of us 300
_ROUNDS = 3  # each to the first line that is refused
_FORCED = 5  # each to the last
_FAILED = re.compile(r"^Command failed -:(\d+)$", re.MULTILINE)


@dataclass
class Outcome:
    """What came of it: why links could not be made, what bridges and bonds do without, and the steps that were done."""

    errors: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)


def carry_out(desired: Desired, until: float = math.inf) -> Outcome:
    """Make what is desired, as far as it can be made. What was done for a link that then failed is taken back. `until`: when
    it must have ended, by the monotonic clock.

    A plan is made anew for each refusal, which tells what the others do without that link. After some rounds all that are
    refused are found in one: of thousands of links, each may be.
    """
    outcome = Outcome()
    for number in range(_ROUNDS + _FORCED):
        current = plan(desired, kernel.read())
        outcome.errors, outcome.missing = dict(current.errors), dict(current.missing)
        refused = _run(current, outcome, until) if number < _ROUNDS else _force(current, outcome, until)
        if not refused:
            _run_optional([step for step in current.steps if step.optional], outcome, until)
            break
        desired = _without(desired, refused)
        undo([step for step in outcome.done if step.link in refused], until)
        outcome.done = [step for step in outcome.done if step.link not in refused]
        outcome.errors |= refused
    _set_vlans(desired, outcome, until)
    return outcome


def _set_vlans(desired: Desired, outcome: Outcome, until: float) -> None:
    """Give the ports of VLAN-aware bridges their VLANs. What the kernel refuses is told of the port."""
    if not any(map(bridge_vlans.aware, desired.links.values())):
        return
    for name, line in bridge_vlans.lines(desired.links, kernel.vlans()):
        result = run(["bridge", *line.split()], ok=range(256), timeout=_left(until))
        if result.status != 0:
            outcome.missing[name] = f"bridge {line}: {reason(result.stderr)}"


def _run(current: Plan, outcome: Outcome, until: float) -> dict[str, str]:
    """Run a plan's lines. Return the link for which a line was refused, and why; nothing if all went well."""
    steps = [step for step in current.steps if not step.optional]
    result = batch([step.do for step in steps], until=until)
    if result.status == 0:
        outcome.done += steps
        return {}
    count = failed_line(result.stderr, [step.do for step in steps])
    outcome.done += steps[:count]
    return {steps[count].link: f"ip {steps[count].do}: {reason(result.stderr)}"}


def _force(current: Plan, outcome: Outcome, until: float) -> dict[str, str]:
    """Run all of a plan's lines that can be run. Return each link for which a line was refused, and why the first was.

    A line with the master of a link that was refused would end `ip`: links come after those that they name.
    """
    refused: dict[str, str] = {}
    for steps in waves([step for step in current.steps if not step.optional]):
        while steps := _possible(steps, refused):
            lines = [step.do for step in steps]
            result = batch(lines, force=True, until=until)
            failed = failed_lines(result.stderr, lines) if result.status else {}
            ended = len(steps) if result.status == 0 or not _ends(result.stderr) else max(failed) + 1
            outcome.done += [step for index, step in enumerate(steps[:ended]) if index not in failed]
            for index, why in failed.items():
                refused.setdefault(steps[index].link, f"ip {lines[index]}: {why}")
            steps = steps[ended:]
    return refused


def _possible(steps: Sequence[Step], refused: Mapping[str, str]) -> list[Step]:
    """Return the steps of links that were not refused, and name none that was."""
    left_out = {step.link for step in steps if not refused.keys().isdisjoint((step.link, *step.do.split()))}
    return [step for step in steps if step.link not in left_out]


def waves(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the steps of the links that name no link that is made here, then of those that name these, and so on."""
    depth: dict[str, int] = {}
    for step in steps:
        below = [depth[word] + 1 for word in step.do.split() if word in depth and word != step.link]
        depth[step.link] = max([depth.get(step.link, 0), *below])
    for level in sorted(set(depth.values())):
        yield [step for step in steps if depth[step.link] == level]


def _run_optional(steps: Sequence[Step], outcome: Outcome, until: float) -> None:
    """Run lines that may fail: a bond's active port must have a link, which takes it a second."""
    for step in steps:
        result = batch([step.do], until=until)
        if result.status != 0:
            before = f"{outcome.missing[step.link]}; " if step.link in outcome.missing else ""
            outcome.missing[step.link] = f"{before}ip {step.do}: {reason(result.stderr)}"


def batch(lines: Sequence[str], *, force: bool = False, until: float = math.inf) -> Result:
    """Hand lines to one `ip -batch`; with `force` it goes on after a line that fails."""
    if not lines:
        return Result((), 0, "", "")
    options = ["-force"] if force else []
    return run(["ip", *options, "-batch", "-"], stdin="\n".join(lines) + "\n", ok=range(256), timeout=_left(until))


def _left(until: float) -> float:
    return min(TIMEOUT, max(1, until - time.monotonic()))


def failed_line(stderr: str, lines: Sequence[str]) -> int:
    """Return the index of the line that `ip -batch` stopped at."""
    return min(failed_lines(stderr, lines))


def failed_lines(stderr: str, lines: Sequence[str]) -> dict[int, str]:
    """Return the lines that failed, by index, each with the reason.

    `ip` names the number of a line that the kernel refused, after what it says of it. At the name of a master that is not
    there ("argument "x" is wrong") it ends without: that is the last, the first line after the others with that master, or
    with that word.
    """
    found: dict[int, str] = {}
    said: list[str] = []
    for text in stderr.splitlines():
        if match := _FAILED.match(text):
            found[min(int(match[1]), len(lines)) - 1] = reason("\n".join(said))
            said = []
        else:
            said.append(text)
    if word := _ends(stderr):
        left = range(max(found, default=-1) + 1, len(lines))
        named = [index for index in left if word in lines[index].split()]
        masters = [index for index in named if f"master {word}" in lines[index]]
        found[next(iter((*masters, *named, *left)), 0)] = reason("\n".join(said))
    return found or {0: reason(stderr)}


def _ends(stderr: str) -> str:
    """Return the word for which `ip` ended before its last line, if it did."""
    last = _FAILED.split(stderr)[-1]
    match = re.search(r'argument "([^"]*)" is wrong', last)
    return match[1] if match else ""


def reason(stderr: str) -> str:
    """Return what `ip` said, in one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("Command failed")]
    return "; ".join(line.removeprefix("RTNETLINK answers: ").removeprefix("Error: ") for line in lines[-2:]) or "refused"


def undo(steps: Sequence[Step], until: float = math.inf) -> None:
    """Take steps back, the last one first. What is gone already is no error."""
    with contextlib.suppress(Problem):
        batch([step.undo for step in reversed(steps) if step.undo], force=True, until=until)


def _without(desired: Desired, refused: Mapping[str, str]) -> Desired:
    links = {one: link for one, link in desired.links.items() if one not in refused}
    return replace(desired, links=links, errors={**desired.errors, **refused})
