"""What ifup of one interface does to links that are in use: what it needs, whatever was edited meanwhile."""

from dataclasses import replace

import pytest

from test_net_links import REFERENCE, wanted
from test_net_plan import complete
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
