"""What a killed `delete` was about, besides volumes and images: the links that start the domU, whatever they are called.

The volumes are known by their tags; a domU may have none that goes with it. So its file and links are written to
/var/lib/xen-legi/deleting-NAME.json before the first change, and what is left of them is removed by whatever verb comes
next, if the file has gone; then the administrator's programs are told. A domU whose file is there, by that name or another,
stays as it is.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xen_legi import files
from xen_legi.domu import config
from xen_legi.domu.removal import Removal
from xen_legi.errors import Problem
from xen_legi.install import hooks, leftovers
from xen_legi.steps import is_locked, lock, say, warn

DIRECTORY = Path("/var/lib/xen-legi")


@dataclass(frozen=True)
class Deletion:
    """A domU that goes: its name, its file and what stood in that, and {link: where it leads}; "" for one that is none."""

    name: str
    file: Path
    text: str
    links: dict[str, str]


def note(plan: Removal) -> None:
    """Write down what goes, before the first change."""
    links = {str(one): os.readlink(one) if one.is_symlink() else "" for one in plan.links}
    one = Deletion(plan.domu.name, plan.domu.file, plan.domu.text, links)
    files.replace(_place(one.name), json.dumps(dataclasses.asdict(one), indent=2, default=str) + "\n", mode=0o600)


def strike(name: str) -> None:
    """Take the note away: all has gone, or nothing."""
    _place(name).unlink(missing_ok=True)
    files.sync(DIRECTORY)


def finish_killed() -> None:
    """End the deletions that were killed, after leftovers.clean(). Whoever is at work is left alone."""
    for path in sorted(DIRECTORY.glob("deleting-*.json")):
        try:
            name, ended = _loaded(path).name, False
            if not is_locked(leftovers.lock_name(name)):
                with lock(leftovers.lock_name(name), what=f"domU {name}"):
                    plan = _loaded(path)
                    ended = _finish(plan)
            if ended:  # hooks may use our commands: no lock of ours is held
                hooks.after("delete", config.parse(plan.text, plan.file))
        except (Problem, ValueError, KeyError, TypeError, OSError) as error:
            if path.exists():  # else another run has ended it
                warn(f"a deletion that was killed is not at its end: {error}; {path} tells what was to go")


def _place(name: str) -> Path:
    return DIRECTORY / f"deleting-{name}.json"


def _loaded(path: Path) -> Deletion:
    facts: dict[str, Any] = json.loads(files.read(path))
    facts["file"] = Path(facts["file"])
    return Deletion(**facts)


def _finish(plan: Deletion) -> bool:
    """Remove what is left, with the lock of the domU held. Tell whether the domU has gone by that."""
    _, broken = config.all_files(config.DIRECTORY)
    if os.path.lexists(plan.file) or config.find(plan.name, config.DIRECTORY):
        strike(plan.name)
        return False
    if why := leftovers.doubt(plan.name, broken, (one.name for one in config.DIRECTORY.glob("*"))):
        warn(f"a deletion of {plan.name} was killed, and what starts it with dom0 stays: {why}")
        return False
    for link in _left(plan):
        say(f"an earlier run was killed: removing its link {link}")
        link.unlink()
        files.sync(link.parent)
    strike(plan.name)
    return True


def _left(plan: Deletion) -> Iterable[Path]:
    """Yield the entries of /etc/xen/auto that are as they were."""
    for path, target in plan.links.items():
        link = Path(path)
        if os.readlink(link) == target if link.is_symlink() else not target and files.read(link) == plan.text:
            yield link
