"""What there is: every domU that has a file or that runs, with its place in the network and its volumes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from xen_legi.columns import aligned
from xen_legi.domu import shape
from xen_legi.domu.config import Disk, DomuConfig, Vif
from xen_legi.domu.disks import NO_DEVICES, Devices, absolute, locate
from xen_legi.domu.xl import Domain
from xen_legi.storage.lvm import Volume
from xen_legi.units import format_size

STOPPED = "stopped"


@dataclass(frozen=True)
class Place:
    """One interface of a domU: its VLAN by the bridge's name (None: no VLAN's bridge), and its addresses if told."""

    bridge: str
    mac: str
    vlan: int | None
    ips: tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """One disk of a domU; size in bytes, None if it is neither a logical volume nor a file of this host."""

    path: str
    device: str
    size: int | None


@dataclass(frozen=True)
class Entry:
    """One domU. Memory in MiB; `file` is "" for one that runs without a file of ours to be found. What follows it is as the
    file has it: 0, "" or {} where it says nothing; `actions` are {"on_crash": "restart"}, as in xl.cfg(5)."""

    name: str
    state: str
    id: int | None
    type: str
    memory: int
    vcpus: int
    network: tuple[Place, ...]
    volumes: tuple[Space, ...]
    autostart: bool
    file: str
    kernel: str
    ramdisk: str = ""
    bootloader: str = ""
    cmdline: str = ""
    root: str = ""
    maxmem: int = 0
    maxvcpus: int = 0
    uuid: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)


def inventory(
    domus: Iterable[DomuConfig],
    domains: Iterable[Domain],
    volumes: Iterable[Volume],
    autostart: Iterable[Path],
    bridge: str,
    devices: Devices = NO_DEVICES,
    images: Mapping[str, int] = MappingProxyType({}),
) -> list[Entry]:
    """Return the domUs by name. `autostart` are the files that start with dom0, `bridge` the setting of that name,
    `devices` tells where the disks' paths lead, `images` the bytes of those that are files."""
    running = {one.name: one for one in domains if one.id != 0}
    starting, known = set(autostart), tuple(volumes)
    entries = []  # of two files with one name nobody knows which is that of the domain: lint tells of both
    for one in domus:
        spaces = tuple(Space(disk.path, disk.device, _size(disk, known, devices, images)) for disk in one.disks)
        entries.append(_entry(one, running.get(one.name), spaces, one.file in starting, bridge))
    entries += [_bare(one) for name, one in running.items() if name not in {entry.name for entry in entries}]
    return sorted(entries, key=lambda one: one.name)


def table(entries: Iterable[Entry]) -> str:
    """Return the entries as a table for people."""
    heading = ("NAME", "STATE", "MEMORY", "VCPUS", "NETWORK", "VOLUMES", "AUTO")
    return "\n".join(aligned([heading, *(_row(one) for one in entries)]))


def sheet(entry: Entry) -> str:
    """Return all of one entry for people, a line each."""
    state = entry.state if entry.id is None else f"{entry.state}, domain {entry.id}"
    lines = [("name", entry.name), ("uuid", entry.uuid), ("state", state), ("type", entry.type),
             ("memory", _with_most(f"{entry.memory}M", f"{entry.maxmem}M" if entry.maxmem else "")),
             ("vcpus", _with_most(str(entry.vcpus), str(entry.maxvcpus or ""))),
             ("bootloader", entry.bootloader), ("kernel", entry.kernel), ("ramdisk", entry.ramdisk),
             ("command line", entry.cmdline)]
    lines += [("disk", f"{one.device}: {_volume(one)}") for one in entry.volumes]
    lines += [("network", _interface(place)) for place in entry.network]
    lines += entry.actions.items()
    lines += [("starts with dom0", "yes" if entry.autostart else "no"), ("file", entry.file)]
    return "\n".join(aligned([(f"{name}:", value) for name, value in lines if value]))


def _with_most(now: str, most: str) -> str:
    return f"{now}, at most {most}" if most else now


def vlan_of(bridge: str, setting: str) -> int | None:
    """Return the VLAN whose bridge has this name; `setting` is xenbr{vlan} or what the administrator made of it."""
    before, _, after = setting.partition("{vlan}")
    match = re.fullmatch(rf"{re.escape(before)}(\d+){re.escape(after)}", bridge)
    return int(match[1]) if match else None


def _entry(one: DomuConfig, domain: Domain | None, spaces: tuple[Space, ...], autostart: bool, bridge: str) -> Entry:
    most = shape.maxima(one)
    return Entry(
        name=one.name,
        state=domain.state if domain else STOPPED,
        id=domain.id if domain else None,
        type=one.type,
        memory=domain.memory if domain else one.memory,
        vcpus=domain.vcpus if domain else one.vcpus,
        network=tuple(_place(vif, bridge) for vif in one.vifs),
        volumes=spaces,
        autostart=autostart,
        file=str(one.file),
        kernel=one.kernel,
        ramdisk=one.ramdisk,
        bootloader=one.settings.get("bootloader", ""),
        cmdline=_cmdline(one.settings),
        root=one.root,
        maxmem=most.memory,
        maxvcpus=most.vcpus,
        uuid=one.settings.get("uuid", ""),
        actions={key: value for key, value in one.settings.items() if key.startswith("on_")},
    )


def _cmdline(said: Mapping[str, str]) -> str:
    """Return the command line of the kernel as xl puts it together: cmdline, or root and extra."""
    root = f"root={said['root']}" if said.get("root") else ""
    return said.get("cmdline") or " ".join(word for word in (root, said.get("extra", "")) if word)


def _bare(domain: Domain) -> Entry:
    return Entry(domain.name, domain.state, domain.id, "", domain.memory, domain.vcpus, (), (), False, "", "")


def _place(vif: Vif, bridge: str) -> Place:
    return Place(vif.bridge, vif.mac, vlan_of(vif.bridge, bridge), tuple(vif.options.get("ip", "").split()))


def _interface(place: Place) -> str:
    vlan = "" if place.vlan is None else f"VLAN {place.vlan}"
    return ", ".join(word for word in (place.bridge or "default bridge", vlan, place.mac, *place.ips) if word)


def _size(disk: Disk, volumes: Iterable[Volume], devices: Devices, images: Mapping[str, int]) -> int | None:
    volume = locate(disk.path, volumes, devices)
    return volume.size if volume else images.get(devices.get(absolute(disk.path), ""))


def _row(one: Entry) -> tuple[str, str, str, str, str, str, str]:
    network = ", ".join(" ".join([place.bridge or "?", *place.ips]) for place in one.network) or "-"
    volumes = ", ".join(_volume(space) for space in one.volumes) or "-"
    return one.name, one.state, f"{one.memory}M", str(one.vcpus), network, volumes, "yes" if one.autostart else "no"


def _volume(space: Space) -> str:
    path = space.path.removeprefix("/dev/")
    return f"{path} {format_size(space.size)}" if space.size is not None else f"{path} (missing)"
