"""What is wrong with the file of one domU by itself: yielded as (level, text). Pure.

An error is what xl(1) certainly refuses, or with what the guest certainly does not boot; all else is a warning.
"""

from collections.abc import Iterator

from xen_legi.domu.config import DomuConfig, is_domu
from xen_legi.domu.disks import absolute, locate
from xen_legi.domu.lint_here import Here

_DOMUS_OWN = {"builder", "bootloader", "firmware", "kernel", "memory", "ramdisk", "type"}


def is_meant(one: DomuConfig) -> bool:
    """Tell whether a file is meant for a domU, also where xl would not take it; that of a cpupool has a name, too."""
    return is_domu(one) or bool(one.disks or one.vifs or _DOMUS_OWN & one.settings.keys())


def alone(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with one file by itself."""
    if not domu.name:
        yield "error", "it has no name: xl refuses it"
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
