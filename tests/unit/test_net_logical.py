"""Stanzas that are no interfaces: only inherited from, or logical names."""

import pytest

from test_net_links import wanted
from test_net_plan import state
from test_net_stanzas import read
from xen_legi.net.change import Now, change
from xen_legi.net.check import check, differences, with_errors
from xen_legi.net.kernel import GROUP, GUESTS, Device
from xen_legi.net.logical import chosen, in_use, no_interfaces, with_own

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


CARDS = ("eth0", "eth1", "eth2", "lo")


@pytest.mark.parametrize("text, expected", [  # as ifup 0.8.41 -n -v -a told it
    ("auto /eth*=home\n", {"eth0": "home", "eth1": "home", "eth2": "home"}),
    ("auto /eth*/2=home\n", {"eth1": "home"}),
    ("auto /eth*/2x=home\n", {"eth1": "home"}),
    ("auto /eth*/0=home\n", {"eth0": "home", "eth1": "home", "eth2": "home"}),
    ("auto /eth*/4=home\n", {}),
    ("auto /eth*=home/2\n", {}),
    ("auto /eth*=nowhere\n", {}),
    ("auto /[0=]th*=home\n", {}),
    ("auto /eth[12]=home\n", {"eth1": "home", "eth2": "home"}),
    ("auto /eth1=home /eth*=work\n", {"eth1": "home", "eth0": "work", "eth2": "work"}),
    ("auto eth0 /eth*=home\niface eth0 inet manual\n", {"eth1": "home", "eth2": "home"}),
    ("auto eth0 eth0=home\n", {"eth0": "home"}),  # iface eth0 is not there
    ("auto eth9=home eth0=home=x\n", {"eth9": "home"}),
    ("auto /*=home\n", {"eth0": "home", "eth1": "home", "eth2": "home"}),  # lo is up before
    ("allow-hotplug /eth*=home\n", {}),
    ("auto mac/*=home\n", {}),
])
def test_what_comes_up_by_another_stanza_is_what_ifup_says(text: str, expected: dict[str, str]) -> None:
    assert chosen(read(text + stanzas("home", "work")), CARDS) == expected


def test_a_pattern_finds_cards_and_not_what_was_made_of_them_since() -> None:
    later = (Device("eth0.5", "vlan", lower="eth0"), Device("ethbr", "bridge"), Device("eth8", address=GUESTS),
             Device("eth7", "dummy", group=GROUP), Device("eth1", "dummy"))
    text = "auto /eth*=home\n" + stanzas("home")
    assert chosen(read(text), state(Device("eth0"), *later)) == {"eth0": "home", "eth1": "home"}
    assert chosen(read(text + "auto eth0.5=home\n"), state(*later)) == {"eth1": "home", "eth0.5": "home"}


def test_a_mapping_script_and_no_scripts_keep_an_interface_from_what_we_make_and_what_is_up_stays_so() -> None:
    text = "auto /eth*=home\n" + stanzas("home", "work")
    assert in_use(read(text), CARDS, {"eth0": "eth0", "eth1": "work", "lo": "lo"}) == {"eth1": "work", "eth2": "home"}
    assert in_use(read(text + "no-scripts eth[01]\n"), CARDS, {}) == {"eth2": "home"}
    assert in_use(read(text + "mapping home\n script x\n"), CARDS, {}) == {}


def test_the_stanzas_of_another_name_take_the_place_of_its_own() -> None:
    found = with_own(read(stanzas("eth0", "home") + "iface home inet6 auto\n"), {"eth0": "home", "eth1": "nowhere"})
    assert [(one.name, one.family, one.method) for one in found.stanzas] == [
        ("home", "inet", "manual"), ("home", "inet6", "auto"), ("eth0", "inet", "manual"), ("eth0", "inet6", "auto")]


SLAVES = """
auto /eth[01]=slave bond0
iface slave inet manual
    bond-master bond0
iface bond0 inet manual
    bond-slaves none
    bond-mode active-backup
"""
BOND = Device("bond0", "bond", up=True, group=GROUP, attributes={"mode": "active-backup", "miimon": "100"})
PORTS = [Device(name, master="bond0", up=True, silent=True) for name in ("eth0", "eth1")]
BOTH_UP = {"bond0": "bond0", "eth0": "slave", "eth1": "slave"}


def test_the_cards_that_a_pattern_finds_join_their_bond_and_come_up_by_its_stanza() -> None:
    found = change(read(SLAVES), Now(state(Device("eth0"), Device("eth1"), Device("eth2"))))
    assert [step.do for step in found.links.steps if "master" in step.do] == [
        f"link set dev {name} addrgenmode none master bond0" for name in ("eth0", "eth1")]
    assert found.ups == ("bond0", "eth0=slave", "eth1=slave")
    assert change(read(SLAVES), Now(state(*PORTS, BOND), BOTH_UP, read(SLAVES))).ups == ()
    assert list(change(read(SLAVES), Now(state(*PORTS, BOND), BOTH_UP, read(SLAVES))).lines()) == []


def test_a_card_whose_stanza_names_no_bond_any_more_leaves_it() -> None:
    now = SLAVES.replace("    bond-master bond0\n", "")
    steps = change(read(now), Now(state(*PORTS, BOND), BOTH_UP, read(SLAVES))).links.steps
    assert {step.do for step in steps if "nomaster" in step.do} == {
        "link set dev eth0 nomaster", "link set dev eth1 nomaster"}


def test_what_was_made_for_a_card_by_a_stanza_of_another_name_is_nobodys_stray() -> None:
    text = "auto /eth0=trunk\niface trunk inet manual\n    xen-vlans 5\n"
    made = state(Device("eth0", up=True), Device("eth0.5", "vlan", lower="eth0", master="xenbr5", group=GROUP, up=True),
                 Device("xenbr5", "bridge", group=GROUP, up=True))
    for words in (text, text.replace("/eth0=", "eth0=")):
        assert change(read(words), Now(made, {"eth0": "trunk"}, read(words))).removed == ()
    assert set(change(read(""), Now(made, {"eth0": "trunk"}, read(text))).removed) == {"eth0.5", "xenbr5"}


def test_a_card_whose_own_stanza_became_one_by_pattern_goes_down_and_comes_up_by_that() -> None:
    now, before = "auto /eth0=home\niface home inet dhcp\n", "auto eth0\niface eth0 inet dhcp\n"
    found = change(read(now), Now(state(Device("eth0", up=True)), {"eth0": "eth0"}, read(before)))
    assert (found.downs, found.ups) == (("eth0",), ("eth0=home",))


def test_the_plan_and_the_check_tell_what_cannot_be_with_the_place_of_the_stanza() -> None:
    text = "auto /eth[01]=trunk\niface trunk inet manual\n    xen-vlans 5\n"
    cards = state(Device("eth0", up=True), Device("eth1", up=True))
    assert [str(one) for one in check(read(text), cards)] == ["i:2: error: eth1: xenbr5 is already a bridge of eth0"]
    found = change(read(text), Now(cards))
    assert found.errors == {"eth1": "xenbr5 is already a bridge of eth0"} and found.ups == ("eth0=trunk",)
    bad = read(text.replace("5", "many"))
    assert {one.text.partition(":")[0] for one in check(bad, cards)} == {"trunk"}  # and not of each card again
    assert "ifup" not in {action for action, _, _ in with_errors(check(bad), change(bad, Now(cards)))}


def test_the_check_tells_what_the_kernel_lacks_of_a_card_by_a_pattern() -> None:
    cards = state(Device("eth0"), Device("eth1"), BOND)
    asked = with_own(read(SLAVES), in_use(read(SLAVES), cards, {}))
    told = [str(one) for one in differences(asked, ["bond0", "eth0", "eth1"], cards)]
    assert "i:3: difference: eth0: needs: ip link set dev eth0 addrgenmode none master bond0" in told
