"""What roles find in their environment: the caller's own, and what is known of the guest by xen-tools' names.

A name that does not hold is not set: roles ask whether a name is set, not what it says.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from xen_legi import run
from xen_legi.domu import config, loader
from xen_legi.install import mirror, partitions
from xen_legi.install.guest import Guest
from xen_legi.install.model import SWAP, Part, Plan
from xen_legi.units import MIB

# where programs write; libpam-tmpdir's is in no guest, and a package that is installed there by a role could not be set up
_TEMPORARY = ("TMP", "TMPDIR", "TEMP", "TEMPDIR")
ROLE_DIRECTORY = Path("/etc/xen-tools/role.d")  # of xen-create-image
_KEYRINGS = Path("/usr/share/keyrings")
# deb [arch=amd64] http://mirror.example/debian trixie main; in the newer form: URIs: http://mirror.example/debian
_SOURCE = re.compile(r"^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """What the tree of a guest tells of it: the names of its suite, architecture and distribution, where its apt gets
    packages; and the proxy of dom0's apt."""

    dist: str = ""
    arch: str = ""
    origin: str = ""
    mirror: str = ""
    proxy: str = ""


def look(root: Path) -> Tree:
    """Return what a tree tells, as far as it does."""
    guest = Guest(root)
    release = guest.read("/etc/os-release") or guest.read("/usr/lib/os-release")  # the first is a link to the second
    told = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    known = re.search(r"^Package: dpkg\n(?:.+\n)*?Architecture: (\S+)", guest.read("/var/lib/dpkg/status"), re.MULTILINE)
    return Tree(
        dist=told.get("VERSION_CODENAME", "").strip("\"'"),
        arch=known[1] if known else "",
        origin=told.get("ID", "").strip("\"'"),
        mirror=_mirror(guest),
        proxy=_proxy(mirror.apt_options()),
    )


def whole(known: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment with what is known, as xen-create-image has it. What roles need is on its path."""
    path = os.environ.get("PATH", "").split(":")
    path += [one for one in run.environment()["PATH"].split(":") if one not in path]
    own = {name: value for name, value in os.environ.items() if name not in _TEMPORARY}
    return {"LC_ALL": "C", **own, "PATH": ":".join(filter(None, path)), **known}


def environment(plan: Plan, tree: Tree = Tree(), *, final: bool = False) -> dict[str, str]:
    """Return what is known of a guest; `final`: its file is written."""
    dist = plan.dist or tree.dist
    fixed = [str(one.address.ip) for one in plan.nics if one.address]
    known = {
        **_machine(plan), **_storage(plan), **_network(plan), **_archive(plan, tree, dist),
        **{f"ip{number}": one for number, one in enumerate(fixed, 1)},
        "ip_count": str(len(fixed)),
        "ips": " ".join(fixed) if final else "",
        "hostname": plan.name,
        "dist": dist,
        "role": ",".join(one.name for one in plan.roles),
        "finalrole": ",".join(one.name for one in plan.final_roles),
        "role_args": plan.role_args,
        "roledir": plan.role_directory or str(ROLE_DIRECTORY),
        "partitionsdir": str(partitions.DIRECTORY),
        "output": str(config.DIRECTORY),
        "extension": ".cfg",
        "verbose": "1" if run.debug else "",
        "nohosts": "1",  # dom0's own /etc/hosts is left alone
        "install": "1",
        "hooks": "1",
        "boot": "1" if plan.start else "",
    }
    return {key: value for key, value in known.items() if value}


def _machine(plan: Plan) -> dict[str, str]:
    return {
        "memory": f"{plan.memory}M",
        "maxmem": f"{plan.maxmem}M" if plan.maxmem else "",
        "vcpus": str(plan.vcpus),
        "type": plan.type,
        "kernel": str(plan.kernel.image if plan.kernel else loader.IMAGES[plan.type]),
        "initrd": str(plan.kernel.ramdisk) if plan.kernel else "",
        "modules": str(plan.kernel.modules) if plan.kernel else "",
        "disk_device": "xvda",
        "serial_device": "hvc0",
    }


def _storage(plan: Plan) -> dict[str, str]:
    swap = next((one for one in plan.parts if one.filesystem == SWAP), None)
    return {
        "lvm": plan.root.group,
        "lvm_thin": plan.root.pool,
        "dir": str(plan.root.image.parents[2]) if plan.root.image else "",
        "image": "sparse" if plan.root.pool else "full",
        "fs": plan.root.filesystem,
        "size": _size(plan.root),
        "swap": _size(swap) if swap else "",
        "noswap": "" if swap else "1",
        **{f"{one.filesystem}_options": one.options for one in (*plan.parts, plan.root) if one.filesystem != SWAP},
        **{f"PARTITION{number}": _partition(plan, one) for number, one in enumerate(plan.parts, 1)},
        "NUMPARTITIONS": str(len(plan.parts)),
    }


def _network(plan: Plan) -> dict[str, str]:
    known = {"nameserver": " ".join(plan.nameservers)}
    if plan.nics:
        first = plan.nics[0]
        known |= {
            "mac": first.mac,
            "bridge": first.bridge,
            "vlan": str(first.vlan or ""),
            "dhcp": "1" if first.dhcp else "",
            "gateway": str(first.gateway or ""),
            "netmask": str(first.address.netmask) if first.address else "",
            "broadcast": str(first.address.network.broadcast_address) if isinstance(first.address, IPv4Interface) else "",
        }
    return known


def _archive(plan: Plan, tree: Tree, dist: str) -> dict[str, str]:
    """Return where the guest comes from: what its apt asks, and which keys of dom0 it is checked with."""
    keyring = _KEYRINGS / f"{tree.origin}-archive-keyring.gpg"
    keys = str(keyring) if tree.origin and keyring.exists() else ""
    known = {
        "arch": tree.arch, "mirror": tree.mirror, "keyring": keys, "install_method": plan.method,
        "install_source": plan.install_source, "apt_proxy": tree.proxy,
        "debootstrap_cmd": "mmdebstrap" if plan.method == "debootstrap" else "",
    }  # fmt: skip
    suffix = re.sub("[^a-z0-9]", "_", dist.lower())  # as in the name of a variable
    return known | ({f"mirror_{suffix}": tree.mirror, f"keyring_{suffix}": keys} if dist else {})


def _proxy(options: Iterable[str]) -> str:
    """Return the proxy among lines of apt.conf: Acquire::http::Proxy "http://192.168.72.1:3142";"""
    found = (re.fullmatch(r'Acquire::http::Proxy "(\w+://[^"]+)";', one) for one in options)
    return next((one[1] for one in found if one), "")


def _mirror(guest: Guest) -> str:
    lists = [*guest.matching("/etc/apt/sources.list.d", "*.list"), *guest.matching("/etc/apt/sources.list.d", "*.sources")]
    for name in ("/etc/apt/sources.list", *lists):
        if found := _SOURCE.search(guest.read(name)):
            return found[1].rstrip("/")
    return ""


def _size(part: Part) -> str:
    return f"{part.size // MIB}M"


def _partition(plan: Plan, part: Part) -> str:
    """Return name:size:type:mountpoint:options:imagetype:image; xen-tools' image type ends with a colon of its own."""
    name = part.name.removeprefix(f"{plan.name}-")
    kind = "file" if part.image else "phy"
    return f"{name}:{_size(part)}:{part.filesystem}:{part.mount}:{part.options}:{kind}::{part.path}"
