"""The disks of running domUs as Xen's back end in dom0 offers them: what size the guest was told last.

The back end notices a larger volume when the guest next uses the disk, and tells it then (drivers/block/xen-blkback).
"""

import os
import time
from pathlib import Path

from xen_legi import files
from xen_legi.run import run

_DEVICES = Path("/sys/bus/xen-backend/devices")
_SECTOR = 512


def told(domain: int, device: Path) -> int | None:
    """Return the bytes of a device of dom0 as a domain was told them, or None if the domain has no disk that is this."""
    number = os.stat(device).st_rdev
    wanted = f"{os.major(number):x}:{os.minor(number):x}"
    for one in _DEVICES.glob(f"vbd-{domain}-*"):
        if files.read(one / "physical_device").strip() == wanted:
            path = f"backend/vbd/{domain}/{one.name.rpartition('-')[2]}/sectors"
            return int(run(["xenstore-read", path], timeout=60).stdout) * _SECTOR
    return None


def tells(domain: int, device: Path, size: int, wait: float) -> bool:
    """Wait up to `wait` seconds until a domain has been told that its disk has `size` bytes; tell whether it has."""
    deadline = time.monotonic() + wait
    while told(domain, device) != size:
        if time.monotonic() >= deadline:
            return False
        time.sleep(1)
    return True
