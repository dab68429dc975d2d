"""Whether a domU can start, as far as its file and this host tell before xl(1) does, in many lines."""

from pathlib import Path

from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die


def check(domu: DomuConfig) -> None:
    """Die if its kernel or a disk is not there."""
    needed = [domu.kernel, domu.ramdisk, *(disk.path for disk in domu.disks)]
    missing = [one for one in needed if one.startswith("/") and not Path(one).exists()]
    if missing:
        die(f"domU {domu.name} needs {', '.join(missing)}, which is not there", hint=f"see {domu.file}")
