"""backup-domu test: start copies of this host for a trial, and tell which of them boot."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from xen_legi import config, files, steps
from xen_legi.backup import commit, promote, report, trial
from xen_legi.backup.trial import Verdict
from xen_legi.backup.generations import Copy
from xen_legi.domu import xl
from xen_legi.errors import EXIT_OK, EXIT_PARTLY, Problem, die
from xen_legi.steps import step
from xen_legi.units import MIB, format_seconds, parse_seconds, parse_size

EXAMPLES = """\
examples:
  backup-domu test web1                # does the copy of web1 here boot? it is only read, and has no network
  backup-domu test web1 db1 --timeout 20m --json
  backup-domu test web1 --memory 256M  # where this host has less memory free than web1 has
"""


def options(one: argparse.ArgumentParser) -> None:
    """Declare the options."""
    one.add_argument("names", nargs="+", metavar="NAME", help="domUs of which this host has a copy")
    one.add_argument("--group", default="", metavar="VG", help="the volume group of the copy, where there are several")
    one.add_argument("--timeout", default="10m", metavar="TIME", help="for how long each may boot (default: 10m)")
    one.add_argument("--memory", default="", metavar="SIZE", help="memory of the trial (default: as much as the domU has)")
    one.add_argument("--dry-run", action="store_true", help="say what would be done")
    one.add_argument("--json", action="store_true", help="print JSON")


def main(given: argparse.Namespace) -> int:
    """Test one copy after the other. All are looked at before the first one is started."""
    seconds = parse_seconds(given.timeout, what="time")
    memory = parse_size(given.memory, what="memory") // MIB if given.memory else 0
    if given.memory and not memory:
        die(f"memory {given.memory!r} is less than a domU can have", hint="as in --memory 256M")
    xl.need_xen()
    chosen = [promote.choose(name, given.group) for name in dict.fromkeys(given.names)]
    for one in chosen:
        trial.need_testable(one)
        _text(one, memory)
    if given.dry_run:
        print("\n".join(line for one in chosen for line in trial.described(one, _text(one, memory))))
        return EXIT_OK
    share = config.load().ghost_size
    verdicts = [_tested(one, share, seconds, memory) for one in chosen]
    good = all(one.state == trial.BOOTS for one in verdicts)
    if given.json:
        print(report.as_json({"format": report.FORMAT, "tests": [asdict(one) for one in verdicts]}), end="")
    elif not (steps.quiet and good):
        print(text(verdicts), end="")
    return EXIT_OK if good else EXIT_PARTLY


def text(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts for people."""
    said = {
        trial.BOOTS: "boots: it asked for a login after {}", trial.FAILS: "DOES NOT BOOT: it ended after {}",
        trial.UNSURE: "runs, but asked for no login on its console within {}", trial.UNTESTED: "could not be tested",
    }  # fmt: skip
    lines = []
    for one in verdicts:
        told = said[one.state].format(format_seconds(one.seconds))
        lines.append(f"{one.domu} in {one.group}, generation {one.generation}: {told}")
        lines += [f"  {line}" for line in one.console]
    return "\n".join(lines) + "\n"


def _text(one: Copy, memory: int) -> str:
    file = commit.config_file(one.domu, one.group)
    if not (text := files.read(file)):
        die(f"{file} does not exist", hint="the next good copy writes it")
    return trial.text_of(one, text, memory)


def _tested(one: Copy, share: str, seconds: float, memory: int) -> Verdict:
    """Test one copy; what keeps us from it is its verdict, and no other one's."""
    try:
        with step(f"the copy of {one.domu} in {one.group}, at most {format_seconds(seconds)}"):
            return trial.test(one, share, seconds, memory)
    except Problem as problem:
        number = one.best.number if one.best else 0
        said = tuple(filter(None, (problem.message, problem.hint)))
        return Verdict(one.domu, one.group, number, trial.UNTESTED, 0.0, said)
