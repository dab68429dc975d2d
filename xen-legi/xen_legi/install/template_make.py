"""Make a template: in a hidden directory, then by one rename. A killed run leaves a directory that the next removes."""

import shutil
import time
from datetime import date
from pathlib import Path

from xen_legi.errors import die, fail
from xen_legi.install import mirror
from xen_legi.install.bootstrap import bootstrap
from xen_legi.install.guest import Guest
from xen_legi.install.packages import packages
from xen_legi.install.settle import identity
from xen_legi.install.templates import Template, check_template_name, measured, written
from xen_legi.run import run
from xen_legi.steps import is_locked, lock, named_point, say, step
from xen_legi.storage.mounts import mounts_below

_MAKING, _OLD = ".making-", ".old-"


def lock_name(name: str) -> str:
    """Return the name of the lock under which a template is made or deleted."""
    return f"template-{name}"


def make(directory: Path, name: str, dist: str, *, uri: str, include: tuple[str, ...], replace: bool) -> Template:
    """Make the template `name` of a Debian suite and return it. Die if there is one already, unless it is to be replaced."""
    check_template_name(name)
    with lock(lock_name(name), what=f"template {name}"):
        target = directory / name
        if target.exists() and not replace:
            die(f"there is a template {name} already: {target}", hint="--replace makes it anew")
        sources = mirror.sources(dist, mirror.ask(), uri)
        _check_space(directory)
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory.chmod(0o700)  # the trees hold programs of many ages with root's rights: for nobody but root
        made = _made(directory / f"{_MAKING}{name}", name, dist, sources, include)
        _put(made, target)
    return made


def clean(directory: Path) -> None:
    """Remove what killed runs left."""
    for path in sorted([*directory.glob(f"{_MAKING}*"), *directory.glob(f"{_OLD}*")]):
        name = path.name.removeprefix(_MAKING).removeprefix(_OLD).removesuffix(".toml")
        if not is_locked(lock_name(name)):
            say(f"an earlier run was killed: removing {path}")
            remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a tree, but nothing that is mounted in it."""
    if mounts := mounts_below(path):
        fail(f"something is mounted in {path}: {', '.join(mounts)}", hint="umount it, then try again")
    if path.is_dir():
        run(["rm", "-rf", "--one-file-system", path], timeout=1800)
    else:
        path.unlink(missing_ok=True)


def _made(tree: Path, name: str, dist: str, sources: list[str], include: tuple[str, ...]) -> Template:
    began = time.monotonic()
    try:
        tree.mkdir(mode=0o755)
        named_point("template:begun")
        with step(f"{dist} by mmdebstrap, from {sources[0].split()[1]}"):
            secure = ("ca-certificates",) if any(" https:" in one for one in sources) else ()
            bootstrap(dist, tree, sources, packages(dist, (*secure, *include)), mirror.apt_options())
        named_point("template:after-bootstrap")
        with step("make it fit for many guests"):
            _settle(Guest(tree))
    except BaseException:
        remove_tree(tree)
        raise
    count = Guest(tree).read("/var/lib/dpkg/status").count("\nStatus: install ok installed")
    say(f"{count} packages in {time.monotonic() - began:.0f} s")
    return Template(name, tree, dist, date.today().isoformat(), measured(tree), count)


def _settle(guest: Guest) -> None:
    """Take away what belongs to one machine: each guest gets its own when it is made."""
    identity.forget(guest)
    guest.write("/etc/default/locale", "LANG=C.UTF-8\n")
    for path in ("/etc/hostname", "/etc/resolv.conf"):
        guest.remove(path)


def _put(made: Template, target: Path) -> None:
    """Give the finished tree its name; an old one stands aside until then."""
    facts = Template(made.name, target).facts
    new = facts.with_name(f"{_MAKING}{facts.name}")
    new.write_text(written(made), encoding="utf-8")
    old = target.with_name(f"{_OLD}{target.name}")
    if target.exists():
        target.rename(old)
    made.path.rename(target)
    named_point("template:after-rename")
    new.rename(facts)
    remove_tree(old)


def _check_space(directory: Path) -> None:
    """Die unless there is room for a small Debian."""
    place = next(one for one in (directory, *directory.parents) if one.exists())
    free = shutil.disk_usage(place).free
    if free < 600 << 20:
        die(f"{place} has {free >> 20} MiB free, a template takes about 400", hint="make room, or set srv in the settings")
