#!/usr/bin/python3
"""Keep the results of the test groups, list them, and write docs/proof.md from them.

commit                                         print what is tested: ask before the tests begin
record GROUP DIRECTORY SECONDS STATUS COMMIT   read pytest's XML files in DIRECTORY and remember the sums
list                                           the groups, what each proves, its last result on each suite
proof                                          write docs/proof.md, with the rows that it has of what was not run here
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from datetime import date
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
STORE = Path(os.environ.get("LAB_CACHE", "/var/cache/xen-legi-lab")) / "results"
PROOF = TOP / "docs/proof.md"
LIMIT = 60  # minutes for a group
COLUMNS = ("group", "suite", "commit", "date", "passed", "failed", "skipped", "minutes")
Row = dict[str, str]


def counted(directory: Path) -> tuple[int, int, int]:
    """Given a directory of JUnit XML files, return how many tests passed, failed and were skipped."""
    total = failed = skipped = 0
    for file in directory.glob("*.xml"):
        for suite in xml.parse(file).getroot().iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def commit() -> str:
    """Return the short name of the commit that is there now, with a + if the tree differs; unknown without git."""
    words = ["git", "-C", str(TOP), "describe", "--always", "--dirty=+"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"


def record(group: str, directory: str, seconds: str, status: str, tested: str) -> None:
    """Remember how a group ended on the commit `tested`. A group that failed outside of pytest counts as one failed test."""
    passed, failed, skipped = counted(Path(directory))
    if status != "0" and not failed:
        failed = 1
    suite = {"bookworm": "bookworm", "suites": "both"}.get(group) or os.environ.get("LAB_SUITE", "trixie")
    values = (group, suite, tested, date.today().isoformat(), passed, failed, skipped, round(int(seconds) / 60, 1))
    STORE.mkdir(parents=True, exist_ok=True)
    row = dict(zip(COLUMNS, map(str, values), strict=True))
    (STORE / f"{group}-{suite}.json").write_text(json.dumps(row) + "\n")
    if int(seconds) > LIMIT * 60:
        print(f"tests: warning: {group} took {row['minutes']} minutes, its limit is {LIMIT}", file=sys.stderr)


def rows() -> list[Row]:
    """Return the last result of each group on each suite: those of this machine, else those of docs/proof.md."""
    known = {(row["group"], row["suite"]): row for row in _proved()}
    here = (json.loads(file.read_text()) for file in STORE.glob("*.json"))
    known |= {(row["group"], row["suite"]): row for row in here}
    groups = {"test", *(group.name for group in (TOP / "tests/long").iterdir())}  # others had a name that is gone
    return [known[key] for key in sorted(known) if key[0] in groups]


def _proved() -> list[Row]:
    """Return the rows of docs/proof.md."""
    lines = PROOF.read_text().splitlines() if PROOF.exists() else []
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| "))
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells if len(row) == len(COLUMNS) and row != list(COLUMNS)]


def purpose(group: Path) -> str:
    """Return what a group proves: its second line."""
    return group.read_text().splitlines()[1].lstrip("# ")


def show() -> None:
    """Print the groups with their last results."""
    for group in sorted((TOP / "tests/long").iterdir()):
        print(f"{group.name:<12} {purpose(group)}")
        last = [row for row in rows() if row["group"] == group.name]
        for row in last:
            print(" " * 13 + "{suite}: {passed} passed, {failed} failed, {skipped} skipped, {minutes} min, "
                  "{date}, {commit}".format(**row))
        if not last:
            print(" " * 13 + "never run")


def proof() -> None:
    """Write docs/proof.md."""
    lines = ["# Proof", "", "Written by `make proof` from the last runs of the test groups.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(row[name] for name in COLUMNS) + " |" for row in rows()]
    PROOF.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    {"commit": lambda: print(commit()), "record": record, "list": show, "proof": proof}[sys.argv[1]](*sys.argv[2:])
