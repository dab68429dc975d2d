"""What boots a domU: a kernel that dom0 has, or a boot loader that takes one out of the domU's own disks. Pure.

GRUB's images for Xen are those of Debian's grub-xen-host. They look for boot/grub/grub.cfg, and for grub/grub.cfg, on all
disks of the domU, and run inside it: what they read there is nothing that dom0 has to trust. pygrub(1) runs in dom0 instead.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from xen_legi.domu.config import DomuConfig

PACKAGE = "grub-xen-host"
_DIRECTORY = Path("/usr/lib/grub-xen")
IMAGES: Mapping[str, Path] = {"pv": _DIRECTORY / "grub-x86_64-xen.bin", "pvh": _DIRECTORY / "grub-i386-xen_pvh.bin"}
# wherever it was built or put: grub-x86_64-xen.bin, pvgrub2.bin, pv-grub-x86_64.gz, pvboot-x86_64.elf; Xen's firmware of HVM
_LOADER = re.compile(r"/usr/lib/xen.*|(?:.*/)?grub-xen/.*|(?:.*/)?(?:grub[^/]*xen[^/]*|pv-?h?-?grub[^/]*|pvboot[^/]*)")


def described(domu: DomuConfig) -> str:
    """Return what its file says of where a domU's own kernel comes from; nothing if it starts with one that dom0 has."""
    if named := domu.settings.get("bootloader", ""):
        return f"its boot loader is {named}" if domu.kernel else "it names none"
    if not domu.kernel:
        return "it names none"
    if domu.type == "hvm" or _LOADER.fullmatch(domu.kernel):
        return f"its kernel is {domu.kernel}"
    return ""


def is_pygrub(domu: DomuConfig) -> bool:
    """Tell whether dom0 reads the domU's disks to find its kernel."""
    return domu.type != "hvm" and domu.settings.get("bootloader", "").rpartition("/")[2] == "pygrub"


def is_restricted(domu: DomuConfig) -> bool:
    """Tell whether its file has xl run the boot loader without dom0's rights: bootloader_restrict in xl.cfg(5) of Xen 4.20.
    Xen 4.17 knows it only from the environment (LIBXL_BOOTLOADER_RESTRICT, see xl(1)), and passes by what the file says."""
    return domu.settings.get("bootloader_restrict") == "1"
