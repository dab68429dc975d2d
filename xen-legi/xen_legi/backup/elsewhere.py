"""What the other dom0s say of a domU whose copy this host starts or takes back: two of one domU is worse than none."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from xen_legi.backup import destination, state
from xen_legi.backup.generations import Copy
from xen_legi.errors import Problem, die
from xen_legi.peers import book
from xen_legi.peers.asking import ask_all
from xen_legi.peers.book import Peer
from xen_legi.steps import say

_TIMEOUT = 120  # seconds, see xl.stays


class OwnHost(Enum):
    """What the own host of a domU says when its copy is started here."""

    SILENT = auto()  # it does not answer, or is no peer
    HAS_IT = auto()  # it has a file of the domU, which is off
    PROMOTED = auto()  # the same, and what it has was promoted from a copy of this host: the domU has been here before
    PUT_AWAY = auto()  # it has none any more


@dataclass(frozen=True)
class Said:
    """What a peer says of a domU: whether it runs and has a file there, and of which host's copy it was promoted; or why it
    says nothing."""

    host: str
    running: bool = False
    defined: bool = False
    promoted: str = ""
    problem: str = ""


def need_off(copy: Copy, *, force_dead: bool) -> OwnHost:
    """Die if the domU of another host's copy runs on any peer, or may run on its own host: unless that answers, the caller
    must know it to be dead. Where it has no file of the domU any more, any other peer may have it. Return what it says.
    """
    said = _ask(book.all_peers(), copy.domu)
    others = [one for one in said if one.host != copy.source]
    _need_off_among(others, copy.domu)
    own = next((one for one in said if one.host == copy.source), None)
    if own is None:
        if force_dead:
            return OwnHost.SILENT
        die(f"{copy.source}, the host of {copy.domu}, is no peer of this one and cannot be asked whether it runs there",
            hint="if you know that it does not run, say --force-dead")
    if own.problem:
        if force_dead:
            say(f"• {own.problem}; taken for dead, as you say")
            return OwnHost.SILENT
        die(own.problem, hint=f"if {copy.source} is dead or {copy.domu} off for certain, say --force-dead")
    if own.running:
        _die_running(copy.domu, copy.source)
    if own.defined:
        return OwnHost.PROMOTED if own.promoted == state.host() else OwnHost.HAS_IT
    _need_answers(others, copy.domu, copy.source, force_dead=force_dead)
    return OwnHost.PUT_AWAY


def need_off_everywhere(domu: str, *, defined: bool, force_dead: bool) -> None:
    """Die if a domU of this host runs on a peer. One that cannot be asked is told; where this host has no file of the domU
    any more (`defined`), the caller must know better."""
    said = _ask(book.all_peers(), domu)
    _need_off_among(said, domu)
    if not defined:
        _need_answers(said, domu, state.host(), force_dead=force_dead)


def runs_at(domu: str, hosts: Collection[str]) -> str:
    """Return the first of these peers that says that it runs a domU; "" if none does, or none can be asked."""
    said = _ask([one for one in book.all_peers() if one.name in hosts], domu)
    return next((one.host for one in said if one.running and not one.problem), "")


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


def _need_answers(said: Sequence[Said], domu: str, host: str, *, force_dead: bool) -> None:
    silent = [one.host for one in said if one.problem]
    if silent and not force_dead:
        die(f"{host} has no {domu} in /etc/xen any more: it may have moved to {' or '.join(silent)}, which cannot be asked",
            hint=f"if {domu} is off there for certain, say --force-dead")


def _ask(peers: Sequence[Peer], domu: str) -> list[Said]:
    """Return what the peers say, asked beside each other, in their order."""
    answers = ask_all(partial(_said, domu=domu), peers, domu)
    return [Said(peer.name, problem=one.message) if isinstance(one, Problem) else one
            for peer, one in zip(peers, answers, strict=True)]


def _said(peer: Peer, domu: str) -> Said:
    try:
        answer = destination.remote(peer).call("domu", domu, timeout=_TIMEOUT)
        return Said(peer.name, bool(answer["running"]), bool(answer["defined"]), str(answer.get("promoted", "")))
    except KeyError as error:
        return Said(peer.name, problem=destination.strange(peer.name, error).message)
    except Problem as problem:
        return Said(peer.name, problem=problem.message)


def _die_running(domu: str, host: str) -> None:
    die(f"{domu} runs on {host}", hint=f"there: xl shutdown -w {domu}")
