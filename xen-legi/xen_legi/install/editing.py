"""Texts in a guest that exists: changed in place, with their owners and rights, each of them whole or not at all."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from xen_legi import files
from xen_legi.domu.renaming import HOST_NAME_FILES, with_host_name
from xen_legi.install.guest import Guest
from xen_legi.steps import named_point

_LARGEST = 1 << 20  # bytes of a guest's file: root of the guest may have made it as large as it likes


def host_name(guest: Guest, old: str, new: str) -> None:
    """Let a guest call itself by its new name."""
    edit(guest, HOST_NAME_FILES, lambda inside, text: with_host_name(inside, text, old, new))


def edit(guest: Guest, places: Iterable[str], changed: Callable[[str, str], str]) -> None:
    """Give those of a guest's files that are there the text that `changed(path, text)` returns. Links are left alone."""
    for inside in places:
        path = guest.path(inside)
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        before = files.read(path)
        after = changed(inside, before)
        if after != before:
            _rewrite(path, after)


def _rewrite(path: Path, text: str) -> None:
    """Write a file of a guest anew, with its owner and its rights; a kill leaves the old one or the new one."""
    facts = path.stat()
    draft = files.draft(path, text, 0o600, "xen-legi")
    os.chown(draft, facts.st_uid, facts.st_gid)
    draft.chmod(facts.st_mode & 0o7777)
    named_point("rename:host-name-written")
    draft.replace(path)
