"""From stanzas to links."""

import pytest

from test_net_stanzas import read
from xen_legi.net.check import check
from xen_legi.net.defaults import with_defaults
from xen_legi.net.describe import Link
from xen_legi.net.links import Desired, desired

REFERENCE = """
auto eth1
iface eth1 inet manual
    up ip link set dev eth1 arp off
auto bond0
iface bond0 inet manual
    bond-mode 802.3ad
    bond-miimon 100
    bond-updelay 200
    bond-downdelay 200
    slaves eth1 eth2
allow-xenbr72 vlan72
iface vlan72 inet manual
    vlan-raw-device bond0
auto xenbr72
iface xenbr72 inet manual
    pre-up ifup --allow "$IFACE" vlan72
    bridge_ports vlan72
    bridge_stp off
    bridge_fd 0
    bridge_maxwait 0
    post-down ifdown --allow "$IFACE" vlan72
"""


def wanted(text: str, *names: str, devices: tuple[str, ...] = ("eth0", "eth1", "eth2")) -> Desired:
    return desired(read(text), names, devices)


def link(text: str, name: str, **more: tuple[str, ...]) -> Link:
    found = wanted(text, name, **more)
    assert not found.errors
    return found.links[name]


def error(text: str, name: str) -> str:
    return wanted(text, name).errors[name]


def stanza(*lines: str, name: str = "br0") -> str:
    return "\n    ".join([f"iface {name} inet manual", *lines]) + "\n"


def bond(*lines: str) -> str:
    return stanza("bond-slaves eth1", *lines, name="bond0")


def settings(one: Link) -> dict[str, str]:
    return {known.name: value for known, value in one.settings}


def test_the_reference_needs_the_bond_its_ports_the_vlan_and_the_bridge_in_this_order() -> None:
    found = wanted(REFERENCE, "eth1", "bond0", "xenbr72")
    assert list(found.links) == ["bond0", "eth1", "eth2", "xenbr72", "vlan72"]
    assert [one.kind for one in found.links.values()] == ["bond", "", "", "bridge", "vlan"]
    assert [one.master for one in found.links.values()] == ["", "bond0", "bond0", "", "xenbr72"]
    assert not found.errors and not found.remarks


def test_one_interface_brings_what_it_needs_and_nothing_else() -> None:
    assert set(wanted(REFERENCE, "bond0").links) == {"bond0", "eth1", "eth2"}
    assert set(wanted(REFERENCE, "eth1").links) == set()


def test_the_old_name_slaves_and_the_options_of_the_bond_are_read() -> None:
    bond = link(REFERENCE, "bond0")
    assert bond.ports == ("eth1", "eth2")
    assert settings(bond) == {
        "bond-mode": "802.3ad", "bond-miimon": "100", "bond-updelay": "200", "bond-downdelay": "200",
    }


@pytest.mark.parametrize("name, more, expected", [
    ("vlan72", "", ("bond0", "72")),
    ("vlan0072", "", ("bond0", "72")),
    ("dmz", "vlan-id 9", ("bond0", "9")),
    ("bond0.72", "", ("bond0", "72")),
    ("vlan7", "vlan-id 8", ("bond0", "8")),
])
def test_the_vlan_id_comes_from_the_name_or_from_its_option(name: str, more: str, expected: tuple[str, str]) -> None:
    one = link(stanza("vlan-raw-device bond0", *filter(None, [more]), name=name), name)
    assert (one.kind, one.lower, one.vlan, one.protocol) == ("vlan", *expected, "802.1Q")


def test_a_port_named_after_a_device_and_an_id_is_a_vlan_without_a_stanza() -> None:
    found = wanted(stanza("bridge_ports bond0.72 eth1"), "br0")
    assert (found.links["bond0.72"].lower, found.links["bond0.72"].vlan) == ("bond0", "72")
    assert found.links["eth1"].kind == "" and found.links["bond0"].kind == ""


def test_a_plain_dotted_interface_is_left_to_ifupdown_unless_a_bridge_needs_it() -> None:
    assert not wanted("iface eth0.5 inet dhcp\n", "eth0.5").links
    assert wanted("iface eth0.5 inet manual\n" + stanza("bridge_ports eth0.5"), "br0").links["eth0.5"].kind == "vlan"


def test_xen_vlan_is_a_bridge_and_its_vlan_in_one_stanza() -> None:
    found = wanted(stanza("xen-vlan 72 bond0", name="xenbr72"), "xenbr72")
    assert found.links["xenbr72"].ports == ("bond0.72",)
    assert (found.links["bond0.72"].lower, found.links["bond0.72"].master) == ("bond0", "xenbr72")
    assert settings(found.links["xenbr72"]) == {"bridge-stp": "0", "bridge-fd": "0"}


def test_xen_vlan_takes_the_vlan_that_has_a_stanza_and_another_name_where_the_device_is_long() -> None:
    found = wanted(stanza("vlan-raw-device bond0", name="vlan72") + stanza("xen-vlan 72 bond0"), "br0")
    assert found.links["br0"].ports == ("vlan72",) and found.links["vlan72"].master == "br0"
    assert wanted(stanza("xen-vlan 4000 enp129s0f0np0"), "br0").links["br0"].ports == ("vlan4000",)


def test_two_xen_vlans_of_one_device_are_two_vlans_of_it() -> None:
    found = wanted(stanza("xen-vlan 72 bond0", name="a") + stanza("xen-vlan 73 bond0", name="b"), "a", "b")
    assert {"a", "b", "bond0.72", "bond0.73", "bond0"} == set(found.links)


def test_a_bridge_has_no_stp_and_no_delay_unless_it_asks() -> None:
    assert settings(link(stanza("bridge_ports none"), "br0")) == {"bridge-stp": "0", "bridge-fd": "0"}
    assert settings(link(stanza("bridge_ports none", "bridge_stp on"), "br0")) == {"bridge-stp": "1"}
    assert settings(link(stanza("bridge_ports none", "bridge-fd 2.5"), "br0"))["bridge-fd"] == "250"


def test_ports_by_pattern_are_those_that_the_kernel_has() -> None:
    devices = ("eth0", "eth1", "enp1s0", "lo", "vif1.0", "br0")
    assert link(stanza("bridge_ports regex eth.* noregex eth1 x"), "br0", devices=devices).ports == ("eth0", "eth1", "x")
    assert link(stanza("bridge_ports all"), "br0", devices=devices).ports == ("eth0", "eth1", "enp1s0")
    assert link(stanza("bond-slaves all", name="bond0"), "bond0", devices=devices).ports == ("eth0", "eth1")


def test_a_port_may_ask_for_its_bond_itself() -> None:
    text = stanza("bond-mode 1", "bond-slaves none", name="bond0") + stanza("bond-master bond0", "bond-mode 1", name="eth1")
    found = wanted(text, "eth1")
    assert found.links["bond0"].ports == ("eth1",) and found.links["eth1"].master == "bond0"
    assert settings(found.links["bond0"]) == {"bond-mode": "active-backup", "bond-miimon": "100"}


def test_a_bond_that_watches_by_arp_gets_no_miimon() -> None:
    one = link(stanza("bond-slaves eth1", "bond-arp-interval 50", "bond-arp-ip-target 10.0.0.1 10.0.0.2", name="b"), "b")
    assert settings(one) == {"bond-arp-interval": "50", "bond-arp-ip-target": "10.0.0.1,10.0.0.2"}


def test_the_last_line_of_an_option_wins_and_lists_are_joined() -> None:
    text = "iface t inet manual\n mtu 1500\n bridge_ports eth1\n"
    text += "iface br0 inet manual inherits t\n mtu 9000\n bridge_ports eth2\n"
    one = link(text, "br0")
    assert one.mtu == 9000 and one.ports == ("eth1", "eth2")


def test_an_mtu_reaches_what_lies_below_where_that_has_none_of_its_own() -> None:
    found = wanted(REFERENCE.replace("bridge_fd 0", "mtu 9000"), "xenbr72")
    mtus = {name: (one.mtu, one.own_mtu) for name, one in found.links.items()}
    assert mtus["xenbr72"] == (9000, True)
    assert mtus["vlan72"] == mtus["bond0"] == (9000, False)


def test_an_mtu_that_does_not_fit_below_is_an_error() -> None:
    text = REFERENCE.replace("-device bond0", "-device bond0\n    mtu 9000").replace("slaves", "mtu 1500\n    slaves")
    assert wanted(text, "vlan72").errors == {"vlan72": "mtu 9000 does not fit on bond0, which has mtu 1500"}


def test_ports_and_uplinks_get_no_address_by_themselves_but_what_has_one_keeps_it() -> None:
    found = wanted(REFERENCE, "xenbr72").links
    assert {name for name, one in found.items() if one.silent} == {"bond0", "eth1", "eth2", "vlan72"}
    assert wanted(REFERENCE, "bond0").links["bond0"].silent
    with_address = REFERENCE.replace("iface bond0 inet manual", "iface bond0 inet dhcp")
    assert not wanted(with_address, "xenbr72").links["bond0"].silent


def test_bridge_hw_is_an_address_or_a_device() -> None:
    assert link(stanza("bridge_ports none", "bridge_hw 00:16:3E:00:00:01"), "br0").address == "00:16:3e:00:00:01"
    assert link(stanza("bridge_ports none", "bridge_hw eth1"), "br0").address == "eth1"
    assert link(stanza("bridge_ports none", "hwaddress ether 00:16:3e:00:00:02"), "br0").address == "00:16:3e:00:00:02"
    assert link(stanza("bridge_ports none", "hwaddress random"), "br0").address == ""


def test_values_for_single_ports_are_read_in_pairs() -> None:
    one = link(stanza("bridge_ports eth1 eth2", "bridge_pathcost eth1 4", "bridge_portprio eth2 8"), "br0")
    assert [(port, known.word, value) for port, known, value in one.port_settings] == [
        ("eth1", "cost", "4"), ("eth2", "priority", "8"),
    ]
    one = link(stanza("slaves eth1 eth2", "bond-queue-id eth1:1 eth2:2", name="b"), "b")
    assert [(port, value) for port, _, value in one.port_settings] == [("eth1", "1"), ("eth2", "2")]


@pytest.mark.parametrize("lines, message", [
    (["bridge_ports none", "bridge_fd soon"], "bridge-fd 'soon' is not a number of seconds"),
    (["bridge_ports none", "bridge_stp perhaps"], "bridge-stp 'perhaps' is neither yes nor no"),
    (["bridge_ports a/b"], "bridge-ports 'a/b' is not a name that the kernel takes: "
     "at most 15 characters, no blank, slash or colon"),
    (["bridge_ports regex ("], "bridge-ports: '(' is not a regular expression: "
     "missing ), unterminated subpattern at position 0"),
    (["bridge_ports none", "bridge_pathcost eth1"], "bridge-pathcost 'eth1' is not pairs of a port and a number"),
    (["bond-slaves eth1", "bond-mode 7"], "bond-mode '7' is not one of balance-rr, active-backup, balance-xor, broadcast, "
     "802.3ad, balance-tlb, balance-alb"),
    (["bond-slaves eth1", "bridge_ports eth2"],
     "has options of a bond (bond-slaves) and of a bridge (bridge_ports): one interface is one of them"),
    (["vlan-raw-device bond0"], "no VLAN ID: give vlan-id, or a name like vlan72 or bond0.72"),
    (["vlan-id 72"], "vlan-raw-device is missing"),
    (["vlan-id 4095", "vlan-raw-device bond0"], "vlan-id '4095' is not a number from 1 to 4094"),
    (["xen-vlan 72"], "xen-vlan '72' is not a VLAN ID and a device, as in xen-vlan 72 bond0"),
    (["xen-vlan 0 bond0"], "xen-vlan '0' is not a number from 1 to 4094"),
    (["bridge_ports none", "hwaddress 01:00:00:00:00:00"],
     "hwaddress '01:00:00:00:00:00' is a multicast address, which no link can have"),
    (["bridge_ports none", "mtu big"], "mtu 'big' is not a number from 68 to 65535"),
])
def test_nonsense_is_one_clear_line(lines: list[str], message: str) -> None:
    assert error(stanza(*lines), "br0") == message


def test_nonsense_in_one_stanza_costs_the_others_nothing() -> None:
    found = wanted(stanza("bridge_ports none", "bridge_fd x", name="a") + stanza("bridge_ports none", name="b"), "a", "b")
    assert set(found.errors) == {"a"} and set(found.links) == {"b"}


def test_a_name_that_is_too_long_for_the_kernel_is_an_error() -> None:
    assert "is not a name that the kernel takes" in error(stanza("bridge_ports none", name="x" * 16), "x" * 16)


def test_a_device_can_be_the_port_of_one_master_only() -> None:
    found = wanted(stanza("bridge_ports eth1", name="a") + stanza("bridge_ports eth1", name="b"), "a", "b")
    assert found.errors == {"b": "eth1 is already a port of a"}


def test_links_that_stand_on_each_other_are_an_error() -> None:
    found = wanted(stanza("vlan-raw-device vlan2", name="vlan1") + stanza("vlan-raw-device vlan1", name="vlan2"), "vlan1")
    assert list(found.errors.values())[0] == "stands, through its ports or its raw device, on itself"


def test_options_that_nobody_can_do_are_said_and_the_bridge_is_made() -> None:
    found = wanted(stanza("bridge_ports none", "bridge_gcint 4"), "br0")
    assert [str(one) for one in found.remarks] == [
        "i:1: br0: bridge-gcint has no effect: Linux collects forgotten addresses by itself",
    ]
    assert "br0" in found.links


def test_options_of_others_are_left_alone() -> None:
    assert not wanted("iface eth0 inet dhcp\n    ethernet-wol g\n    mtu 9000\n    hwaddress random\n", "eth0").links


MASTER = stanza("bond-slaves none", "bond-mode active-backup", name="bond0")


def test_what_a_port_says_of_its_bond_is_taken_where_the_bond_itself_says_nothing() -> None:
    said = ("bond-primary eth2", "bond-miimon 50", "bond-mode 802.3ad", "bond-queue-id eth1:2")
    port = stanza("bond-master bond0", *said, name="eth1")
    bond = link(MASTER + port + stanza("bond-master bond0", "bond-primary eth2", name="eth2"), "bond0")
    assert settings(bond) == {"bond-mode": "active-backup", "bond-miimon": "50", "bond-primary": "eth2"}
    assert [(name, known.name, value) for name, known, value in bond.port_settings] == [("eth1", "bond-queue-id", "2")]
    own = stanza("bond-slaves none", "bond-mode active-backup", "bond-primary eth1", name="bond0")
    assert settings(link(own + port, "bond0"))["bond-primary"] == "eth1"


def test_nonsense_of_a_port_costs_that_port_and_not_the_bond() -> None:
    found = wanted(MASTER + stanza("bond-master bond0", "bond-miimon x", "bond-primary eth1", name="eth1"), "bond0")
    assert settings(found.links["bond0"]) == {"bond-mode": "active-backup", "bond-miimon": "100"}
    assert found.errors == {"eth1": "bond-miimon 'x' is not a number from 0 to 2147483647"}


@pytest.mark.parametrize("option, kind", [
    ("bridge-ports eth2", "bridge (bridge-ports) and of a port of a bond (bond-master)"),
    ("xen-vlan 5 eth2", "bridge (xen-vlan) and of a port of a bond (bond-master)"),
    ("bond-slaves eth2", "bond (bond-slaves) and of a port of a bond (bond-master)"),
])
def test_a_port_of_a_bond_is_nothing_else(option: str, kind: str) -> None:
    said = error(stanza("bond-master bond0", option, name="eth1"), "eth1")
    assert said.startswith(f"has options of a {kind}: one interface")


def test_a_logical_name_that_only_patterns_use_is_no_port() -> None:
    text = "auto /eth*=slave\niface slave inet manual\n    bond-master bond0\n    bond-miimon 50\n"
    assert link(MASTER + text, "bond0").ports == ()
    assert settings(link(MASTER + text, "bond0"))["bond-miimon"] == "50"
    assert link(MASTER + text + "auto slave\n", "bond0").ports == ("slave",)


CARD, OTHER = "enp129s0f0np0", "enp129s0f1np1"  # with .4000, longer than a name may be


@pytest.mark.parametrize("other", [
    stanza(f"vlan-raw-device {OTHER}", name="vlan4000"), stanza(f"xen-vlan 4000 {OTHER}", name="br1"),
    stanza(f"vlan-raw-device {CARD}", "vlan-protocol 802.1ad", name="vlan4000"),
    stanza("bridge-ports none", name="vlan4000"),
])
def test_a_bridge_is_never_over_the_wrong_vlan_for_its_name(other: str) -> None:
    found = wanted(other + stanza(f"xen-vlan 4000 {CARD}"), "br1", "br0")
    assert found.errors["br0"].startswith(f"VLAN 4000 of {CARD} would be called vlan4000, and that is ")
    assert set(found.errors) == {"br0"} and "br0" not in found.links


def test_the_same_holds_for_dotted_names_and_for_xen_vlans() -> None:
    dotted = stanza("vlan-raw-device bond1", "vlan-id 72", name="bond0.72")
    assert "and that is VLAN 72 of bond1" in error(dotted + stanza("xen-vlan 72 bond0"), "br0")
    text = stanza("xen-vlans 4000-4001", name=CARD) + stanza(f"vlan-raw-device {OTHER}", name="vlan4000")
    found = wanted(text, CARD)
    assert set(found.errors) == {"xenbr4000"} and {"xenbr4001", "vlan4001", CARD} <= set(found.links)
    (told,) = [one for one in check(read(text)) if one.level == "error"]
    assert told.where == "i:1"


def test_a_stanza_without_options_of_ours_is_the_vlan_of_its_name() -> None:
    found = wanted(stanza(f"xen-vlan 4000 {CARD}") + "iface vlan4000 inet manual\n", "br0")
    assert (found.links["vlan4000"].lower, found.links["vlan4000"].vlan) == (CARD, "4000")


def mtus(text: str) -> dict[str, tuple[int, bool]]:
    found = wanted(text, "eth1")
    assert not found.errors
    return {name: (one.mtu, one.own_mtu) for name, one in found.links.items() if one.mtu}


def test_what_xen_vlans_makes_has_the_mtu_of_its_interface_so_that_a_change_reaches_it() -> None:
    span = stanza("mtu 9000", "xen-vlans 5 6", name="eth1")
    every = {name: (9000, True) for name in ("eth1", "eth1.5", "xenbr5", "eth1.6", "xenbr6")}
    assert mtus(span) == every
    assert mtus(stanza("xen-vlans 5 6", name="eth1")) == {}
    own = stanza("vlan-raw-device eth1", "mtu 4000", name="eth1.6")
    assert mtus(span + own) == every | {"eth1.6": (4000, True), "xenbr6": (4000, True)}


def test_an_mtu_of_a_bridge_of_xen_vlans_itself_is_the_stronger_one() -> None:
    span, above = stanza("mtu 9000", "xen-vlans 5", name="eth1"), "iface xenbr5 inet static\n    address 192.0.2.1/24\n"
    assert mtus(span + above + "    mtu 1500\n")["xenbr5"] == (1500, True)
    assert mtus(span + above)["xenbr5"] == (9000, True)
    assert mtus(span + stanza("xen-vlan 5 eth1", name="xenbr5")) == {"eth1": (9000, True)}


def test_an_mtu_above_that_does_not_fit_on_the_interface_stays_an_error() -> None:
    text = stanza("mtu 4000", "xen-vlans 5", name="eth1") + stanza("vlan-raw-device eth1", "mtu 9000", name="eth1.5")
    assert wanted(text, "eth1").errors == {"eth1.5": "mtu 9000 does not fit on eth1, which has mtu 4000"}


@pytest.mark.parametrize("option", ["vlan-id 5", "vlan-raw-device eth1"])
def test_beside_xen_vlan_only_the_protocol_of_its_vlan_may_stand(option: str) -> None:
    assert error(stanza("xen-vlan 5 eth1", option), "br0").startswith("has options of a bridge (xen-vlan) and of a vlan")
    assert not wanted(stanza("xen-vlan 5 eth1", "vlan-protocol 802.1ad"), "br0").errors


@pytest.mark.parametrize("now, gone", [
    (("bond-miimon 0", "bond-arp-interval 500"), {}), (("bond-arp-interval 500",), {"bond-updelay": "0"}),
])
def test_a_delay_is_not_set_back_together_with_what_it_is_a_multiple_of(now: tuple[str, ...], gone: dict[str, str]) -> None:
    before, after = wanted(bond("bond-updelay 200"), "bond0").links, wanted(bond(*now), "bond0")
    back = settings(with_defaults(after, before).links["bond0"])
    assert {name: value for name, value in back.items() if name == "bond-updelay"} == gone


def test_what_ports_there_are_is_not_guessed_where_no_device_is_known() -> None:
    text = stanza("bridge-ports regex eth.*", "bridge-vlan-aware yes", "bridge-pathcost eth1 5") + "auto br0\n"
    text += stanza("bridge-access 7", name="eth1")
    assert check(read(text)) == check(read(text), ["eth1"]) == []
    assert len(check(read(text), ["eth2"])) == 2


def test_only_links_that_no_stanza_and_no_line_names_are_unnamed() -> None:
    text = "allow-hotplug xenbr7\nallow-hotplug /eth1.8*=tmpl\niface xenbr5 inet static\n    address 192.0.2.1/24\n"
    links = wanted(text + "auto eth1\niface eth1 inet manual\n    xen-vlans 5-9\n", "eth1").links
    assert {name for name, link in links.items() if not link.unnamed} == {"eth1", "xenbr5", "xenbr7", "eth1.8"}
