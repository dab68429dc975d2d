"""A light machine with cards of its own, whose network the tests change by `xen-legi net apply` and `net try`."""

import contextlib
import json
import shlex
from collections.abc import Iterator

from testinfra.host import Host

from test_network import link, names
from xen_legi.net import kernel

FILE = "/etc/network/interfaces.d/test"
CARD = """
auto card0
iface card0 inet manual
    xen-vlans {vlans}

auto card1
iface card1 inet static
    address {address}/24
    bridge-ports none
    {command} touch /run/{command}-of-card1
"""


def plan(host: Host) -> list[tuple[str, str]]:
    """Return what `net plan` tells: (action, interface or link)."""
    return sorted({(one["action"], one["name"]) for one in json.loads(host.run("xen-legi net plan --json").stdout)})


def write(host: Host, text: str) -> None:
    """Make this the file of the tests."""
    host.check_output(f"printf %s {shlex.quote(text)} > {FILE}")


def stanzas(vlans: str = "2-6", address: str = "192.168.98.1", command: str = "up") -> str:
    """Return the file of the tests: a card with a range of VLANs, and a bridge with an address."""
    return CARD.format(vlans=vlans, address=address, command=command)


def addresses(host: Host, name: str) -> list[str]:
    """Return the IPv4 addresses of an interface."""
    found = json.loads(host.check_output(f"ip -j -4 address show dev {name}"))
    return [one["local"] for row in found for one in row.get("addr_info", [])]


@contextlib.contextmanager
def with_card(switch: Host) -> Iterator[Host]:
    """The light machine with a card of its own for these tests; afterwards all is as before."""
    before = names(switch)
    switch.check_output("ip link add card0 type dummy")
    yield switch
    switch.check_output(f"rm -f {FILE} && xen-legi net apply; ip link del dev card0; rm -f /run/*-of-card1")
    assert (names(switch), plan(switch)) == (before, [])


def apply_first(card: Host) -> Host:
    """Bring the file of the tests into force: a range of VLANs, and a bridge with an address."""
    card.run("xen-legi net revert")  # what a test that failed has left under way
    card.run("ip link del dev guest; rm -f /run/*-of-card1")
    write(card, stanzas())
    card.check_output("xen-legi net apply")
    assert plan(card) == []
    return card


OWN = "auto card2\niface card2 inet manual\n"
BOND = """
auto bond9
iface bond9 inet static
    address 192.168.95.{0}/24
    bond-mode active-backup
    bond-slaves {1}
"""
ALONE = "auto card2\niface card2 inet static\n    address 192.168.95.1/24\n    gateway 192.168.95.9\n    metric 777\n"
AWARE = "auto br0\niface br0 inet manual\n    bridge-ports {0}\n    bridge-vlan-aware yes\n    bridge-vids 74-75\n"


def carries_alone(host: Host) -> bool:
    """Tell whether card2 is up by itself, with its address and its route."""
    there = "UP" in link(host, "card2")["flags"] and addresses(host, "card2") == ["192.168.95.1"]
    return there and "default via 192.168.95.9" in host.check_output("ip route show dev card2")


@contextlib.contextmanager
def with_another(applied: Host) -> Iterator[Host]:
    """The same, with one more card, that has an address and a route."""
    applied.check_output("ip link add card2 type dummy")
    write(applied, stanzas() + ALONE)
    applied.check_output("xen-legi net apply")
    assert carries_alone(applied)
    yield applied
    write(applied, stanzas())
    applied.check_output("xen-legi net apply; ip link del dev card2")


ELSEWHERE = "/run/other-interfaces"


@contextlib.contextmanager
def by_another_file(alone: Host) -> Iterator[Host]:
    """The same, with card2 brought up by a file that is none of the host's: neither these nor what was in force tell how."""
    stanza = "iface card2 inet static\n    address 192.168.95.7/24\n"
    alone.check_output(f"printf %s {shlex.quote(stanza)} > {ELSEWHERE}; ifdown card2; ifup -i {ELSEWHERE} card2")
    try:
        assert plan(alone) == [("leave", "card2")] and addresses(alone, "card2") == ["192.168.95.7"]
        yield alone
    finally:
        alone.check_output(f"ifdown card2; rm {ELSEWHERE}")


def vlans_of(host: Host, port: str) -> dict[int, bool]:
    """Return the VLANs that a port carries: ID -> without a tag?"""
    return kernel.parse_vlans(json.loads(host.check_output(f"bridge -json vlan show dev {port}")))[port]
