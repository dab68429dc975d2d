"""Errors for people. Anything that is not one of these is a bug and deserves its traceback."""

import os
import shlex
import signal
from typing import NoReturn

EXIT_OK = 0
EXIT_FAILED = 1  # something was begun and did not succeed
EXIT_USAGE = 2  # wrong use or a missing prerequisite: nothing was changed
EXIT_PARTLY = 3  # some of several independent jobs failed, the others are done
EXIT_INTERRUPTED = 130

LATE = -(1 << 16)  # in place of the exit status of a command that was not waited for any longer, and not killed either

EXIT_STATUS_HELP = f"""\
exit status:
  {EXIT_OK}    done
  {EXIT_FAILED}    begun and failed; the message tells what is left, if anything is; or an error was found (net check, lint)
  {EXIT_USAGE}    wrong use or something missing; nothing was changed
  {EXIT_PARTLY}    some of several independent jobs failed
  {EXIT_INTERRUPTED}  interrupted by a signal"""


class Problem(Exception):
    """An error that the administrator can act on: one line, perhaps a hint, an exit status."""

    def __init__(self, message: str, *, hint: str = "", status: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status


class Lost(Problem):
    """The connection to another host broke or was not made: another try may do better."""


def die(message: str, *, hint: str = "", status: int = EXIT_USAGE) -> NoReturn:
    """Given one line for the operator and perhaps a hint, raise Problem with that exit status."""
    raise Problem(message, hint=hint, status=status)


def fail(message: str, *, hint: str = "") -> NoReturn:
    """Like die(), for what failed after the first change was made: exit status 1."""
    raise Problem(message, hint=hint, status=EXIT_FAILED)


def need_root(what: str) -> None:
    """Die unless we run as root; `what` is the command as the operator knows it."""
    if os.geteuid() != 0:
        die(f"{what} must be run as root", hint="use sudo")


class CommandFailed(Problem):
    """An external command ended in a way that we did not expect. It explains itself."""

    def __init__(self, argv: tuple[str, ...], status: int, stderr: str) -> None:
        self.argv = argv
        self.command_status = status
        self.stderr = stderr
        super().__init__(f"{shlex.join(argv)}: {_reason(status)}{_last_lines(stderr)}", status=EXIT_FAILED)


def _reason(status: int) -> str:
    if status == LATE:
        return "not ended in time"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _last_lines(stderr: str, count: int = 5) -> str:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    return "".join(f"\n    {line}" for line in lines[-count:])
