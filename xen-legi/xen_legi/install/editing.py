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
    """Give a guest's files the text that `changed(path, text)` returns, if it is another. Links are left alone."""
    for inside in places:
        before = text(guest, inside)
        after = changed(inside, before)
        if after != before:
            _rewrite(guest.path(inside), after)


def text(guest: Guest, inside: str) -> str:
    """Return the text of a guest's file; nothing of a link, or of a file too large to be a person's."""
    path = guest.path(inside)
    return files.read(path) if _is_text(path) else ""


def is_doubtful(guest: Guest, inside: str) -> bool:
    """Tell whether something is there of which text() returns nothing, though a program in the guest may read it. A link to
    /dev/null is how a file of the distribution is taken out of force."""
    path = guest.path(inside)
    if path.is_symlink():
        return os.readlink(path) != "/dev/null"
    return path.is_file() and not _is_text(path)


def _is_text(path: Path) -> bool:
    return not path.is_symlink() and path.is_file() and path.stat().st_size <= _LARGEST


def _rewrite(path: Path, text: str) -> None:
    """Write a file of a guest anew, with its owner and its rights; a kill leaves the old one or the new one."""
    facts = path.stat()
    draft = files.draft(path, text, 0o600, "xen-legi")
    os.chown(draft, facts.st_uid, facts.st_gid)
    draft.chmod(facts.st_mode & 0o7777)
    named_point("rename:host-name-written")
    draft.replace(path)
