"""What the `ifup -a` and `ifdown -a` calls and the calls per interface leave for each other, to save Python's starts.

A stamp is a line of shell for the guard in hooks/ifupdown: true if ifup hands over the very options that were read
from the files and the links are in place. The guard empties it when it has used it: it is good for one time.

During `ifdown -a` the guard only writes names, below a line with the number of the ifdown process and when that began; the
call after the last interface removes all links at once.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from xen_legi.net.describe import Link
from xen_legi.net.options import variables
from xen_legi.net.stanzas import Interfaces, Stanza

DIRECTORY = Path("/run/xen-legi/net")
ALL_DOWN = DIRECTORY / "all-down"
UP = ":up"  # how the names end of what the guard keeps of interfaces that are not ours, see environment.py
_SYS = "/sys/class/net"


def write(stanzas: Iterable[Stanza], links: dict[str, Link]) -> None:
    """Leave a stamp for each stanza of these links that has an option of ours, and remove all older ones."""
    DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in DIRECTORY.iterdir():
        if not old.name.endswith((":down", UP)) and old != ALL_DOWN:
            old.unlink()
    for stanza in stanzas:
        if stanza.name in links and options_key(stanza).strip(":"):
            path = DIRECTORY / f"{stanza.name}:{stanza.family}"
            new = DIRECTORY / f".{path.name}"
            new.write_text(stamp(stanza, links[stanza.name]))
            os.replace(new, path)  # a half-written one would be a syntax error in the guard


def stamp(stanza: Stanza, link: Link) -> str:
    """Return the shell line for a stanza."""
    below = (*link.ports, link.lower)
    tests = [f"-e {_SYS}/{link.name}", *(f"-e {_SYS}/{link.name}/lower_{name}" for name in below if name)]
    return f"[ \"$ours\" = {shlex.quote(options_key(stanza))} ] && {' && '.join(f'[ {test} ]' for test in tests)}\n"


def options_key(stanza: Stanza) -> str:
    """Return what the guard has in $ours for this stanza: the values of our options with colons between them."""
    values: dict[str, list[str]] = {}
    for option in stanza.options:
        values.setdefault("IF_" + option.name.upper().replace("-", "_"), []).append(option.value)
    return ":".join("\n".join(values.get(name, [])) for name in variables())


def later_stanza(interface: str, family: str, interfaces: Interfaces) -> bool:
    """Tell whether another stanza of an interface goes down after the one of this family; it then comes to us too.

    ifdown calls its hooks for inet, then for inet6: a link that is gone after the first would make the second fail.
    """
    families = list(dict.fromkeys(stanza.family for stanza in interfaces.of(interface)))
    last = DIRECTORY / f"{interface}:{families[-1]}:down"
    if family == families[-1]:
        last.unlink(missing_ok=True)
        return False
    DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
    last.touch()
    return True


def taken_down() -> list[str]:
    """Return the interfaces that `ifdown -a` has taken down without their links being removed, and forget them."""
    try:
        names = ALL_DOWN.read_text(encoding="utf-8", errors="replace").partition("\n")[2].split()
        ALL_DOWN.unlink()
    except FileNotFoundError:
        return []
    return list(dict.fromkeys(names))
