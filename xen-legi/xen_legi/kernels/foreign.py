"""Kernels that came from a peer: copies start with them, and a person may choose one, but none becomes the default of new
domUs by itself. A peer that was broken into would choose it otherwise, or fill the disk of dom0 with them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from xen_legi.errors import fail
from xen_legi.kernels import prune
from xen_legi.kernels.store import Store
from xen_legi.steps import lock

ROOM, INODES = 128 << 20, 10_000  # that stay free: it is often dom0's root
_WAIT = 1800


@contextlib.contextmanager
def publishing(store: Store) -> Iterator[None]:
    """Inside the context, what a peer has sent may get its name, and no kernel is added or removed. The lock is a shared
    one: two hosts that send to each other hold it, too, and would wait for each other."""
    if prune.unfinished(store):
        with lock("kernels", what="the domUs' kernels", wait=_WAIT):
            prune.finish(store)
    with lock("kernels", what="the domUs' kernels", wait=_WAIT, shared=True):
        yield


def mark(store: Store, version: str) -> None:
    """Note that parts of a kernel came from a peer, before the first of them gets its name."""
    path = store.kernel(version).mark
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch()


def need_room(place: Path, size: int) -> None:
    """Fail if a file of so many bytes would leave too little room."""
    facts = os.statvfs(place)
    few = facts.f_files and facts.f_favail < INODES  # a file system without a fixed number of inodes says 0
    if few or facts.f_bavail * facts.f_frsize < size + ROOM:
        fail(f"{place} has no room for a kernel", hint="there: xen-legi kernel prune, or make room")
