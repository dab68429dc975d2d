"""Kernels that came from a peer: copies start with them, and a person may choose one, but none becomes the default of new
domUs by itself. A peer that was broken into would choose it otherwise."""

import contextlib
from collections.abc import Iterator

from xen_legi.kernels import prune
from xen_legi.kernels.store import Store
from xen_legi.steps import lock


@contextlib.contextmanager
def publishing(store: Store) -> Iterator[None]:
    """Inside the context, what a peer has sent may get its name: what a killed `kernel prune` left has gone before."""
    with lock("kernels", what="the domUs' kernels", wait=1800):
        prune.finish(store)
        yield


def mark(store: Store, version: str) -> None:
    """Note that parts of a kernel came from a peer, before the first of them gets its name."""
    path = store.kernel(version).mark
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch()


def unmark(store: Store, version: str) -> None:
    """Take the note away: dom0 has given the kernel itself."""
    store.kernel(version).mark.unlink(missing_ok=True)
