"""The files in /etc/xen that should be domUs' and cannot be read as such: a domU that is not copied must never go unsaid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config as domu_config
from xen_legi.domu.config import DIRECTORY

_NO_DOMU = "it has disks, but it names no domU or nothing that one could boot"


@dataclass(frozen=True)
class Unreadable:
    """A file, and what is wrong with it. The domU has the file's name for us, because its own cannot be known."""

    file: Path
    problem: str

    @property
    def name(self) -> str:
        """What the domU is called."""
        return self.file.stem

    @property
    def message(self) -> str:
        """The problem in one line."""
        return f"{self.file} cannot be read: {self.problem}"

    @property
    def hint(self) -> str:
        """What a person can do."""
        return f"xl create --dryrun {self.file} shows what xl thinks of it; or leave it out: exclude in xen-legi.toml"


def all_unreadable(directory: Path = DIRECTORY) -> list[Unreadable]:
    """Return the files of a directory that cannot be read, or that have disks but lack what makes a domU; by name."""
    files, broken = domu_config.all_files(directory)
    found = [Unreadable(one.file, one.reason) for one in broken]
    found += [Unreadable(one.file, _NO_DOMU) for one in files if one.disks and not domu_config.is_domu(one)]
    return sorted(found, key=lambda one: one.name)


def choose(
    found: Iterable[Unreadable], known: Iterable[str], names: Sequence[str], exclude: Iterable[str]
) -> list[Unreadable]:
    """Return the files that stand for one of these names, or all that are not excluded; `known` are the domUs that can
    be read."""
    if names:
        return [one for one in found if one.name in names and one.name not in set(known)]
    return [one for one in found if one.name not in set(exclude)]
