"""The other dom0s: who may send copies to whom.

Every ordered pair of hosts has a key of its own, and the key can only start the receiver of copies. `add` makes the key
for sending to PEER and prints the one line to run there; `accept` is that line. `add` again takes a new host key and keeps
what you wrote into the peer's file. `check` asks a peer, or every one to which this host sends, what it would answer to a
nightly run; `remove` forgets a peer both ways.

PEER is what `hostname -s` prints on the other host: copies carry that name, and promote asks the peer of that name.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xen_legi import files
from xen_legi.backup import destination
from xen_legi.cli import no_more
from xen_legi.columns import aligned
from xen_legi.errors import EXIT_FAILED, EXIT_OK, EXIT_PARTLY, EXIT_USAGE, CommandFailed, Problem, die, need_root
from xen_legi.peers import book, trust
from xen_legi.peers.asking import ask_all
from xen_legi.peers.book import Peer
from xen_legi.run import run
from xen_legi.steps import say, warn
from xen_legi.units import format_size

_SHOW_KEY = "cat /etc/ssh/ssh_host_ed25519_key.pub"
_ADDRESS_HELP = "with add: where it is (default: what its file says, or its name)"
EXAMPLES = """\
  xen-legi peer add dom0b                          # on dom0a, which will send copies to dom0b; then, on dom0b:
  xen-legi peer accept dom0a 'ssh-ed25519 AAAA...'
  xen-legi peer add dom0b --address 10.0.0.2 --root-ssh   # both at once, with root's own ssh
  xen-legi peer check dom0b
  xen-legi peer list
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("add", "accept", "list", "check", "remove"), help="what to do")
    name_help = "the other host's name, as hostname -s prints it there"
    parser.add_argument("name", nargs="?", default="", metavar="PEER", help=name_help)
    parser.add_argument("key", nargs="?", default="", metavar="KEY", help="with accept: the other host's public key")
    parser.add_argument("--address", default="", metavar="ADDRESS", help=_ADDRESS_HELP)
    parser.add_argument("--root-ssh", action="store_true", help="with add: have it accept us, as root over ordinary ssh")
    parser.add_argument("--yes", action="store_true", help="with add: take the host key that it shows, without asking")
    parser.add_argument("--json", action="store_true", help="with list and check: print JSON")


def main(options: argparse.Namespace) -> int:
    """Do one of the things."""
    need_root("xen-legi peer")
    if options.what == "list":
        no_more("peer list", options.name)
    if options.what == "check" and not options.name:
        return _check_all(options)
    if options.what != "list":
        _need_name(options)
        book.check_name(options.name)
    return _DOINGS[options.what](options)


def _need_name(options: argparse.Namespace) -> None:
    if not options.name:
        die(f"xen-legi peer {options.what} needs the other host's name", hint=f"xen-legi peer {options.what} dom0b")


def _add(options: argparse.Namespace) -> int:
    known = book.find(options.name, book.DIRECTORY)
    peer = Peer(options.name, options.address or (known.address if known else "") or options.name, book.DIRECTORY)
    book.check_address(peer.address)
    here = book.this_host()
    host_key = trust.public_key(_host_key(peer) if options.root_ssh else trust.scan(peer.address))
    print(f"host key of {peer.name} ({peer.address}): {trust.fingerprint(host_key)}", flush=True)  # before what die() says
    if not (options.yes or options.root_ssh):
        _ask(peer)
    trust.record_host_key(peer.name, host_key)
    key = trust.make_key(peer, f"xen-legi {here} to {peer.name}")
    if options.address or not known:  # else it says where the peer is, and what an administrator has added
        files.replace(peer.file, book.with_address(files.read(peer.file), peer))
    accept = f"xen-legi peer accept {here} '{trust.public_key(key)}'"
    if options.root_ssh:
        _root_ssh(peer.address, accept)
        return _check(options, status=EXIT_FAILED)
    print(f"now run on {peer.name}:\n{accept}")
    return EXIT_OK


def _ask(peer: Peer) -> None:
    """Have a person confirm the host key that was shown. Die if it is not the right one, or if nobody is there."""
    where = f"on {peer.name}: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub"
    if not sys.stdin.isatty():
        die("nobody is there to be asked whether this host key is the right one", hint=f"compare it {where}; then say --yes")
    if input(f"is it the one that is shown {where}? [y/N] ").strip().lower() not in ("y", "yes"):
        die(f"{peer.name} was not added", hint="if the keys differ, another host answers there: find out which")


def _accept(options: argparse.Namespace) -> int:
    before = files.read(trust.AUTHORIZED_KEYS)
    trust.AUTHORIZED_KEYS.parent.mkdir(mode=0o700, exist_ok=True)
    files.replace(trust.AUTHORIZED_KEYS, trust.with_peer(before, options.name, options.key), mode=0o600)
    print(f"{options.name} may now send copies to this host")
    return EXIT_OK


def _known() -> list[dict[str, Any]]:
    """Return the peers that send to us or receive from us, by name."""
    accepted = trust.accepted(files.read(trust.AUTHORIZED_KEYS))
    to = {one.name: one.address for one in book.all_peers()}
    return [{"name": name, "address": to.get(name, ""), "sends": name in accepted, "receives": name in to}
            for name in sorted({*to, *accepted})]


def _list(options: argparse.Namespace) -> int:
    rows = _known()
    if options.json:
        print(json.dumps(rows, indent=2))
        return EXIT_OK
    if rows:
        print(*aligned([("NAME", "ADDRESS", "COPIES"), *map(_row, rows)]), sep="\n")
    else:
        say("no peers; xen-legi peer add makes one known")
    return EXIT_OK


def _row(peer: dict[str, Any]) -> tuple[str, ...]:
    ways = [word for word, there in (("we send to it", peer["receives"]), ("it sends to us", peer["sends"])) if there]
    return peer["name"], peer["address"] or "-", ", ".join(ways)


def _check(options: argparse.Namespace, *, status: int = EXIT_USAGE) -> int:
    """Ask a peer for its status; with `status` if it has none to tell: by itself, a question begins nothing."""
    facts = _asked(book.by_name(options.name))
    if isinstance(facts, Problem):
        raise Problem(facts.message, hint=facts.hint, status=status)
    print(json.dumps(facts, indent=2) if options.json else _answer(options.name, facts))
    return EXIT_OK


def _check_all(options: argparse.Namespace) -> int:
    """Ask all peers beside each other. Each has its line, a silent one on standard error."""
    peers = book.all_peers()
    if not peers:
        die("this host sends to no peer", hint="xen-legi peer add makes one known")
    told = dict(zip((one.name for one in peers), ask_all(_asked, peers, "copies"), strict=True))
    silent = [facts for facts in told.values() if isinstance(facts, Problem)]
    if options.json:
        print(json.dumps({name: _plain(facts) for name, facts in told.items()}, indent=2))
    for name, facts in told.items() if not options.json else ():
        if isinstance(facts, Problem):
            warn(facts.message + (f"\n  hint: {facts.hint}" if facts.hint else ""))
        else:
            print(_answer(name, facts))
    return EXIT_OK if not silent else EXIT_USAGE if len(silent) == len(peers) else EXIT_PARTLY


def _asked(peer: Peer) -> dict[str, Any] | Problem:
    """Return what a peer tells of itself, or why it does not; warn of a name that is not its own."""
    try:
        facts = destination.remote(peer).call("status", timeout=60)
        _answer(peer.name, facts)  # a figure that it lacks is told here, where it was asked
    except Problem as problem:
        return Problem(problem.message, hint=problem.hint)  # of any kind: it may go through a pipe
    except (KeyError, TypeError) as error:
        return destination.strange(peer.name, error)
    _compare_names(peer, facts.get("host", peer.name))
    return facts


def _plain(facts: dict[str, Any] | Problem) -> dict[str, Any]:
    return {"problem": facts.message, "hint": facts.hint} if isinstance(facts, Problem) else facts


def _answer(name: str, facts: dict[str, Any]) -> str:
    room = f"{format_size(facts['free'])} of {format_size(facts['size'])} free in {facts['group']}"
    return f"{name} answers: xen-legi {facts['version']}, rsync {facts['rsync']}, {room}"


def _compare_names(peer: Peer, host: str) -> None:
    """Warn of a peer that is known here by another name than its copies carry."""
    if host != peer.name:
        warn(f"{peer.name} is the host {host}, and promote would look for a peer {host}: xen-legi peer add {host}")


def _remove(options: argparse.Namespace) -> int:
    peer = Peer(options.name, "", book.DIRECTORY)
    mine = [path for path in (peer.file, peer.key, peer.key.with_name(f"{peer.key.name}.pub")) if path.exists()]
    lines = _without(peer.name)
    if not mine and not lines:
        names = ", ".join(row["name"] for row in _known()) or "none"
        die(f"there is no peer {peer.name!r}", hint=f"peers of this host: {names}")
    for path in mine:
        path.unlink(missing_ok=True)
    for path, text, mode in lines:
        files.replace(path, text, mode=mode)
    print(f"{peer.name} is forgotten here; there, run: xen-legi peer remove {book.this_host()}")
    return EXIT_OK


def _without(name: str) -> list[tuple[Path, str, int]]:
    """Return what becomes of the files in which a peer has lines among those of others, with their modes."""
    hosts, keys = files.read(book.KNOWN_HOSTS), files.read(trust.AUTHORIZED_KEYS)
    found = (
        (book.KNOWN_HOSTS, hosts, trust.without_host(hosts, name), 0o644),
        (trust.AUTHORIZED_KEYS, keys, trust.without_peer(keys, name), 0o600),
    )
    return [(path, after, mode) for path, before, after, mode in found if after.splitlines() != before.splitlines()]


def _host_key(peer: Peer) -> str:
    """Read the other host's key there, as root. Die if that cannot be: nothing has been done yet."""
    try:
        return _root_ssh(peer.address, _SHOW_KEY)
    except CommandFailed as error:
        said = (error.stderr.strip().splitlines() or [f"ssh ended with status {error.command_status}"])[-1]
        die(f"root cannot log in to {peer.address}: {said.removeprefix('ssh: ')}",
            hint=f"try: ssh root@{peer.address}; or leave --root-ssh out: xen-legi peer add {peer.name}")


def _root_ssh(address: str, command: str) -> str:
    """Run a command on the other host as root, with root's ordinary ssh: its keys, its agent, its known hosts."""
    agent = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "HOME") if name in os.environ}
    return run(["ssh", f"root@{address}", command], env=agent, timeout=120).stdout


_DOINGS: dict[str, Callable[[argparse.Namespace], int]] = {
    "add": _add, "accept": _accept, "list": _list, "check": _check, "remove": _remove,
}
