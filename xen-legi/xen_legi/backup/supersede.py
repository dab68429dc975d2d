"""A sender that begins a copy has no other run of it any more: what still works for one here is ended.

After a break that nobody noticed (a pulled cable) the sender gives up within a minute; here rsync waits ten minutes for it
and holds the copy. A domU has one run at a time on its own host, which holds a lock for it there. So a `begin` means that
whatever this peer's earlier orders are still doing with the copy is in vain. To be killed at any moment is what they bear.
"""

import os
import signal
from pathlib import Path

from xen_legi import steps

_CALLED = ("receive", "--peer")


def end_former(lock: str, peer: str, proc: Path = Path("/proc")) -> bool:
    """Tell the process that holds a copy's lock to end, if it works for this peer. Return whether one was told."""
    found = steps.holder(lock)
    if not found or not steps.is_locked(lock):
        return False
    pid = found[0]
    try:
        process = os.pidfd_open(pid)  # from here on the number cannot become another process's
    except OSError:
        return False
    try:
        if pid == os.getpid() or not _works_for(peer, proc / str(pid)):
            return False
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return True
    except OSError:
        return False
    finally:
        os.close(process)


def _works_for(peer: str, process: Path) -> bool:
    """Tell whether a process is a receiver that sshd has started for this peer."""
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return any(Path(one).name == _CALLED[0] and words[at + 1:at + 3] == [_CALLED[1], peer] for at, one in enumerate(words))
