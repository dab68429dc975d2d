"""What the other dom0s say of a domU whose copy this host starts or takes back: two of one domU is worse than none."""

from xen_legi.backup import destination
from xen_legi.backup.generations import Copy
from xen_legi.errors import Problem, die
from xen_legi.peers import book
from xen_legi.peers.book import Peer
from xen_legi.steps import say

_TIMEOUT = 120  # seconds, see xl.stays


def need_off(copy: Copy, *, force_dead: bool) -> bool:
    """Die if the domU of another host's copy runs on any peer, or may run on its own host: unless that answers, the caller
    must know it to be dead. Tell whether it answers."""
    _need_off_among([one for one in book.all_peers() if one.name != copy.source], copy.domu)
    peer = book.find(copy.source)
    if peer is None:
        if force_dead:
            return False
        die(f"{copy.source}, the host of {copy.domu}, is no peer of this one and cannot be asked whether it runs there",
            hint="if you know that it does not run, say --force-dead")
    try:
        running, _ = _ask(peer, copy.domu)
    except Problem as problem:
        if force_dead:
            say(f"• {problem.message}; taken for dead, as you say")
            return False
        die(problem.message, hint=f"if {copy.source} is dead or {copy.domu} off for certain, say --force-dead")
    if running:
        _die_running(copy.domu, copy.source)
    return True


def need_off_everywhere(domu: str) -> None:
    """Die if a domU that this host has lost runs on a peer. One that cannot be asked is told."""
    _need_off_among(book.all_peers(), domu)


def need_another(copy: Copy, *, force_dead: bool) -> None:
    """Die unless the own host of a promoted copy has the domU itself, or the caller knows better: after the undo, what is
    here is overwritten by that host's next run, and if there is none, nobody has the domU any more."""
    if force_dead:
        return
    hint = f"the next run from there would overwrite it; if this {copy.domu} may be lost, add --force-dead"
    peer = book.find(copy.source)
    if peer is None:
        die(f"{copy.source}, of which this is a copy, is no peer and cannot be asked whether it has {copy.domu}", hint=hint)
    try:
        _, defined = _ask(peer, copy.domu)
    except Problem as problem:
        die(f"{problem.message}: does it have {copy.domu}?", hint=hint)
    if not defined:
        die(f"{copy.source} has no {copy.domu} in /etc/xen: the one here may be the only one", hint=hint)


def _need_off_among(peers: list[Peer], domu: str) -> None:
    for one in peers:
        try:
            running, _ = _ask(one, domu)
        except Problem as problem:
            say(f"• {problem.message}: make sure that {domu} does not run there")
            continue
        if running:
            _die_running(domu, one.name)


def _ask(peer: Peer, domu: str) -> tuple[bool, bool]:
    """Return whether a domU runs on a peer, and whether it has a file there. Raise Problem if it does not say so."""
    answer = destination.remote(peer).call("domu", domu, timeout=_TIMEOUT)
    try:
        return bool(answer["running"]), bool(answer["defined"])
    except KeyError as error:
        raise destination.strange(peer.name, error) from None


def _die_running(domu: str, host: str) -> None:
    die(f"{domu} runs on {host}", hint=f"there: xl shutdown -w {domu}")
