"""The ways to fill a new domU's root: one module each, of the method's name, behind one small interface.

A module has prepare(settings, wanted) -> Method, which dies if the method cannot work here, and USES, the names of those of
Wanted that mean something to it. Nothing is changed before install() is called.
"""

import importlib
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Protocol

from xen_legi.config import Config
from xen_legi.errors import die

METHODS = {
    "template": "copy a template that was made once (xen-legi template make)",
    "debootstrap": "a new Debian or Ubuntu, by mmdebstrap(1)",
    "tar": "unpack an archive of a guest's tree",
    "copy": "copy a directory with a guest's tree",
}
DEFAULT = "template"


@dataclass(frozen=True)
class Wanted:
    """What a person says of the source: a distribution, a file or directory, where Debian comes from, a file with the keys
    of that archive, the architecture; "": not said."""

    dist: str = ""
    source: str = ""
    mirror: str = ""
    keyring: str = ""
    arch: str = ""


class Method(Protocol):
    """A way to fill a root that is ready to go: `text` for people, the distribution, bytes needed (0: not known)."""

    text: str
    dist: str
    size: int

    def install(self, root: Path) -> None:
        """Fill the empty tree at `root`, showing progress. Raise Problem if it cannot be done."""


def uses(name: str) -> tuple[str, ...]:
    """Return the names of those of Wanted that mean something to a method; none of a method that there is not."""
    return tuple(_module(name).USES) if name in METHODS else ()


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"xen_legi.install.methods.{name}")


def method(name: str, settings: Config, wanted: Wanted) -> Method:
    """Return the method of that name. Die if it cannot work, or if something is said that means nothing to it."""
    if name not in METHODS:
        die(f"there is no method {name!r}", hint=f"methods: {', '.join(METHODS)}")
    module = _module(name)
    for field in fields(wanted):
        if getattr(wanted, field.name) and field.name not in module.USES:
            die(f"--{field.name} means nothing to the method {name}", hint="leave it out, or choose another --method")
    chosen: Method = module.prepare(settings, wanted)
    return chosen


def check_ifupdown(tree: Path, what: str) -> None:
    """Die if the guest in a tree could not be given a network."""
    if not any((tree / place).exists() for place in ("usr/sbin/ifup", "sbin/ifup")):
        die(f"{what} has no ifupdown", hint="create writes /etc/network/interfaces; add the package to it")
