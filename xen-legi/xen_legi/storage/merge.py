"""A volume is set back to one of its snapshots, which vanishes: lvconvert(8), --merge.

If anything has the volume open at that moment, be it udev for an instant or a receiver that is waiting for a dead sender,
lvm2 puts the merge off to the next activation and ends well (status 0): the volume keeps what it has, and loses later what
was written since. lvs shows it as if the merge were under way; the kernel's table of the volume tells the difference.
"""

import time

from xen_legi.errors import fail
from xen_legi.run import run
from xen_legi.storage import lvm
from xen_legi.storage.lvm import MERGE_TIMEOUT, TIMEOUT, Volume

_TRIES = 10


def merge(snapshot: Volume, *, background: bool = False) -> None:
    """Set the origin of a snapshot back to it. In the background, it can be used at once. Raise Problem if it is in use."""
    how = ["--background"] if background else []
    run(["lvconvert", "--merge", "--interval", "1", *how, snapshot.full_name], timeout=MERGE_TIMEOUT, outlives_us=True)
    see_begun(snapshot.group, snapshot.origin)
    if not background:
        _wait(snapshot.group, snapshot.origin)


def see_begun(group: str, name: str) -> None:
    """See that a merge into this volume which was put off begins now. Raise Problem if the volume is still in use."""
    for attempt in range(_TRIES):
        if not _put_off(group, name):
            return
        run(["udevadm", "settle", "--timeout=10"], ok=range(256))
        run(["lvchange", "--refresh", "--poll", "y", f"{group}/{name}"], timeout=TIMEOUT, ok=range(256), outlives_us=True)
        time.sleep(0.2 * attempt)
    if _put_off(group, name):
        fail(f"{group}/{name} is in use and is set back only when it is free",
             hint="who has it open? see lsof(8), xl list, mount, pgrep -af xen-legi/receive; then try again")


def _put_off(group: str, name: str) -> bool:
    """Tell whether a merge into this volume waits for its next activation."""
    volume = lvm.find(group, name)
    if volume is None or not volume.merging or not volume.active:
        return False
    table = run(["dmsetup", "table", lvm.device_mapper_name(group, name)], timeout=TIMEOUT).stdout.split()
    return table[2:3] == ["snapshot-origin"]


def _wait(group: str, name: str) -> None:
    """Wait until a merge that began late is over; lvconvert waits for one that it begins itself."""
    deadline = time.monotonic() + MERGE_TIMEOUT
    while (volume := lvm.find(group, name)) and volume.merging:
        if time.monotonic() > deadline:
            fail(f"{group}/{name} is still being set back after {MERGE_TIMEOUT} s", hint="lvs -a shows how far it is")
        time.sleep(1)
