"""The ways to fill a new domU's root: one module each, of the method's name, behind one small interface.

A module has prepare(settings, wanted) -> Method, which dies if the method cannot work here, and USES, the names of those of
Wanted that mean something to it. Nothing is changed before install() is called.
"""

import importlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from xen_legi.config import Config
from xen_legi.errors import die

METHODS = {
    "template": "copy a template that was made once (xen-legi template make)",
    "debootstrap": "a new Debian, by mmdebstrap(1)",
    "tar": "unpack an archive of a guest's tree",
}


@dataclass(frozen=True)
class Wanted:
    """What a person says of the source: a distribution, a file, where Debian comes from; "" where nothing was said."""

    dist: str = ""
    source: str = ""
    mirror: str = ""


class Method(Protocol):
    """A way to fill a root that is ready to go: `text` for people, the distribution, bytes needed (0: not known)."""

    text: str
    dist: str
    size: int

    def install(self, root: Path) -> None:
        """Fill the empty tree at `root`, showing progress. Raise Problem if it cannot be done."""


def method(name: str, settings: Config, wanted: Wanted) -> Method:
    """Return the method of that name. Die if it cannot work, or if something is said that means nothing to it."""
    if name not in METHODS:
        die(f"there is no method {name!r}", hint=f"methods: {', '.join(METHODS)}")
    module = importlib.import_module(f"xen_legi.install.methods.{name}")
    for field in fields(wanted):
        if getattr(wanted, field.name) and field.name not in module.USES:
            die(f"--{field.name} means nothing to the method {name}", hint="leave it out, or choose another --method")
    chosen: Method = module.prepare(settings, wanted)
    return chosen
