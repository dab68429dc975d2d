"""Roles: the administrator's scripts that settle a new guest further, with the contract of xen-create-image.

A role is called as ROLE MOUNTPOINT ARGUMENTS..., as root of dom0, with what is known of the guest in its environment and
the guest's /proc and /dev/pts mounted; a status other than 0 undoes the whole domU. Unlike xen-tools, a role that is
missing or not executable is an error, before anything is made. What a role leaves running ends with it.
"""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from xen_legi import files, run
from xen_legi.domu import loader
from xen_legi.errors import CommandFailed, die, fail
from xen_legi.install.model import SWAP, Part, Plan
from xen_legi.steps import named_point, say, step, warn
from xen_legi.units import MIB

DIRECTORIES = (Path("/etc/xen-tools/role.d"), Path("/usr/share/xen-legi/roles"))
_PATIENCE = 600  # seconds for the package lists
# in a process and mount namespace of its own: nothing that a role starts or mounts survives it
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_SCRIPT = """\
mkdir -p "$1/proc" "$1/dev/pts" && mount -t proc proc "$1/proc" && mount --bind /dev/pts "$1/dev/pts" || exit 126
exec sh -c "$2"
"""
# nothing that runs in the guest may write into dom0's own resolv.conf
_UPDATE = """\
resolv=$1/etc/resolv.conf
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
    if any(map(_installs, plan.roles)) and not any((root / "var/lib/apt/lists").glob("*_InRelease")):
        _fetch_lists(root)
    for role in plan.roles:
        with step(f"role {role.name} {plan.role_args}".rstrip()):
            _run(role, plan, root)
        named_point("create:after-role")


def command(role: Path, root: Path, arguments: str) -> str:
    """Return the shell line of a role: its arguments are split by the shell, as xen-create-image does."""
    return f"{shlex.quote(str(role))} {shlex.quote(str(root))} {arguments}".rstrip()


def environment(plan: Plan) -> dict[str, str]:
    """Return what a role finds in its environment, by xen-tools' names. What does not hold is not there."""
    first = plan.nics[0] if plan.nics else None
    known = {
        "hostname": plan.name,
        "dist": plan.dist,
        "install_method": plan.method,
        "memory": f"{plan.memory}M",
        "maxmem": f"{plan.maxmem}M" if plan.maxmem else "",
        "vcpus": str(plan.vcpus),
        "type": plan.type,
        "lvm": plan.root.group,
        "dir": str(plan.root.image.parents[2]) if plan.root.image else "",
        "fs": plan.root.filesystem,
        "size": _size(plan.root),
        "kernel": str(plan.kernel.image if plan.kernel else loader.IMAGES[plan.type]),
        "initrd": str(plan.kernel.ramdisk) if plan.kernel else "",
        "modules": str(plan.kernel.modules) if plan.kernel else "",
        "disk_device": "xvda",
        "serial_device": "hvc0",
        "nameserver": " ".join(plan.nameservers),
        "role": ",".join(one.name for one in plan.roles),
        "role_args": plan.role_args,
        **_swap(plan),
        **{f"PARTITION{number}": _partition(plan, one) for number, one in enumerate(plan.parts, 1)},
        "NUMPARTITIONS": str(len(plan.parts)),
    }
    if first:
        known |= {
            "mac": first.mac,
            "bridge": first.bridge,
            "vlan": str(first.vlan or ""),
            "dhcp": "" if first.address else "1",
            "gateway": str(first.gateway or ""),
            "netmask": str(first.address.netmask) if first.address else "",
        }
    fixed = [str(one.address.ip) for one in plan.nics if one.address]
    known |= {f"ip{number}": one for number, one in enumerate(fixed, 1)} | {"ip_count": str(len(fixed))}
    return {key: value for key, value in known.items() if value}


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
            run.run([*_ALONE, "sh", "-c", _UPDATE, "sh", root], timeout=_PATIENCE)
        except CommandFailed as failed:
            warn(f"the guest's package lists cannot be fetched: {failed.message}")


def _run(role: Path, plan: Plan, root: Path) -> None:
    argv = [*_ALONE, "sh", "-c", _SCRIPT, "sh", str(root), command(role, root, plan.role_args)]
    try:
        for line in run.lines(argv, env=environment(plan), cwd=os.getcwd()):
            if run.debug:
                say(line)
    except CommandFailed as problem:
        lines = [line for line in problem.stderr.strip().splitlines() if line.strip()][-5:]
        said = "".join(f"\n    {line}" for line in lines)
        fail(f"role {role} failed with exit status {problem.command_status}{said}", hint="the domU has been removed again")


def _swap(plan: Plan) -> dict[str, str]:
    swap = next((one for one in plan.parts if one.filesystem == SWAP), None)
    return {"swap": _size(swap)} if swap else {"noswap": "1"}


def _size(part: Part) -> str:
    return f"{part.size // MIB}M"


def _partition(plan: Plan, part: Part) -> str:
    """Return name:size:type:mountpoint:options:imagetype:image; xen-tools' image type ends with a colon of its own."""
    name = part.name.removeprefix(f"{plan.name}-")
    kind = "file" if part.image else "phy"
    return f"{name}:{_size(part)}:{part.filesystem}:{part.mount}:{part.options}:{kind}::{part.path}"
