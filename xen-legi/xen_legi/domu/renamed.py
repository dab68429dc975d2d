"""What domUs of this host were called before, for peers that have copies under the old name.

A copy of web1 must not be started while web1 runs, as www by now. The notes go when the package of backups is purged.
"""

from pathlib import Path

from xen_legi import files
from xen_legi.domu import config

DIRECTORY = Path("/var/lib/xen-legi/backup/renamed")


def note(old: str, new: str) -> None:
    """Remember that a domU was called `old`, if this host makes or has copies at all."""
    if DIRECTORY.parent.is_dir():
        files.replace(DIRECTORY / old, f"{new}\n")


def now(name: str, directory: Path | None = None) -> str:
    """Return what the domU is called by now that copies know as `name`: the same, unless it was renamed and no other has
    got the name since."""
    seen = {name}
    while not (config.find(name, directory) if directory else config.find(name)):
        after = files.read(DIRECTORY / name).strip()
        if not after or after in seen:
            break
        seen.add(after)
        name = after
    return name
