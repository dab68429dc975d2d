"""The disks of running domUs as Xen's back end in dom0 offers them: what size the guest was told last.

The back end notices a larger volume when the guest next uses the disk, and tells it then (drivers/block/xen-blkback).
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from xen_legi import files
from xen_legi.run import run

_DEVICES = Path("/sys/bus/xen-backend/devices")
_SECTOR = 512


def told(domain: int, device: Path) -> int | None:
    """Return the bytes of a device of dom0 as a domain was told them, or None if the domain has no disk that is this, or has
    not asked yet: it is paused, or boots."""
    if not (one := _disk(domain, device)):
        return None
    sectors = run(["xenstore-read", f"backend/vbd/{domain}/{one}/sectors"], ok=(0, 1), timeout=60).stdout.strip()
    return int(sectors) * _SECTOR if sectors.isdecimal() else None


def serves(domain: int, devices: Iterable[Path]) -> Path | None:
    """Return that of these devices of dom0 which a domain has as a disk, None if it has none of them."""
    return next((one for one in devices if _disk(domain, one)), None)


def tells(domain: int, device: Path, size: int, wait: float) -> bool:
    """Wait up to `wait` seconds until a domain has been told that its disk has `size` bytes; tell whether it has."""
    deadline = time.monotonic() + wait
    while told(domain, device) != size:
        if time.monotonic() >= deadline:
            return False
        time.sleep(1)
    return True


def _disk(domain: int, device: Path) -> str:
    """Return the number in xenstore of the disk of a domain that is this device, nothing if it has none."""
    number = os.stat(device).st_rdev
    wanted = f"{os.major(number):x}:{os.minor(number):x}"
    found = (one for one in _DEVICES.glob(f"vbd-{domain}-*") if files.read(one / "physical_device").strip() == wanted)
    return next((one.name.rpartition("-")[2] for one in found), "")
