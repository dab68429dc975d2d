"""By which stanzas the interfaces are up: the files may have been edited since.

Kept as one interfaces file, which ifdown can be given (ifdown -i): what an edit took out of the files is still told there
how it goes down. It is in /run, like ifupdown's own state, and only root can write it.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from xen_legi.net import files
from xen_legi.net.stanzas import Interfaces, Stanza

FILE = Path("/run/xen-legi/in-force")


def load() -> Interfaces:
    """Return what is in force; nothing where it was never noted (before the first boot or ifup with our hooks)."""
    return files.load(str(FILE)) if FILE.exists() else Interfaces()


def save(interfaces: Interfaces, path: Path = FILE) -> None:
    """Note it, in whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(render(interfaces), encoding="utf-8")
    os.replace(draft, path)


def merged(before: Interfaces, now: Interfaces, staying: Collection[str]) -> Interfaces:
    """Return the files' stanzas, but those of before for interfaces that stay up by them."""
    known = {stanza.name for stanza in before.stanzas}
    kept = [one for one in before.stanzas if one.name in staying]
    new = [one for one in now.stanzas if one.name not in staying or one.name not in known]
    return replace(now, stanzas=(*kept, *new), problems=())


def render(interfaces: Interfaces) -> str:
    """Return an interfaces file that means the same. A stanza has what it inherits among its own lines."""
    return "".join(f"{line}\n" for line in _lines(interfaces))


def _lines(interfaces: Interfaces) -> Iterator[str]:
    yield "# The stanzas by which the interfaces are up, noted by xen-legi; /etc/network/interfaces is the file to edit."
    for one in interfaces.classes:
        yield f"{'auto' if one.class_ == 'auto' else f'allow-{one.class_}'} {one.name}"
    if interfaces.no_scripts:
        yield f"no-scripts {' '.join(interfaces.no_scripts)}"
    for stanza in interfaces.stanzas:
        yield from _stanza(stanza)


def _stanza(stanza: Stanza) -> Iterator[str]:
    yield f"iface {stanza.name} {stanza.family} {stanza.method}"
    for option in stanza.options:
        for line in option.value.splitlines() or [""]:
            yield f"    {option.name} {line}"
