"""The ways to fill a new domU's root: one module each, of the method's name, behind one small interface.

A module has prepare(settings, dist) -> Method, which dies if the method cannot work here. Nothing is changed before
install() is called.
"""

import importlib
from pathlib import Path
from typing import Protocol

from xen_legi.config import Config
from xen_legi.errors import die

METHODS = {"template": "copy a template that was made once (xen-legi template make)"}


class Method(Protocol):
    """A way to fill a root that is ready to go: `text` for people, the distribution, bytes needed (0: not known)."""

    text: str
    dist: str
    size: int

    def install(self, root: Path) -> None:
        """Fill the empty tree at `root`, showing progress. Raise Problem if it cannot be done."""


def method(name: str, settings: Config, dist: str) -> Method:
    """Return the method of that name for a distribution (nothing: the setting `template`). Die if it cannot work."""
    if name not in METHODS:
        die(f"there is no method {name!r}", hint=f"methods: {', '.join(METHODS)}")
    chosen: Method = importlib.import_module(f"xen_legi.install.methods.{name}").prepare(settings, dist)
    return chosen
