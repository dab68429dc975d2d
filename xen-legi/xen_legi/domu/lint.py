"""What would keep the domUs of this host from starting, or set them against each other: files and facts in, text out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xen_legi.domu.config import AUTOSTART, DomuConfig, Unreadable
from xen_legi.domu.disks import Devices, absolute, locate
from xen_legi.finding import Finding
from xen_legi.storage.lvm import Volume


@dataclass(frozen=True)
class Here:
    """What the host has. `devices`: where the disks' paths lead; `memory`: the MiB of the whole host (None if not known),
    `of_dom0` of it dom0's, `free` nobody's (None if dom0 gives up some of its own for domUs); `autostarted`: the names of
    domUs that start with it; `off`: the files of those that do not run."""

    exists: Callable[[str], bool]
    volumes: Sequence[Volume]
    devices: Devices
    bridges: frozenset[str]
    memory: int | None
    of_dom0: int = 0
    autostarted: frozenset[str] = frozenset()
    free: int | None = None
    off: frozenset[Path] = frozenset()


def lint(domus: Sequence[DomuConfig], broken: Iterable[Unreadable], here: Here) -> list[Finding]:
    """Return what is wrong with these files, in their order."""
    found = [Finding(str(one.file), "error", f"cannot be read: {one.reason}") for one in broken]
    for one in domus:
        found += [Finding(str(one.file), level, text) for level, text in _alone(one, here)]
    found += _shared(domus, _names, "the name {}")
    found += _shared(domus, _macs, "the MAC address {}")
    found += _shared(domus, lambda one: _written(one, here), "the disk {}")
    return sorted([*found, *_together(domus, here)])


def _together(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell if the domUs that start with dom0 want more memory than it leaves."""
    wanted = sum(one.memory for one in domus if one.name in here.autostarted)
    if here.memory is not None and wanted > here.memory - here.of_dom0:
        left = f"dom0 leaves {here.memory - here.of_dom0}"
        yield Finding(str(AUTOSTART), "warning", f"the domUs that start with dom0 want {wanted} MiB, {left}")


def _alone(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with one file by itself."""
    for what, path in (("kernel", domu.kernel), ("ramdisk", domu.ramdisk)):
        if path and not here.exists(path):
            yield "error", f"its {what} {path} is not there"
    yield from _missing_disks(domu, here)
    devices = [disk.device for disk in domu.disks if disk.device]
    for device in sorted({one for one in devices if devices.count(one) > 1}):
        yield "error", f"it has two disks {device}"
    for bridge in sorted({vif.device for vif in domu.vifs if vif.device} - here.bridges):
        yield "error", f"its bridge {bridge} is not there"
    if not domu.memory:
        yield "warning", "it has no memory line: xl gives it 128 MiB"
    yield from _too_much_memory(domu, here)


def _too_much_memory(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell if a domU wants more memory than there is, than dom0 leaves where it keeps its own, or than is free now."""
    has = f"its memory, {domu.memory} MiB, is more than the"
    if here.memory is not None and domu.memory > here.memory:
        yield "error", f"{has} {here.memory} of this host"
    elif here.memory is not None and here.free is not None and domu.memory > here.memory - here.of_dom0:
        yield "error", f"{has} {here.memory - here.of_dom0} that dom0 leaves of this host's {here.memory}"
    elif here.free is not None and domu.file in here.off and domu.memory > here.free:
        yield "warning", f"{has} {here.free} that are free now"


def _missing_disks(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    for disk in domu.disks:
        path = absolute(disk.path)
        if not disk.path or here.exists(path):
            continue
        if volume := locate(path, here.volumes, here.devices):
            yield "warning", f"its disk {path} is not active: lvchange -ay {volume.full_name}"
        else:  # what is no path may be what a block script understands, and nobody else
            yield "error" if disk.path.startswith("/") else "warning", f"its disk {path} is not there"


def _shared(domus: Sequence[DomuConfig], of: Callable[[DomuConfig], Iterable[str]], text: str) -> Iterator[Finding]:
    """Tell what several files have that only one may have."""
    holders: dict[str, list[Path]] = {}
    for one in domus:
        for thing in dict.fromkeys(of(one)):
            holders.setdefault(thing, []).append(one.file)
    for thing, files in holders.items():
        for file in files if len(files) > 1 else ():
            others = ", ".join(str(other) for other in files if other != file)
            yield Finding(str(file), "error", f"{text.format(thing)} is that of {others}, too")


def _names(one: DomuConfig) -> list[str]:
    return [one.name]


def _macs(one: DomuConfig) -> list[str]:
    return [vif.mac.upper() for vif in one.vifs if vif.mac]


def _written(one: DomuConfig, here: Here) -> Iterator[str]:
    """The disks that a domU may write, each by one name however its path is written."""
    for path in (absolute(disk.path) for disk in one.disks if disk.path and disk.access != "r"):
        volume = locate(path, here.volumes, here.devices)
        yield str(volume.path) if volume else here.devices.get(path, path)
