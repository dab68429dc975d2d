"""Modules for a domU that runs, by rsync(1) over ssh. The domU is not trusted: it has a time to answer in, and what it says
is shown as one line of printable letters."""

import contextlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from xen_legi.domu import addresses
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import CommandFailed, die, fail
from xen_legi.install.copying import KEEPING, watched
from xen_legi.kernels.guest_modules import KERNELS_OWN, NEW, TREES
from xen_legi.kernels.store import Kernel
from xen_legi.run import run

_SSH = (
    "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "StrictHostKeyChecking=accept-new",
    "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=8",
)  # fmt: skip
# in all less than who waits for the lock of the kernels waits
_RSYNC = ("timeout", "1500", "rsync", *KEEPING, "--timeout=300")
# what it says, up to 64 KiB
_HEARD = ("bash", "-c", 'set -o pipefail; "$@" 2>&1 | head -c 65536', "bash")
# what is known before the first change: who it is, whether it can, and whether the tree is there
_ASK = (
    "cat /sys/class/net/*/address; ! command -v rsync >/dev/null || echo xen-legi:rsync; "
    "test ! -d {tree} || echo xen-legi:tree"
)
# what any push that was killed left: the domU's lock is held
_CLEAN = f"mkdir -p {TREES} && rm -rf {TREES}/{NEW}*"
# the new tree takes the place of none, or of what is no directory
_SETTLE = "rm -rf {tree} && mv {new} {tree} && sync"
# modules of its own come into the list of modules again
_LIST = "! command -v depmod >/dev/null || depmod {version}; sync"


@dataclass(frozen=True)
class Login:
    """Where a domU is reached, and its MAC addresses in small letters (none: not all known), by which it is recognized."""

    address: str
    macs: frozenset[str]

    @property
    def rsync_host(self) -> str:
        """Return how rsync writes it."""
        return f"root@[{self.address}]" if ":" in self.address else f"root@{self.address}"

    def run(self, command: str, timeout: float) -> str:
        """Run a shell line there and return what it prints."""
        done = run([*_HEARD, *_SSH, f"root@{self.address}", command], timeout=timeout, ok=range(256))
        if done.status:
            raise CommandFailed(("ssh", self.address), done.status, done.stdout)
        return done.stdout


def login(where: str, domu: DomuConfig) -> Login:
    """Return how a domU is reached. Xen makes up the MAC of an interface that has none in its file."""
    macs = [vif.mac.lower() for vif in domu.vifs]
    return Login(where, frozenset(macs) if all(macs) else frozenset())


def address(domu: DomuConfig, wanted: str) -> str:
    """Return where a running domU is reached: `wanted`, else the first address in its file. Die if there is none."""
    words = [word.partition("/")[0] for vif in domu.vifs for word in vif.options.get("ip", "").split()]
    known = [wanted] if wanted else words
    if not known:
        die(f"no address of {domu.name} is known", hint="say it with --address, or stop the domU: its disk is written then")
    return str(addresses.address(known[0], what="address"))


def push(guest: Login, kernel: Kernel, options: Sequence[str], total: int) -> None:
    """Let rsync in the guest take the tree. Fail if it does not."""
    tree, new = f"{TREES}/{kernel.version}", f"{TREES}/{NEW}{kernel.version}"
    try:
        there = _is_there(guest, tree)
        guest.run(_CLEAN, 300)
        try:
            _copy(guest, kernel, tree if there else new, (*options, *(KERNELS_OWN if there else ())), total)
        except BaseException:
            with contextlib.suppress(CommandFailed):
                guest.run(f"rm -rf {new}", 60)
            raise
        settle = _LIST.format(version=kernel.version) if there else _SETTLE.format(tree=tree, new=new)
        guest.run(settle, 300)
    except CommandFailed as failed:
        fail(f"{guest.address} did not take the modules: {_said(failed)}",
             hint="can root of this host log in there by a key? else stop the domU: its disk is written then")


def _is_there(guest: Login, tree: str) -> bool:
    """Tell whether the guest has a tree of this kernel. Die if it is another machine, or has no rsync."""
    words = guest.run(_ASK.format(tree=tree), 60).lower().split()
    if guest.macs and not guest.macs & set(words):
        die(f"{guest.address} is another machine: it has no MAC address of the domU", hint="say where it is: --address")
    if "xen-legi:rsync" not in words:
        die(f"rsync is not installed on {guest.address}", hint="install it there, or stop the domU, and its disk is written")
    return "xen-legi:tree" in words


def _copy(guest: Login, kernel: Kernel, place: str, options: Sequence[str], total: int) -> None:
    argv = [*_RSYNC, *options, f"{kernel.modules}/", f"{guest.rsync_host}:{place}/"]
    watched(argv, what="copied", total=total, env={"RSYNC_RSH": shlex.join(_SSH)})


def _said(failed: CommandFailed) -> str:
    """Return the last line that the guest said."""
    return printable((failed.stderr.strip().splitlines() or ["it says nothing"])[-1])


def printable(text: str) -> str:
    """Return what a guest said, or named, without anything that a terminal would obey."""
    return re.sub(r"[^\x20-\x7e]", "?", text)[:200]
