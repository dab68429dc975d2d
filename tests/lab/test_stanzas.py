"""Stanzas with addresses of both families, and such whose devices are not there, as at a boot with broken hardware."""

import json
import re
import shlex
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from conftest import lab
from test_network import link, names, wait_until

FILE = "/etc/network/interfaces.d/test-stanzas"
BOTH = """iface xenbr90 inet static
    address 192.168.90.1/24
    xen-vlan 90 card9

iface xenbr90 inet6 static
    address 2001:db8:90::1/64
"""
SIX = "iface xenbr91 inet6 static\n    address 2001:db8:91::1/64\n    xen-vlan 91 card9\n"
WAITS = "iface xenbr92 inet manual\n    bridge_ports {}\n    bridge_waitport {} {}\n    bridge_fd 0\n"
LACKS = """auto xenbr93
iface xenbr93 inet manual
    xen-vlan 93 nowhere1

auto xenbr94
iface xenbr94 inet manual
    xen-vlan 94 card9
"""
BROKEN = """auto xenbr93
iface xenbr93 inet manual
    xen-vlan 93 nowhere1

auto bond9
iface bond9 inet manual
    bond-slaves nowhere2
    bond-mode 802.3ad

auto xenbr94
iface xenbr94 inet static
    address 192.168.94.1/24
    xen-vlan 94 bond9

auto xenbr92
iface xenbr92 inet manual
    bridge_ports nowhere3
    bridge_waitport 4 nowhere3
"""
CABLE = "ip link add card9 type veth peer name far9 && ip link set card9 up && ip link set far9 up"


@pytest.fixture
def host(switch: Host) -> Iterator[Host]:
    """The light machine with a card for VLANs; the stanzas of a test are taken down and removed afterwards."""
    switch.check_output(CABLE)
    before = names(switch)
    yield switch
    switch.run(f"ifdown --force -i {FILE} xenbr90 xenbr91 xenbr92 xenbr93 xenbr94; rm -f {FILE}")
    left = names(switch)
    switch.check_output("ip link del dev card9")
    assert left == before


def write(host: Host, text: str) -> None:
    """Write the stanzas of a test."""
    host.check_output(f"printf %s {shlex.quote(text)} >{FILE}")


def addresses(host: Host, name: str) -> set[str]:
    """Return the addresses of a link, without those that it has of its own accord."""
    (one,) = json.loads(host.check_output(f"ip -j address show dev {name}"))
    return {f"{two['local']}/{two['prefixlen']}" for two in one["addr_info"] if two["scope"] != "link"}


def test_a_bridge_has_the_addresses_of_both_families(host: Host) -> None:
    write(host, BOTH)
    host.check_output("ifup xenbr90")
    assert addresses(host, "xenbr90") == {"192.168.90.1/24", "2001:db8:90::1/64"}
    assert link(host, "card9.90")["master"] == "xenbr90"
    assert json.loads(host.check_output("xen-legi net plan --json")) == []
    host.check_output("ifdown xenbr90")
    assert not {"xenbr90", "card9.90@card9"} & set(names(host))


def test_a_stanza_of_ipv6_alone_makes_its_bridge(host: Host) -> None:
    write(host, SIX)
    host.check_output("ifup xenbr91")
    assert addresses(host, "xenbr91") == {"2001:db8:91::1/64"} and link(host, "card9.91")["master"] == "xenbr91"
    host.check_output("ifdown xenbr91")
    assert not {"xenbr91", "card9.91@card9"} & set(names(host))


def test_a_port_that_never_comes_is_waited_for_as_long_as_the_stanza_says(host: Host) -> None:
    write(host, WAITS.format("nowhere0", 4, "nowhere0"))
    began = time.monotonic()
    result = host.run("ifup xenbr92")
    took = time.monotonic() - began
    assert 4 <= took < 15 and "nowhere0" in result.stderr, (took, result)


def test_what_lacks_its_device_does_not_keep_the_others_from_coming_up(host: Host) -> None:
    write(host, LACKS)
    result = host.run("ifup -a --exclude=eth0 --exclude=lo")
    assert "nowhere1" in result.stderr and "Traceback" not in result.stderr, result
    assert link(host, "card9.94")["master"] == "xenbr94"
    wait_until(lambda: link(host, "xenbr94")["operstate"] == "UP", 10, "xenbr94 is up")  # the kernel tells it a moment late


@pytest.mark.long
def test_a_boot_goes_on_without_cards_and_waits_as_long_as_the_stanza_says(host: Host) -> None:
    write(host, BROKEN)
    try:
        lab("reboot", "store", timeout=1000)
        told = host.check_output("journalctl -b -u networking.service")
        moments = host.check_output("systemctl show -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic "
                                    "--value networking.service").split()
        assert {"nowhere1", "nowhere2", "nowhere3"} <= set(re.findall(r"nowhere\d", told)) and "Traceback" not in told
        assert addresses(host, "xenbr94") == {"192.168.94.1/24"}
        assert 4 <= (int(moments[1]) - int(moments[0])) / 1e6 < 60, told
    finally:
        host.check_output(f"ifdown --force -i {FILE} xenbr92 xenbr93 xenbr94 bond9; rm -f {FILE}; {CABLE}")
