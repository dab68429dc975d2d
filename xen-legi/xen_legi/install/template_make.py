"""Make a template, in a hidden directory and then by one rename, or remove one. A kill at any moment loses none.

While NAME is being made anew there are beside it: .making-NAME, the new tree; .making-NAME.toml, its facts, once it is
whole; .old-NAME, the former tree from just before the new one gets its name. A template that is removed is called
.gone-NAME at first. What a killed run left of these is put right by the next.
"""

import shutil
import time
from datetime import date
from pathlib import Path

from xen_legi.errors import EXIT_USAGE, Problem, die, fail
from xen_legi.install import mirror
from xen_legi.install.bootstrap import debian
from xen_legi.install.guest import Guest
from xen_legi.install.mirror import Suite
from xen_legi.install.release import check_suite_name
from xen_legi.install.settle import identity
from xen_legi.install.templates import Template, check_template_name, lock_name, measured, tree_lock, written
from xen_legi.run import run
from xen_legi.steps import is_locked, lock, named_point, say, step, warn
from xen_legi.storage.mounts import mounts_below

_MAKING, _OLD, _GONE = ".making-", ".old-", ".gone-"


def make(
    directory: Path, name: str, dist: str, *, uri: str, include: tuple[str, ...], replace: bool, keyring: str = ""
) -> Template:
    """Make the template `name` of a suite and return it. Die if there is one already, unless it is to be replaced."""
    check_template_name(name)
    check_suite_name(dist)
    with lock(lock_name(name), what=f"template {name}", status=EXIT_USAGE):
        _put_right(directory, name)
        target = directory / name
        if target.exists() and not replace:
            die(f"there is a template {name} already: {target}", hint="--replace makes it anew")
        suite = mirror.find(dist, uri, keyring)
        _check_space(directory)
        _need_directory(directory)
        directory.chmod(0o700)  # the trees hold programs of many ages with root's rights: for nobody but root
        made = _made(directory / f"{_MAKING}{name}", name, suite, include)
        _put(made, target)
    return made


def delete(one: Template) -> None:
    """Remove a template. Its lock is held."""
    _put_right(one.path.parent, one.name)
    gone = one.path.with_name(f"{_GONE}{one.name}")
    with tree_lock(one.name, change=True):
        one.path.rename(gone)
        named_point("template:after-aside")
        one.facts.unlink(missing_ok=True)
    remove_tree(gone)


def clean(directory: Path) -> None:
    """Put right what killed runs left. Whoever is at work is left alone; what cannot be removed now is warned of."""
    found = [path.name for prefix in (_MAKING, _OLD, _GONE) for path in directory.glob(f"{prefix}*")]
    for name in sorted({one.split("-", 1)[1].removesuffix(".toml") for one in found}):
        try:
            if is_locked(lock_name(name)):
                continue
            with lock(lock_name(name), what=f"template {name}"):
                _put_right(directory, name)
        except Problem as problem:
            warn(f"what an earlier run left of template {name} is still there: {problem.message}")


def _put_right(directory: Path, name: str) -> None:
    """With the lock held, see to it that there is the former template or the new one, and nothing else."""
    target, facts = directory / name, directory / f"{name}.toml"
    made, new, old, gone = (directory / one for one in _beside(name))
    if old.exists() and not target.exists():
        say(f"an earlier run was killed: the former template {name} is put back")
        old.rename(target)
    if new.exists() and not made.exists() and target.exists():
        new.rename(facts)  # it was killed after the new tree had got its name
    for path in (new, made, old, gone):  # the facts before their tree: without it they would be taken for the target's
        if path.exists():
            say(f"an earlier run was killed: removing {path}")
            remove_tree(path)


def _beside(name: str) -> tuple[str, str, str, str]:
    """Return the names of a new tree, its facts, a former tree and one that is being removed."""
    return f"{_MAKING}{name}", f"{_MAKING}{name}.toml", f"{_OLD}{name}", f"{_GONE}{name}"


def remove_tree(path: Path) -> None:
    """Remove a tree, but nothing that is mounted in it."""
    if mounts := mounts_below(path):
        fail(f"something is mounted in {path}: {', '.join(mounts)}", hint="umount it, then try again")
    if path.is_dir():
        run(["rm", "-rf", "--one-file-system", path], timeout=1800)
    else:
        path.unlink(missing_ok=True)


def _made(tree: Path, name: str, suite: Suite, include: tuple[str, ...]) -> Template:
    began = time.monotonic()
    try:
        tree.mkdir(mode=0o755)
        named_point("template:begun")
        with step(f"{suite.dist} by mmdebstrap, from {suite.uri}"):
            debian(suite, tree, include)
        named_point("template:after-bootstrap")
        with step("make it fit for many guests"):
            _settle(Guest(tree))
    except BaseException:
        remove_tree(tree)
        raise
    count = Guest(tree).read("/var/lib/dpkg/status").count("\nStatus: install ok installed")
    say(f"{count} packages in {time.monotonic() - began:.0f} s")
    return Template(name, tree, suite.dist, date.today().isoformat(), measured(tree), count)


def _settle(guest: Guest) -> None:
    """Take away what belongs to one machine: each guest gets its own when it is made."""
    identity.forget(guest)
    guest.write("/etc/default/locale", "LANG=C.UTF-8\n")
    for path in ("/etc/hostname", "/etc/resolv.conf"):
        guest.remove(path)


def _put(made: Template, target: Path) -> None:
    """Give the finished tree its name; an old one stands aside until then."""
    _, new, old, _ = (target.with_name(one) for one in _beside(made.name))
    new.write_text(written(made), encoding="utf-8")
    with tree_lock(made.name, change=True):
        if target.exists():
            target.rename(old)
        named_point("template:between")
        made.path.rename(target)
        named_point("template:after-rename")
        new.rename(Template(made.name, target).facts)
    remove_tree(old)


def _need_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        die(f"{directory} cannot be made: {error.strerror}", hint="the setting srv says where templates are")


def _check_space(directory: Path) -> None:
    """Die unless there is room for a small Debian."""
    place = next(one for one in (directory, *directory.parents) if one.exists())
    free = shutil.disk_usage(place).free
    if free < 600 << 20:
        die(f"{place} has {free >> 20} MiB free, a template takes about 400", hint="make room, or set srv in the settings")
