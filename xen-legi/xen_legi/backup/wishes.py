"""What an administrator wants for one domU: the settings of the section [backup], and over them the domU's own file.

/etc/xen-legi/backup.d/NAME.toml has some of the same settings, without a section, and `exclude = true`.
"""

import os
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

from xen_legi import config, files
from xen_legi.config import Config
from xen_legi.errors import Problem, die

DIRECTORY = Path("/etc/xen-legi/backup.d")
OWN = ("destinations", "copies", "window", "ghost_size", "bandwidth", "ionice", "retries", "keep_base", "sync_wait")


def file_of(domu: str, directory: Path | None = None) -> Path:
    """Return the file with a domU's own settings; few have one."""
    return (directory or DIRECTORY) / f"{domu}.toml"


def of(domu: str, settings: Config, directory: Path | None = None) -> Config:
    """Return the settings that hold for a domU. Raise Problem with the place in its file for what is wrong there."""
    path = file_of(domu, directory)
    tree = config.tree("" if {"/", "\0"} & set(domu) else _text(path), where=str(path))
    known = {one.name: one for one in fields(Config) if one.name in OWN}
    excluded = tree.pop("exclude", domu in settings.exclude)
    if not isinstance(excluded, bool):
        die(f"{path}: exclude must be true or false, not {excluded!r}", hint="true: this domU is not copied")
    values = {}
    for name, value in tree.items():
        if name not in known:
            die(f"{path}: {name} is unknown here", hint=f"a domU's own settings: {', '.join(OWN)}, exclude")
        values[name] = config.checked(known[name], value, f"{path}: {name}")
    if "destinations" in values and not (named := tuple(dict.fromkeys(values["destinations"]))):
        del values["destinations"]  # as in the host's settings, none means: the usual ones
    elif "destinations" in values:
        values["destinations"] = named
    exclude = {*settings.exclude, domu} if excluded else {*settings.exclude} - {domu}
    return replace(settings, **values, exclude=tuple(sorted(exclude)))


def excluded(domus: Iterable[str], settings: Config, directory: Path | None = None) -> set[str]:
    """Return which of the domUs are not copied. One whose own file is wrong is: what keeps it from that is told then."""
    return {name for name in domus if name in of_or_host(name, settings, directory).exclude}


def strays(domus: Iterable[str], directory: Path | None = None) -> list[Path]:
    """Return the files that are no domU's: of one that is gone, or a name that was misspelt."""
    return sorted(set((directory or DIRECTORY).glob("*.toml")) - {file_of(name, directory) for name in domus})


def of_or_host(name: str, settings: Config, directory: Path | None = None) -> Config:
    """Return the settings that hold for a domU; those of this host, if something is wrong in its own file."""
    try:
        return of(name, settings, directory)
    except Problem:
        return settings


def renamed(old: str, new: str, directory: Path | None = None) -> str:
    """Let the settings of a domU follow its new name. Return what a person must know of it, or nothing."""
    before, after = file_of(old, directory), file_of(new, directory)
    if not before.exists():
        return ""
    try:
        os.link(before, after)  # unlike a rename, it never takes another file's place
        before.unlink()
    except OSError as error:
        return f"{before} could not become {after}: {error.strerror}"
    return f"{after}, its settings for copies, was {before.name}"


def _text(path: Path) -> str:
    try:
        return files.read(path)
    except OSError as error:
        die(f"{path} cannot be read: {error.strerror}", hint="is it a file?")
