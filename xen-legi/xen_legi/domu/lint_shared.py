"""What several domUs have that only one may have. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from xen_legi.domu import addresses, startable
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import absolute, locate
from xen_legi.domu.lint_here import Here
from xen_legi.finding import Finding
from xen_legi.storage.images import Image


def shared(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell it for each of them: an error, unless xl does not refuse the second one or they may do without each other."""
    yield from _shared(domus, _names, "the name {}")
    yield from _shared(domus, macs, "the MAC address {}")
    yield from _shared(domus, lambda one: addresses.of_vifs(one.vifs), "the address {}", level="warning")
    yield from _shared(domus, lambda one: written(one, here), "the disk {}")
    yield from _read_and_written(domus, here)
    yield from _open(domus, here)


def macs(one: DomuConfig) -> list[str]:
    """Return the MAC addresses of a domU, in capitals."""
    return [vif.mac.upper() for vif in one.vifs if vif.mac]


def written(one: DomuConfig, here: Here) -> list[str]:
    """Return the disks that a domU may write, each by one name however its path is written."""
    return [_disk(disk.path, here) for disk in one.disks if disk.path and disk.access != "r"]


def read(one: DomuConfig, here: Here) -> list[str]:
    """Return those that it only reads."""
    return [_disk(disk.path, here) for disk in one.disks if disk.path and disk.access == "r"]


def _disk(path: str, here: Here) -> str:
    volume = locate(path, here.volumes, here.devices)
    return str(volume.path) if volume else here.devices.get(absolute(path), absolute(path))


def _holders(domus: Sequence[DomuConfig], of: Callable[[DomuConfig], Iterable[str]]) -> dict[str, list[Path]]:
    """Return who has what: {thing: files}."""
    holders: dict[str, list[Path]] = {}
    for one in domus:
        for thing in dict.fromkeys(of(one)):
            holders.setdefault(thing, []).append(one.file)
    return holders


def _shared(
    domus: Sequence[DomuConfig], of: Callable[[DomuConfig], Iterable[str]], text: str, *, level: str = "error"
) -> Iterator[Finding]:
    """Tell what several files have that only one may have."""
    for thing, files in _holders(domus, of).items():
        for file in files if len(files) > 1 else ():
            others = ", ".join(str(other) for other in files if other != file)
            yield Finding(str(file), level, f"{text.format(thing)} is that of {others}, too")


def _read_and_written(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell of disks that one domU writes and another reads: Xen's script for disks refuses the one while the other runs."""
    writers, readers = _holders(domus, lambda one: written(one, here)), _holders(domus, lambda one: read(one, here))
    for disk in sorted(writers.keys() & readers.keys()):
        for mine, others, text in ((readers, writers, "reads, is written by"), (writers, readers, "writes, is read by")):
            for file in mine[disk]:
                if also := [str(other) for other in others[disk] if other != file]:
                    yield Finding(str(file), "warning", f"the disk {disk}, which it {text} {', '.join(also)}")


def _open(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell of volumes and images that dom0 has open of a domU that is off: xen-legi start refuses it meanwhile."""
    for one in (one for one in domus if one.file in here.off):
        for used in startable.in_use(one, domus, here.volumes, here.devices, here.images):
            who = f"losetup -j {used.path}" if isinstance(used, Image) else f"lsof {used.path}"
            text = f"its disk {used.full_name} is in use, though it is off: {who}"
            yield Finding(str(one.file), "warning", text)


def _names(one: DomuConfig) -> list[str]:
    return [one.name] if one.name else []
