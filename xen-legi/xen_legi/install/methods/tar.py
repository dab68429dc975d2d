"""Fill a root with what is in an archive of a guest's tree, compressed in any way that tar(1) knows.

It is read once before the first change: what cannot be read, or holds no guest, is told while nothing is made yet.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi.config import Config
from xen_legi.errors import CommandFailed, die
from xen_legi.install.methods import Wanted
from xen_legi.run import lines
from xen_legi.steps import Progress, step

USES = ("dist", "source")
_RECORD = 10240  # bytes, tar's own unit: 20 blocks of 512
_EACH = 400  # records after which tar says how far it is
_EXTRACT = ("--numeric-owner", "--same-owner", "--preserve-permissions", "--acls", "--xattrs", "--xattrs-include=*",
            f"--checkpoint={_EACH}", "--checkpoint-action=echo=%u")
# -rw-r--r-- 0/0            1234 2026-11-28 07:00 ./etc/hostname
_MEMBER = re.compile(r"\S{10}\S? \S+\s+(?P<size>[\d,]+) \S+ \S+ (?:\./)?(?P<name>.*)")


@dataclass(frozen=True)
class Content:
    """What an archive holds: bytes of files, whether it has a guest's /etc, and whether that guest has ifupdown."""

    size: int = 0
    etc: bool = False
    ifupdown: bool = False


class FromArchive:
    """An archive that holds a guest."""

    def __init__(self, file: Path, dist: str, content: Content) -> None:
        self.file = file
        self.text = f"archive {file}"
        self.dist = dist
        self.size = content.size

    def install(self, root: Path) -> None:
        """Unpack it. Names that lead out of the tree are refused by tar itself."""
        progress = Progress("unpacked", self.size)
        for line in lines(["tar", "--extract", *_EXTRACT, "--file", self.file, "--directory", root]):
            if match := re.fullmatch(r"tar: (\d+)", line):
                progress.update(min(int(match[1]) * _RECORD, self.size))
        progress.close()


def prepare(settings: Config, wanted: Wanted) -> FromArchive:
    """Return the archive that is named. Die if it cannot be read to its end, or holds no guest that could be settled."""
    if not wanted.source:
        die("the method tar needs an archive", hint="--source /srv/web1.tar.gz")
    file = Path(wanted.source).absolute()
    if not file.is_file():
        die(f"there is no file {file}", hint="--source names the archive of a guest's tree")
    content = _read(file)
    if not content.etc:
        die(f"{file} holds no guest: it has no etc/ at its top", hint="tar -C TREE -czf FILE . makes one that does")
    if not content.ifupdown:
        die(f"the guest in {file} has no ifupdown", hint="create writes /etc/network/interfaces; add the package to it")
    return FromArchive(file, wanted.dist, content)


def _read(file: Path) -> Content:
    try:
        with step(f"look at {file}"):
            return content_of(lines(["tar", "--list", "--verbose", "--numeric-owner", "--file", file]))
    except CommandFailed as failed:
        reason = (failed.stderr.strip().splitlines() or ["tar says nothing more"])[-1].removeprefix("tar: ")
        die(f"{file} cannot be read as an archive: {reason}", hint=f"tar -tf {file} shows what is in it")


def content_of(listing: Iterable[str]) -> Content:
    """Given the lines of tar -tv, return what the archive holds."""
    size, etc, ifupdown = 0, False, False
    for match in filter(None, map(_MEMBER.fullmatch, listing)):
        size += int(match["size"]) if match["size"].isdecimal() else 0  # a device has two numbers there
        etc = etc or match["name"].startswith("etc/")
        ifupdown = ifupdown or re.match(r"(?:usr/)?sbin/ifup(?: ->| link to|$)", match["name"]) is not None
    return Content(size, etc, ifupdown)
