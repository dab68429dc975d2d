"""What would be done so that the kernel has what the files say: only the difference, and never at the cost of a guest."""

from dataclasses import replace

import pytest

from test_net_links import REFERENCE, stanza
from test_net_plan import BRIDGE, ETH1, complete, gone, span, state
from test_net_stanzas import read
from xen_legi.net.change import Change, Now, change
from xen_legi.net.ip_addresses import Kernel
from xen_legi.net.kernel import GROUP, Device

UP = {name: name for name in ("lo", "eth1", "bond0", "vlan72", "xenbr72")}
VIF = Device("web", address="fe:ff:ff:ff:ff:ff", master="xenbr72")
LAST = REFERENCE.partition("auto xenbr72")[0]  # without the bridge


def changed(text: str, devices: dict[str, Device], up: dict[str, str] | None = None) -> Change:
    return change(read(text), Now(devices, UP if up is None else up))


def lines(text: str, devices: dict[str, Device], up: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(action, name) for action, name, _ in changed(text, devices, up).lines()]


def test_where_all_is_as_the_files_say_there_is_nothing_to_do() -> None:
    assert lines(REFERENCE, complete()) == []


def test_a_new_stanza_is_made_and_brought_up_by_ifup() -> None:
    text = REFERENCE + "auto xenbr80\n" + stanza("xen-vlan 80 bond0", name="xenbr80")
    assert lines(text, complete()) == [
        *[("ip", "xenbr80")], *[("ip", "bond0.80")] * 3, ("ifup", "xenbr80"),
    ]


def test_what_no_stanza_names_any_more_goes() -> None:
    text = LAST.replace("allow-xenbr72 vlan72\niface vlan72 inet manual\n    vlan-raw-device bond0\n", "")
    found = changed(text, complete())
    assert (found.downs, found.removed, found.kept) == (("vlan72", "xenbr72"), ("xenbr72", "vlan72"), {})
    assert list(found.removals) == gone("xenbr72", "vlan72")


def test_a_bridge_with_a_guest_stays_and_so_does_what_it_stands_on() -> None:
    found = changed("iface eth1 inet manual\n", complete() | state(VIF), {})
    assert found.removed == () and found.removals == ()
    assert found.kept == {"xenbr72": "web is attached", "vlan72": "it is a port of xenbr72", "bond0": "vlan72 stands on it"}


def test_the_cards_of_a_bond_that_goes_are_released() -> None:
    removals = changed("iface eth1 inet manual\n", complete(), {}).removals
    assert removals[-4:] == (
        "link set dev eth1 down", "link set dev eth1 addrgenmode eui64",
        "link set dev eth2 down", "link set dev eth2 addrgenmode eui64",
    )
    assert {"link set dev bond0 group 5695", "link del group 5695"} < set(removals)


def test_a_range_that_became_shorter_loses_the_rest() -> None:
    found = changed("auto eth1\niface eth1 inet manual\n    xen-vlans 5\n", span(5, 6, 8), {"eth1": "eth1"})
    assert set(found.removed) == {"xenbr6", "eth1.6", "xenbr8", "eth1.8"} and found.links.steps == ()
    assert set(found.removals[:-1]) == set(gone("xenbr6", "eth1.6", "xenbr8", "eth1.8")[:-1])


def test_what_others_made_is_left_alone() -> None:
    devices = state(ETH1, Device("docker0", "bridge", attributes=BRIDGE), Device("eth1.9", "vlan", lower="eth1"))
    assert lines("iface eth1 inet manual\n", devices, {}) == []


def test_an_interface_that_is_up_by_another_stanza_stays_up() -> None:
    assert lines("iface home inet manual\n", state(replace(ETH1, up=True)), {"eth1": "home", "lo": "lo"}) == []


@pytest.mark.parametrize("up", [{}, UP])
def test_what_cannot_be_is_told(up: dict[str, str]) -> None:
    devices = complete()
    devices["xenbr72"] = replace(devices["xenbr72"], kind="veth")
    assert ("cannot", "xenbr72") in lines(REFERENCE, devices, up)


def test_thousands_of_strays_are_found_without_looking_at_each_for_each() -> None:
    found = changed("auto eth1\niface eth1 inet manual\n    xen-vlans 5\n", span(*range(1, 4095)), {"eth1": "eth1"})
    assert len(found.removed) == 2 * 4093 and found.kept == {}


def test_a_link_of_ours_in_the_group_that_goes_is_one_of_ours() -> None:
    devices = span(5, 6)
    devices["xenbr6"] = replace(devices["xenbr6"], group=GROUP + 1)
    found = changed("auto eth1\niface eth1 inet manual\n    xen-vlans 5\n", devices, {"eth1": "eth1"})
    assert set(found.removed) == {"xenbr6", "eth1.6"}


def test_a_new_mtu_of_an_interface_reaches_the_vlans_and_bridges_that_it_spans() -> None:
    text = "auto eth1\niface eth1 inet manual\n    mtu 9000\n    xen-vlans 5\n"
    steps = [step.do for step in changed(text, span(5), {"eth1": "eth1"}).links.steps if " mtu " in step.do]
    assert steps == [f"link set dev {name} mtu 9000" for name in ("eth1", "xenbr5", "eth1.5")]


def test_what_ifupdown_holds_for_up_and_is_down_is_set_up() -> None:
    text = "auto eth1\niface eth1 inet manual\n"
    steps = changed(text, state(ETH1), {"eth1": "eth1", "eth1:1": "eth1:1", "ppp7": "ppp7"}).links.steps
    assert [step.do for step in steps] == ["link set dev eth1 up"]
    assert lines(text, state(ETH1), {}) == [("ifup", "eth1")]
    for name in ("eth1", "$IFACE"):
        assert lines(text + f"    up ip link set dev {name} down\n", state(ETH1), {"eth1": "eth1"}) == []
    assert lines(text + "    up ip link set dev eth9 down\n", state(ETH1), {"eth1": "eth1"}) == [("ip", "eth1")]


def test_a_link_that_ifupdown_holds_for_up_and_that_is_gone_is_made_and_set_up() -> None:
    steps = changed("iface br0 inet manual\n    bridge-ports none\n", state(ETH1), {"br0": "br0"}).links.steps
    assert [step.do for step in steps][-1] == "link set dev br0 up"


def test_a_card_whose_bond_goes_is_set_up_again_where_ifupdown_holds_it_for_up() -> None:
    now = "auto eth1\niface eth1 inet static\n    address 192.0.2.1/24\n"
    found = changed(now, complete(), {"eth1": "eth1", "bond0": "bond0"})
    assert "bond0" in found.removed and found.downs == ("bond0",)
    assert [step.do for step in found.links.steps] == ["link set dev eth1 up"]


def test_a_port_that_a_bond_loses_is_set_up_again_where_ifupdown_holds_it_for_up() -> None:
    before = "iface bond0 inet manual\n    slaves eth1 eth2\niface eth2 inet manual\n"
    after = before.replace("eth1 eth2", "eth1")
    up = {"bond0": "bond0", "eth2": "eth2"}
    now = Now(complete(), up, read(before))
    steps = [step.do for step in change(read(after), now).links.steps if "eth2" in step.do]
    assert steps == [f"link set dev eth2 {words}" for words in ("nomaster", "addrgenmode eui64", "up")]
    moved = after + "iface xenbr0 inet manual\n    bridge-ports eth2\n"
    up["xenbr0"] = "xenbr0"
    steps = [step.do for step in change(read(moved), replace(now, up=up)).links.steps if "dev eth2" in step.do]
    assert steps == ["link set dev eth2 nomaster", "link set dev eth2 master xenbr0", "link set dev eth2 up"]


@pytest.mark.parametrize("kind", ["", "veth", "dummy", "tun"])
def test_what_is_a_port_by_the_stanza_in_force_is_nobodys_guest(kind: str) -> None:
    before = "auto br9\niface br9 inet manual\n    bridge-ports p0\n"
    devices = state(Device("p0", kind, up=True, master="br9"),
                    Device("br9", "bridge", up=True, group=GROUP, attributes=BRIDGE))
    up = {"br9": "br9"}
    assert change(read("iface p0 inet manual\n"), Now(devices, up, read(before))).removed == ("br9",)
    devices["p0"] = replace(devices["p0"], address="fe:ff:ff:ff:ff:ff")
    assert change(read("iface p0 inet manual\n"), Now(devices, up, read(before))).kept == {"br9": "p0 is attached"}


def test_what_nobody_knows_how_it_came_up_is_left_alone() -> None:
    eth0 = "iface eth0 inet static\n    address 192.0.2.1/24\n"
    devices, have = state(Device("eth0")), Kernel({"eth0": ("192.0.2.9/24",)})
    now = Now(devices, {"eth0": "eth0"}, read(""), read(eth0), have, uncertain=frozenset({"eth0"}))
    for text in ("", eth0, "iface eth0 inet dhcp\n    up true\n    mtu 9000\n"):
        assert [(action, name) for action, name, _ in change(read(text), now).lines()] == [("leave", "eth0")]
    above = "auto br0\niface br0 inet manual\n    bridge-ports eth0\n"
    found = change(read(above), now)
    assert "it is to be a port of br0, but what ifup read" in found.errors["eth0"]
    assert not [step for step in found.links.steps if "eth0" in step.do]
    joined = {"eth0": Device("eth0", up=True, master="br0")}
    assert change(read(above), replace(now, state=joined)).errors == {}


def test_a_port_that_nobody_knows_how_it_came_up_is_not_released() -> None:
    before, now = (f"auto br0\niface br0 inet manual\n    bridge-ports {port}\n" for port in ("eth0", "none"))
    devices = state(Device("eth0", up=True, master="br0"), Device("br0", "bridge", up=True, group=GROUP, attributes=BRIDGE))
    up = {"eth0": "eth0", "br0": "br0"}
    assert change(read(now), Now(devices, up, read(before), uncertain=frozenset({"eth0"}))).links.steps == ()
    assert change(read(now), Now(devices, up, read(before))).links.steps


def test_an_interface_without_scripts_is_brought_up_like_others() -> None:
    """Or a revert would leave it down, and say that all is back."""
    text = "no-scripts eth1\nauto eth1\niface eth1 inet static\n    address 192.0.2.1/24\n"
    assert ("ifup", "eth1") in lines(text, state(ETH1), {})
