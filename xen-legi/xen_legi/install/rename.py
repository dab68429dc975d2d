"""Give a domU another name as it is planned. Killed at any moment, it is ended by whatever verb comes next.

The plan is written to /var/lib/xen-legi/renaming-OLD.json before the first change and removed after the last; each change
looks first whether it is done already. Where the domU's file is not what it was then, a person has been there since, and
the plan is set aside.
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path

from xen_legi import files
from xen_legi.domu import config, renamed, xl
from xen_legi.domu.renaming import Left, Moved, MovedImage, Renaming, left, link_name
from xen_legi.errors import Problem, fail
from xen_legi.install import editing, hooks, leftovers
from xen_legi.install.guest import Guest
from xen_legi.steps import is_locked, lock, named_point, say, step, warn
from xen_legi.storage import grow, images, lvm, namespace
from xen_legi.storage.mounts import mounted, private_mounts

DIRECTORY = Path("/var/lib/xen-legi")


def rename(plan: Renaming) -> None:
    """Write the plan down and do it."""
    files.replace(_place(plan.old), dumped(plan), mode=0o600)  # a domU's file may hold a password for vnc
    named_point("rename:planned")
    try:
        _perform(plan)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", hint="mend it; the next xen-legi command goes on with the renaming")


def tell(plan: Renaming) -> None:
    """Tell the administrator's programs of a renaming that is done. They may use the domU: no lock of it is held."""
    hooks.after("rename", config.parse(plan.old_text, plan.file), plan.new)


def pending(*names: str) -> Path | None:
    """Return a plan of an earlier run that could not be ended and has to do with one of these names, or None."""
    for path in sorted(DIRECTORY.glob("renaming-*.json")):
        try:
            plan = loaded(files.read(path))
        except (ValueError, KeyError, TypeError):
            continue
        if {plan.old, plan.new} & set(names):
            return path
    return None


def tell_of_killed() -> None:
    """Warn of renamings that were killed, for who only shows: their domUs are halves until somebody ends them."""
    for path in sorted(DIRECTORY.glob("renaming-*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            plan = loaded(files.read(path))
            if not is_locked(leftovers.lock_name(plan.old)):
                warn(f"a renaming of {plan.old} to {plan.new} was killed: xen-legi list ends it")


def finish_killed() -> None:
    """End the renamings that were killed. Whoever is at work is left alone; what cannot be ended now is warned of."""
    for path in sorted(DIRECTORY.glob("renaming-*.json")):
        try:
            plan = loaded(_text(path))
            if not is_locked(leftovers.lock_name(plan.old)):
                _finish(path, plan)
        except FileNotFoundError as error:
            if error.filename != str(path):  # else another run has ended it
                _tell(path, error)
        except (Problem, ValueError, KeyError, TypeError, OSError) as error:
            _tell(path, error)


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
        old_text=facts["old_text"],
        text=facts["text"],
        links=tuple(Path(one) for one in facts["links"]),
        images=tuple(MovedImage(Path(one["old"]), Path(one["new"])) for one in facts.get("images", ())),
    )


def _place(old: str) -> Path:
    return DIRECTORY / f"renaming-{old}.json"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _tell(path: Path, error: Exception) -> None:
    warn(f"a renaming that was killed is not at its end: {error}; {path} tells what is left to do")


def _finish(path: Path, plan: Renaming) -> None:
    """With the locks of both names held, end what the file says: it is read again, since another run may have come first."""
    with lock(leftovers.lock_name(plan.old), what=f"domU {plan.old}"):
        with lock(leftovers.lock_name(plan.new), what=f"domU {plan.new}"):
            plan = loaded(_text(path))
            done = False
            if left(plan, files.read(plan.file), files.read(plan.new_file)) is Left.STALE:
                _set_aside(path, plan)
            elif running := [name for name in (plan.old, plan.new) if xl.answers() and xl.stays(name)]:
                _give_up(path, plan, running[0])
            else:
                say(f"an earlier run was killed: domU {plan.old} becomes {plan.new}")
                _perform(plan)
                done = True
    if done:
        tell(plan)


def _set_aside(path: Path, plan: Renaming) -> None:
    aside = path.with_suffix(".stale")
    path.replace(aside)
    done = [f"{one.group}/{one.old} to {one.new}" for one in plan.volumes
            if lvm.find(one.group, one.new) and not lvm.find(one.group, one.old)]
    more = f"; renamed already: {', '.join(done)} (lvrename(8) renames them back)" if done else ""
    moved = [f"{one.old} to {one.new}" for one in plan.images if one.new.exists() and not one.old.exists()]
    more += f"; moved already: {', '.join(moved)} (mv(1) moves them back)" if moved else ""
    warn(f"a renaming of {plan.old} to {plan.new} was killed and its file changed since: it is not ended, see {aside}{more}")


def _give_up(path: Path, plan: Renaming, running: str) -> None:
    """Drop the plan of which nothing is done. Fail if it is half way: then the domU has to be off."""
    untouched = all(lvm.find(one.group, one.old) for one in plan.volumes) and all(one.old.exists() for one in plan.images)
    if left(plan, files.read(plan.file), files.read(plan.new_file)) is not Left.ALL or not untouched:
        fail(f"{running} runs", hint=f"xl shutdown -w {running}")
    for one in plan.images:
        images.take_back(one.old, one.new)
    path.unlink()
    say(f"an earlier run was killed before it changed anything: domU {plan.old} keeps its name")


def _perform(plan: Renaming) -> None:
    """Do what is left to do of a plan that is written down."""
    if left(plan, files.read(plan.file), files.read(plan.new_file)) is Left.ALL:
        for one in plan.volumes:
            _rename_volume(one)
            named_point("rename:volume")
        for image in plan.images:
            with step(f"image {image.old} becomes {image.new}"):
                images.move(image.old, image.new)
            named_point("rename:image")
        _put_file(plan)
    for link in _links(plan):
        _move_link(link, plan)
        named_point("rename:link")
    renamed.note(plan.old, plan.new)
    if plan.root:
        _change_host_name(plan.root, plan)
        named_point("rename:host-name")
    _place(plan.old).unlink()
    files.sync(DIRECTORY)


def _rename_volume(one: Moved) -> None:
    """Rename a volume, unless it is done."""
    if lvm.find(one.group, one.old):
        with step(f"volume {one.group}/{one.old} becomes {one.new}"):
            lvm.rename(one.group, one.old, one.new)
    elif not lvm.find(one.group, one.new):
        fail(f"there is no volume {one.group}/{one.old} and no {one.new}", hint="lvs shows the volumes")


def _put_file(plan: Renaming) -> None:
    """Write the new file and remove the old one; between the two both are there, of one domU with the new volumes."""
    if plan.new_file == plan.file:
        files.rewrite(plan.file, plan.text)
        return
    if files.read(plan.new_file) != plan.text:
        files.make(plan.new_file, plan.text, mode=0o600)
    files.give_access(plan.new_file, plan.file)
    named_point("rename:written")
    plan.file.unlink()
    files.sync(plan.file.parent)
    named_point("rename:file-gone")


def _links(plan: Renaming) -> list[Path]:
    """Return the entries of /etc/xen/auto that lead to the old file: one may have been made since the plan was."""
    since = config.auto_links(plan.file, config.AUTOSTART) if plan.file != plan.new_file else []
    return [*plan.links, *(one for one in since if one not in plan.links and one.is_symlink())]


def _move_link(link: Path, plan: Renaming) -> None:
    """Let an entry of /etc/xen/auto lead to the new file; the old one goes when the new one is there."""
    new = link.with_name(link_name(link, plan.old, plan.new))
    target = os.path.relpath(plan.new_file, link.parent)
    if new == link:
        draft = link.with_name(f".{link.name}.new")
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        draft.replace(link)
    else:
        if not (new.is_symlink() and os.readlink(new) == target):
            new.symlink_to(target)
        link.unlink(missing_ok=True)
    files.sync(link.parent)


def _change_host_name(device: Path, plan: Renaming) -> None:
    """Put the new name where the domU has its own. Everything else is done then: if it cannot be, a person is told."""
    try:
        with step(f"the domU's own name, on {device}"):
            volume = next((one for one in lvm.volumes() if one.path == device), None) or images.look(device)
            if volume is None:
                fail(f"{device} is not there")
            if volume.open or (xl.answers() and xl.is_running(plan.new)):
                fail(f"{volume.full_name} is in use")
            _write_host_name(device, plan)
    except (Problem, OSError) as error:
        warn(f"{plan.new} still calls itself {plan.old}: {error}")


def _write_host_name(device: Path, plan: Renaming) -> None:
    kind = grow.kind(device)
    with private_mounts(), mounted(device, kind, namespace.options(kind, writable=True)) as place:
        editing.host_name(Guest(place), plan.old, plan.new)
