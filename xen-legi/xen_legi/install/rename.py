"""Give a domU another name as it is planned. Killed at any moment, it is ended by whatever verb comes next.

The plan is written to /var/lib/xen-legi/renaming-OLD.json before the first change and removed after the last; each change
looks first whether it is done already.
"""

import dataclasses
import json
import os
from pathlib import Path

from xen_legi import files
from xen_legi.domu import xl
from xen_legi.domu.renaming import HOST_NAME_FILES, Moved, Renaming, link_name, with_host_name
from xen_legi.errors import Problem, fail
from xen_legi.install import leftovers
from xen_legi.install.guest import Guest
from xen_legi.steps import is_locked, lock, named_point, say, step, warn
from xen_legi.storage import grow, lvm, namespace

DIRECTORY = Path("/var/lib/xen-legi")


def rename(plan: Renaming) -> None:
    """Write the plan down and do it."""
    files.replace(_place(plan.old), dumped(plan))
    named_point("rename:planned")
    perform(plan)


def perform(plan: Renaming) -> None:
    """Do what is left to do of a plan that is written down."""
    for one in plan.volumes:
        _rename_volume(one)
        named_point("rename:volume")
    mode = (plan.file if plan.file.exists() else plan.new_file).stat().st_mode & 0o777
    files.replace(plan.new_file, plan.text, mode=mode)
    named_point("rename:written")
    if plan.new_file != plan.file:
        plan.file.unlink(missing_ok=True)
        files.sync(plan.file.parent)
        named_point("rename:file-gone")
    for link in plan.links:
        _move_link(link, plan)
        named_point("rename:link")
    if plan.root:
        _change_host_name(plan.root, plan)
        named_point("rename:host-name")
    _place(plan.old).unlink()


def finish_killed() -> None:
    """End the renamings that were killed. Whoever is at work is left alone; what cannot be ended now is warned of."""
    for path in sorted(DIRECTORY.glob("renaming-*.json")):
        try:
            plan = loaded(path.read_text(encoding="utf-8", errors="surrogateescape"))
            if not is_locked(leftovers.lock_name(plan.old)):
                _finish(path)
        except FileNotFoundError:
            continue  # another run has ended it
        except (Problem, ValueError, KeyError, TypeError, OSError) as error:
            warn(f"a renaming that was killed is not at its end: {error}; {path} tells what is left to do")


def dumped(plan: Renaming) -> str:
    """Return a plan as text, for finish_killed() and for people."""
    return json.dumps(dataclasses.asdict(plan), indent=2, default=str) + "\n"


def loaded(text: str) -> Renaming:
    """Given what dumped() returned, return the plan. Raise ValueError, KeyError or TypeError if it is none."""
    facts = json.loads(text)
    return Renaming(
        old=facts["old"],
        new=facts["new"],
        volumes=tuple(Moved(**one) for one in facts["volumes"]),
        root=Path(facts["root"]) if facts["root"] else None,
        file=Path(facts["file"]),
        new_file=Path(facts["new_file"]),
        text=facts["text"],
        links=tuple(Path(one) for one in facts["links"]),
    )


def _place(old: str) -> Path:
    return DIRECTORY / f"renaming-{old}.json"


def _finish(path: Path) -> None:
    """With the locks of both names held, end what the file says: it is read again, since another run may have come first."""
    plan = loaded(files.read(path))
    with lock(leftovers.lock_name(plan.old), what=f"domU {plan.old}"):
        with lock(leftovers.lock_name(plan.new), what=f"domU {plan.new}"):
            plan = loaded(path.read_text(encoding="utf-8", errors="surrogateescape"))
            if running := [name for name in (plan.old, plan.new) if xl.answers() and xl.stays(name)]:
                fail(f"{running[0]} runs", hint=f"xl shutdown -w {running[0]}")
            say(f"an earlier run was killed: domU {plan.old} becomes {plan.new}")
            perform(plan)


def _rename_volume(one: Moved) -> None:
    """Rename a volume, unless it is done."""
    if lvm.find(one.group, one.old):
        with step(f"volume {one.group}/{one.old} becomes {one.new}"):
            lvm.rename(one.group, one.old, one.new)
    elif not lvm.find(one.group, one.new):
        fail(f"there is no volume {one.group}/{one.old} and no {one.new}", hint="lvs shows the volumes")


def _change_host_name(device: Path, plan: Renaming) -> None:
    """Put the new name where the domU has its own. Everything else is done then: if it cannot be, a person is told."""
    try:
        with step(f"the domU's own name, on {device}"):
            _write_host_name(device, plan)
    except (Problem, OSError) as error:
        warn(f"{plan.new} still calls itself {plan.old}: {error}")


def _write_host_name(device: Path, plan: Renaming) -> None:
    namespace.enter()
    with namespace.mounted(device, grow.kind(device), writable=True) as place:
        guest = Guest(place)
        for path in HOST_NAME_FILES:
            before = guest.read(path)
            after = with_host_name(before, plan.old, plan.new)
            if after != before:
                guest.write(path, after)


def _move_link(link: Path, plan: Renaming) -> None:
    """Let an entry of /etc/xen/auto lead to the new file, in one step: dom0 may start at any moment."""
    new = link.with_name(link_name(link, plan.old, plan.new))
    draft = link.with_name(f".{new.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(os.path.relpath(plan.new_file, link.parent))
    draft.replace(new)
    if new != link:
        link.unlink(missing_ok=True)
