"""The files that give a guest its place in the network, whatever reads them; those of another machine are set aside."""

from collections.abc import Collection, Iterable

from xen_legi.domu.cloning import fixed_addresses
from xen_legi.install import editing
from xen_legi.install.guest import Guest

INTERFACES = "/etc/network/interfaces"
# Not beside the file by another name: ifupdown reads every name in interfaces.d, NetworkManager nearly every one in its own.
ASIDE = "/etc/disabled-by-xen-legi"
_FILES = (
    ("/etc/network", "interfaces"), ("/etc/network/interfaces.d", "*"), ("/etc/systemd/network", "*"),
    ("/etc/udev/rules.d", "*"), ("/etc/netplan", "*"), ("/etc/NetworkManager/system-connections", "*"),
    ("/etc", "dhcpcd.conf"),
)  # fmt: skip


def present(guest: Guest) -> list[str]:
    """Return those that a guest has."""
    return [one for directory, pattern in _FILES for one in guest.matching(directory, pattern)]


def fixed(guest: Guest, files: Iterable[str]) -> set[str]:
    """Return the addresses that some of its files give a guest."""
    return {one for file in files for one in fixed_addresses(editing.text(guest, file))}


def foreign(guest: Guest, own: Collection[str], ips: Collection[str]) -> list[str]:
    """Return the files that would make a new guest another machine: that give it an address that is not among its `ips`, or
    a name or MAC to an interface, or cannot be read from here. `own` are those that are written for it."""
    return [one for one in present(guest) if one not in own and _is_foreign(guest, one, ips)]


def set_aside(guest: Guest, files: Iterable[str]) -> None:
    """Take files of a guest out of force: they go to a directory where nothing looks."""
    for one in files:
        place = guest.path(ASIDE + one.removeprefix("/etc"))
        place.parent.mkdir(parents=True, exist_ok=True)
        guest.path(one).replace(place)


def _is_foreign(guest: Guest, file: str, ips: Collection[str]) -> bool:
    text = editing.text(guest, file)
    names = file.endswith(".link") and bool(text)  # of all that fit an interface, only the first is used
    unknown = editing.is_doubtful(guest, file) and not file.startswith("/etc/udev/")  # a rule is for any other device
    return names or unknown or not fixed_addresses(text) <= set(ips)
