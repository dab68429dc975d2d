"""Where copies go: another volume group of this host, or another dom0. Both are the same receiver, reached two ways."""

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xen_legi.errors import CommandFailed, Lost, Problem, fail
from xen_legi.peers import book, trust
from xen_legi.peers.book import Peer
from xen_legi.run import ended, run, run_limited, spawn

_UNREACHABLE = 255  # ssh's own exit status


@dataclass(frozen=True)
class Destination:
    """A receiver: its name, and the command that reaches it up to that name, as rsync's -e wants it."""

    name: str
    command: tuple[str, ...]
    local: bool

    @property
    def shell(self) -> str:
        """The command for rsync's -e."""
        return shlex.join(self.command)

    def call(self, verb: str, *words: str, payload: str = "", timeout: float = 60, limit: int = 0) -> dict[str, Any]:
        """Give one order and return the answer, of at most so many bytes where there is a limit. Raise Problem, with the
        receiver's words, if it is refused."""
        argv = [*self.command, self.name, verb, *words]
        try:
            if limit:
                return self.answer(run_limited(argv, limit=limit, timeout=timeout, env=passed_on()))
            return self.answer(run(argv, stdin=payload, ok=range(-64, 256), timeout=timeout, env=passed_on()))
        except CommandFailed:  # whatever its status, a command that ends is understood: this one did not
            if self.local:
                raise
            raise unreachable(self.name, f"no answer within {timeout:g} seconds") from None

    def push(self, verb: str, *words: str, file: Path, limit: int = 0) -> dict[str, Any]:
        """Give an order that takes the content of a file, in so many seconds (0: in any time)."""
        import tempfile  # here: few runs send a file

        argv = [*self.command, self.name, verb, *words]
        with file.open("rb") as source, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            with spawn(argv, stdin=source, stdout=out, stderr=errors, env=passed_on()) as process:
                if not ended(process, limit or None):
                    raise unreachable(self.name, f"not done within {limit} seconds")
            return self.understand(process.returncode, _text(out), _text(errors))

    def understand(self, status: int, stdout: str, stderr: str) -> dict[str, Any]:
        """Given how an order ended, return the answer or raise Problem."""
        if status == _UNREACHABLE and not self.local:
            raise unreachable(self.name, stderr)
        try:
            answer = dict(json.loads(stdout.strip().splitlines()[-1]))
        except (ValueError, IndexError, TypeError):
            last = (stderr.strip().splitlines() or ["no answer"])[-1]
            fail(f"{self.name}: {last}", hint=f"exit status {status}; is xen-legi-backup installed there? try {self.trial}")
        if "problem" in answer:
            raise Problem(f"{self.name}: {answer['problem']}", hint=str(answer.get("hint", "")), status=status or 1)
        return answer

    @property
    def trial(self) -> str:
        """The command with which a person tries this destination."""
        return shlex.join([*self.command, self.name, "status"])

    def answer(self, result: Any) -> dict[str, Any]:
        """Understand a command's result."""
        return self.understand(result.status, result.stdout, result.stderr)


def local(group: str) -> Destination:
    """Return the destination that is a volume group of this host."""
    return Destination(group, (trust.RECEIVE, "--local"), local=True)


def remote(peer: Peer) -> Destination:
    """Return the destination that is another dom0."""
    return Destination(peer.name, peer.ssh, local=False)


def resolve(name: str, groups: set[str], peers: list[Peer]) -> Destination:
    """Given a name from the settings or the command line, return the destination. Raise Problem if it is unknown."""
    peer = next((one for one in peers if one.name == name), None)
    if peer and name in groups:
        raise Problem(f"{name!r} is both a volume group and a peer", hint="rename one of them")
    if peer:
        return remote(peer)
    if name in groups:
        return local(name)
    names = ", ".join(sorted(groups | {one.name for one in peers})) or "none"
    raise Problem(
        f"{name!r} is neither a volume group of this host nor a peer",
        hint=f"there are: {names}; xen-legi peer add makes a peer known",
    )


def unreachable(name: str, stderr: str) -> Problem:
    """Return the problem that ssh had, in one line."""
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    reason = re.sub(r"^ssh: |\.$", "", said[-1]) if said else "no answer"
    message = f"{name} cannot be reached: {reason}"
    if "Host key verification failed" in stderr:
        hint = f"its host key is not the recorded one: find out why, then xen-legi peer add {name} again"
        return Problem(message, hint=hint, status=1)
    if "Permission denied" in stderr:
        hint = (f"it does not accept our key: there, run xen-legi peer accept {book.this_host()} '...' ({_public(name)}),"
                " and see that sshd has PermitRootLogin prohibit-password")
        return Problem(message, hint=hint, status=1)
    return Lost(message, hint=f"is it up, and is the network between? try: xen-legi peer check {name}", status=1)


def strange(name: str, error: Exception) -> Problem:
    """Return the problem of an answer that is not one that we know."""
    hint = "have both hosts the same version of xen-legi?"
    return Problem(f"{name} answered what is not known here: {error!r}", hint=hint)


def passed_on() -> dict[str, str]:
    """Return what of our environment a receiver on this host must have: the tests' point at which it is killed or held."""
    return {name: value for name, value in os.environ.items() if name in ("XEN_LEGI_KILL_AT", "XEN_LEGI_STOP_AT")}


def _public(name: str) -> str:
    return f"{book.DIRECTORY}/{name}.key.pub"


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read())
