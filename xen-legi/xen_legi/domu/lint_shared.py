"""What several domUs have that only one may have. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import absolute, locate
from xen_legi.domu.lint_here import Here
from xen_legi.finding import Finding


def shared(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell it for each of them."""
    yield from _shared(domus, _names, "the name {}")
    yield from _shared(domus, _macs, "the MAC address {}")
    yield from _shared(domus, lambda one: _written(one, here), "the disk {}")


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
    return [one.name] if one.name else []


def _macs(one: DomuConfig) -> list[str]:
    return [vif.mac.upper() for vif in one.vifs if vif.mac]


def _written(one: DomuConfig, here: Here) -> Iterator[str]:
    """The disks that a domU may write, each by one name however its path is written."""
    for path in (absolute(disk.path) for disk in one.disks if disk.path and disk.access != "r"):
        volume = locate(path, here.volumes, here.devices)
        yield str(volume.path) if volume else here.devices.get(path, path)
