"""What a person sees and what must be undone: announced steps, progress, locks, signals that unwind."""

import contextlib
import fcntl
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType

from xen_legi.errors import EXIT_FAILED, die
from xen_legi.units import format_seconds, format_size

LOCKS = Path("/run/xen-legi/lock")  # not /run/lock: anybody may write there, and hold or replace what we lock
_SECRET = ("--password", "--role-args")  # options whose values are shown to nobody else
_depth = 0
beside_others = False  # a worker: other processes write to the same terminal, no line of it is redrawn
whole_run = 0  # a worker: the process that it works for
quiet = False  # --quiet: announce nothing, only problems and results


def say(text: str) -> None:
    """Announce one line to the person at the terminal (standard error: standard output is for results)."""
    if not quiet:
        print("  " * _depth + text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Say what went wrong without stopping. Never muted."""
    print(f"xen-legi: warning: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, indent what is said inside it, and give its time when it took over two seconds.

    A step that is left by an exception says nothing more: the message of the problem comes once, at the end.
    """
    global _depth
    say(f"• {text}")
    began = time.monotonic()
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
    took = time.monotonic() - began
    if took > 2:
        say(f"  ({format_seconds(took)})")


class Progress:
    """A line that shows how far a long step is: redrawn on a terminal, one line each ten seconds elsewhere."""

    def __init__(self, what: str, total: int = 0, shown: Callable[[int], str] = format_size) -> None:
        self.what, self.total, self.text = what, total, shown
        self.began = self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty() and not beside_others

    def update(self, done: int, note: str = "") -> None:
        """Given bytes done (or what `shown` writes) of `total` (0: unknown), show it if it is time to."""
        now = time.monotonic()
        if quiet or now - self.shown < (0.2 if self.terminal else 10):
            return
        self.shown = now
        line = "  " * _depth + self.line(done, now - self.began, note)
        print(f"\r\033[K{line}" if self.terminal else line, end="" if self.terminal else "\n", file=sys.stderr, flush=True)

    def line(self, done: int, seconds: float, note: str = "") -> str:
        """Return the text for `done` bytes after `seconds`: share, size, rate and time left."""
        rate = done / seconds if seconds > 0 else 0
        text = f"{self.what}: {self.text(done)}"
        if self.total:
            text = f"{self.what}: {100 * done // self.total} % of {self.text(self.total)}"
        if rate >= 1 and self.text is format_size:  # bytes have a rate that tells something, packages have not
            text += f", {self.text(int(rate))}/s"
        if rate and self.total > done:
            text += f", {format_seconds((self.total - done) / rate)} left"
        return f"{text} {note}".rstrip()

    def close(self) -> None:
        """End the line that is being redrawn."""
        if self.terminal and self.shown != self.began:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock(
    name: str, *, what: str, wait: float = 0, shared: bool = False, status: int = EXIT_FAILED
) -> Iterator[int]:
    """Hold the lock `name` and yield its descriptor; die naming the holder if it is not free within `wait` seconds.

    `shared`: together with others who share it, for who only reads. `status`: EXIT_USAGE where nothing was begun yet.
    No child inherits the descriptor, so the kernel frees the lock when we end: a killed run leaves none.
    """
    LOCKS.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = LOCKS / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _take(descriptor, wait, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            die(f"{what} is in use by {_holder(path)}", hint="wait for it to end, then try again", status=status)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {int(time.time())} {shlex.join(without_secrets(sys.argv))}\n".encode(), 0)
        try:
            yield descriptor
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def without_secrets(words: Iterable[str]) -> list[str]:
    """Return the words of a command line without the values of options that may hold a password."""
    kept, before = [], ""
    for word in words:
        if before not in _SECRET:
            option, equals, _ = word.partition("=")
            kept.append(option if equals and option in _SECRET else word)
        before = word if before not in _SECRET else ""
    return kept


def is_locked(name: str) -> bool:
    """Tell whether a living process holds the lock `name`."""
    try:
        descriptor = os.open(LOCKS / f"{name}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _take(descriptor, 0, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _take(descriptor: int, wait: float, kind: int) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.2)


def holder(name: str) -> tuple[int, int, str] | None:
    """Return who holds the lock `name`, by what it wrote into it: its process, since when (1970), its command line."""
    try:
        pid, since, command = (LOCKS / f"{name}.lock").read_text().strip().split(" ", 2)
        return int(pid), int(since), command
    except (OSError, ValueError):
        return None


def is_held_by(name: str, process: int) -> bool:
    """Tell whether a process has the file of the lock `name` open: who was killed while holding it is still named there."""
    try:
        return any(one.readlink() == LOCKS / f"{name}.lock" for one in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def _holder(path: Path) -> str:
    if not (found := holder(path.stem)):
        return "another process"
    pid, since, command = found
    return f"process {pid} since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(since))} ({command})"


@contextlib.contextmanager
def signals_unwind() -> Iterator[None]:
    """Make SIGTERM, SIGHUP and SIGINT raise KeyboardInterrupt once, so that every context is left in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in caught:
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not stop the clean-up half way
        raise KeyboardInterrupt

    caught = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {one: signal.signal(one, interrupt) for one in caught}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def named_point(name: str) -> None:
    """Mark a place at which the tests end this program (XEN_LEGI_KILL_AT=name) or hold it (XEN_LEGI_STOP_AT=name)."""
    for variable, number in (("XEN_LEGI_KILL_AT", signal.SIGKILL), ("XEN_LEGI_STOP_AT", signal.SIGSTOP)):
        if os.environ.get(variable) == name:
            os.environ.pop(variable)  # a place that is passed again and again holds us once
            if whole_run and number == signal.SIGKILL:
                os.kill(whole_run, number)
            os.kill(os.getpid(), number)
