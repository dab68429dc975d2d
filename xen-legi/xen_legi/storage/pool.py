"""Is there room in a thin pool? Pure. A pool that is full, its data or its metadata, stops every domU that is in it
(lvmthin(7))."""

from xen_legi.errors import die
from xen_legi.storage.lvm import Volume
from xen_legi.units import format_size

_FULL = 90  # percent from which on it is too full for one more domU


def is_pool(volume: Volume) -> bool:
    """Tell whether a volume is a thin pool: lvs(8), lv_attr."""
    return volume.attributes.startswith("t")


def check_room(pool: Volume, wanted: int = 0) -> None:
    """Die if a thin pool is nearly full, or would be with so many bytes more. Of one that is not active nothing is known."""
    if (pool.table or 0) >= _FULL:
        die(f"the metadata of the thin pool {pool.full_name} are full to {pool.table:.0f} %",
            hint=f"make them larger first: lvextend --poolmetadatasize +64M {pool.full_name}")
    percent = pool.percent or 0
    if percent >= _FULL:
        die(f"the thin pool {pool.full_name} is full to {percent:.0f} %", hint="make it larger first: lvextend(8)")
    free = int(pool.size * (_FULL - percent) / 100)
    if wanted > free:
        room = f"has room for {format_size(free)} before it is nearly full, {format_size(wanted)} are needed"
        die(f"the thin pool {pool.full_name} {room}", hint="make it larger first: lvextend(8)")
