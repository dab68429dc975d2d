"""The VLANs of a VLAN-aware bridge's ports."""

import pytest

from test_net_links import wanted
from test_net_stanzas import read
from xen_legi.net import bridge_vlans
from xen_legi.net.check import check
from xen_legi.net.kernel import parse_vlans

BRIDGE = "iface br0 inet manual\n    bridge-ports eth0 eth1\n    bridge-vlan-aware yes\n    bridge-vids 72-73 80\n"
NEW = {"eth0": {1: True}, "eth1": {1: True}, "br0": {1: True}}


def lines(text: str, have: dict[str, dict[int, bool]] | None = None) -> list[str]:
    links = wanted(text, *read(text).by_name()).links
    return [line for _, line in bridge_vlans.lines(links, NEW if have is None else have)]


def test_all_ports_carry_the_vlans_of_the_bridge() -> None:
    assert lines(BRIDGE) == [f"vlan add dev {port} vid {vlans}" for port in ("eth0", "eth1") for vlans in ("72-73", "80")]
    carried = {1: True, 72: False, 73: False, 80: False}
    assert lines(BRIDGE, {"eth0": carried, "eth1": carried, "br0": {1: True}}) == []


def test_a_port_has_its_own() -> None:
    own = "iface eth1 inet manual\n    bridge-access 72\niface eth0 inet manual\n    bridge-vids 5\n    bridge-pvid 9\n"
    assert lines(BRIDGE + own) == [
        "vlan del dev eth0 vid 1", "vlan add dev eth0 vid 5", "vlan add dev eth0 vid 9 pvid untagged",
        "vlan del dev eth1 vid 1", "vlan add dev eth1 vid 72 pvid untagged",
    ]


def test_a_vlan_on_the_bridge_needs_the_bridge_to_carry_it() -> None:
    assert "vlan add dev br0 vid 72 self" in lines(BRIDGE + "iface vlan72 inet manual\n    vlan-raw-device br0\n")


def test_what_is_carried_otherwise_is_changed_and_what_is_not_there_is_left() -> None:
    assert lines(BRIDGE, {"eth0": {1: True, 72: True, 73: False, 80: False, 90: False}, "vif1.0": {5: True}}) == [
        "vlan del dev eth0 vid 90", "vlan add dev eth0 vid 72"]


def test_a_bridge_that_is_not_aware_is_left_alone() -> None:
    assert lines(BRIDGE.replace("aware yes", "aware no")) == []


def test_what_the_kernel_tells_is_read_with_and_without_ranges() -> None:
    rows = [{"ifname": "eth0", "vlans": [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 2, "vlanEnd": 4}]}]
    assert parse_vlans(rows) == {"eth0": {1: True, 2: False, 3: False, 4: False}}
    assert parse_vlans([{"ifname": "eth1"}]) == {}


@pytest.mark.parametrize("line", ["bridge-vids 5000", "bridge-pvid none", "bridge-access 1-2"])
def test_nonsense_is_an_error(line: str) -> None:
    found = check(read(f"iface eth0 inet manual\n    {line}\n"))
    assert [one.level for one in found] == ["error"] and line.split()[0] in found[0].text
