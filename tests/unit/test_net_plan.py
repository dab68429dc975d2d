"""From links and the kernel's state to the lines of a batch, and what ifdown takes away."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from test_net_links import REFERENCE, stanza, wanted
from xen_legi.net.kernel import GOING, GROUP, Device, parse
from xen_legi.net.plan import Plan, plan
from xen_legi.net.removal import removal

ETH1 = Device("eth1", address="52:54:00:00:00:01", permanent="52:54:00:00:00:01")
ETH2 = Device("eth2", address="52:54:00:00:00:02", permanent="52:54:00:00:00:02")
BOND = {"mode": "802.3ad", "miimon": "100", "updelay": "200", "downdelay": "200"}
BRIDGE = {"stp_state": "0", "forward_delay": "0"}
NAMES = ("eth1", "bond0", "xenbr72")


def state(*devices: Device) -> dict[str, Device]:
    return {device.name: device for device in devices}


def complete() -> dict[str, Device]:
    """The state after the reference's file."""
    return state(
        replace(ETH1, master="bond0", up=True, silent=True),
        replace(ETH2, master="bond0", up=True, silent=True, address=ETH1.address),
        Device("bond0", "bond", ETH1.address, up=True, silent=True, group=GROUP, attributes=BOND),
        Device("xenbr72", "bridge", ETH1.address, up=True, group=GROUP, attributes=BRIDGE),
        Device("vlan72", "vlan", ETH1.address, up=True, master="xenbr72", lower="bond0", silent=True, group=GROUP,
               attributes={"id": "72", "protocol": "802.1Q"}),
    )


def planned(text: str, names: Iterable[str], devices: dict[str, Device]) -> Plan:
    return plan(wanted(text, *names, devices=tuple(devices)), devices)


def lines(text: str, names: Iterable[str], devices: dict[str, Device]) -> list[str]:
    found = planned(text, names, devices)
    assert not found.errors and not found.missing
    return [step.do for step in found.steps]


def test_the_reference_is_one_batch_with_addresses_in_the_messages_that_create() -> None:
    assert lines(REFERENCE, NAMES, state(ETH1, ETH2)) == [
        "link add name bond0 address 52:54:00:00:00:01 group 5694 type bond "
        "mode 802.3ad miimon 100 updelay 200 downdelay 200",
        "link set dev bond0 addrgenmode none",
        "link set dev bond0 up",
        "link set dev eth1 addrgenmode none master bond0",
        "link set dev eth1 up",
        "link set dev eth2 addrgenmode none master bond0",
        "link set dev eth2 up",
        "link add name xenbr72 address 52:54:00:00:00:01 group 5694 type bridge stp_state 0 forward_delay 0",
        "link add link bond0 name vlan72 group 5694 master xenbr72 type vlan protocol 802.1Q id 72",
        "link set dev vlan72 addrgenmode none",
        "link set dev vlan72 up",
    ]


def test_a_port_that_is_up_is_set_down_before_it_joins_a_bond() -> None:
    assert lines(REFERENCE, ["bond0"], state(replace(ETH1, up=True), ETH2))[2:5] == [
        "link set dev eth1 down",
        "link set dev eth1 addrgenmode none master bond0",
        "link set dev eth1 up",
    ]


def test_what_is_there_already_is_left_alone() -> None:
    assert lines(REFERENCE, NAMES, complete()) == []


def test_only_what_differs_is_changed() -> None:
    devices = complete()
    devices["xenbr72"] = replace(devices["xenbr72"], attributes={"stp_state": "1", "forward_delay": "0"})
    devices["vlan72"] = replace(devices["vlan72"], master="", up=False)
    assert lines(REFERENCE, NAMES, devices) == [
        "link set dev xenbr72 type bridge stp_state 0",
        "link set dev vlan72 master xenbr72",
        "link set dev vlan72 up",
    ]


def test_a_bond_is_emptied_and_stopped_for_a_new_mode() -> None:
    devices = complete()
    devices["bond0"] = replace(devices["bond0"], attributes={**BOND, "mode": "balance-rr"})
    assert lines(REFERENCE, ["bond0"], devices) == [
        "link set dev bond0 down",
        "link set dev eth1 nomaster",
        "link set dev eth2 nomaster",
        "link set dev bond0 type bond mode 802.3ad",
        "link set dev eth1 down",
        "link set dev eth1 master bond0",
        "link set dev eth2 down",
        "link set dev eth2 master bond0",
        "link set dev bond0 up",
    ]


def test_a_port_that_is_missing_is_told_and_the_rest_is_made() -> None:
    found = planned(REFERENCE, NAMES, state(ETH2))
    assert found.missing == {"bond0": "port eth1 is missing: there is no such device, and no stanza that makes it"}
    assert found.steps[0].do.startswith("link add name bond0 address 52:54:00:00:00:02")
    assert {step.link for step in found.steps} == {"bond0", "eth2", "xenbr72", "vlan72"}


def test_a_vlan_without_its_raw_device_is_an_error_and_its_bridge_is_made_without_it() -> None:
    text = stanza("vlan-raw-device eth9", name="vlan72") + stanza("bridge_ports vlan72", name="xenbr72")
    found = planned(text, ["xenbr72"], state(ETH1))
    why = "raw device eth9 is missing: there is no such device, and no stanza that makes it"
    assert found.errors["vlan72"] == why
    assert found.missing == {"xenbr72": f"port vlan72 is missing: {why}"}
    assert [step.link for step in found.steps] == ["xenbr72"]


def test_a_broken_bond_stops_its_vlans_and_says_why() -> None:
    found = planned(REFERENCE.replace("802.3ad", "lacp"), ["vlan72"], state(ETH1, ETH2))
    assert found.errors["vlan72"].startswith("raw device bond0 is missing: bond-mode 'lacp' is not one of balance-rr")


@pytest.mark.parametrize("device, message", [
    (Device("xenbr72", "veth"), "there is a veth device of that name, not a bridge"),
    (Device("xenbr72"), "there is a hardware device of that name, not a bridge"),
])
def test_a_name_that_is_taken_by_something_else_is_an_error(device: Device, message: str) -> None:
    assert planned(REFERENCE, ["xenbr72"], state(device, ETH1, ETH2)).errors["xenbr72"] == message


def test_a_vlan_that_is_there_under_another_name_or_with_another_id_is_an_error() -> None:
    devices = complete()
    devices["vlan72"] = replace(devices["vlan72"], attributes={"id": "73", "protocol": "802.1Q"})
    assert planned(REFERENCE, ["vlan72"], devices).errors == {
        "vlan72": "it is there already as VLAN 73 of bond0, not as VLAN 72 of bond0",
    }
    devices = complete()
    devices["dmz"] = replace(devices.pop("vlan72"), name="dmz")
    assert planned(REFERENCE, ["vlan72"], devices).errors == {
        "vlan72": "VLAN 72 of bond0 is there already, under the name dmz",
    }


def test_a_port_of_another_bridge_is_not_taken_from_it() -> None:
    devices = state(replace(ETH1, master="other"), Device("other", "bridge"))
    found = planned(stanza("bridge_ports eth1"), ["br0"], devices)
    assert found.missing == {"br0": "port eth1 is missing: it is a port of other already, not of br0"}


def test_a_bridge_without_ports_gets_an_address_of_its_own_that_stays() -> None:
    first = lines(stanza("bridge_ports none"), ["br0"], state(ETH1))
    assert first == lines(stanza("bridge_ports none"), ["br0"], state(ETH1, Device("vif1.0", "vif", "fe:ff:ff:ff:ff:ff")))
    assert first[0].startswith("link add name br0 address 02:")
    assert first != lines(stanza("bridge_ports none"), ["br0"], state(ETH2))


def test_addresses_are_those_that_the_stanza_gives() -> None:
    text = stanza("vlan-raw-device eth1", "hwaddress 02:00:00:00:00:09", name="vlan5")
    assert lines(text, ["vlan5"], state(ETH1))[2] == (
        "link add link eth1 name vlan5 address 02:00:00:00:00:09 group 5694 type vlan protocol 802.1Q id 5"
    )
    text = stanza("bridge_ports eth1", "bridge_hw eth2")
    assert " address 52:54:00:00:00:02 " in lines(text, ["br0"], state(ETH1, ETH2))[0]


def test_the_mtu_is_raised_below_before_it_is_set_above() -> None:
    text = stanza("vlan-raw-device eth1", "mtu 9000", name="vlan5")
    assert lines(text, ["vlan5"], state(ETH1))[:2] == [
        "link set dev eth1 mtu 9000", "link set dev eth1 addrgenmode none",
    ]
    assert " mtu 9000 " in lines(text, ["vlan5"], state(ETH1))[3]
    assert not [one for one in lines(text, ["vlan5"], state(replace(ETH1, mtu=9216))) if "eth1 mtu" in one]


def test_what_needs_the_ports_comes_last() -> None:
    text = stanza("slaves eth1 eth2", "bond-mode 1", "bond-primary eth9 eth2", "bond-queue-id eth1:3", name="b")
    assert lines(text, ["b"], state(ETH1, ETH2))[-2:] == [
        "link set dev b type bond primary eth2", "link set dev eth1 type bond_slave queue_id 3",
    ]


def test_every_step_that_makes_or_joins_can_be_taken_back() -> None:
    for step in planned(REFERENCE, NAMES, state(replace(ETH1, up=True), ETH2)).steps:
        if step.do.startswith("link add") or " master " in step.do or step.do.endswith((" up", " down")):
            assert step.undo, step


def test_the_state_is_read_from_the_json_of_ip() -> None:
    rows: list[dict[str, Any]] = [
        {"ifname": "eth1", "flags": ["UP"], "mtu": 1500, "group": "default", "address": "52:54:00:00:00:01",
         "permaddr": "52:54:00:00:00:09", "master": "bond0", "inet6_addr_gen_mode": "none"},
        {"ifname": "vlan72", "link": "bond0", "flags": [], "mtu": 1500, "group": "5694", "inet6_addr_gen_mode": "eui64",
         "linkinfo": {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 72, "flags": ["REORDER_HDR"]}}},
        {},
    ]
    found = parse(rows)
    assert found["eth1"] == Device("eth1", "", "52:54:00:00:00:01", "52:54:00:00:00:09", 1500, True, "bond0", silent=True)
    assert found["vlan72"].attributes["id"] == "72" and found["vlan72"].ours and found["vlan72"].lower == "bond0"


def removed(text: str, name: str, devices: dict[str, Device], *configured: str) -> list[str]:
    return removal([name], wanted(text, name, devices=tuple(devices)), devices, configured)


def gone(*names: str) -> list[str]:
    """The lines that remove these links at once."""
    return [*(f"link set dev {name} group {GOING}" for name in names), f"link del group {GOING}"]


def test_ifdown_removes_the_bridge_and_leaves_the_vlan_whose_stanza_is_up() -> None:
    assert removed(REFERENCE, "xenbr72", complete(), "bond0", "vlan72") == gone("xenbr72")


def test_ifdown_removes_what_was_made_for_the_bridge_alone() -> None:
    assert removed(REFERENCE, "xenbr72", complete(), "bond0") == gone("xenbr72", "vlan72")


def test_ifdown_removes_a_bond_that_nobody_asked_for_with_its_last_vlan_and_releases_the_ports() -> None:
    assert removed(REFERENCE, "xenbr72", complete()) == [
        *gone("xenbr72", "vlan72", "bond0"),
        "link set dev eth1 down", "link set dev eth1 addrgenmode eui64",
        "link set dev eth2 down", "link set dev eth2 addrgenmode eui64",
    ]


def test_ifdown_leaves_what_others_need_and_what_we_did_not_make() -> None:
    devices = complete()
    devices["vlan73"] = replace(devices["vlan72"], name="vlan73", master="")
    assert removed(REFERENCE, "xenbr72", devices) == gone("xenbr72", "vlan72")
    devices["vlan72"] = replace(devices["vlan72"], group=0)
    assert removed(REFERENCE, "xenbr72", devices) == gone("xenbr72")


def test_ifdown_of_a_bond_leaves_a_port_that_is_up_by_its_own_stanza() -> None:
    assert removed(REFERENCE, "bond0", complete(), "bond0", "eth1") == [
        *gone("bond0"), "link set dev eth2 down", "link set dev eth2 addrgenmode eui64",
    ]


def test_ifdown_leaves_the_vlan_of_a_dotted_stanza_to_ifupdown_and_never_removes_hardware() -> None:
    text = stanza("vlan-raw-device eth1", name="eth1.5")
    devices = state(ETH1, Device("eth1.5", "vlan", lower="eth1", group=GROUP, attributes={"id": "5", "protocol": "802.1Q"}))
    assert removed(text, "eth1.5", devices) == []
    assert removed(stanza("bridge_ports none", name="eth1"), "eth1", state(ETH1)) == []


SPAN = "auto eth1\niface eth1 inet manual\n    xen-vlans 5-6 8\n\niface xenbr6 inet static\n    address 10.0.6.1/24\n"


def span(*ids: int) -> dict[str, Device]:
    """The state after SPAN, as far as these VLANs go."""
    made = [ETH1]
    for number in ids:
        made += [
            Device(f"xenbr{number}", "bridge", ETH1.address, up=True, silent=number != 6, group=GROUP, attributes=BRIDGE),
            Device(f"eth1.{number}", "vlan", up=True, master=f"xenbr{number}", lower="eth1", silent=True, group=GROUP,
                   attributes={"id": str(number), "protocol": "802.1Q"}),
        ]
    return state(*(replace(one, up=True, silent=True) for one in made[:1]), *made[1:])


def test_a_range_makes_a_bridge_for_each_vlan_and_brings_up_what_no_stanza_does() -> None:
    made = lines(SPAN, ["eth1"], state(ETH1))
    assert [line for line in made if "xenbr5" in line or "eth1.5" in line] == [
        "link add name xenbr5 address 52:54:00:00:00:01 group 5696 type bridge stp_state 0 forward_delay 0",
        "link set dev xenbr5 addrgenmode none",
        "link set dev xenbr5 up",
        "link add link eth1 name eth1.5 group 5696 master xenbr5 type vlan protocol 802.1Q id 5",
        "link set dev eth1.5 addrgenmode none",
        "link set dev eth1.5 up",
    ]
    assert "link set dev xenbr6 addrgenmode none" not in made  # it has a stanza with an address
    assert lines(SPAN, ["eth1"], span(5, 6, 8)) == []


def test_ifdown_of_a_range_removes_its_links_and_not_the_bridge_of_a_domu() -> None:
    names = ["xenbr5", "eth1.5", "xenbr6", "eth1.6", "xenbr8", "eth1.8"]
    assert removed(SPAN, "eth1", span(5, 6, 8)) == gone(*names)
    devices = span(5, 6, 8) | state(Device("vif1.0", master="xenbr5"))
    assert removed(SPAN, "eth1", devices) == gone(*names[2:])
    assert removed(SPAN, "eth1", span(5, 6, 8), "eth1", "xenbr6") == gone(*names[:2], *names[4:])


def test_what_a_killed_ifdown_left_in_the_group_of_those_that_go_is_taken_out_of_it() -> None:
    devices = span(5, 6)
    devices["xenbr5"] = replace(devices["xenbr5"], group=GOING)
    assert removed(SPAN, "xenbr6", devices)[0] == f"link set dev xenbr5 group {GROUP}"


def test_of_very_many_bridges_that_cannot_be_made_some_are_named() -> None:
    devices = state(ETH1, *(Device(f"xenbr{number}") for number in range(1, 31)))
    found = planned("iface eth1 inet manual\n    xen-vlans 1-30\n", ["eth1"], devices)
    assert found.missing["eth1"].startswith("xenbr1 is missing: there is a hardware device of that name, not a bridge; ")
    assert found.missing["eth1"].endswith("; and 22 more")


def test_thousands_of_them_are_planned_and_removed_without_looking_at_each_for_each() -> None:
    text = "iface eth1 inet manual\n    xen-vlans 1-4094\n"
    assert len(lines(text, ["eth1"], state(ETH1))) == 2 + 6 * 4094
    assert len(removed(text, "eth1", span(*range(1, 4095)))) == 2 * 4094 + 1


def test_the_end_of_stp_is_said_before_a_delay_that_the_kernel_refuses_with_it() -> None:
    bridge = Device("br0", "bridge", attributes={"stp_state": "1", "forward_delay": "1500"}, group=GROUP)
    text = "iface br0 inet manual\n    bridge-ports none\n    bridge-stp off\n"
    assert [line for line in lines(text, ["br0"], state(bridge)) if "type bridge" in line] == [
        "link set dev br0 type bridge stp_state 0", "link set dev br0 type bridge forward_delay 0"]


def test_what_is_there_without_a_raw_device_is_no_vlan_whatever_its_name() -> None:
    text = "iface br0 inet manual\n bridge-ports vx.100\niface vx.100 inet manual\n bridge-access 5\n"
    devices = state(Device("vx.100", "vxlan"))
    found = planned(text, ["br0"], devices)
    assert not found.errors and "link set dev vx.100 addrgenmode none master br0" in [step.do for step in found.steps]
    devices |= state(Device("br0", "bridge"))
    gone = removal(["vx.100"], wanted(text, "vx.100", "br0", devices=tuple(devices)), devices, [])
    assert not [line for line in gone if "group" in line]
