"""A domU that exists comes to start its own kernel, by GRUB: from dom0's, or from pygrub.

It must be off. Its disks are read, as GRUB will read them, and never written: a kernel and a grub.cfg must be there.
"""

import re
from pathlib import Path

from xen_legi.domu import disks, loader, xl, xlcfg
from xen_legi.domu.config import DomuConfig, all_domus
from xen_legi.errors import die
from xen_legi.install.guest import Guest
from xen_legi.kernels import inside
from xen_legi.storage import lvm

WORD = "own"  # in place of a version
# what goes with dom0's kernel, or with pygrub
_GOING = ("ramdisk", "bootloader", "bootloader_args", "bootloader_restrict", "bootloader_user")
_CONFIGS = ("/boot/grub/grub.cfg", "/grub/grub.cfg")  # the latter where /boot is a disk of its own


def with_grub(domu: DomuConfig) -> str:
    """Return the text of a domU's file with GRUB as its kernel; what belonged to the kernel before is gone. Pure. Die if
    that cannot be."""
    image = loader.IMAGES.get(domu.type)
    if not image:
        die(f"{domu.name} is of type {domu.type}: its firmware starts its own kernel", hint="nothing is to be done")
    if (how := loader.described(domu)) and not loader.is_pygrub(domu):
        die(f"{domu.name} brings its own kernel already: in {domu.file} {how}", hint="nothing is to be done")
    found = [one for one in xlcfg.assignments(domu.text) if one.key in (*_GOING, "kernel")]
    changes = [(atom.start, atom.end, str(image)) for one in found for atom in xlcfg.atoms(one.value) if one.key == "kernel"]
    changes += [_whole(domu.text, one) for one in found if one.key != "kernel" and any(xlcfg.atoms(one.value))]
    text = xlcfg.replaced(domu.text, changes)
    return text if domu.kernel else text.rstrip("\n") + f"\nkernel = '{image}'\n"


def check(domu: DomuConfig) -> None:
    """Die unless GRUB is there for it, the domU is off, and GRUB will find a grub.cfg and a kernel."""
    with_grub(domu)
    image = loader.IMAGES[domu.type]
    if not image.is_file():
        die(f"{image}, which starts a domU's own kernel, is not there", hint=f"apt install {loader.PACKAGE}")
    if xl.answers() and xl.stays(domu.name):
        die(f"domU {domu.name} is running: its disks are looked at", hint=f"xen-legi stop {domu.name}")
    told = [_look(path) for path in _disks(domu)]
    if "whole" not in told:
        hint = f"start it with dom0's kernel; in it: apt install linux-image-amd64 grub-xen; then stop it ({domu.file})"
        lacking = "a kernel" if "config" in told else "a /boot/grub/grub.cfg"
        die(f"{domu.name} has no disk with {lacking} that GRUB would find", hint=hint)


def _disks(domu: DomuConfig) -> list[Path]:
    """Return the domU's disks in dom0 that are there and not in use. Die if one is in use."""
    volumes = lvm.volumes()
    known = disks.devices(all_domus(), volumes)
    found = []
    for disk in domu.disks:
        volume = disks.locate(disk.path, volumes, known)
        if volume and volume.open:
            die(f"{volume.full_name} is in use", hint="is it mounted, or is a copy of it under way?")
        path = Path(disks.absolute(disk.path))
        found += [path] if path.exists() else []
    return found


def _look(path: Path) -> str:
    """Return what GRUB needs and a disk has: "whole", only the "config", or nothing."""
    with inside.seen(path) as guest:
        place = next((one for one in _CONFIGS if guest and _is_file(guest, one)), "")
        if not guest or not place:
            return ""
        return "whole" if _kernels(guest, place.removesuffix("/grub/grub.cfg") or "/") else "config"


def _is_file(guest: Guest, inside: str) -> bool:
    """Tell whether there is a file with something in it. It is not read: a guest may give it any size."""
    path = guest.path(inside)
    return path.is_file() and not path.is_symlink() and path.stat().st_size > 0


def _kernels(guest: Guest, boot: str) -> list[str]:
    return [one for pattern in ("vmlinuz-*", "vmlinuz") for one in guest.matching(boot, pattern)]


def _whole(text: str, one: xlcfg.Assignment) -> tuple[int, int, str]:
    """Return the change that takes an assignment away, with its lines if nothing else is on them."""
    first, *_, last = 2 * list(xlcfg.atoms(one.value))
    start = [match.start() for match in re.finditer(rf"\b{one.key}\b\s*\+?=", text[:first.start])][-1]
    end = last.end + (text[last.end:last.end + 1] in ("'", '"'))
    end = text.index("]", end) + 1 if isinstance(one.value, tuple) else end
    line = text.rfind("\n", 0, start) + 1
    rest = re.match(r"[ \t]*;?[ \t]*(?:\n|$)", text[end:])
    if rest and not text[line:start].strip():
        return line, end + rest.end(), ""
    return start, end, ""
