"""Grow the filesystem on a volume that nobody uses, to the size of the volume. See resize2fs(8), xfs_growfs(8).

A command that is half way in a filesystem is left to finish when we die.
"""

from pathlib import Path

from xen_legi.errors import fail
from xen_legi.run import run
from xen_legi.storage import identity, namespace
from xen_legi.storage.identity import EXT, SWAP, Identity

TIMEOUT = 7200  # seconds: every block group may have to be moved
_CORRECTED = 1  # e2fsck(8)


def kind(device: Path) -> str:
    """Return what is on a device: ext4, xfs, swap; "" if nothing is that blkid knows."""
    return identity.blkid(device).get("TYPE", "")


def grow(device: Path) -> str:
    """Make what is on a device as large as the device; return its type, "" if it is nothing that we can grow."""
    values = identity.blkid(device)
    found = values.get("TYPE", "")
    if found in EXT:
        _ext(device)
    elif found == "xfs":
        _xfs(device)
    elif found == SWAP:
        identity.make(Identity(SWAP, values.get("UUID", ""), values.get("LABEL", "")), device)
    else:
        return ""
    return found


def command(of: str, device: str) -> str:
    """Return the command that grows a filesystem in the domU itself, where the disk is /dev/DEVICE; "" if there is none."""
    if of in EXT:
        return f"resize2fs /dev/{device}"
    return {"xfs": f"xfs_growfs /dev/{device}", SWAP: f"swapoff /dev/{device}; mkswap /dev/{device}; swapon -a"}.get(of, "")


def _ext(device: Path) -> None:
    checked = run(["e2fsck", "-f", "-p", device], ok=range(64), timeout=TIMEOUT, outlives_us=True)
    if checked.status > _CORRECTED:
        fail(f"the filesystem on {device} has errors: {_last(checked.stdout + checked.stderr)}",
             hint=f"the volume has its new size; mend it with e2fsck -f {device}; the next command grows it")
    run(["resize2fs", device], timeout=TIMEOUT, outlives_us=True)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing more is said"])[-1]


def _xfs(device: Path) -> None:
    namespace.enter()
    with namespace.mounted(device, "xfs", writable=True) as place:
        run(["xfs_growfs", place], timeout=TIMEOUT, outlives_us=True)
