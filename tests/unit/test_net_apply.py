"""What `net apply` does beyond links: the stanzas in force, and a change of addresses."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from test_net_change import UP
from test_net_fuzz import texts
from test_net_links import REFERENCE, stanza
from test_net_plan import BRIDGE, complete, span, state
from test_net_stanzas import read
from xen_legi.errors import Problem
from xen_legi.net import in_force, transition
from xen_legi.net.change import Now, change
from xen_legi.net.check import check
from xen_legi.net.ip_addresses import Delta, Kernel, delta, wish
from xen_legi.net.kernel import GROUP, Device, gateways, lost_routes
from xen_legi.net.stanzas import Interfaces, Option

BEFORE = "auto eth0\niface eth0 inet static\n    address 192.0.2.1/24\n    gateway 192.0.2.254\n"
HAVE = Kernel({"eth0": ("192.0.2.1/24", "fe80::1/64")}, {"eth0": ("192.0.2.254",)})


def plain(interfaces: Interfaces) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """The stanzas without their places."""
    return [(one.name, one.family, one.method, [(option.name, option.value) for option in one.options])
            for one in interfaces.stanzas]


def changed(
    now: str, before: str = BEFORE, *, perhaps: str = "", have: Kernel = HAVE, attached: tuple[str, ...] = ()
) -> Delta:
    names = read(before or now).by_name()
    return delta(read(before).by_name(), read(perhaps).by_name(), read(now).by_name(), have, names, (), attached)


def lines(now: str, before: str = BEFORE, have: Kernel = HAVE) -> list[str]:
    found = changed(now, before, have=have)
    assert found.again == () and not found.errors
    return [line for _, line in (*found.gone, *found.new)]


@pytest.mark.parametrize("text", [
    REFERENCE, BEFORE, "no-scripts eth9\nallow-hotplug eth1\niface eth1 inet manual\n    up echo a; \\\n    echo b\n",
])
def test_what_is_in_force_reads_as_the_files_did(text: str) -> None:
    again, first = read(in_force.render(read(text))), read(text)
    assert plain(again) == plain(first) and again.problems == ()
    assert [(one.class_, one.name) for one in again.classes] == [(one.class_, one.name) for one in first.classes]
    assert again.no_scripts == first.no_scripts


@given(texts)
def test_any_file_that_can_be_read_can_be_kept(text: str) -> None:
    first = read(text)
    assert plain(read(in_force.render(first))) == plain(first)


def test_a_value_of_many_lines_is_many_lines() -> None:
    found = read("iface b inet manual\n    bridge-ports a\n")
    one = found.stanzas[0]
    many = Interfaces((type(one)("b", "inet", "manual", (Option("up", "first\nsecond"),)),))
    assert in_force.render(many).endswith("    up first\n    up second\n")


def test_who_stays_up_does_so_by_the_stanza_of_before() -> None:
    old, new = read(BEFORE), read("iface eth0 inet dhcp\niface eth1 inet manual\n")
    both = {"eth0", "eth1"}
    assert plain(in_force.merged(old, new, {"eth0"}, both)) == [*plain(old), ("eth1", "inet", "manual", [])]
    assert plain(in_force.merged(old, new, set(), both)) == plain(new)
    assert plain(in_force.merged(Interfaces(), new, {"eth0"}, both)) == plain(new)


def test_of_what_only_stands_in_the_files_nothing_is_in_force() -> None:
    new = read(BEFORE + "auto xenbr90 /eth*\niface xenbr90 inet manual\nauto card=home\niface home inet dhcp\n")
    found = in_force.merged(read(BEFORE), new, {"eth0"}, {"eth0"})
    assert plain(found) == plain(read(BEFORE)) and [one.name for one in found.classes] == ["eth0", "/eth*"]
    found = in_force.merged(read(BEFORE), new, {"eth0"}, {"eth0", "card", "home"})
    assert [one.name for one in found.stanzas] == ["eth0", "home"] and found.listed("auto") == ("eth0", "/eth*", "card=home")
    devices = state(Device("eth0", up=True), Device("xenbr90", "bridge", group=GROUP, up=True, attributes=BRIDGE))
    back = change(found, Now(devices, {"eth0": "eth0", "xenbr90": "xenbr90", "card": "home"}, new))
    assert (back.downs, back.removed, back.ups) == (("xenbr90",), ("xenbr90",), ())


DHCP = "iface eth0 inet dhcp\niface eth1 inet dhcp\n"


def test_what_is_noted_and_what_is_not_are_all_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Interfaces] = []
    monkeypatch.setattr(in_force, "save", lambda interfaces, path=None, seen=None: noted.append(interfaces))
    in_force.note(read(BEFORE), read(DHCP), {})
    assert [plain(one) for one in noted] == [[("eth1", "inet", "dhcp", [])], plain(read(BEFORE))]


def test_what_is_up_and_was_never_noted_is_so_by_the_files() -> None:
    new = read(BEFORE + "iface eth1 inet manual\niface eth2 inet dhcp\n")
    found = in_force.completed(read(BEFORE), [new, read(DHCP)], {"eth0", "eth1"})
    assert plain(found) == [*plain(read(BEFORE)), ("eth1", "inet", "manual", [])]
    assert in_force.completed(read(""), [new], {"eth0", "eth1"}) == read("")


def test_it_is_written_whole_and_for_root_alone(tmp_path: Path) -> None:
    file = tmp_path / "in-force"
    for _ in range(2):
        in_force.save(read("iface w inet manual\n    wpa-psk \udce4\n"), file)
        assert list(tmp_path.iterdir()) == [file] and file.stat().st_mode & 0o077 == 0


def test_names_are_kept_as_they_were_written_and_a_backslash_ends_no_line() -> None:
    text = "iface eth0 inet6 auto\n    accept_ra 2\n    up echo \\ \n    down true\n"
    kept = in_force.render(read(text))
    assert "    accept_ra 2\n" in kept and plain(read(kept)) == plain(read(text))


def test_what_is_joined_is_there_once() -> None:
    one, other = read(BEFORE), read(BEFORE + "iface eth1 inet manual\n")
    assert plain(in_force.joined(one, other)) == plain(other)


@pytest.mark.parametrize("lines, addresses", [
    ("address 10.0.0.1\nnetmask 255.255.255.0", ("10.0.0.1/24",)),
    ("address 10.0.0.1\nnetmask 25", ("10.0.0.1/25",)),
    ("address 10.0.0.1/30\nnetmask 25", ("10.0.0.1/30",)),
    ("address 10.0.0.1", ("10.0.0.1/8",)),
    ("address 192.168.0.1", ("192.168.0.1/24",)),
])
def test_addresses_are_read_as_ifup_reads_them(lines: str, addresses: tuple[str, ...]) -> None:
    assert wish(read(stanza(*lines.split("\n")).replace("manual", "static")).stanzas).addresses == addresses


def test_nothing_changed_is_nothing_to_do() -> None:
    assert changed(BEFORE) == Delta()


def test_an_address_is_exchanged_and_the_route_said_again() -> None:
    assert lines(BEFORE.replace("2.1/", "2.7/")) == [
        "address del 192.0.2.1/24 dev eth0",
        "address replace 192.0.2.7/24 broadcast + dev eth0",
        "route replace default via 192.0.2.254 dev eth0 onlink",
    ]


def test_a_second_address_is_added_and_the_first_left_alone() -> None:
    more = BEFORE + "iface eth0 inet6 static\n    address 2001:db8::1/64\n    gateway fe80::9\n    metric 5\n"
    assert lines(more) == [
        "address replace 2001:db8::1/64 dev eth0",
        "route replace default via fe80::9 dev eth0 metric 5 onlink",
    ]


def test_only_the_gateway_changed() -> None:
    assert lines(BEFORE.replace(".254", ".253")) == [
        "route del default via 192.0.2.254 dev eth0",
        "route replace default via 192.0.2.253 dev eth0 onlink",
    ]


def test_a_gateway_moves_to_another_card_and_goes_from_the_first_before() -> None:
    one, other = BEFORE, BEFORE.replace("eth0", "eth1").replace("192.0.2", "198.51.100")
    without = "    gateway 192.0.2.254\n"
    have = Kernel({"eth0": ("192.0.2.1/24",), "eth1": ("198.51.100.1/24",)}, {"eth0": ("192.0.2.254",)})
    before = other.replace("    gateway 198.51.100.254\n", "") + one
    assert lines(other + one.replace(without, ""), before, have) == [
        "route del default via 192.0.2.254 dev eth0", "route replace default via 198.51.100.254 dev eth1 onlink"]


def test_what_is_gone_already_is_not_removed_and_what_was_lost_comes_back() -> None:
    assert lines(BEFORE.replace("2.1/", "2.7/"), have=Kernel({"eth0": ("192.0.2.7/24",)}, HAVE.routes)) == []
    assert lines(BEFORE, have=Kernel(HAVE.addresses)) == ["route replace default via 192.0.2.254 dev eth0 onlink"]
    assert lines(BEFORE, have=Kernel({}, HAVE.routes)) == ["address replace 192.0.2.1/24 broadcast + dev eth0"]


@pytest.mark.parametrize("now", [
    "iface eth0 inet dhcp\n", *(BEFORE + f"    {line}\n" for line in ("up true", "dns-nameservers 192.0.2.53", "mtu 9000")),
])
def test_what_only_ifup_can_do_is_left_to_it(now: str) -> None:
    assert changed(now) == Delta(again=("eth0",))


def test_an_address_whose_stanza_has_commands_is_not_exchanged_by_us() -> None:
    before = BEFORE + "    up ip route add 10.0.0.0/8 via 192.0.2.9\n"
    assert changed(before.replace("2.1/", "2.7/"), before) == Delta(again=("eth0",))
    assert changed(before, before) == Delta()


def test_of_an_interface_that_nothing_is_known_of_nothing_is_taken_away() -> None:
    assert lines(BEFORE, "", Kernel({"eth0": ("10.0.0.1/8",)}, HAVE.routes)) == [
        "address replace 192.0.2.1/24 broadcast + dev eth0"]
    assert lines(BEFORE, "") == []


@pytest.mark.parametrize("perhaps", ["iface eth0 inet dhcp\n", "iface eth0 inet manual\n", BEFORE + "    up true\n"])
def test_what_a_killed_run_may_have_done_is_undone(perhaps: str) -> None:
    assert changed(BEFORE, perhaps=perhaps).again == ("eth0",)
    dhcp = "iface eth0 inet dhcp\n"
    assert changed(dhcp, dhcp, perhaps=perhaps).again == (() if perhaps == dhcp else ("eth0",))


def test_an_address_of_a_killed_run_goes() -> None:
    have = Kernel({"eth0": ("192.0.2.1/24", "192.0.2.7/24")}, HAVE.routes)
    found = changed(BEFORE, perhaps=BEFORE.replace("2.1/", "2.7/"), have=have)
    assert ("eth0", "address del 192.0.2.7/24 dev eth0") in found.gone


def test_a_card_that_came_up_anew_without_our_knowing_is_known_by_its_addresses() -> None:
    now = read(BEFORE.replace("2.1/", "2.7/"))
    corrected = in_force.corrected(read(BEFORE), now, {"eth0": ("192.0.2.7/24",)})
    assert plain(corrected) == plain(now)
    assert plain(in_force.corrected(read(BEFORE), now, HAVE.addresses)) == plain(read(BEFORE))
    assert plain(in_force.corrected(read(BEFORE), now, {})) == plain(read(BEFORE))


def test_an_address_that_is_none_is_told() -> None:
    assert "eth0" in changed(BEFORE.replace("192.0.2.1/24", "192.0.2.256/24")).errors


def test_the_reference_is_in_force_when_it_is_up() -> None:
    assert list(change(read(REFERENCE), Now(complete(), UP, read(REFERENCE))).lines()) == []


def test_an_option_whose_line_is_gone_gets_the_kernels_value_again() -> None:
    before = REFERENCE.replace("bridge_fd 0", "bridge_ageing 10\n    mtu 1400")
    devices = complete()
    devices["xenbr72"] = replace(devices["xenbr72"], mtu=1400, attributes={
        **devices["xenbr72"].attributes, "ageing_time": "1000"})
    steps = change(read(REFERENCE), Now(devices, UP, read(before))).links.steps
    assert [step.do for step in steps if step.link == "xenbr72"] == [
        "link set dev xenbr72 type bridge ageing_time 30000", "link set dev xenbr72 mtu 1500"]
    devices["xenbr72"] = replace(devices["xenbr72"], mtu=9000)
    steps = change(read(REFERENCE), Now(devices, UP, read(before.replace("1400", "9000")))).links.steps
    assert "link set dev xenbr72 mtu 1500" in [step.do for step in steps]
    assert change(read(REFERENCE), Now(devices, UP, read(REFERENCE))).links.steps == ()


def test_a_bridge_that_gets_an_address_may_have_one_of_ipv6_again() -> None:
    now = REFERENCE.replace("iface vlan72 inet manual", "iface vlan72 inet dhcp")
    steps = change(read(now), Now(complete(), UP, read(REFERENCE))).links.steps
    assert [step.do for step in steps] == []  # it is a port: it has none in any case
    before = "iface eth1 inet manual\n    xen-vlans 5\n"
    devices = span(5)
    devices["eth1"] = replace(devices["eth1"], silent=True)
    found = change(read(before.replace("manual", "dhcp")), Now(devices, {"eth1": "eth1"}, read(before)))
    assert [step.do for step in found.links.steps] == ["link set dev eth1 addrgenmode eui64"]


def test_a_port_that_is_none_any_more_is_released() -> None:
    now = REFERENCE.replace("slaves eth1 eth2", "slaves eth1")
    steps = change(read(now), Now(complete(), UP, read(REFERENCE))).links.steps
    assert [step.do for step in steps] == ["link set dev eth2 nomaster", "link set dev eth2 addrgenmode eui64"]


def test_a_bridge_that_gets_another_vlan_loses_the_first() -> None:
    text = "auto br7\niface br7 inet manual\n    xen-vlan {} eth1\n"
    devices = state(
        replace(complete()["eth1"], master=""), Device("br7", "bridge", group=GROUP, up=True, attributes=BRIDGE),
        Device("eth1.72", "vlan", lower="eth1", master="br7", group=GROUP, attributes={"id": "72", "protocol": "802.1Q"}),
        Device("vif1.0", address="fe:ff:ff:ff:ff:ff", master="br7"))
    found = change(read(text.format(73)), Now(devices, {"br7": "br7"}, read(text.format(72))))
    assert (found.removed, found.kept, found.downs) == (("eth1.72",), {}, ())
    assert any("name eth1.73" in step.do and "master br7" in step.do for step in found.links.steps)


@pytest.mark.parametrize("group", [0, GROUP])
def test_a_bridge_with_a_guest_is_never_taken_down(group: int) -> None:
    devices = state(Device("br9", "bridge", group=group), Device("vif1.0", address="fe:ff:ff:ff:ff:ff", master="br9"))
    assert change(read(""), Now(devices, {"br9": "br9"})).downs == ()


def test_a_port_whose_stanza_is_gone_and_that_is_wanted_stays_up() -> None:
    now = REFERENCE.replace("auto eth1\niface eth1 inet manual\n    up ip link set dev eth1 arp off\n", "")
    assert change(read(now), Now(complete(), UP, read(REFERENCE))).downs == ()


ROUTES = [
    {"dst": "default", "gateway": "192.0.2.254", "dev": "bond0", "protocol": "static", "flags": ["onlink"]},
    {"dst": "192.0.2.0/24", "dev": "bond0", "protocol": "kernel", "scope": "link", "prefsrc": "192.0.2.1"},
    {"dst": "198.51.100.9", "dev": "bond0", "scope": "link", "metric": 7},
    {"dst": "default", "gateway": "fe80::1", "dev": "eth0", "protocol": "ra", "metric": 1024},
    {"dst": "10.0.0.0/8", "nexthops": []},
]


def test_gateways_are_read_as_stanzas_write_them() -> None:
    assert gateways(ROUTES) == {"bond0": ("192.0.2.254",), "eth0": ("fe80::1",)}


def test_routes_that_a_link_lost_come_back_those_without_gateway_first() -> None:
    devices = state(Device("bond0", "bond", up=True), Device("eth0"))
    assert lost_routes(ROUTES, ROUTES[3:], devices) == [
        "route add 198.51.100.9 dev bond0 scope link metric 7",
        "route add default via 192.0.2.254 dev bond0 proto static onlink"]


def test_a_route_of_a_router_comes_back_by_its_next_word() -> None:
    assert lost_routes(ROUTES[3:4], [], state(Device("eth0", up=True))) == []


def test_a_card_that_becomes_a_port_loses_its_address() -> None:
    now = "auto xenbr0\niface xenbr0 inet static\n    address 192.0.2.1/24\n    bridge-ports eth0\n"
    devices = state(Device("eth0", up=True))
    found = change(read(now), Now(devices, {"eth0": "eth0"}, read(BEFORE), have=HAVE))
    assert (found.downs, found.ups) == (("eth0",), ("xenbr0",))
    assert change(read(now), Now(devices, {"eth0": "eth0"}, read("iface eth0 inet manual\n"))).downs == ()


def test_a_card_that_was_a_port_is_as_any_other_again() -> None:
    before = "auto xenbr0\niface xenbr0 inet manual\n    bridge-ports eth0\niface eth0 inet manual\n"
    devices = state(Device("eth0", up=True, silent=True, master="xenbr0"),
                    Device("xenbr0", "bridge", group=GROUP, up=True, attributes=BRIDGE))
    found = change(read("iface eth0 inet dhcp\n"), Now(devices, {"eth0": "eth0", "xenbr0": "xenbr0"}, read(before)))
    assert found.removed == ("xenbr0",) and found.downs == ("xenbr0",)
    assert [step.do for step in found.links.steps] == ["link set dev eth0 addrgenmode eui64"]


def test_a_bond_of_another_mode_gets_no_default_that_this_mode_refuses() -> None:
    before = REFERENCE.replace("bond-miimon 100", "bond-miimon 100\n    bond-lacp-rate fast\n    bond-min-links 1")
    now = REFERENCE.replace("802.3ad", "active-backup")
    steps = " ".join(step.do for step in change(read(now), Now(complete(), UP, read(before))).links.steps)
    assert "min_links 0" in steps and "lacp_rate" not in steps
    same = change(read(REFERENCE), Now(complete(), UP, read(before))).links.steps
    assert "lacp_rate slow" in " ".join(step.do for step in same)


def test_an_alias_is_an_address_of_its_card() -> None:
    text = "auto eth0:1\niface eth0:1 inet static\n    address 192.0.2.9/24\n"
    assert check(read(text)) == []
    have = Kernel({"eth0": ("192.0.2.9/24",)})
    assert lines(text, text, have) == []
    assert lines(text.replace("2.9/", "2.8/"), text, have) == [
        "address del 192.0.2.9/24 dev eth0", "address replace 192.0.2.8/24 broadcast + dev eth0 label eth0:1"]


def test_a_metric_that_the_kernel_has_anyhow_is_none() -> None:
    text = "iface eth0 inet6 static\n    address 2001:db8::1/64\n    gateway 2001:db8::9\n    metric 1024\n"
    assert lines(text, text, Kernel({"eth0": ("2001:db8::1/64",)}, {"eth0": ("2001:db8::9",)})) == []


def test_what_ifdown_gets_has_nothing_that_touches_the_link() -> None:
    one = transition._without_link(read(REFERENCE).of("xenbr72")[0])
    assert [option.name for option in one.options] == ["pre-up"]


def test_where_something_is_attached_commands_are_run_without_ifdown() -> None:
    before = BEFORE + "    up echo one\n"
    found = changed(before.replace("one", "two"), before, attached=("eth0",))
    assert (found.commands, found.again, found.gone, found.new) == (("eth0",), (), (), ())
    found = changed(before.replace("2.1/", "2.7/"), before, attached=("eth0",))
    assert found.commands == ("eth0",) and found.gone and found.new
    manual = "iface eth0 inet manual\n    up echo two\n"
    assert changed(manual, before, attached=("eth0",)).commands == ("eth0",)
    assert changed(before, before, perhaps=manual, attached=("eth0",)).commands == ("eth0",)
    dhcp = "iface eth0 inet dhcp\n    up echo one\n"
    assert changed(dhcp.replace("one", "two"), dhcp, attached=("eth0",)).commands == ("eth0",)


@pytest.mark.parametrize("now", ["iface eth0 inet dhcp\n", BEFORE + "    dns-nameservers 192.0.2.53\n"])
def test_what_only_ifup_can_do_is_left_to_it_whatever_is_attached(now: str) -> None:
    before = BEFORE + "    up echo one\n"
    assert changed(now, before, attached=("eth0",)) == Delta(again=("eth0",))
    assert changed(before, before, perhaps=now, attached=("eth0",)) == Delta(again=("eth0",))


def test_the_plan_tells_what_goes_down_for_a_moment() -> None:
    before = REFERENCE.replace("iface bond0 inet manual", "iface bond0 inet dhcp")
    told = {name: text for action, name, text in change(read(REFERENCE), Now(complete(), UP, read(before))).lines()
            if action == "again"}
    assert told == {"bond0": "ifdown and ifup: its method or its commands changed; "
                             "its link stays, and is down for a moment, with it eth1, eth2, vlan72"}
    before = REFERENCE.replace("arp off", "arp on")
    assert [(action, name) for action, name, _ in change(read(REFERENCE), Now(complete(), UP, read(before))).lines()] == [
        ("commands", "eth1")]


@pytest.mark.parametrize("option", [Option("preferred-lifetime", ""), Option("up", "a\n\nb")])
def test_what_would_not_be_read_again_is_not_written(option: Option, tmp_path: Path) -> None:
    one = replace(read(BEFORE).stanzas[0], options=(option,))
    with pytest.raises(Problem, match="cannot be written .* so that they are read again: .* has no value"):
        in_force.save(Interfaces((one, *read(BEFORE).stanzas)), tmp_path / "in-force")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_to_its_end_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "in-force"
    assert in_force.load(file) == Interfaces()
    for text in ("iface eth0 inet static\n    preferred-lifetime\n", "", "auto eth0\n"):
        file.write_text(BEFORE * bool(text[:1] == "i") + text)
        assert in_force.load(file).stanzas == ()
        with pytest.raises(Problem, match="cannot be read, so nothing is changed"):
            in_force.load_whole(file)
    file.write_text(BEFORE)
    assert plain(in_force.load(file)) == plain(in_force.load_whole(file)) == plain(read(BEFORE))
