"""Which domUs start with dom0: those with an entry in /etc/xen/auto, which xendomains.service reads at boot."""

import os
from pathlib import Path

from xen_legi.domu import config
from xen_legi.errors import die


def on(file: Path, directory: Path | None = None) -> None:
    """Let the domU of this file start with dom0. Die if the link's place is taken by another's."""
    directory = directory or config.AUTOSTART
    if config.auto_links(file, directory):
        return
    link = directory / file.name
    directory.mkdir(mode=0o755, exist_ok=True)
    try:
        link.symlink_to(os.path.relpath(file, directory))
    except FileExistsError:
        leads = f", which leads to {os.readlink(link)}" if link.is_symlink() else ""
        die(f"there is a {link} already{leads}", hint="is it another domU's? else remove it")


def off(file: Path, directory: Path | None = None) -> None:
    """Let it start with dom0 no longer. Die, with nothing changed, if what starts it is no link: it may be the only file."""
    links = config.auto_links(file, directory or config.AUTOSTART)
    for one in links:
        if not one.is_symlink():
            die(f"{one} is the file itself and no link", hint=f"move it to {config.DIRECTORY}, in place of {file}")
    for one in links:
        one.unlink(missing_ok=True)
