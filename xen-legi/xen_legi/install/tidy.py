"""What killed runs of any verb left, put right before the next one begins."""

import contextlib
from collections.abc import Iterator

from xen_legi.backup import ghost
from xen_legi.errors import EXIT_USAGE, Problem, die
from xen_legi.install import deleting, leftovers, rename, resizing
from xen_legi.steps import lock, warn


def tidy() -> None:
    """End renamings and resizings that were killed, then remove or free what a killed `create`, `clone` or `delete` left. A
    host whose LVM does not answer is told of; it must not keep anybody from stopping a domU."""
    try:
        rename.finish_killed()
        resizing.finish_killed()
        leftovers.clean()
        deleting.finish_killed()
        ghost.reap()
    except Problem as problem:
        warn(f"what killed runs may have left is not put right: {problem.message}")


@contextlib.contextmanager
def changing(name: str, *, dry_run: bool = False) -> Iterator[None]:
    """Put right what killed runs left, unless this is a `dry_run`, and hold the domU's lock inside the context. Die if a
    renaming of it could not be ended: whoever changes half of a domU makes it harder to mend."""
    if not dry_run:
        tidy()
    with lock(leftovers.lock_name(name), what=f"domU {name}", status=EXIT_USAGE):
        if left := rename.pending(name):
            hint = "xen-legi list ends it, or tells what is in its way" if dry_run else "mend what is in its way, told above"
            die(f"an earlier renaming is not at its end: {left}", hint=hint)
        yield
