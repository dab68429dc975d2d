"""How a run stands back at this host's disks: see ionice(1). All that it starts on this host inherits it."""

import os

from xen_legi.run import run

_LEVELS = {"": ("-c", "0"), "idle": ("-c", "3"), "best-effort": ("-c", "2", "-n", "7")}
_now = ""  # as it was found, until a setting says something else


def stand_back(how: str) -> None:
    """Take the wished place: idle, best-effort (its lowest), or nothing: that of every other process."""
    global _now
    if how != _now:
        run(["ionice", *_LEVELS[how], "-p", str(os.getpid())], timeout=60)
        _now = how
