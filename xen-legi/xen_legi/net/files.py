"""The interfaces files on disk, and what the ifup or ifdown that called us was told."""

import errno
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xen_legi.net import names, stanzas
from xen_legi.net.stanzas import Message

INTERFACES = "/etc/network/interfaces"
STATE = Path("/run/network/ifstate")


class Disk:
    """Files as interfaces(5) finds them."""

    def read(self, path: str) -> str:
        """Return a file's text."""
        with open(path, encoding="utf-8", errors="replace", newline="") as file:  # a CR is no end of a line to ifup
            return file.read()

    def expand(self, pattern: str, beside: str, directory: bool) -> Sequence[str]:
        """Return the files of a `source` line; of a directory those with names that run-parts would take."""
        whole = os.path.join(os.path.dirname(beside), pattern)
        found = sorted(glob.glob(whole))
        parent = os.path.dirname(whole) or "."
        if not found and os.path.isdir(parent) and not os.access(parent, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # glob() says nothing of it
        if not directory:
            return [path for path in found if not os.path.isdir(path)]
        inside = (os.path.join(path, name) for path in found if os.path.isdir(path) for name in sorted(os.listdir(path)))
        return [path for path in inside if re.fullmatch(r"[a-zA-Z0-9_-]+", os.path.basename(path))]


def load(path: str = INTERFACES) -> stanzas.Interfaces:
    """Read the interfaces file and all that it sources, and the names of VLANs."""
    interfaces = stanzas.parse(path, Disk())
    found, wrong = _vlan_names()
    return replace(interfaces, vlan_names=found, problems=(*interfaces.problems, *wrong))


def named(interfaces: stanzas.Interfaces) -> stanzas.Interfaces:
    """Return the same with the names of VLANs."""
    return replace(interfaces, vlan_names=_vlan_names()[0])


def _vlan_names() -> tuple[Mapping[str, str], list[Message]]:
    try:
        return names.parse(Disk().read(names.FILE))
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [Message(names.FILE, f"cannot be read: {error.strerror}")]


def configured() -> frozenset[str]:
    """Return the interfaces that ifupdown holds for up, those that it is just bringing up included."""
    return frozenset(up())


def up() -> dict[str, str]:
    """Return the same, each with the name of the stanza by which it is up."""
    try:
        lines = STATE.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return {}
    return {name: stanza or name for name, _, stanza in (line.partition("=") for line in lines)}


@dataclass(frozen=True)
class Caller:
    """How ifup was called, as far as it decides what `ifup -a` will do."""

    interfaces: str = INTERFACES
    exclude: tuple[str, ...] = ()


def caller(pid: int | None = None) -> Caller:
    """Find the ifup or ifdown above us and return how it was called; the defaults when there is none."""
    for ancestor in _ancestors(os.getppid() if pid is None else pid):
        words = _nul_separated(ancestor / "cmdline")
        if words and os.path.basename(words[0]) in ("ifup", "ifdown"):
            environment = dict(word.split("=", 1) for word in _nul_separated(ancestor / "environ") if "=" in word)
            return parse_call(words[1:], environment)
    return Caller()


def parse_call(words: Sequence[str], environment: Mapping[str, str]) -> Caller:
    """Given the arguments and the environment of ifup, return what matters of them."""
    interfaces, exclude = INTERFACES, []
    if "--read-environment" in words:
        exclude += environment.get("EXCLUDE_INTERFACES", "").split()
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in ("-i", "-X", "--interfaces", "--exclude"):
            name, value = word, next(rest, "")
        elif word.startswith(("-i", "-X")):
            name, value = word[:2], word[2:]
        if name in ("-i", "--interfaces"):
            interfaces = value
        elif name in ("-X", "--exclude"):
            exclude.append(value)
    return Caller(interfaces, tuple(exclude))


def _ancestors(pid: int, limit: int = 6) -> Iterator[Path]:
    for _ in range(limit):
        here = Path("/proc") / str(pid)
        yield here
        try:
            pid = int((here / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return


def _nul_separated(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []
