"""Fill a root with a copy of a directory: the tree of a guest, mounted or made somewhere else.

What is mounted in it belongs to it, as its /var may: only what the kernel makes up for a tree that is in use is left out.
"""

import re
from pathlib import Path

from xen_legi.config import Config
from xen_legi.errors import die
from xen_legi.install.copying import copy_tree
from xen_legi.install.methods import Wanted, check_ifupdown
from xen_legi.install.templates import measured
from xen_legi.steps import step
from xen_legi.storage.mounts import seen_below

USES = ("dist", "source")
# filesystems without a disk, whose content is gone with the machine
_VIRTUAL = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl",
    "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tmpfs",
    "tracefs", "xenfs",
))  # fmt: skip


class FromDirectory:
    """A directory with a guest."""

    def __init__(self, tree: Path, dist: str, size: int, mounted: list[str]) -> None:
        self.tree = tree
        self.text = f"directory {tree}" + (f" and what is mounted in it ({', '.join(mounted)})" if mounted else "")
        self.dist = dist
        self.size = size

    def install(self, root: Path) -> None:
        """Copy it. Where something virtual is mounted the copy has an empty directory."""
        _, virtual = mounts(self.tree)
        place = self.tree.resolve()
        names = [re.sub(r"([*?\[\\])", r"\\\1", one.removeprefix(str(place))) for one in virtual]
        copy_tree(place, root, what="copied", total=self.size, options=[f"--exclude={name}/*" for name in names])


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
    real, _ = mounts(tree)
    with step(f"look at {tree}"):
        return FromDirectory(tree, wanted.dist, sum(map(measured, (tree, *map(Path, real)))), real)


def mounts(tree: Path) -> tuple[list[str], list[str]]:
    """Return what is mounted in a tree: filesystems that are copied with it, and virtual ones, with all that is below."""
    seen = seen_below(tree)
    virtual = [place for place, kind in seen.items() if kind in _VIRTUAL]
    covered = tuple(f"{one}/" for one in virtual)
    real = [place for place in seen if place not in virtual and not place.startswith(covered)]
    return real, virtual
