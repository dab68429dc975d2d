"""Carry out a plan: one `ip -batch`, and where the kernel refuses a line, the rest without that line's link."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xen_legi.errors import Problem
from xen_legi.net import bridge_vlans, kernel
from xen_legi.net.links import Desired
from xen_legi.net.plan import Plan, Step, plan
from xen_legi.run import Result, run

TIMEOUT = 240  # seconds; networking.service gives all of us 300
_REFUSALS = 50


@dataclass
class Outcome:
    """What came of it: why links could not be made, what bridges and bonds do without, and the steps that were done."""

    errors: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)


def carry_out(desired: Desired) -> Outcome:
    """Make what is desired, as far as it can be made. What was done for a link that then failed is taken back."""
    outcome = Outcome()
    for _ in range(_REFUSALS):
        current = plan(desired, kernel.read())
        outcome.errors, outcome.missing = dict(current.errors), dict(current.missing)
        refused = _run(current, outcome)
        if refused is None:
            break
        desired = _without(desired, *refused)
        undo([step for step in outcome.done if step.link == refused[0]])
        outcome.done = [step for step in outcome.done if step.link != refused[0]]
    _set_vlans(desired, outcome)
    return outcome


def _set_vlans(desired: Desired, outcome: Outcome) -> None:
    """Give the ports of VLAN-aware bridges their VLANs. What the kernel refuses is told of the port."""
    if not any(map(bridge_vlans.aware, desired.links.values())):
        return
    for name, line in bridge_vlans.lines(desired.links, kernel.vlans()):
        result = run(["bridge", *line.split()], ok=range(256), timeout=TIMEOUT)
        if result.status != 0:
            outcome.missing[name] = f"bridge {line}: {reason(result.stderr)}"


def _run(current: Plan, outcome: Outcome) -> tuple[str, str] | None:
    """Run a plan's lines. Return the link for which a line was refused, and why; None if all went well."""
    steps = [step for step in current.steps if not step.optional]
    result = batch([step.do for step in steps])
    if result.status == 0:
        outcome.done += steps
        _run_optional([step for step in current.steps if step.optional], outcome)
        return None
    count = failed_line(result.stderr, [step.do for step in steps])
    outcome.done += steps[:count]
    return steps[count].link, f"ip {steps[count].do}: {reason(result.stderr)}"


def _run_optional(steps: Sequence[Step], outcome: Outcome) -> None:
    """Run lines that may fail: a bond's active port must have a link, which takes it a second."""
    for step in steps:
        result = batch([step.do])
        if result.status != 0:
            before = f"{outcome.missing[step.link]}; " if step.link in outcome.missing else ""
            outcome.missing[step.link] = f"{before}ip {step.do}: {reason(result.stderr)}"


def batch(lines: Sequence[str], *, force: bool = False) -> Result:
    """Hand lines to one `ip -batch`; with `force` it goes on after a line that fails."""
    if not lines:
        return Result((), 0, "", "")
    options = ["-force"] if force else []
    return run(["ip", *options, "-batch", "-"], stdin="\n".join(lines) + "\n", ok=range(256), timeout=TIMEOUT)


def failed_line(stderr: str, lines: Sequence[str]) -> int:
    """Return the index of the line that `ip -batch` stopped at.

    It names the number of a line that the kernel refused, but not of one with the name of a device that is not there
    ("argument "x" is wrong"): then it is the first with that word.
    """
    if match := re.search(r"^Command failed -:(\d+)", stderr, re.MULTILINE):
        return min(int(match[1]), len(lines)) - 1
    word = re.search(r'argument "([^"]*)" is wrong', stderr)
    return next((index for index, line in enumerate(lines) if word and word[1] in line.split()), 0)


def reason(stderr: str) -> str:
    """Return what `ip` said, in one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("Command failed")]
    return "; ".join(line.removeprefix("RTNETLINK answers: ").removeprefix("Error: ") for line in lines[-2:]) or "refused"


def undo(steps: Sequence[Step]) -> None:
    """Take steps back, the last one first. What is gone already is no error."""
    with contextlib.suppress(Problem):
        batch([step.undo for step in reversed(steps) if step.undo], force=True)


def _without(desired: Desired, name: str, message: str) -> Desired:
    links = {one: link for one, link in desired.links.items() if one != name}
    return replace(desired, links=links, errors={**desired.errors, name: message})
