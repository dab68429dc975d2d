"""The tree of a guest, seen from dom0. Its symbolic links mean places in the guest, never in dom0."""

import os
from pathlib import Path

from xen_legi.errors import fail


class Guest:
    """A guest's tree at `root` in dom0. Every path that its methods take is one of the guest."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, inside: str) -> Path:
        """Return where a path of the guest is in dom0; links on the way are followed within the guest, the last is not."""
        here = self.root
        words = [word for word in inside.split("/") if word and word != "."]
        follow = 40
        while words:
            word = words.pop(0)
            if word == "..":
                here = here if here == self.root else here.parent
                continue
            step = here / word
            if words and step.is_symlink():
                follow -= 1
                if follow < 0:
                    fail(f"{inside} leads through too many links in the guest")
                target = os.readlink(step)
                here = self.root if target.startswith("/") else here
                words = [one for one in target.split("/") if one and one != "."] + words
                continue
            here = step
        return here

    def directory(self, inside: str) -> Path:
        """Return where a directory of the guest is in dom0, whether it is there or not; its last link is followed, too."""
        return self.path(f"{inside}/x").parent

    def has(self, inside: str) -> bool:
        """Tell whether a path is there (a dangling link is)."""
        path = self.path(inside)
        return path.exists() or path.is_symlink()

    def read(self, inside: str) -> str:
        """Return a file's text, nothing if there is none."""
        path = self.path(inside)
        return path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() and not path.is_symlink() else ""

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file anew; a link of that name is replaced, not followed."""
        path = self._parents(inside)
        self.remove(inside)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def link(self, inside: str, target: str) -> None:
        """Make a symbolic link."""
        path = self._parents(inside)
        self.remove(inside)
        path.symlink_to(target)

    def remove(self, inside: str) -> None:
        """Remove a file or link if it is there; a directory stays."""
        path = self.path(inside)
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)

    def matching(self, directory: str, pattern: str) -> list[str]:
        """Return the files of a directory whose name matches, as paths of the guest."""
        return [f"{directory}/{one.name}" for one in sorted(self.directory(directory).glob(pattern))]

    def _parents(self, inside: str) -> Path:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
