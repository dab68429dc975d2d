"""Which domU goes where, and how each of its volumes is copied. Reading the host is apart from deciding."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.backup.generations import COPY
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import NO_DEVICES, Devices, locate
from xen_legi.errors import Problem
from xen_legi.peers.words import NAME
from xen_legi.storage import identity
from xen_legi.storage.lvm import Volume

SENT = ("files", "blocks")  # the methods that need a ghost
CANNOT = "cannot be copied yet"


@dataclass(frozen=True)
class Part:
    """One disk of a domU: its name in the copy, its path in the configuration, its volume, and how it is copied."""

    name: str
    path: str
    volume: Volume
    method: str


@dataclass(frozen=True)
class Domu:
    """A domU that is to be copied; `problem` tells why it cannot be, if so."""

    config: DomuConfig
    parts: tuple[Part, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """The domU's name."""
        return self.config.name


def choose(known: Sequence[DomuConfig], names: Sequence[str], exclude: Iterable[str]) -> list[DomuConfig]:
    """Return the domUs of these names, or all that are not excluded. Raise Problem for a name that is none."""
    by_name = {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            raise Problem(f"there is no domU {name!r}", hint=f"domUs of this host: {', '.join(sorted(by_name)) or 'none'}")
    out = set(exclude)
    return [by_name[name] for name in dict.fromkeys(names)] or [one for one in known if one.name not in out]


def examine(
    config: DomuConfig, volumes: Sequence[Volume], method_of: Callable[[Path], str], devices: Devices = NO_DEVICES
) -> Domu:
    """Given a domU, the host's volumes, what tells a device's method (files, blocks, swap), and where paths lead, return how
    it is copied."""
    if not re.fullmatch(NAME, config.name):
        return Domu(config, problem=f"its name {config.name!r} cannot name a copy: letters, digits and . _ + - are allowed")
    parts = []
    for disk in config.disks:
        volume = locate(disk.path, volumes, devices)
        if volume is None:
            return Domu(config, problem=f"its disk {disk.path} is no logical volume of this host and {CANNOT}")
        if not volume.active:
            return Domu(config, problem=f"its volume {volume.full_name} is not active (lvchange -ay {volume.full_name})")
        parts.append(Part("", disk.path, volume, method_of(volume.path)))
    if not any(one.method in SENT for one in parts):
        return Domu(config, problem="it has no disk but swap" if parts else "it has no disk")
    return Domu(config, _named(parts))


def method_of(device: Path) -> str:
    """Return how the volume at a device is copied."""
    return identity.method(identity.blkid(device))


def _named(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Give every part a name of its own: its volume's, with the group in front where two have the same."""
    plain = [one.volume.name.removesuffix(COPY) for one in parts]
    names = [name if plain.count(name) == 1 else f"{one.volume.group}.{name}" for name, one in zip(plain, parts)]
    return tuple(Part(name, one.path, one.volume, one.method) for name, one in zip(names, parts))
