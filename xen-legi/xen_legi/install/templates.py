"""The templates in /srv/xen/templates: a directory with a guest's tree each, and a small file NAME.toml beside it.

A directory without such a file, made by hand, is a template too. Names that begin with a dot are being made.
"""

import contextlib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die
from xen_legi.run import run
from xen_legi.steps import lock

_PATIENCE = 1800  # seconds for which who changes a tree waits for those who copy it, and the other way round


@dataclass(frozen=True)
class Template:
    """One template. `made` is a date; size in bytes as files take them; 0 and "" where nothing is known."""

    name: str
    path: Path
    dist: str = ""
    made: str = ""
    size: int = 0
    packages: int = 0

    @property
    def facts(self) -> Path:
        """Return the file beside it."""
        return self.path.with_name(f"{self.name}.toml")


def all_templates(directory: Path) -> list[Template]:
    """Return the templates by name."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [read(directory / name) for name in names if os.path.isdir(directory / name) and not name.startswith(".")]


def read(path: Path) -> Template:
    """Return the template at `path` with what the file beside it tells. A file that is no TOML tells nothing."""
    bare = Template(path.name, path)
    try:
        told = tomllib.loads(bare.facts.read_text(encoding="utf-8"))
        return Template(path.name, path, str(told["dist"]), str(told["made"]), int(told["size"]), int(told["packages"]))
    except (OSError, ValueError, KeyError, TypeError):
        return bare


def lock_name(name: str) -> str:
    """Return the name of the lock under which a template is made or deleted."""
    return f"template-{name}"


def tree_lock(name: str, *, change: bool = False) -> contextlib.AbstractContextManager[int]:
    """Hold the tree of a template: together with others who copy it, or alone to `change` what has its name."""
    return lock(f"template-tree-{name}", what=f"the tree of template {name}", wait=_PATIENCE, shared=not change)


def find(directory: Path, name: str) -> Template:
    """Return one template, its size known. Die if there is none of that name, or if it holds no guest."""
    check_template_name(name)
    known = {one.name: one for one in all_templates(directory)}
    if name not in known:
        hint = f"templates: {', '.join(known)}" if known else f"make it once: xen-legi template make {name}"
        die(f"there is no template {name!r} in {directory}", hint=hint)
    one = known[name]
    if not (one.path / "etc").is_dir():
        die(f"template {name} holds no guest: {one.path}/etc is missing", hint=f"xen-legi template make {name} --replace")
    return one if one.size else Template(one.name, one.path, one.dist, one.made, measured(one.path), one.packages)


def written(one: Template) -> str:
    """Return the text of the file beside a template."""
    return (
        f"# template {one.name}, made by xen-legi template make\n"
        f'dist = "{one.dist}"\nmade = "{one.made}"\nsize = {one.size}\npackages = {one.packages}\n'
    )


def measured(tree: Path) -> int:
    """Return the bytes that the files of a tree take."""
    return int(run(["du", "-sx", "--block-size=1", tree]).stdout.split()[0])


def check_template_name(name: str) -> None:
    """Die if `name` cannot be a directory of its own."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,60}", name) or name.endswith(".toml"):  # as the files beside them do
        die(f"{name!r} cannot be the name of a template", hint="letters, digits and . _ + - are allowed: trixie")
