"""Stanzas that are no interfaces: what others only inherit from, and the logical names of interfaces(5). Pure.

Which interface has a logical name a line auto eth0=home or auto /eth*=home says, a mapping script, or who types it to ifup.
Nothing is to be made for such a stanza itself: its name may be longer than that of a link, and several may name the same
ports.
"""

import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from xen_legi.net.options import find
from xen_legi.net.stanzas import COMMANDS, Interfaces, any_matches, meant

_NAMING = ("bridge-ports", "bond-slaves", "bond-master", "vlan-raw-device", "xen-vlan")


def no_interfaces(interfaces: Interfaces, devices: Collection[str]) -> set[str]:
    """Return the names of these stanzas. `devices` are the names that the kernel has."""
    by_line = any("=" in one.name for one in interfaces.classes)
    if not (by_line or interfaces.mappings or interfaces.parents):  # of most files
        return set()
    named = {*devices, *_named(interfaces)}
    unnamed = {stanza.name for stanza in interfaces.stanzas if stanza.name not in named}
    unnamed = unnamed if by_line or interfaces.mappings else unnamed & interfaces.parents
    patterns = {one.name for one in interfaces.classes if "/" in one.name}  # few: the other words are among what is named
    return {name for name in unnamed if not any(means(name, one) for one in patterns)} | interfaces.templates()


def means(name: str, word: str) -> bool:
    """Tell whether a word of an auto or allow- line, which may be a pattern, means the interface of this name."""
    device, equals, _ = word.partition("=")
    pattern = device.partition("/")[2].partition("/")[0]
    return name == device or (bool(pattern) and not equals and fnmatch.fnmatchcase(name, pattern))


def chosen(interfaces: Interfaces, devices: Collection[str]) -> dict[str, str]:
    """Return the interfaces that `ifup -a` brings up by a stanza of another name, each with that name. The first word counts
    that means an interface and has a stanza: then it is up. lo comes before all. What is made by stanzas is not there yet
    when ifup looks for what a pattern means at boot: eth0.5 is none of /eth*."""
    if not any("=" in one.name for one in interfaces.classes):
        return {}
    later = {one.name for one in devices.values() if not one.first} if isinstance(devices, Mapping) else set()
    have, known = interfaces.by_name(), sorted({*devices} - later)
    found = {"lo": "lo"}
    for word in interfaces.listed("auto"):
        logical = word.partition("=")[2]
        for name in meant(word, known):
            if (logical or name) in have or any_matches(logical or name, interfaces.mappings):
                found.setdefault(name, logical or name)
    return {name: logical for name, logical in found.items() if name != logical}


def in_use(interfaces: Interfaces, devices: Collection[str], up: Mapping[str, str]) -> dict[str, str]:
    """Return the same, so far as hooks are run for them and no mapping script decides, but of what is up that by which it
    is."""
    coming = {name: logical for name, logical in chosen(interfaces, devices).items() if name not in up
              and not any_matches(name, interfaces.no_scripts) and not any_matches(logical, interfaces.mappings)}
    return {**coming, **{name: logical for name, logical in up.items() if name != logical}}


def with_own(interfaces: Interfaces, by: Mapping[str, str]) -> Interfaces:
    """Return the same, in which each of these interfaces has the stanzas by which it comes up in place of its own."""
    have = interfaces.by_name() if by else {}
    by = {name: logical for name, logical in by.items() if logical in have}
    if not by:
        return interfaces
    kept = (one for one in interfaces.stanzas if one.name not in by)
    own = (replace(one, name=name) for name, logical in by.items() for one in have[logical])
    return replace(interfaces, stanzas=(*kept, *own))


def as_chosen(interfaces: Interfaces, devices: Collection[str]) -> Interfaces:
    """Return the same for what comes up by itself."""
    return with_own(interfaces, in_use(interfaces, devices, {}))


def _named(interfaces: Interfaces) -> Iterator[str]:
    """Yield what options and commands name, and the raw devices in names like eth0.72."""
    words = [one.name.partition("=")[0] for one in interfaces.classes]
    for option in (one for stanza in interfaces.stanzas for one in stanza.options):
        if option.name in COMMANDS:
            words += re.findall(r"[\w.:-]+", option.value)
        elif (known := find(option.name)) and known.name in _NAMING:
            words += option.value.split()
    yield from words
    yield from (word.rpartition(".")[0] for word in words if "." in word)
