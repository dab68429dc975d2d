"""Every domU that this host can know of: its own, those whose copies lie here, and those that its peers tell.

Two of one name send copies that are called the same, and two of one MAC or address cannot both be reached. Copies of this
host's own domUs are theirs, wherever they lie: no peer tells of copies.
"""

from collections.abc import Iterable, Sequence

from xen_legi import files
from xen_legi.backup import commit, destination, generations, state
from xen_legi.backup.generations import Copy
from xen_legi.domu import claims, config
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.peers import book
from xen_legi.peers.asking import ask_all
from xen_legi.peers.book import Peer
from xen_legi.steps import warn
from xen_legi.storage.lvm import Volume

_TIMEOUT, _LIMIT = 30, 4 << 20  # seconds and bytes of a peer's answer
_SHOWN = 200  # characters of what a peer says instead


def here(domus: Iterable[DomuConfig], volumes: Iterable[Volume]) -> list[Claim]:
    """Return all claims of which this host knows without asking another, besides those of its files: `domus`."""
    return [claims.of_dom0(), *without_file(domus, volumes)]


def without_file(domus: Iterable[DomuConfig], volumes: Iterable[Volume]) -> list[Claim]:
    """Return the claims of domUs that are none of these, but run here, or have copies here."""
    return [*claims.running({one.name for one in domus}), *copied(volumes)]


def copied(volumes: Iterable[Volume]) -> list[Claim]:
    """Return the claims of other hosts' domUs whose copies lie here. One that was promoted here is a domU of this host."""
    known = generations.copies(volumes).values()
    ours = {(one.source, one.domu) for one in known if one.promoted}
    others = [one for one in known if one.source not in ("", state.host()) and (one.source, one.domu) not in ours]
    return [_of_copy(one) for one in others]


def with_peers(known: Iterable[Claim]) -> list[Claim]:
    """Return these claims with those that the peers tell: of a domU whose copy is here, as its own host tells it."""
    told = _at_peers()
    fresh = {(one.host, one.name) for one in told}
    return [*(one for one in known if (one.host, one.name) not in fresh), *told]


def _at_peers() -> list[Claim]:
    """Return the claims of the peers' domUs. A peer that tells none is named in a warning, and keeps nobody from working."""
    peers = book.all_peers()
    answers = ask_all(_said, peers, "its domUs" if len(peers) == 1 else "their domUs") if peers else []
    for peer, answer in zip(peers, answers, strict=True):
        if isinstance(answer, Problem):
            warn(f"{_shown(answer.message, peer)}: a domU there may have the same name, MAC or address")
    return [claim for answer in answers if not isinstance(answer, Problem) for claim in answer]


def _said(peer: Peer) -> Sequence[Claim] | Problem:
    try:
        answer = destination.remote(peer).call("domus", timeout=_TIMEOUT, limit=_LIMIT)
        return claims.understood(answer["domus"], peer.name)
    except Problem as problem:
        return Problem(problem.message)  # of any kind: it goes through a pipe
    except (KeyError, ValueError, RecursionError) as error:
        return destination.strange(peer.name, error)


def _shown(message: str, peer: Peer) -> str:
    """Return in one short line of printable letters why a peer tells nothing."""
    if message.startswith(f"{peer.name}: refused: 'domus' is none of "):
        return f"{peer.name} has an older xen-legi, which does not tell its domUs"
    named = message if message.startswith(peer.name) else f"{peer.name}: {message}"
    return "".join(one if one.isprintable() else "?" for one in named)[:_SHOWN]


def _of_copy(copy: Copy) -> Claim:
    file = commit.config_file(copy.domu, copy.group)
    where = f"on {copy.source}, and its copy is here, in {copy.group}"
    hint = f"choose another; if {copy.source} has no {copy.domu} any more, remove its copy: {commit.MANUAL}"
    try:
        told = claims.of_domu(config.parse(files.read(file), file))
    except (OSError, ValueError, RecursionError):
        told = Claim(copy.domu)
    return Claim(copy.domu, told.macs, told.addresses, where, hint, copy.source)
