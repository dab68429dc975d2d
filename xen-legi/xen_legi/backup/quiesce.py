"""A running domU is asked to write what it holds in memory before its ghosts are made, as Alt-SysRq-S would at its keyboard.

A copy is what a power cut would have left, which a journal mends; what was written and not synced yet would be missing.
"""

import time

from xen_legi.domu import xl
from xen_legi.errors import CommandFailed
from xen_legi.run import run
from xen_legi.steps import named_point, warn


def ask(name: str, seconds: int) -> None:
    """Ask a domU that runs, and wait: it does not tell when it is done. One that cannot be asked is copied as it is."""
    number = xl.running_number(name) if seconds and xl.answers() else None
    if number is None:
        return
    try:
        run(["xl", "sysrq", str(number), "s"], timeout=30)
    except CommandFailed as error:
        return warn(f"{name} could not be asked to write what it holds in memory: {error.message}")
    named_point("backup:sync-asked")
    time.sleep(seconds)
