"""The other dom0s that this one sends copies to: one ssh_config(5) file and one key for each, in /etc/xen-legi/peers.

A peer's file is what ssh itself reads, so a person can edit it (port, ProxyJump) and try it: ssh -F FILE NAME status
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die

DIRECTORY = Path("/etc/xen-legi/peers")
KNOWN_HOSTS = DIRECTORY / "known_hosts"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_HOSTNAME = re.compile(r"^(\s*HostName[\s=]+)(\S+)", re.IGNORECASE | re.MULTILINE)
_CONFIG = """\
# The peer {name}, made by: xen-legi peer add. Read by ssh itself: see ssh_config(5).
Host {name}
    HostName {address}
    User root
    HostKeyAlias {name}
    IdentityFile {directory}/{name}.key
    IdentitiesOnly yes
    PreferredAuthentications publickey
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
    ConnectTimeout 10
    ServerAliveInterval 15
    ServerAliveCountMax 4
    Compression no
    ForwardAgent no
    LogLevel ERROR
"""


@dataclass(frozen=True)
class Peer:
    """Another dom0 as we reach it."""

    name: str
    address: str
    directory: Path = DIRECTORY

    @property
    def file(self) -> Path:
        """The ssh_config file of this peer; it exists if and only if the peer is known."""
        return self.directory / f"{self.name}.conf"

    @property
    def key(self) -> Path:
        """Our private key for this peer and no other."""
        return self.directory / f"{self.name}.key"

    @property
    def ssh(self) -> tuple[str, ...]:
        """The command that reaches the peer, up to its name."""
        return ("ssh", "-F", str(self.file))


def this_host() -> str:
    """Return the name by which the other dom0s know us: the host's name without its domain."""
    return os.uname().nodename.partition(".")[0]


def check_name(name: str) -> None:
    """Die if `name` cannot be the name of a peer."""
    if not NAME.fullmatch(name):
        die(f"{name!r} cannot name a peer", hint="take the other host's name: letters, digits, - and .")


def check_address(address: str) -> None:
    """Die if `address` can be neither a host name nor an IP address."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}|[0-9A-Fa-f:]{2,45}(%[a-z0-9.]+)?", address):
        die(f"{address!r} is no address", hint="write a host name, an IPv4 or an IPv6 address")


def config_text(peer: Peer) -> str:
    """Return the ssh_config file of a peer."""
    return _CONFIG.format(name=peer.name, address=peer.address, directory=peer.directory)


def address_of(text: str) -> str:
    """Given a peer's file, return the address in it, or nothing."""
    match = _HOSTNAME.search(text)
    return match[2] if match else ""


def with_address(text: str, peer: Peer) -> str:
    """Given a peer's file, or nothing, return it with the peer's address; whatever else a person wrote into it stays."""
    if not text:
        return config_text(peer)
    if not address_of(text):
        return f"{text.rstrip()}\n    HostName {peer.address}\n"
    return _HOSTNAME.sub(rf"\g<1>{peer.address}", text, count=1)


def all_peers(directory: Path = DIRECTORY) -> list[Peer]:
    """Return the peers that this host knows, by name."""
    return [Peer(file.stem, address_of(file.read_text()), directory) for file in sorted(directory.glob("*.conf"))]


def find(name: str, directory: Path = DIRECTORY) -> Peer | None:
    """Return the peer of that name, or None."""
    return next((one for one in all_peers(directory) if one.name == name), None)


def by_name(name: str) -> Peer:
    """Return the peer of that name; die if there is none."""
    if not (peer := find(name)):
        names = ", ".join(one.name for one in all_peers()) or "none"
        die(f"there is no peer {name!r}", hint=f"peers of this host: {names}; xen-legi peer add {name} makes one")
    return peer
