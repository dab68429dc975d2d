"""Processes, each known by its number and when it began: a number is given out again."""

import contextlib
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process: its number, its session, and when it began, in the kernel's ticks; the letter of its state."""

    number: int
    session: int
    began: int
    state: str = field(default="S", compare=False)

    @property
    def ended(self) -> bool:
        """Tell whether it has ended, and nobody has asked how."""
        return self.state in "ZX"


def parse(text: str) -> Process:
    """Read /proc/PID/stat, as in proc(5). The second field, the name in brackets, may have spaces and brackets in it."""
    words = text.rpartition(")")[2].split()
    return Process(int(text.split(" ", 1)[0]), int(words[3]), int(words[19]), words[0])


def look(number: int) -> Process | None:
    """Return the process of a number; None if there is none."""
    try:
        return parse(Path(f"/proc/{number}/stat").read_text(errors="replace"))
    except OSError:
        return None


def running() -> Iterator[Process]:
    """Yield all processes."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and (found := look(int(name))):
            yield found


def start_of(number: int) -> str:
    """Return when a process began; nothing if there is none."""
    found = look(number)
    return str(found.began) if found else ""


def at_work(number: int) -> str:
    """Return the same; nothing also if it has been stopped (Ctrl-Z), or has ended and nobody has asked how."""
    found = look(number)
    return str(found.began) if found and not found.ended and found.state != "T" else ""


def writes(file: Path) -> bool:
    """Tell whether a process has a file open for writing, by whatever path. The mode of an entry in /proc/PID/fd tells for
    what it is open, as in proc(5)."""
    facts = file.stat()
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            if any(_leads(f"/proc/{number}/fd/{one}", facts) for one in os.listdir(f"/proc/{number}/fd")):
                return True
    return False


def _leads(entry: str, facts: os.stat_result) -> bool:
    try:
        return bool(os.lstat(entry).st_mode & stat.S_IWUSR) and os.path.samestat(os.stat(entry), facts)
    except OSError:  # it has been closed
        return False


def tell(process: Process, sent: signal.Signals) -> None:
    """Send a signal to a process, unless it has ended, or has left its session since it was looked at."""
    with contextlib.suppress(OSError):  # there is none any more
        descriptor = os.pidfd_open(process.number)
        try:
            if look(process.number) == process:  # not another process of the same number
                signal.pidfd_send_signal(descriptor, sent)
        finally:
            os.close(descriptor)


def kill(number: int, began: str) -> None:
    """Kill a process, if it is still the one that began then."""
    found = look(number)
    if found and str(found.began) == began:
        tell(found, signal.SIGKILL)
