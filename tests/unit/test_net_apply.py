"""What `net apply` does beyond links: the stanzas in force, and a change of addresses."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from test_net_change import UP
from test_net_fuzz import texts
from test_net_links import REFERENCE, stanza
from test_net_plan import complete, span
from test_net_stanzas import read
from xen_legi.net import in_force
from xen_legi.net.change import Now, change
from xen_legi.net.ip_addresses import Delta, delta, wish
from xen_legi.net.stanzas import Interfaces, Option
from xen_legi.net.trial import Trial, start_of

BEFORE = "auto eth0\niface eth0 inet static\n    address 192.0.2.1/24\n    gateway 192.0.2.254\n"
HAVE = {"eth0": ("192.0.2.1/24", "fe80::1/64")}


def plain(interfaces: Interfaces) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """The stanzas without their places."""
    return [(one.name, one.family, one.method, [(option.name, option.value) for option in one.options])
            for one in interfaces.stanzas]


def changed(now: str, before: str = BEFORE, have: dict[str, tuple[str, ...]] | None = None) -> Delta:
    names = read(before).by_name() if before else read(now).by_name()
    return delta(read(before).by_name(), read(now).by_name(), HAVE if have is None else have, names)


@pytest.mark.parametrize("text", [
    REFERENCE, BEFORE, "no-scripts eth9\nallow-hotplug eth1\niface eth1 inet manual\n    up echo a; \\\n    echo b\n",
])
def test_what_is_in_force_reads_as_the_files_did(text: str) -> None:
    again, first = read(in_force.render(read(text))), read(text)
    assert plain(again) == plain(first) and again.problems == ()
    assert [(one.class_, one.name) for one in again.classes] == [(one.class_, one.name) for one in first.classes]
    assert again.no_scripts == first.no_scripts


@settings(deadline=None)
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
    assert plain(in_force.merged(old, new, {"eth0"})) == [*plain(old), ("eth1", "inet", "manual", [])]
    assert plain(in_force.merged(old, new, set())) == plain(new)
    assert plain(in_force.merged(Interfaces(), new, {"eth0"})) == plain(new)


def test_it_is_written_whole_and_for_root_alone(tmp_path: Path) -> None:
    in_force.save(read(BEFORE), tmp_path / "x/in-force")
    assert [one.name for one in (tmp_path / "x").iterdir()] == ["in-force"]
    assert (tmp_path / "x").stat().st_mode & 0o077 == 0


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
    found = changed(BEFORE.replace("2.1/", "2.7/"))
    assert found.lines == {"eth0": (
        "address del 192.0.2.1/24 dev eth0",
        "address replace 192.0.2.7/24 broadcast + dev eth0",
        "route replace default via 192.0.2.254 dev eth0 onlink",
    )}


def test_a_second_address_is_added_and_the_first_left_alone() -> None:
    more = BEFORE + "iface eth0 inet6 static\n    address 2001:db8::1/64\n    gateway fe80::9\n    metric 5\n"
    assert changed(more).lines["eth0"] == (
        "address replace 2001:db8::1/64 dev eth0",
        "route replace default via 192.0.2.254 dev eth0 onlink",
        "route replace default via fe80::9 dev eth0 metric 5 onlink",
    )


def test_only_the_gateway_changed() -> None:
    assert changed(BEFORE.replace(".254", ".253")).lines["eth0"] == (
        "route del default via 192.0.2.254 dev eth0",
        "route replace default via 192.0.2.253 dev eth0 onlink",
    )


def test_what_is_gone_already_is_not_removed() -> None:
    assert changed(BEFORE.replace("2.1/", "2.7/"), have={"eth0": ("192.0.2.7/24",)}).lines == {}


@pytest.mark.parametrize("now", [
    "iface eth0 inet dhcp\n", BEFORE + "    up true\n", BEFORE + "    dns-nameservers 192.0.2.53\n",
])
def test_what_only_ifup_can_do_is_left_to_it(now: str) -> None:
    assert changed(now) == Delta(again=("eth0",))


def test_of_an_interface_that_nothing_is_known_of_nothing_is_taken_away() -> None:
    found = changed(BEFORE, before="", have={"eth0": ("10.0.0.1/8",)})
    assert found.lines["eth0"][0].startswith("address replace 192.0.2.1")
    assert changed(BEFORE, before="") == Delta()


def test_an_address_that_is_none_is_told() -> None:
    assert "eth0" in changed(BEFORE.replace("192.0.2.1/24", "192.0.2.256/24")).errors


def test_the_reference_is_in_force_when_it_is_up() -> None:
    assert list(change(read(REFERENCE), Now(complete(), UP, read(REFERENCE))).lines()) == []


def test_a_trial_without_deadline_is_over_when_its_process_is() -> None:
    assert Trial(1, start_of(1)).left() > 0
    assert Trial(1, "another").left() == 0 and Trial(2**22 + 1, "").left() == 0  # there is no process of that number


def test_an_option_whose_line_is_gone_gets_the_kernels_value_again() -> None:
    before = REFERENCE.replace("bridge_fd 0", "bridge_ageing 10\n    mtu 1400")
    devices = complete()
    devices["xenbr72"] = replace(devices["xenbr72"], mtu=1400, attributes={
        **devices["xenbr72"].attributes, "ageing_time": "1000"})
    steps = change(read(REFERENCE), Now(devices, UP, read(before))).links.steps
    assert [step.do for step in steps if step.link == "xenbr72"] == [
        "link set dev xenbr72 type bridge ageing_time 30000", "link set dev xenbr72 mtu 1500"]
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
