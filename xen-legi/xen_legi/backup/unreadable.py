"""The files in /etc/xen that should be domUs' and cannot be read as such: a domU that is not copied must never go unsaid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config as domu_config
from xen_legi.domu.config import DIRECTORY


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
    """Return the unreadable files of a directory, by name."""
    examined = ((file, problem_of(file)) for file in sorted(directory.glob("*.cfg")))
    return [Unreadable(file, problem) for file, problem in examined if problem]


def problem_of(file: Path) -> str:
    """Return why a file is no domU's although it should be; nothing if it is one, or does not look like one at all."""
    try:
        config = domu_config.parse(file.read_text(encoding="utf-8", errors="surrogateescape"), file)
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    if config.disks and not domu_config.is_domu(config):
        return "it has disks, but it names no domU or nothing that one could boot"
    return ""


def choose(
    found: Iterable[Unreadable], known: Iterable[str], names: Sequence[str], exclude: Iterable[str]
) -> list[Unreadable]:
    """Return the files that stand for one of these names, or all that are not excluded; `known` are the domUs that can
    be read."""
    if names:
        return [one for one in found if one.name in names and one.name not in set(known)]
    return [one for one in found if one.name not in set(exclude)]
