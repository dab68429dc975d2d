"""Commands whose children do not outlive them where it counts: each in a session of its own, which a file names.

ifup dies with us, but the DHCP client that it waits for would go on, and bind an address after the change was taken back.
The command notes itself (number, and when it began) before it can start anything; the note is gone when it has ended by
itself. What is left of it otherwise, then or when the next run finds the note, is ended: whatever is still in the session.
A daemon has left it.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from xen_legi import files
from xen_legi.processes import Process, look, running, tell
from xen_legi.steps import warn

_PATIENCE = 5  # seconds for processes to end when they are told to, and as many when they are made to
_LONGEST = 900  # seconds that a command may take, and more


def leader(note: Path) -> Callable[[], None]:
    """Return what the child does before it becomes the command, in its new session: it notes itself."""
    parent = os.getpid()

    def begin() -> None:
        own = look(os.getpid())
        if own:
            files.replace(note, f"{own.number} {own.began}\n")
        if not own or os.getppid() != parent:  # it ended before the kernel knew that we are to end with it
            os._exit(1)

    return begin


def end(note: Path) -> None:
    """End what is left of the session that a file names, if there is one, first by asking."""
    words = files.read(note).split()
    if len(words) == 2:
        noted = Process(int(words[0]), int(words[0]), int(words[1]))
        left = _end(noted, signal.SIGTERM) and _end(noted, signal.SIGKILL)
        if left:
            warn(f"what cannot be ended is left behind: {', '.join(str(one.number) for one in left)}; ps shows what it is")
    note.unlink(missing_ok=True)


def _end(noted: Process, sent: signal.Signals) -> list[Process]:
    """Send a signal to all that are in a session, once to each. Return those that are there still after some time."""
    until, told = time.monotonic() + _PATIENCE, set[Process]()
    while (left := members(noted, list(running()))) and time.monotonic() < until:
        for one in set(left) - told:
            tell(one, sent)
        told.update(left)
        time.sleep(0.05)
    return left


def members(noted: Process, processes: Iterable[Process], ticks: int = os.sysconf("SC_CLK_TCK")) -> list[Process]:
    """Return which of all processes are in the session that a process began.

    No number is given to a process while a session has it: where another process has the leader's, nothing is left. Where
    all of a session of that number began long after the leader, it is another one, whose leader has ended as well.
    """
    found = [one for one in processes if one.session == noted.session and one.began >= noted.began]
    other = any(one.number == noted.number and one != noted for one in processes)
    if other or not any(one.began <= noted.began + _LONGEST * ticks for one in found):
        return []
    return [one for one in found if not one.ended]
