"""All volumes of a domU at one moment: its processors stand still while its snapshots are made.

A guest that is left paused is a service that is down. So it is not us who pause it but a shell in a session of its own,
which ignores every signal that it may: it pauses, waits for our word, and unpauses, when we say so, at once when we are
killed, and after five seconds when we hang. Where it could not, we try ourselves, and say so.
"""

import contextlib
import time
from collections.abc import Iterator

from xen_legi.domu import xl
from xen_legi.errors import CommandFailed, fail
from xen_legi.run import PIPE, run, spawn
from xen_legi.steps import named_point, warn

LIMIT = 5  # seconds
_TOO_LONG = 124  # timeout(1)
_NEVER = 3  # it was not paused at all
_TRIES = 3
_SHELL = """
trap '' PIPE HUP INT TERM
xl pause "$1" || { xl unpause "$1"; exit 3; }
echo paused
timeout "$2" head -n 1 >/dev/null
ended=$?
for again in 1 2 3 4 5; do
    xl unpause "$1" && exit "$ended"
    sleep 1
done
exit 1
"""


class Pause:
    """How long the guest stood still, in seconds."""

    seconds = 0.0


@contextlib.contextmanager
def paused(name: str, wanted: bool) -> Iterator[Pause]:
    """Keep a domU paused inside this context, if `wanted` and if it is running. Fail if it could not be kept so long."""
    pause = Pause()
    number = xl.running_number(name) if wanted and xl.answers() else None
    if number is None:
        yield pause
        return
    argv = ["sh", "-c", _SHELL, "pause", str(number), str(LIMIT)]
    with spawn(argv, stdin=PIPE, stdout=PIPE, outlives_us=True) as shell:
        assert shell.stdin and shell.stdout
        began = time.monotonic()
        try:
            if shell.stdout.readline() != "paused\n":
                fail(f"{name} could not be paused", hint="what does xl list say of it?")
            named_point("backup:paused")
            yield pause
        finally:
            with contextlib.suppress(BrokenPipeError):
                shell.stdin.write("done\n")
                shell.stdin.close()
            ended = shell.wait()
            pause.seconds = time.monotonic() - began
            named_point("backup:unpaused")
            if ended not in (0, _TOO_LONG, _NEVER):  # said here, because the body may be ending for another reason
                _let_go(name, number)
    if ended == _TOO_LONG:
        fail(f"{name} stood still for {LIMIT} seconds and was let go before all its snapshots were made")
    if ended != 0:
        fail(f"{name} did not stand still as it should have: what paused it ended with status {ended}")


def _let_go(name: str, number: int) -> None:
    """Unpause a domU after the shell that should have done it has failed; say how that went."""
    for _ in range(_TRIES):
        try:
            run(["xl", "unpause", str(number)], timeout=30, outlives_us=True)
        except CommandFailed:
            time.sleep(1)
        else:
            return warn(f"{name} was not let go by the shell that pauses it, and was unpaused now")
    warn(f"{name} may still be paused: xl unpause {number}")
