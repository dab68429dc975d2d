"""Keys between dom0s: ours for a peer, the peer's host key, and the line that lets a peer's key start the receiver.

Every ordered pair of hosts has a key of its own, and the key can do one thing: start our receiver, which knows from
the line in authorized_keys who is calling.
"""

import re
from pathlib import Path

from xen_legi import files
from xen_legi.errors import die
from xen_legi.peers.book import KNOWN_HOSTS, Peer
from xen_legi.run import run

RECEIVE = "/usr/libexec/xen-legi/receive"
AUTHORIZED_KEYS = Path("/root/.ssh/authorized_keys")
_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp\d+|ssh-rsa|sk-[a-z0-9@.-]+) ([A-Za-z0-9+/]{60,2000}={0,2})(?:\s.*)?")


def public_key(text: str) -> str:
    """Given a public key as a person pastes it, return its kind and its key without the comment. Die if it is none."""
    match = _KEY.fullmatch(" ".join(text.split()))
    if not match:
        die("this is no public key", hint="it is one line that begins with ssh-ed25519; keep the quotes around it")
    return f"{match[1]} {match[2]}"


def authorized(name: str, key: str) -> str:
    """Return the line of authorized_keys that lets the key of the peer `name` start the receiver and nothing else."""
    return f'restrict,command="{RECEIVE} --peer {name}" {public_key(key)} {_mark(name)}'


def with_peer(text: str, name: str, key: str) -> str:
    """Given the text of authorized_keys, return it with the peer's line, in place of an older one of the same peer."""
    return without_peer(text, name) + authorized(name, key) + "\n"


def without_peer(text: str, name: str) -> str:
    """Given the text of authorized_keys, return it without the peer's line; every other line is kept as it is."""
    lines = [line for line in text.splitlines() if not line.endswith(f" {_mark(name)}")]
    return "".join(f"{line}\n" for line in lines)


def accepted(text: str) -> list[str]:
    """Given the text of authorized_keys, return the names of the peers that may send us copies."""
    found = (re.search(r" xen-legi-peer=(\S+)$", line) for line in text.splitlines() if line.startswith("restrict,"))
    return sorted(match[1] for match in found if match)


def with_host_key(text: str, name: str, key: str) -> str:
    """Given the text of a known_hosts file, return it with `key` as the only one of host `name`."""
    return without_host(text, name) + f"{name} {public_key(key)}\n"


def without_host(text: str, name: str) -> str:
    """Given the text of a known_hosts file, return it without the keys of host `name`."""
    return "".join(f"{line}\n" for line in text.splitlines() if line.split(" ", 1)[0] != name)


def make_key(peer: Peer, comment: str) -> str:
    """Make our key for this peer if there is none, and return its public half."""
    peer.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not peer.key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", peer.key], timeout=60)
    return Path(f"{peer.key}.pub").read_text().strip()


def scan(address: str) -> str:
    """Ask the host at `address` for its host key and return it. Die if it does not answer."""
    answer = run(["ssh-keyscan", "-T", "10", "-t", "ed25519,ecdsa,rsa", address], ok=range(256), timeout=60).stdout
    keys = [line.split(" ", 1)[1] for line in answer.splitlines() if line and not line.startswith("#")]
    if not keys:
        die(f"no ssh server answers at {address}", hint="is the host up, and is the address right? ping it")
    return public_key(next((key for key in keys if key.startswith("ssh-ed25519")), keys[0]))


def fingerprint(key: str) -> str:
    """Return a key's fingerprint as ssh shows it."""
    words = run(["ssh-keygen", "-l", "-f", "-"], stdin=f"{key}\n", timeout=60).stdout.split()
    return words[1] if len(words) > 1 else ""


def record_host_key(name: str, key: str) -> None:
    """Keep the host key of a peer: from now on only a host that has it is that peer."""
    files.replace(KNOWN_HOSTS, with_host_key(files.read(KNOWN_HOSTS), name, key))


def _mark(name: str) -> str:
    return f"xen-legi-peer={name}"
