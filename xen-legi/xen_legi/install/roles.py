"""Roles: the administrator's scripts that settle a new guest further, with the contract of xen-create-image.

A role is called as ROLE MOUNTPOINT ARGUMENTS..., as root of dom0, with what is known of the guest in its environment and
the guest's /proc and /dev/pts mounted; a status other than 0 undoes the whole domU. Unlike xen-tools, a role that is
missing or not executable is an error, before anything is made. What a role leaves running ends with it. What it prints is in
the domU's log. On a host without xen-tools it finds our own common.sh where xen-tools has its.
"""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from xen_legi import files, run
from xen_legi.errors import CommandFailed, die, fail
from xen_legi.install import log
from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan
from xen_legi.install.role_environment import ROLE_DIRECTORY, environment, look, whole
from xen_legi.steps import named_point, say, step, warn

OURS = Path("/usr/share/xen-legi/roles")
DIRECTORIES = (Path("/etc/xen-legi/role.d"), ROLE_DIRECTORY, OURS)
XEN_TOOLS = Path("/usr/share/xen-tools")  # xen-legi-roles has it, empty: it is a mount point even where /usr is read-only
_WARNING = "xen-legi: warning: "  # how our common.sh begins a line that is not for the log alone
_PATIENCE = 600  # seconds for the package lists
# in a process and mount namespace of its own: nothing that a role starts or mounts survives it
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_SCRIPT = """\
mkdir -p "$1" "$2" && mount -t proc proc "$1" && mount --bind /dev/pts "$2" || exit 126
if [ ! -e "$3/common.sh" ] && [ -d "$3" ] && [ -e "$4/common.sh" ]; then
    mount --bind "$4" "$3" || exit 126
fi
exec sh -c "$5"
"""
# nothing that runs in the guest may write into dom0's own resolv.conf
_UPDATE = """\
resolv=$2
if [ -f "$resolv" ] && [ ! -L "$resolv" ] && [ -e /etc/resolv.conf ]; then
    copy=$(mktemp) && cat /etc/resolv.conf >"$copy" && chmod 644 "$copy" && mount --bind "$copy" "$resolv" && rm "$copy" ||
        exit 126
fi
exec chroot "$1" apt-get -q update
"""
_INSTALLS = re.compile(r"\bapt(-get|itude)\b|\bapt\s+(-\S+\s+)*install\b|\binstall[A-Za-z]*Package|\bcommon\.sh\b")


def find_roles(names: Iterable[str], directories: Iterable[Path] = DIRECTORIES) -> tuple[Path, ...]:
    """Return the roles' files: a name with a slash is a path, any other is looked for. Die if one cannot be run."""
    places = tuple(directories)
    return tuple(_find(name, places) for name in names)


def run_roles(plan: Plan, root: Path) -> None:
    """Run the plan's roles on the guest mounted at `root`. Fail if one of them does."""
    if any(map(_installs, (*plan.roles, *plan.final_roles))) and not any((root / "var/lib/apt/lists").glob("*_InRelease")):
        _fetch_lists(root)
    for role in plan.roles:
        _run(role, plan, root, environment(plan, look(root)))
        named_point("create:after-role")


def run_final_roles(plan: Plan, root: Path) -> None:
    """Run the plan's final roles, for which its file is there. Fail if one of them does."""
    for role in plan.final_roles:
        _run(role, plan, root, environment(plan, look(root), final=True))
        named_point("create:after-final-role")


def argv(role: Path, root: Path, arguments: str) -> list[str]:
    """Return the command that runs a role on the guest at `root`. No link of the guest leads what is mounted into dom0."""
    mounts = [str(Guest(root).directory(one)) for one in ("/proc", "/dev/pts")]
    line = command(role, root, arguments)
    return [*_ALONE, "sh", "-c", _SCRIPT, "sh", *mounts, str(XEN_TOOLS), str(OURS / "lib/xen-tools"), line]


def command(role: Path, root: Path, arguments: str) -> str:
    """Return the shell line of a role: its arguments are split by the shell, as xen-create-image does."""
    return f"{shlex.quote(str(role))} {shlex.quote(str(root))} {arguments}".rstrip()


def _find(name: str, directories: tuple[Path, ...]) -> Path:
    places = (Path(name).absolute(),) if "/" in name else tuple(one / name for one in directories)
    for place in places:
        if place.is_file():
            if not os.access(place, os.X_OK):
                die(f"role {place} is not executable", hint=f"chmod +x {place}")
            return place
    die(f"there is no role {name!r}", hint=f"looked for {', '.join(map(str, places))}")


def _installs(role: Path) -> bool:
    """Tell whether a role seems to install packages. Ours fetch the lists themselves, when a package is missing."""
    return bool(_INSTALLS.search(files.read(role)))


def _fetch_lists(root: Path) -> None:
    """Fetch the guest's package lists, which xen-create-image's roles find there; a template is kept without them."""
    with step("package lists, for the roles"):
        try:
            resolv = Guest(root).path("/etc/resolv.conf")
            run.run([*_ALONE, "sh", "-c", _UPDATE, "sh", root, resolv], timeout=_PATIENCE, env=whole({}))
        except CommandFailed as failed:
            warn(f"the guest's package lists cannot be fetched: {failed.message}")


def _run(role: Path, plan: Plan, root: Path, known: Mapping[str, str]) -> None:
    with step(f"role {role.name} {plan.role_args}".rstrip()), log.opened(plan.name) as add:
        add(f"role {role}")
        try:
            for line in run.lines(argv(role, root, plan.role_args), env=whole(known), cwd="."):
                add(line)
                _show(line)
        except CommandFailed as problem:
            add(f"exit status {problem.command_status}")
            _fail(role, plan, problem)


def _show(line: str) -> None:
    if line.startswith(_WARNING):
        warn(line.removeprefix(_WARNING))
    elif run.debug:
        say(line)


def _fail(role: Path, plan: Plan, problem: CommandFailed) -> NoReturn:
    lines = [line for line in problem.stderr.strip().splitlines() if line.strip()][-5:]
    said = "".join(f"\n    {line}" for line in lines)
    fail(f"role {role} failed with exit status {problem.command_status}{said}",
         hint=f"the domU has been removed again; all that the role printed is in {log.file_of(plan.name)}")
