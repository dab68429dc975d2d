"""Notice a host whose kernel crashed: what is asked of it afterwards may hang until the test's time is up, and so each test.

Emulated processors do this now and then (seen once in about fifteen whole runs: an oops of dom0's memory management). The
run ends at once then and names the host. $RESULTS/crashed keeps the kernel's line, and $RESULTS/done has the tests that had
their result by then, so that `tests/run` can do the others on restored hosts.
"""

import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Not what says that emulated processors are slow.
SIGNS = re.compile(
    r"BUG: (?!soft lockup|workqueue lockup).*|Oops: .*|Kernel panic .*|general protection fault.*|Panic on CPU .*")
GROUPS = ("@dom0s", "@store")  # what xdist adds to a test's name
EVERY = 3  # seconds


def plain(name: str) -> str:
    """Return a test's name as pytest itself has it."""
    for group in GROUPS:
        name = name.removesuffix(group)
    return name


@dataclass
class Console:
    """What a host's serial console has said, as a file that grows, or begins anew when the host is started again."""

    host: str
    path: Path
    seen: int = 0

    def __post_init__(self) -> None:
        """Pass over what was said before."""
        self.seen = self._size()

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def crash(self) -> str:
        """Return a line with which the kernel has told of its crash since the start; nothing if there is none."""
        self.seen = min(self.seen, self._size())
        if not self.path.exists():
            return ""
        with self.path.open(errors="replace") as file:
            file.seek(self.seen)
            sign = SIGNS.search(file.read())
        return f"{self.host}: {sign[0].strip()}" if sign else ""


@dataclass(eq=False)  # pytest keeps its plugins in a dict
class Watch:
    """A plugin for pytest: ends the run when a kernel has crashed; keeps its notes in a directory, if there is one."""

    consoles: list[Console]
    notes: Path | None
    crash: str = ""
    spoiled: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> str:
        """Return a host and the line of its crash, as they were seen first."""
        self.crash = self.crash or next((line for one in self.consoles if (line := one.crash())), "")
        return self.crash

    def note(self, name: str, line: str) -> None:
        """Add a line to one of the notes."""
        if self.notes:
            with (self.notes / name).open("a") as file:
                file.write(line + "\n")

    def _watch(self) -> None:
        while not self.over.wait(EVERY):
            if self.look():
                self.note("crashed", self.crash)
                os.kill(os.getpid(), signal.SIGINT)
                return

    def pytest_sessionstart(self) -> None:
        """Begin to look. What is started in the background ignores the signal by which the run is ended."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=self._watch, daemon=True).start()

    def pytest_sessionfinish(self) -> None:
        """Look no more."""
        self.over.set()

    @pytest.hookimpl(hookwrapper=True)  # before junitxml and the summary count it
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        """A test that failed on a host that has crashed says nothing: it has no result yet."""
        if report.failed and self.look():
            report.outcome = "skipped"
            report.longrepr = (report.location[0], report.location[1] or 0, f"a kernel crashed: {self.crash}")
            self.spoiled.add(report.nodeid)
        elif report.failed:
            self.failed.add(report.nodeid)
        if report.when == "teardown" and report.nodeid not in self.spoiled:
            self.note("done", ("failed " if report.nodeid in self.failed else "passed ") + plain(report.nodeid))
        yield

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say why the run ended."""
        if self.crash:
            terminalreporter.section("a kernel crashed: the run ends here", red=True)
            for console in self.consoles:
                terminalreporter.line(f"{console.host}: {console.path}")
            terminalreporter.line(self.crash)


def left(items: list[pytest.Item], done: Path) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Given the notes of an earlier run, return the tests that have no result yet, and those that have one."""
    known = {line.split(" ", 1)[1] for line in done.read_text().splitlines()}
    return [one for one in items if plain(one.nodeid) not in known], [one for one in items if plain(one.nodeid) in known]
