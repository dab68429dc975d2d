"""Stanzas that are no interfaces: only inherited from, or logical names."""

import pytest

from test_net_links import wanted
from test_net_stanzas import read
from xen_legi.net.logical import no_interfaces

MAPPED = "mapping eth0\n script x\nauto eth0\n"


def stanzas(*names: str) -> str:
    return "".join(f"iface {name} inet manual\n" for name in names)


@pytest.mark.parametrize("text, expected", [
    (stanzas("a", "b"), set()),
    (stanzas("a") + "iface b inherits a\n", {"a"}),
    ("auto a\n" + stanzas("a") + "iface b inherits a\n", set()),
    ("auto /a*\n" + stanzas("a") + "iface b inherits a\n", set()),
    (stanzas("a") + "iface b inherits a\n bridge-ports a\n", set()),
    (stanzas("a") + "iface b inherits a\n vlan-raw-device a\n", set()),
    (stanzas("a") + "iface b inherits a\n up ifup a\n", set()),
    (stanzas("a") + "auto a.7\niface a.7 inherits a\n", set()),
    (stanzas("eth1") + "iface b inherits eth1\n", set()),  # a device of this host
    (MAPPED + stanzas("home", "work"), {"home", "work"}),
    (MAPPED + stanzas("home", "eth1", "b") + "allow-hotplug b\n", {"home"}),
    ("auto eth0=home\n" + stanzas("home", "work"), {"home", "work"}),
])
def test_a_stanza_that_nothing_names_is_one_only_where_there_may_be_logical_names(text: str, expected: set[str]) -> None:
    assert no_interfaces(read(text), ("eth0", "eth1")) == expected


def test_what_is_only_inherited_from_is_no_port_and_no_vlan() -> None:
    card = "iface card inet manual\n bond-master bond0\niface eth1 inherits card\n"
    text = card + "iface bond0 inet manual\n bond-slaves none\n"
    assert wanted(text, "bond0").links["bond0"].ports == ("eth1",)
    text = "iface all inet manual\n vlan-raw-device eth0\n vlan-id 7\niface vlan7 inherits all\n"
    text += "iface br7 inet manual\n xen-vlan 7 eth0\n"
    assert wanted(text, "br7").links["br7"].ports == ("vlan7",)


def test_what_is_brought_up_by_hand_is_an_interface() -> None:
    text = MAPPED + "iface eth0.10 inet manual\n bond-master bond0\niface bond0 inet manual\n bond-slaves none\n"
    assert wanted(text, "eth0.10").links["bond0"].ports == ("eth0.10",)
    assert wanted(text, "bond0").links["bond0"].ports == ()
