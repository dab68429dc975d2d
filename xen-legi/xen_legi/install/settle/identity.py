"""What must differ between two guests of one template: machine-id, ssh host keys, the seed of randomness."""

from collections.abc import Iterable

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan
from xen_legi.run import run

# No RSA key: making one takes most of a minute on a slow machine, and every client since 2014 knows the other two.
_KEYS = ("ed25519", "ecdsa")


def settle(guest: Guest, plan: Plan) -> None:
    """Give the guest an identity of its own."""
    renew(guest, plan.hostname)


def renew(guest: Guest, hostname: str, kinds: Iterable[str] = _KEYS) -> None:
    """Give a guest another identity than its tree has. An empty machine-id is filled in at the boot, see machine-id(5)."""
    forget(guest)
    if guest.has("/etc/ssh/sshd_config"):
        _make_host_keys(guest, hostname, kinds)


def kinds_of_keys(guest: Guest) -> tuple[str, ...]:
    """Return the kinds of ssh host keys that a guest has, of those that can still be made; without any, the usual ones."""
    return tuple(one for one in ("rsa", *_KEYS) if guest.has(f"/etc/ssh/ssh_host_{one}_key")) or _KEYS


def forget(guest: Guest) -> None:
    """Remove the identity that the tree has."""
    for path in guest.matching("/etc/ssh", "ssh_host_*"):
        guest.remove(path)
    # the addresses that it was given by DHCP, and how dhcpcd called itself: a server would give them again
    for directory, pattern in (("/var/lib/dhcp", "*.leases"), ("/var/lib/dhcpcd", "*.lease*"), ("/var/lib/dhcpcd", "duid")):
        for path in guest.matching(directory, pattern):
            guest.remove(path)
    for path in ("/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret"):
        guest.remove(path)
    guest.write("/etc/machine-id", "", 0o444)


def _make_host_keys(guest: Guest, hostname: str, kinds: Iterable[str]) -> None:
    for kind in kinds:
        path = guest.path(f"/etc/ssh/ssh_host_{kind}_key")
        run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{hostname}", "-f", path])
