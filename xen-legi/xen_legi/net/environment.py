"""A stanza as ifupdown hands it to hooks and commands, in IF_* variables, and what the guard in hooks/ifupdown keeps of it.

An interface without an option of ours comes up without a start of ours. The guard, which must cost no process, then writes
the variables of its shell into a file. They hold all but the commands.
"""

import contextlib
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi.net.stamps import DIRECTORY, UP
from xen_legi.net.stanzas import COMMANDS, Option, Stanza, canonical

# What ifup adds by itself, or writes in another way: these tell nothing of the stanza that it read.
_OF_IFUP = frozenset("""
    accept-ra autoconf bootfile broadcast client dad-attempts dad-interval dhcp hostname hwaddress ll-attempts ll-interval
    leasehours leasetime preferred-lifetime privext request-prefix scope ttl vendor
""".split())


@dataclass(frozen=True)
class Note:
    """What the guard has kept of an interface: the stanza, as ifup handed it over, and which version of the file this is."""

    file: Path
    changed: int
    stanza: Stanza


def notes(directory: Path = DIRECTORY) -> list[Note]:
    """Return what the guard has kept. A file that is just being written is none yet."""
    found = []
    for file in sorted(directory.glob(f"*{UP}")):
        with contextlib.suppress(OSError, ValueError):
            told = dict(word.split("=", 1) for word in shlex.split(file.read_text(errors="replace")) if "=" in word)
            name = told.get("IFACE", "")
            if name and told.get("LOGICAL", name) == name:
                found.append(Note(file, file.stat().st_mtime_ns, stanza_of(name, told)))
    return found


def forget(known: Iterable[Note]) -> None:
    """Remove notes; one that was written anew meanwhile stays."""
    for note in known:
        with contextlib.suppress(FileNotFoundError):
            if note.file.stat().st_mtime_ns == note.changed:
                note.file.unlink()


def stanza_of(interface: str, environment: Mapping[str, str]) -> Stanza:
    """Return the stanza that ifupdown hands over in IF_* variables."""
    prefix = "IF_"
    given = sorted((name.removeprefix(prefix), value) for name, value in environment.items() if name.startswith(prefix))
    options = tuple(Option(canonical(name), value) for name, value in given)
    return Stanza(interface, environment.get("ADDRFAM", "inet"), environment.get("METHOD", "manual"), options)


def handed_over(stanza: Stanza) -> dict[str, str]:
    """Return the options of a stanza as ifupdown hands them over: of several lines one, ADDRESS/LENGTH as two options."""
    options: dict[str, str] = {}
    for option in stanza.options:
        if option.name not in COMMANDS:
            before = f"{options[option.name]}\n" if option.name in options else ""
            options[option.name] = before + option.value
    return {**options, **_address(options, stanza.family)} if stanza.method == "static" else options


def _address(options: Mapping[str, str], family: str) -> dict[str, str]:
    """Return what ifup makes of a static address: ADDRESS/LENGTH is two options, and of IPv4 a mask."""
    import ipaddress  # here, because most starts of the ifupdown hook have no use for it

    address, slash, mask = options.get("address", "").partition("/")
    found = {"address": address, "netmask": mask} if slash else {}
    if family == "inet":
        found["broadcast"] = options.get("broadcast", "+")
        with contextlib.suppress(ValueError):
            if slash:
                network = ipaddress.IPv4Interface(options["address"]).network
                found |= {"netmask": str(network.netmask), "broadcast": options.get("broadcast", str(network[-1]))}
    return found


def variables(options: Mapping[str, str]) -> dict[str, str]:
    """Return options as variables."""
    return {f"IF_{variable(name).upper()}": value for name, value in options.items()}


def variable(name: str) -> str:
    """Return a name as a part of that of a variable."""
    return re.sub("[^a-zA-Z0-9]", "_", name)


def matching(handed: Stanza, candidates: Collection[Stanza]) -> Stanza | None:
    """Return the first of these stanzas that ifup may have read when it handed this one over."""
    facts = _telling(handed)
    return next((one for one in candidates if one.method == handed.method and _may_be(_telling(one), facts)), None)


def _telling(stanza: Stanza) -> dict[str, str]:
    return {name: value for name, value in handed_over(stanza).items() if name not in _OF_IFUP}


def _may_be(written: Mapping[str, str], handed: Mapping[str, str]) -> bool:
    """Tell whether these are the same; ifup adds the usual mask where none was written."""
    return written == {name: value for name, value in handed.items() if name != "netmask" or name in written}
