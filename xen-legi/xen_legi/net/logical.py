"""Stanzas that are no interfaces: what others only inherit from, and the logical names of interfaces(5). Pure.

Which interface has a logical name a mapping script decides, or who types ifup eth0=home. Nothing is to be made for such a
stanza itself: its name may be longer than that of a link, and several may name the same ports.
"""

import fnmatch
import re
from collections.abc import Collection, Iterator

from xen_legi.net.options import find
from xen_legi.net.stanzas import COMMANDS, Interfaces

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
