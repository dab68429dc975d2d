"""Fill a root with a copy of a directory: the tree of a guest, mounted or made somewhere else."""

from pathlib import Path

from xen_legi.config import Config
from xen_legi.errors import die
from xen_legi.install.copying import copy_tree
from xen_legi.install.methods import Wanted, check_ifupdown
from xen_legi.install.templates import measured
from xen_legi.steps import step

USES = ("dist", "source")


class FromDirectory:
    """A directory with a guest."""

    def __init__(self, tree: Path, dist: str, size: int) -> None:
        self.tree = tree
        self.text = f"directory {tree}"
        self.dist = dist
        self.size = size

    def install(self, root: Path) -> None:
        """Copy it, as far as it is one filesystem."""
        copy_tree(self.tree, root, what="copied", total=self.size, options=("--one-file-system",))


def prepare(settings: Config, wanted: Wanted) -> FromDirectory:
    """Return the directory that is named. Die if it holds no guest that could be settled."""
    if not wanted.source:
        die("the method copy needs a directory", hint="--source /srv/trees/web1")
    tree = Path(wanted.source).absolute()
    if not (tree / "etc").is_dir():
        die(f"{tree} holds no guest: it has no directory etc", hint="--source names a directory with a guest's tree")
    if tree.samefile("/"):
        die("dom0 itself is no guest", hint="--source names a directory with a guest's tree")
    check_ifupdown(tree, f"the guest in {tree}")
    with step(f"look at {tree}"):
        return FromDirectory(tree, wanted.dist, measured(tree))
