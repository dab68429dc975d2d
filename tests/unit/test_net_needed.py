"""What ifup of one interface does to links that are in use: what it needs, whatever was edited meanwhile."""

from dataclasses import replace

import pytest

from test_net_links import REFERENCE, wanted
from test_net_plan import complete
from xen_legi.net import bridge_vlans
from xen_legi.net.kernel import Device
from xen_legi.net.needed import needed
from xen_legi.net.plan import plan

USED = ("eth1", "eth2", "bond0", "vlan72", "xenbr72")
NEW = "iface xenbr73 inet manual\n    xen-vlan 73 bond0\n"
EDITED = REFERENCE.replace("802.3ad", "active-backup").replace("slaves eth1 eth2", "slaves eth1 eth2 eth3 bond1.9") + NEW


def lines(text: str, name: str, devices: dict[str, Device], used: tuple[str, ...] = USED) -> list[str]:
    found = plan(needed(wanted(text, name, devices=tuple(devices)), [name], used), devices)
    assert not found.errors
    return [step.do for step in found.steps]


def test_a_new_vlan_changes_nothing_of_the_bond_that_it_stands_on() -> None:
    devices = complete() | {"eth3": Device("eth3", up=True)}
    made = lines(EDITED, "xenbr73", devices)
    assert made == lines(REFERENCE + NEW, "xenbr73", complete())
    assert [line.split()[:2] for line in made] == [["link", "add"], ["link", "add"], ["link", "set"], ["link", "set"]]
    assert not [line for line in made if "dev bond0 " in line or "eth3" in line or "bond1" in line]


def test_the_interface_itself_is_what_its_stanza_says() -> None:
    made = lines(EDITED.replace(" bond1.9", ""), "bond0", complete() | {"eth3": Device("eth3")})
    assert "link set dev bond0 type bond mode active-backup" in made
    assert "link set dev eth3 addrgenmode none master bond0" in made


def test_a_port_that_is_in_use_joins_what_comes_up() -> None:
    devices = complete()
    del devices["xenbr72"]
    devices["vlan72"] = replace(devices["vlan72"], master="", up=False)
    assert lines(EDITED, "xenbr72", devices)[1:] == ["link set dev vlan72 master xenbr72", "link set dev vlan72 up"]


def test_an_mtu_is_raised_and_never_lowered() -> None:
    text = REFERENCE.replace("slaves eth1", "mtu 9100\n    slaves eth1") + NEW + "    mtu 9000\n"
    assert "link set dev bond0 mtu 9000" in lines(text, "xenbr73", complete())
    devices = complete()
    devices["bond0"] = replace(devices["bond0"], mtu=9216)
    assert not [line for line in lines(text, "xenbr73", devices) if "bond0 mtu" in line]


@pytest.mark.parametrize("used", [(), ("eth1",)])
def test_what_nobody_uses_yet_is_made_as_its_stanza_says(used: tuple[str, ...]) -> None:
    devices = {name: replace(one, master="", up=False) for name, one in complete().items() if name[:4] in ("eth1", "eth2")}
    made = lines(EDITED.replace(" eth3 bond1.9", ""), "xenbr72", devices, used)
    assert [line for line in made if "name bond0 " in line and "mode active-backup" in line]
    assert "link set dev eth1 master bond0" in made


BRIDGE = """
iface br0 inet manual
    bridge-ports eth1 eth2 eth3
    bridge-vlan-aware yes
    bridge-vids 10 20
    bridge-pathcost eth2 50 eth3 60
iface eth1 inet manual
    bridge-access 10
iface eth2 inet manual
    bridge-access 20
iface br0.30 inet manual
    vlan-raw-device br0
"""
VLANS = {"br0": {1: True, 40: False}, "eth1": {1: True}, "eth2": {1: True}, "eth3": {7: True}}


def told(text: str, name: str, used: tuple[str, ...]) -> list[str]:
    links = needed(wanted(text, name, devices=("eth1", "eth2", "eth3")), [name], used).links
    return [line for _, line in bridge_vlans.lines(links, VLANS)]


def test_a_vlan_on_a_bridge_in_use_is_let_through_there_and_no_other_is_touched() -> None:
    assert told(BRIDGE, "br0.30", ("br0", "eth1", "eth2", "eth3")) == ["vlan add dev br0 vid 30 self"]
    pvid = BRIDGE.replace("bridge-vids 10 20", "bridge-pvid 40")
    assert told(pvid, "br0.30", ("br0", "eth1")) == ["vlan add dev br0 vid 30 self"]
    assert not told(BRIDGE.replace("br0.30", "br0.1"), "br0.1", ("br0", "eth1"))  # it is there: that of frames without a tag


def test_a_port_in_use_has_its_own_vlans_in_a_bridge_that_comes_up() -> None:
    lines = told(BRIDGE, "br0", ("eth1", "eth2"))
    assert "vlan add dev eth1 vid 10 pvid untagged" in lines and "vlan add dev eth2 vid 20 pvid untagged" in lines


def test_a_link_in_use_keeps_its_attributes_and_ports_whatever_was_edited() -> None:
    devices = {"br0": Device("br0", "bridge", up=True, silent=True), "eth1": Device("eth1", up=True, master="br0")}
    assert [line for line in lines(BRIDGE, "br0.30", devices, ("br0", "eth1")) if "br0.30" not in line] == []


BOND = """
iface bond0 inet manual
    bond-slaves none
    bond-mode active-backup
    bond-primary eth1 eth2
    bond-queue-id eth1:2 eth2:3
iface eth1 inet manual
    bond-master bond0
iface eth2 inet manual
    bond-master bond0
"""


@pytest.mark.parametrize("name, other, more", [
    ("eth1", "eth2", ["link set dev bond0 type bond primary eth1", "link set dev eth1 type bond_slave queue_id 2"]),
    ("eth2", "eth1", ["link set dev eth2 type bond_slave queue_id 3"]),  # the first primary is there and stays
])
def test_a_port_that_joins_a_bond_in_use_has_its_options_there(name: str, other: str, more: list[str]) -> None:
    devices = {"bond0": Device("bond0", "bond", up=True), other: Device(other, up=True, master="bond0"), name: Device(name)}
    made = lines(BOND, name, devices, ("bond0", other))
    assert [line for line in made if " type " in line] == more
    assert f"link set dev {name} addrgenmode none master bond0" in made
