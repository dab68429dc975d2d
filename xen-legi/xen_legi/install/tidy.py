"""What killed runs of any verb left, put right before the next one begins."""

from xen_legi.backup import ghost
from xen_legi.install import leftovers, rename


def tidy() -> None:
    """End renamings that were killed, then remove or free what a killed `create`, `clone` or `delete` left."""
    rename.finish_killed()
    leftovers.clean()
    ghost.reap()
