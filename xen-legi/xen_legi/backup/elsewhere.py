"""What the other dom0s say of a domU whose copy this host starts or takes back: two of one domU is worse than none."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from xen_legi import workers
from xen_legi.backup import destination
from xen_legi.backup.generations import Copy
from xen_legi.errors import Problem, die
from xen_legi.peers import book
from xen_legi.peers.book import Peer
from xen_legi.steps import say, step

_TIMEOUT = 120  # seconds, see xl.stays


@dataclass(frozen=True)
class Said:
    """What a peer says of a domU: whether it runs and whether it has a file there; or why it says nothing."""

    host: str
    running: bool = False
    defined: bool = False
    problem: str = ""


def need_off(copy: Copy, *, force_dead: bool) -> bool:
    """Die if the domU of another host's copy runs on any peer, or may run on its own host: unless that answers, the caller
    must know it to be dead. Tell whether it answers."""
    said = _ask(book.all_peers(), copy.domu)
    _need_off_among([one for one in said if one.host != copy.source], copy.domu)
    own = next((one for one in said if one.host == copy.source), None)
    if own is None:
        if force_dead:
            return False
        die(f"{copy.source}, the host of {copy.domu}, is no peer of this one and cannot be asked whether it runs there",
            hint="if you know that it does not run, say --force-dead")
    if own.problem:
        if force_dead:
            say(f"• {own.problem}; taken for dead, as you say")
            return False
        die(own.problem, hint=f"if {copy.source} is dead or {copy.domu} off for certain, say --force-dead")
    if own.running:
        _die_running(copy.domu, copy.source)
    return True


def need_off_everywhere(domu: str) -> None:
    """Die if a domU that this host has lost runs on a peer. One that cannot be asked is told."""
    _need_off_among(_ask(book.all_peers(), domu), domu)


def need_another(copy: Copy, *, force_dead: bool) -> None:
    """Die unless the own host of a promoted copy has the domU itself, or the caller knows better: after the undo, what is
    here is overwritten by that host's next run, and if there is none, nobody has the domU any more."""
    if force_dead:
        return
    hint = f"the next run from there would overwrite it; if this {copy.domu} may be lost, add --force-dead"
    peer = book.find(copy.source)
    if peer is None:
        die(f"{copy.source}, of which this is a copy, is no peer and cannot be asked whether it has {copy.domu}", hint=hint)
    (said,) = _ask([peer], copy.domu)
    if said.problem:
        die(f"{said.problem}: does it have {copy.domu}?", hint=hint)
    if not said.defined:
        die(f"{copy.source} has no {copy.domu} in /etc/xen: the one here may be the only one", hint=hint)


def _need_off_among(said: Sequence[Said], domu: str) -> None:
    for one in said:
        if one.problem:
            say(f"• {one.problem}: make sure that {domu} does not run there")
        elif one.running:
            _die_running(domu, one.host)


def _ask(peers: Sequence[Peer], domu: str) -> list[Said]:
    """Return what the peers say, asked beside each other, in their order."""
    if not peers:
        return []
    with step(f"ask {', '.join(one.name for one in peers)} about {domu}"):
        answers = list(workers.each(partial(_said, domu=domu), peers, workers.HOSTS))
    return [Said(peer.name, problem=one.message) if isinstance(one, Problem) else one
            for peer, one in zip(peers, answers, strict=True)]


def _said(peer: Peer, domu: str) -> Said:
    try:
        answer = destination.remote(peer).call("domu", domu, timeout=_TIMEOUT)
        return Said(peer.name, bool(answer["running"]), bool(answer["defined"]))
    except KeyError as error:
        return Said(peer.name, problem=destination.strange(peer.name, error).message)
    except Problem as problem:
        return Said(peer.name, problem=problem.message)


def _die_running(domu: str, host: str) -> None:
    die(f"{domu} runs on {host}", hint=f"there: xl shutdown -w {domu}")
