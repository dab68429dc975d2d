"""Which parts of a domU go when it is deleted: only what its file names and what bears its name, and is of nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die
from xen_legi.storage.lvm import Volume


@dataclass(frozen=True)
class Removal:
    """What goes, and what stays with the reason for it."""

    domu: DomuConfig
    volumes: tuple[Volume, ...]
    links: tuple[Path, ...]
    kept: tuple[tuple[str, str], ...]

    def described(self) -> str:
        """Return it for people, before they are asked."""
        lines = [f"  volume {one.path}" for one in self.volumes]
        lines += [f"  link {one}" for one in self.links]
        lines += [f"  file {self.domu.file}"]
        lines += [f"  (stays: {path}, {why})" for path, why in self.kept]
        return "\n".join(lines)


def removal(
    domu: DomuConfig, others: Iterable[DomuConfig], volumes: Iterable[Volume], links: Iterable[Path], *, idle: bool = True
) -> Removal:
    """Return what goes with a domU. Die if one of its volumes cannot be removed: it has snapshots, or `idle` and is open."""
    everything = tuple(volumes)
    known = {str(one.path): one for one in everything}
    users = {disk.path: other.name for other in others if other.file != domu.file for disk in other.disks}
    going, kept = [], []
    for disk in domu.disks:
        why = _why_not(disk.path, domu.name, known, users)
        if why:
            kept.append((disk.path, why))
        elif known[disk.path] not in going:
            going.append(known[disk.path])
    for one in going:
        _check_free(one, everything)
        if idle and one.open:
            die(f"{one.full_name} is in use", hint=f"mounted, or held by another program? lsof {one.path}")
    return Removal(domu, tuple(going), tuple(links), tuple(kept))


def _why_not(path: str, name: str, known: dict[str, Volume], users: dict[str, str]) -> str:
    """Return why a disk stays, nothing if it goes."""
    if path in users:
        return f"it is in use by domU {users[path]}"
    if path not in known:
        return "it is no logical volume of this host"
    return "" if known[path].name.startswith(f"{name}-") else f"its name does not begin with {name}-"


def _check_free(one: Volume, volumes: tuple[Volume, ...]) -> None:
    """Die if a volume has thick snapshots: lvremove would take them along."""
    mine = [other for other in volumes if (other.group, other.origin) == (one.group, one.name) and not other.pool]
    if mine:
        names = ", ".join(other.full_name for other in mine)
        die(f"{one.full_name} has a snapshot: {names}", hint="is a backup running? then wait for its end")
