"""The only door to external commands.

Every command is an argument vector, never a shell line. It gets an environment made from nothing, /dev/null as
standard input and "/" as working directory, unless the caller says otherwise. Unless it says so as well, a child dies
with us: a command that outlives its caller would hold mounts and volumes that the next run wants to clean up. A command
that must not be cut off (lvm2 half way leaves the guest's disk suspended) outlives us, and no signal of ours ever ends it.
With one that has a session of its own, all that it has started ends as well (sessions.py).
"""

import contextlib
import ctypes
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from xen_legi.errors import LATE, CommandFailed, die, fail
from xen_legi.steps import warn

Argument = str | Path
PIPE = subprocess.PIPE  # for spawn(): what leads to us
Process = subprocess.Popen[str]
_PATIENCE = 5  # seconds for a child to end when it is told to
_LONGER = 30  # seconds more for a child that is never told to end
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PACKAGES = {  # of programs that no package of ours depends on, or that a filesystem is made with
    "ipmitool": "ipmitool", "kpartx": "kpartx", "mmdebstrap": "mmdebstrap",
    "mkfs.ext2": "e2fsprogs", "mkfs.ext3": "e2fsprogs", "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs",
    "mkswap": "util-linux",
}
_LIBC = ctypes.CDLL(None, use_errno=True)

debug = False  # --debug: show every command on standard error


@dataclass(frozen=True)
class Result:
    """How a command ended: its vector, exit status (negative: signal) and what it printed."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a child: a fixed PATH and locale, the terminal, and `extra`."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "TERM": os.environ.get("TERM", "dumb"),
        "LVM_SUPPRESS_FD_WARNINGS": "1",
        **(extra or {}),
    }


@contextlib.contextmanager
def spawn(
    argv: Sequence[Argument],
    *,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Argument = "/",
    outlives_us: bool = False,
    session: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Start a command and yield it; leaving the context by an exception ends it, unless it `outlives_us`: then it is waited
    for, and at last left alone. Standard output goes to ours' stderr. `session`: the file that names its own session."""
    words = tuple(str(word) for word in argv)
    if debug:
        print("+", shlex.join(words), file=sys.stderr, flush=True)
    try:
        process = subprocess.Popen(
            words,
            stdin=stdin,
            stdout=sys.stderr if stdout is None else stdout,
            stderr=stderr,
            env=environment(env),
            cwd=cwd,
            text=True,
            errors="replace",
            preexec_fn=None if outlives_us else _first(session),
            # Ctrl-C is for all in the terminal's group: resize2fs would die of it half way
            start_new_session=outlives_us or session is not None,
            restore_signals=not outlives_us,  # Python ignores SIGPIPE: what it prints after our end must not kill it
        )
    except FileNotFoundError:
        die(f"{words[0]} is not installed", hint=how_to_get(os.path.basename(words[0])))
    try:
        yield process
        process.wait()
    except BaseException:
        if outlives_us:
            _leave(process, words[0])
        else:
            _end(process)
            _end_session(session)
        raise
    if process.returncode < 0:  # somebody has killed it
        _end_session(session)
    elif session:
        session.unlink(missing_ok=True)


def run(
    argv: Sequence[Argument],
    *,
    stdin: str | None = None,
    ok: Sequence[int] = (0,),
    timeout: float | None = None,
    capture: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Argument = "/",
    outlives_us: bool = False,
    session: Path | None = None,
) -> Result:
    """Run a command to its end and return how it ended. Raise CommandFailed for a status that is not in `ok`.

    `timeout` is in seconds, `session` as for spawn(). With capture=False what it prints goes to our standard error as it
    comes.
    """
    out = subprocess.PIPE if capture else None
    source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    with spawn(
        argv, stdin=source, stdout=out, stderr=out, env=env, cwd=cwd, outlives_us=outlives_us, session=session
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            how = LATE if outlives_us else -signal.SIGTERM
            raise CommandFailed(_words(argv), how, f"no answer within {timeout:g} seconds") from None
    result = Result(_words(argv), process.returncode, stdout or "", stderr or "")
    if result.status not in ok:
        raise CommandFailed(result.argv, result.status, result.stderr)
    return result


def run_limited(argv: Sequence[Argument], *, limit: int, timeout: float, env: Mapping[str, str] | None = None) -> Result:
    """Like run(), with any exit status, for a command that lets another host speak: one that prints more than `limit` bytes
    is ended, and fails. Raise CommandFailed for one that is late."""
    deadline = time.monotonic() + timeout
    with spawn(argv, stdout=PIPE, stderr=PIPE, env=env) as process:
        stdout, stderr = _heard(process, argv, limit, deadline)
        if not ended(process, max(0.0, deadline - time.monotonic())):
            raise CommandFailed(_words(argv), -signal.SIGTERM, f"no end within {timeout:g} seconds")
    return Result(_words(argv), process.returncode, stdout, stderr)


def _heard(process: Process, argv: Sequence[Argument], limit: int, deadline: float) -> tuple[str, str]:
    """Return what a command prints to both of its pipes until it has closed them."""
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe]
    heard = {pipe.fileno(): bytearray() for pipe in pipes}
    still = list(heard)
    while still:
        ready, _, _ = select.select(still, (), (), max(0.0, deadline - time.monotonic()))
        if not ready:
            raise CommandFailed(_words(argv), -signal.SIGTERM, "no answer in time")
        for number in ready:
            part = os.read(number, 1 << 16)
            heard[number] += part
            if not part:
                still.remove(number)
        if sum(map(len, heard.values())) > limit:
            fail(f"{argv[0]} printed more than {limit} bytes and was ended")
    stdout, stderr = (one.decode(errors="replace") for one in heard.values())
    return stdout, stderr


def ended(process: "subprocess.Popen[str]", seconds: float | None) -> bool:
    """Wait for a command; tell whether it ended within so many seconds (None: in any time)."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def lines(argv: Sequence[Argument], *, env: Mapping[str, str] | None = None, cwd: Argument = "/") -> Iterator[str]:
    """Run a command and yield the lines that it prints, errors among them, as they come (a progress line redrawn with
    carriage returns is a line each time). Raise CommandFailed at the end if its status is not 0."""
    last: deque[str] = deque(maxlen=20)
    with spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd) as process:
        for line in process.stdout or ():
            last.append(line)
            yield line.rstrip("\n")
    if process.returncode != 0:
        raise CommandFailed(_words(argv), process.returncode, "".join(last))


def run_json(argv: Sequence[Argument], *, timeout: float | None = 60) -> Any:
    """Run a command that prints JSON and return what it printed. Die with a sentence that names it if it did not."""
    result = run(argv, timeout=timeout)
    try:
        return json.loads(result.stdout or "null")
    except ValueError as error:
        die(f"{argv[0]} answered what is not JSON: {error}", hint=f"run it by hand: {shlex.join(result.argv)}")


def installed(program: str) -> bool:
    """Tell whether a program is found on the path that children get."""
    import shutil  # here, because it loads the compressors too, and the ifupdown hook must start fast

    return shutil.which(program, path=environment()["PATH"]) is not None


def need(program: str) -> None:
    """Die if a program is not installed: before the first step that would call it."""
    if not installed(program):
        die(f"{program} is not installed", hint=how_to_get(program))


def how_to_get(program: str) -> str:
    """Return a hint: how a program that is not installed is."""
    if package := _PACKAGES.get(program):
        return f"apt install {package}"
    return f"apt-file search bin/{program} names its package"


def _words(argv: Sequence[Argument]) -> tuple[str, ...]:
    return tuple(str(word) for word in argv)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that made it ends, however that ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _first(session: Path | None) -> Callable[[], None]:
    """Return what a child does before it becomes the command."""
    if session is None:
        return die_with_parent
    from xen_legi import sessions  # here, because the ifupdown hook must start fast and never needs it

    begin = sessions.leader(session)

    def first() -> None:
        die_with_parent()
        begin()

    return first


def _end_session(session: Path | None) -> None:
    if session:
        from xen_legi import sessions

        sessions.end(session)


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask a child to end, give it some seconds, then make it. One that waits for a dead disk in the kernel cannot be killed
    at all: it is left behind, because whoever waited for it would hang as well."""
    if process.poll() is not None:
        return
    for end in (process.terminate, process.kill):
        end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return
    warn(f"process {process.pid} cannot be ended and is left behind; ps shows what it is")


def _leave(process: "subprocess.Popen[str]", name: str) -> None:
    """Wait some more for a child that must not be cut off; one that does not end then is left running."""
    try:
        process.wait(_LONGER)
    except subprocess.TimeoutExpired:
        warn(f"{name}, process {process.pid}, has not ended and is left running; ps shows it")
