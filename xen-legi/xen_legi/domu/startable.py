"""Whether a domU can start, as far as its file and this host tell before xl(1) does, in many lines."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import NO_IMAGES, Devices, Images, backing
from xen_legi.errors import die
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume


def boots_from(domu: DomuConfig) -> dict[str, str]:
    """Return the files of dom0 that a domU boots from: {"kernel" or "ramdisk": path}. Where it has a boot loader, kernel and
    ramdisk are places in the domU; xl ignores Xen's own boot program, which is the kernel in old files of HVM."""
    if domu.settings.get("bootloader"):
        return {}
    found = {"kernel": domu.kernel, "ramdisk": domu.ramdisk}
    if domu.type == "hvm" and PurePath(domu.kernel).name == "hvmloader":
        del found["kernel"]
    return {what: path for what, path in found.items() if path}


def check(domu: DomuConfig) -> None:
    """Die if its kernel or a disk is not there."""
    needed = [*boots_from(domu).values(), *(disk.path for disk in domu.disks)]
    missing = [one for one in needed if one.startswith("/") and not Path(one).exists()]
    if missing:
        die(f"domU {domu.name} needs {', '.join(missing)}, which is not there", hint=f"see {domu.file}")


def in_use(
    domu: DomuConfig, domus: Iterable[DomuConfig], volumes: Sequence[Volume], known: Devices, files: Images = NO_IMAGES
) -> list[Volume | Image]:
    """Return the volumes and images that a domU writes and that something has open, though it is off: a program of dom0 that
    mends or enlarges what is on them, or a mount. Those that another domU has as well are shared with it."""
    others = [backing(disk.path, volumes, known, files) for one in domus if one.file != domu.file for disk in one.disks]
    own = [backing(disk.path, volumes, known, files) for disk in domu.disks if disk.access == "w"]
    return [one for one in own if one and one.open and one not in others]
