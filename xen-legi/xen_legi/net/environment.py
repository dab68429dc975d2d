"""A stanza as ifupdown hands it to hooks and commands, in IF_* variables, and what the guard in hooks/ifupdown keeps of it.

An interface without an option of ours comes up without a start of ours. The guard, which must cost no process, then writes
the variables of its shell into a file, those of all its stanzas one after the other, and empties it when the interface goes
down. They hold all but the commands, and some that ifup made: they tell a stanza that we know from another, and are none.
"""

import contextlib
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi.net.options import ours
from xen_legi.net.stamps import DIRECTORY, UP
from xen_legi.net.stanzas import COMMANDS, Option, Stanza, canonical

# What ifup adds by itself, or writes in another way: these tell nothing of the stanza that it read.
_OF_IFUP = frozenset("""
    accept-ra autoconf bootfile broadcast client dad-attempts dad-interval dhcp hostname hwaddress ll-attempts ll-interval
    leasehours leasetime preferred-lifetime privext request-prefix scope ttl vendor
""".split())


@dataclass(frozen=True)
class Note:
    """What the guard has kept of an interface: when, which version of the file this is, and the stanzas as ifup handed them
    over, without loopback: lo has one also where no file names it."""

    changed: int
    version: str
    stanzas: tuple[Stanza, ...]


def notes(directory: Path = DIRECTORY) -> dict[str, Note]:
    """Return what the guard has kept, by interface. A file that is just being written is none yet."""
    found = {}
    for file in sorted(directory.glob(f"*{UP}")):
        with contextlib.suppress(OSError, ValueError):
            name = file.name.removesuffix(UP)
            if note := _note(file, name):
                found[name] = note
    return found


def _note(file: Path, name: str) -> Note | None:
    with file.open(errors="replace") as stream:
        status = os.fstat(stream.fileno())  # before it is read: what is written later makes another version
        told = _told(shlex.split(stream.read()))
    told = [one for one in told if one.get("IFACE") == name == one.get("LOGICAL", name)]
    stanzas = tuple(stanza_of(name, one) for one in told if one.get("METHOD") != "loopback")
    return Note(status.st_mtime_ns, f"{status.st_mtime_ns}-{status.st_size}", stanzas) if stanzas else None


def _told(words: Iterable[str]) -> list[dict[str, str]]:
    """Return the variables of each stanza; # begins one."""
    found: list[dict[str, str]] = []
    for word in words:
        if word == "#":
            found.append({})
        elif "=" in word and found:
            name, _, value = word.partition("=")
            found[-1][name] = value
    return found


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


def tell_of(handed: Iterable[Stanza], stanzas: Iterable[Stanza]) -> bool:
    """Tell whether ifup may have read these stanzas, all of them, when it handed those over. One with an option of ours was
    not for the guard to note: the hook did."""
    left = [one for one in stanzas if one.method != "loopback" and not ours(option.name for option in one.options)]
    told = [*handed]
    return bool(told) and all(any(_same(one, other) for other in left) for one in told) and all(
        any(_same(one, other) for one in told) for other in left)


def may_be_among(handed: Iterable[Stanza], stanzas: Collection[Stanza]) -> bool:
    """Tell whether each of those that ifup handed over may be one of these."""
    return all(any(_same(one, other) for other in stanzas) for one in handed)


def _same(handed: Stanza, stanza: Stanza) -> bool:
    kinds = ((one.name, one.family, one.method) for one in (handed, stanza))
    return len({*kinds}) == 1 and _may_be(_telling(stanza), _telling(handed))


def _telling(stanza: Stanza) -> dict[str, str]:
    told = {name: value for name, value in handed_over(stanza).items() if name not in _OF_IFUP}
    return {**told, "netmask": _length(told["netmask"])} if "netmask" in told else told


def _length(mask: str) -> str:
    """Return a netmask as a number of bits: ifup writes 24 as 255.255.255.0."""
    import ipaddress

    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv4Network(f"0.0.0.0/{mask.lstrip('/')}").prefixlen)
    return mask


def _may_be(written: Mapping[str, str], handed: Mapping[str, str]) -> bool:
    """Tell whether these are the same; ifup adds the usual mask where none was written."""
    return written == {name: value for name, value in handed.items() if name != "netmask" or name in written}
