"""The language of the receiver: fixed verbs, and the words of an rsync client that a transfer may carry.

What a peer sends is hostile until proven harmless. Words are made of few characters, there is no shell, no path and no
option that we have not named here; the server's own options are ours, the client's are only compared with them.
"""

import re
from dataclasses import dataclass

from xen_legi.errors import die

NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}"  # a domU, a volume, a run, a file: never "..", never an option
_LINE = re.compile(r"[A-Za-z0-9 ._=,+:%@-]{1,1000}")

# verb -> how many words follow it; sync and verify are followed by the words of rsync's client as well
VERBS = {
    "status": 0, "domu": 1, "domus": 0, "kernels": 0, "kernel": 2, "modules": 2,
    "begin": 1, "sync": 3, "verify": 3, "sums": 3, "patch": 3, "commit": 2, "abort": 2, "reject": 2,
}  # fmt: skip
TRANSFERS = ("sync", "verify")
STREAMS = (*TRANSFERS, "sums")  # whose standard output is no answer

PLACE = "copy"  # what our clients name as their destination; the receiver knows the place itself
CLIENT_OPTIONS = ("-aHAXxS", "--numeric-ids", "--timeout=600", "--modify-window=-1")
AFTER = ("--delete-after",)  # nothing is deleted before all is known to be well
TIGHT = ("--delete-before", "--inplace")  # where there is no room for both
_FLAGS = frozenset("lHogDtpAXrxS")  # -aHAXxS as the client spells it to its server
_WORDS = frozenset(("--timeout=600", "--numeric-ids", "-@-1"))  # -@-1: --modify-window=-1
_EXTRA_FLAGS = {"sync": frozenset("Wc"), "verify": frozenset("c")}
_LIMIT = re.compile(r"--bwlimit=[0-9]{1,12}")  # it limits the sender, who says it to its server, too
_EXTRA_WORDS = {"sync": frozenset(("--stats",)), "verify": frozenset(("--log-format=%i",))}


@dataclass(frozen=True)
class Order:
    """What a client wants: a verb, its words, and for a transfer the words of rsync's client."""

    verb: str
    words: tuple[str, ...]
    rsync: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transfer:
    """What may differ between transfers: rsync's capabilities (its own -e word), whole files, checksums, and whether files
    are written in place."""

    capabilities: str
    whole: bool
    checksum: bool
    tight: bool = False


def parse(line: str) -> Order:
    """Given what the client asked for, return the order. Die if it is not exactly in the language."""
    if not _LINE.fullmatch(line):
        die("refused: the order has characters that no order has")
    verb, *rest = line.split() or [""]
    if verb not in VERBS:
        die(f"refused: {verb!r} is none of {', '.join(VERBS)}")
    count = VERBS[verb]
    words, rsync = tuple(rest[:count]), tuple(rest[count:])
    if len(words) < count or (rsync and verb not in TRANSFERS):
        die(f"refused: {verb} takes {count} words")
    for word in words:
        if not re.fullmatch(NAME, word):
            die(f"refused: {word!r} is no name")
    return Order(verb, words, rsync)


def transfer(order: Order) -> Transfer:
    """Given a transfer's order, return what its client needs. Die if one of rsync's words is not the one we expect."""
    if len(order.rsync) < 4 or order.rsync[0] != "--server" or order.rsync[-2:] != (".", PLACE):
        die(f"refused: {order.verb} must be followed by what rsync's client says to its server")
    match = re.fullmatch(r"-([A-Za-z]+)e\.([A-Za-z]{0,40})", order.rsync[1])
    if not match:
        die(f"refused: {order.rsync[1]!r} are not the options of a copy")
    flags = set(match[1])
    wanted = _FLAGS | (frozenset("n") if order.verb == "verify" else frozenset())
    if len(match[1]) != len(flags) or flags - _EXTRA_FLAGS[order.verb] != wanted:
        die(f"refused: the options -{match[1]} are not those of {order.verb}")
    said = [word for word in order.rsync[2:-2] if not _LIMIT.fullmatch(word)]
    tight = order.verb == "sync" and set(TIGHT) <= set(said)
    if sorted(said) != _long(order.verb, tight):
        die(f"refused: the options {' '.join(order.rsync[2:-2])} are not those of {order.verb}")
    return Transfer(match[2], "W" in flags, "c" in flags, tight)


def _long(verb: str, tight: bool) -> list[str]:
    """Return the long options of a transfer, in order."""
    return sorted(_WORDS | _EXTRA_WORDS[verb] | set(TIGHT if tight else AFTER))


def server(verb: str, what: Transfer, place: str, max_delete: int | None) -> list[str]:
    """Return the vector of rsync's server for a transfer into the directory `place`, with our own options."""
    flags = "".join(sorted(_FLAGS)) + ("n" if verb == "verify" else "")
    flags += ("W" if what.whole else "") + ("c" if what.checksum else "")
    limit = [] if max_delete is None else [f"--max-delete={max_delete}"]
    options = [*_long(verb, what.tight), *limit]
    return ["rsync", "--server", f"-{flags}e.{what.capabilities}", *options, ".", f"{place}/"]
