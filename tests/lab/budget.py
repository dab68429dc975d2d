"""When the time is too short for all lab tests, which of them are done: on a slow computer they take hours.

$TESTS_END is a moment in seconds since 1970, or not set. From then on no test begins, apart from the basic ones: these are
the first, and always done. What is left out counts as skipped, and pytest's summary says why.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

BASIC = ("test_dom0", "test_network")
REASON = "no time is left (TESTS_END)"


def basic(path: Path) -> bool:
    """Tell whether the tests of a file are the basic ones: that the hosts are dom0s, and have the network of the file."""
    return path.stem in BASIC


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with the basic ones first."""
    return sorted(items, key=lambda item: not basic(item.path))


def too_late(path: Path, now: float) -> bool:
    """Tell whether a test of this file is not begun any more. Die of a TESTS_END that is no number."""
    end = os.environ.get("TESTS_END", "")
    return bool(end) and now > int(end) and not basic(path)


def keep(item: pytest.Item) -> None:
    """Skip a test, before any of its fixtures, if it is too late for it."""
    if too_late(item.path, time.time()):
        pytest.skip(REASON)


def tell_lines(reporter: Any) -> None:
    """Say how long each line of work took, as xdist names it at the end of a test's name (NAME@LINE): they go on beside
    each other, and the longer one ends the run."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in (one for those in reporter.stats.values() for one in those if "@" in getattr(one, "nodeid", "")):
        seconds[one.nodeid.rpartition("@")[2]] += getattr(one, "duration", 0)
    if seconds:
        reporter.section("lines of work")
    for line, took in sorted(seconds.items(), key=lambda one: -one[1]):
        reporter.line(f"{line}: {took / 60:.1f} min")
