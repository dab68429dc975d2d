"""What a domU may lose or change between two copies before a person has to look: else its last good copy goes with it.

The receiver has a limit of its own for deletions, in serve.py.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from xen_legi.backup.destination import Destination
from xen_legi.backup.request import CopyRequest
from xen_legi.backup.send import Sent
from xen_legi.errors import Problem, die, fail
from xen_legi.storage import namespace

_SMALL = 1000  # below so many files, half of them is nothing that we can judge
_LOOK = "look at the domU first; if this is right, say --allow-deletes"
_CHANGED = f"a new release of its system, or somebody who encrypts it? {_LOOK}"


def need_files(where: str, wanted: CopyRequest, before: int, trees: Iterable[Path]) -> None:
    """Die if the domU has lost most of its files since its last good copy: then that copy is what is needed now."""
    mounted = list(trees)
    now = sum(namespace.used_inodes(tree) for tree in mounted)
    if mounted and before >= _SMALL and now < before // 2 and not wanted.allow_deletes:
        die(f"{wanted.domu} has {now} files, its last good copy on {where} has {before}", hint=_LOOK)


def need_usual(where: Destination, wanted: CopyRequest, slot: str, sent: Sent) -> None:
    """Fail if most files of a volume of the last good copy have got another content: that copy stays what it is, night after
    night, until a person has said that this is right. The receiver is told, so that it goes back to it."""
    altered = sent.changed - sent.created
    if altered <= max(_SMALL, sent.files // 2) or wanted.allow_deletes:
        return
    with contextlib.suppress(Problem):
        where.call("reject", wanted.domu, wanted.run, timeout=60)
    fail(f"{altered} of {sent.files} files of {slot} have changed since its last good copy on {where.name}",
         hint=_CHANGED)
