"""What is wrong with the file of one domU by itself: yielded as (level, text). Pure.

An error is what xl(1) certainly refuses, or with what the guest certainly does not boot; all else is a warning.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from xen_legi.domu import shape, startable
from xen_legi.domu.config import DomuConfig, Vif, is_domu
from xen_legi.domu.disks import absolute, locate
from xen_legi.domu.lint_here import Here
from xen_legi.domu.lint_shared import macs, read, written
from xen_legi.domu.loader import is_pygrub, is_restricted
from xen_legi.kernels import root

_KERNEL, _RAMDISK = re.compile(r"vmlinu[xz]-(\d.*)"), re.compile(r"initrd(?:\.img)?-(\d.*)")
_XVD = re.compile(r"xvd[a-z]+\d*")  # other names may be others in the guest: its sda is xvda for some kernels
_BRIDGING = ("vif-bridge", "vif-openvswitch", "vif-xen-legi")
_DOMUS_OWN = {"builder", "bootloader", "firmware", "kernel", "memory", "ramdisk", "type"}


def is_meant(one: DomuConfig) -> bool:
    """Tell whether a file is meant for a domU, also where xl would not take it; that of a cpupool has a name, too."""
    return is_domu(one) or bool(one.disks or one.vifs or _DOMUS_OWN & one.settings.keys())


def alone(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with one file by itself."""
    if not domu.name:
        yield "error", "it has no name: xl refuses it"
    yield from _kernel(domu, here)
    if not domu.settings.get("bootloader"):  # else root may be what that one finds
        yield from _root(domu, here)
    yield from _missing_disks(domu, here)
    yield from _twice(domu, here)
    yield from sorted({found for vif in domu.vifs for found in _bridge(vif, here)})
    if not domu.memory:
        yield "warning", "it has no memory line: xl gives it 128 MiB"
    yield from _too_much_memory(domu, here)
    most = shape.maxima(domu)
    if 0 < most.memory < domu.memory:
        yield "warning", f"its maxmem, {most.memory} MiB, is less than its memory, {domu.memory}"
    if 0 < most.vcpus < domu.vcpus:
        yield "error", f"its maxvcpus, {most.vcpus}, are less than its vcpus, {domu.vcpus}: xl refuses it"


def _too_much_memory(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell if a domU wants more memory than there is, than dom0 leaves where it keeps its own, or than is free now."""
    has = f"its memory, {domu.memory} MiB, is more than the"
    if here.memory is not None and domu.memory > here.memory:
        yield "error", f"{has} {here.memory} of this host"
    elif here.memory is not None and here.free is not None and domu.memory > here.memory - here.of_dom0:
        yield "error", f"{has} {here.memory - here.of_dom0} that dom0 leaves of this host's {here.memory}"
    elif here.free is not None and domu.file in here.off and domu.memory > here.free:
        yield "warning", f"{has} {here.free} that are free now"


def _kernel(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell of a kernel or ramdisk that is not there, or that do not belong together."""
    inside = domu.type == "hvm" or (domu.type == "pv" and domu.settings.get("firmware"))
    if not domu.kernel and not inside and not domu.settings.get("bootloader"):
        yield "error", "it has neither kernel nor bootloader: xl refuses it"
    for what, path in startable.boots_from(domu).items():
        if not path.startswith("/"):
            yield "warning", f"its {what} {path} is not an absolute path: xl looks for it in a directory of its own first"
        elif not here.exists(path):
            yield "error", f"its {what} {path} is not there"
    kernel, ramdisk = _KERNEL.match(PurePath(domu.kernel).name), _RAMDISK.match(PurePath(domu.ramdisk).name)
    if kernel and ramdisk and not _same_version(kernel[1], ramdisk[1]):
        yield "warning", f"its kernel is {kernel[1]}, its ramdisk is of {ramdisk[1]}"
    yield from _pygrub(domu)


def _pygrub(domu: DomuConfig) -> Iterator[tuple[str, str]]:
    """Tell if a program of dom0 reads the domU's disks with all of dom0's rights, each time that it starts."""
    if is_pygrub(domu) and not is_restricted(domu):
        yield "warning", ("pygrub reads its disks as root of dom0 (XSA-443): bootloader_restrict = 1 (Xen 4.17: in the"
                          f" environment, LIBXL_BOOTLOADER_RESTRICT=1), or, better, xen-legi kernel pin {domu.name} own")


def _same_version(one: str, other: str) -> bool:
    """Tell whether two files' names end in one version, after which one of them may have an ending of its own."""
    short, long = sorted((one, other), key=len)
    return bool(re.match(rf"{re.escape(short)}(?![\w+~-])", long))


def _root(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell of a root that its ramdisk does not find, or that is on none of its disks."""
    if domu.ramdisk in here.made and (lost := root.not_found(domu)):
        surely = lost.startswith(("LABEL=", "PARTLABEL=", "PARTUUID=", "/dev/disk/"))
        text = f"its ramdisk {domu.ramdisk}, made for domUs, finds no root={lost}"
        yield "error" if surely else "warning", text
    devices = [one.device for one in domu.disks]
    named = re.fullmatch(r"/dev/((xvd[a-z]+)\d*)", domu.root)
    if named and not {named[1], named[2]} & {*devices} and all(_XVD.fullmatch(one) for one in devices):
        yield "warning", f"its root {domu.root} is none of its disks: {', '.join(devices) or 'it has none'}"


def _twice(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    """Tell what a domU has twice; xl takes all but a device of its own twice."""
    for device in _again(disk.device for disk in domu.disks if disk.device):
        yield "error", f"it has two disks {device}"
    writes = written(domu, here)
    for disk in (one for one in _again([*writes, *read(domu, here)]) if one in writes):
        yield "warning", f"it has the disk {disk} twice"
    for mac in _again(macs(domu)):
        yield "warning", f"two of its vifs have the MAC address {mac}"


def _again(things: Iterable[str]) -> list[str]:
    """Return what is there more than once."""
    return sorted(thing for thing, count in Counter(things).items() if count > 1)


def _bridge(vif: Vif, here: Here) -> Iterator[tuple[str, str]]:
    """Tell if the script of a vif will not find its bridge. Other scripts than these may need none, another domain has its
    own."""
    script = PurePath(vif.options.get("script") or here.script).name
    bridge = vif.bridge or here.bridge
    if script in ("vif-openvswitch", "vif-xen-legi"):
        bridge = re.split("[.:]", bridge)[0]  # VLANs follow it
    elsewhere = vif.options.get("backend", "0") not in ("0", "Domain-0")
    old = f"eth{bridge.removeprefix('xenbr')}" if bridge.startswith("xenbr") else ""  # vif-bridge takes that instead
    if elsewhere or script not in _BRIDGING or bridge in here.bridges or old in here.bridges:
        return
    if bridge not in here.links:
        what = f"its bridge {bridge}" if vif.bridge else f"it has a vif without a bridge, and that of such, {bridge},"
        yield "error", f"{what} is not there"
    elif script != "vif-openvswitch":
        yield "error" if bridge in here.cards else "warning", f"its bridge {bridge} is no bridge"


def _missing_disks(domu: DomuConfig, here: Here) -> Iterator[tuple[str, str]]:
    for disk in domu.disks:
        path = absolute(disk.path)
        if not disk.path or here.exists(path):
            continue
        if volume := locate(path, here.volumes, here.devices):
            yield "warning", f"its disk {path} is not active: lvchange -ay {volume.full_name}"
        else:  # what is no path may be what a block script understands, and nobody else
            yield "error" if disk.path.startswith("/") else "warning", f"its disk {path} is not there"
