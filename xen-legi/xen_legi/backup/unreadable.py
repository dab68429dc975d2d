"""The files in /etc/xen that should be domUs' and cannot be read as such, or are two for one domU: a domU that is not copied
must never go unsaid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu import config as domu_config
from xen_legi.domu.config import DIRECTORY, DomuConfig

_NO_DOMU = "it has disks, but it names no domU or nothing that one could boot"


@dataclass(frozen=True)
class NotCopied:
    """A domU that cannot be copied for what its files say: why, and what a person can do."""

    name: str
    message: str
    hint: str


def _unreadable(file: Path, problem: str) -> NotCopied:
    """The domU has the file's name for us, because its own cannot be known."""
    hint = f"xl create --dryrun {file} shows what xl thinks of it; or leave it out: exclude in xen-legi.toml"
    return NotCopied(file.stem, f"{file} cannot be read: {problem}", hint)


def _twins(name: str, files: Iterable[Path]) -> NotCopied:
    """One copy cannot be made from both files: each would drop the disks that only the other has."""
    message = f"{' and '.join(map(str, sorted(files)))} are files of one domU {name!r}; nothing is sent"
    hint = "which one is the domU? move the other out of the directory, or give its domU another name"
    return NotCopied(name, message, hint)


def apart(known: Iterable[DomuConfig]) -> tuple[list[DomuConfig], list[NotCopied]]:
    """Given the domUs by name, return those whose name has one file, and the names that have several. A second name of
    the same file (a link) is none; the one that is called as its domU goes before."""
    files: dict[str, dict[Path, DomuConfig]] = {}
    for one in sorted(known, key=lambda one: (one.name, one.file.stem != one.name)):
        files.setdefault(one.name, {}).setdefault(one.file.resolve(), one)
    single = [one for mine in files.values() for one in mine.values() if len(mine) == 1]
    doubled = [_twins(name, (one.file for one in mine.values())) for name, mine in files.items() if len(mine) > 1]
    return single, doubled


def all_unreadable(directory: Path = DIRECTORY) -> list[NotCopied]:
    """Return the files of a directory that cannot be read, or that have disks but lack what makes a domU; by name."""
    files, broken = domu_config.all_files(directory)
    found = [_unreadable(one.file, one.reason) for one in broken]
    found += [_unreadable(one.file, _NO_DOMU) for one in files if one.disks and not domu_config.is_domu(one)]
    return sorted(found, key=lambda one: one.name)


def choose(
    found: Iterable[NotCopied], known: Iterable[str], names: Sequence[str], exclude: Iterable[str]
) -> list[NotCopied]:
    """Return the files that stand for one of these names, or all that are not excluded; `known` are the domUs that can
    be read."""
    if names:
        return [one for one in found if one.name in names and one.name not in set(known)]
    return [one for one in found if one.name not in set(exclude)]
