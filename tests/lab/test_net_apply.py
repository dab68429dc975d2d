"""Changes of a running network by `xen-legi net apply`: only the difference."""

import json

import pytest
from testinfra.host import Host

from changes import (
    ALONE, AWARE, BOND, FILE, OWN, addresses, by_another_file, carries_alone, plan, stanzas, vlans_of, write,
)
from domus import refused, run_killed
from marks import daily
from test_network import link, names, wait_until
from xen_legi.net import kernel
from xen_legi.net.defaults import VALUES
from xen_legi.net.options import BY_NAME


def test_what_changed_is_done_and_nothing_else(applied: Host) -> None:
    assert addresses(applied, "card1") == ["192.168.98.1"]
    applied.check_output("ip link add guest type dummy && ip link set dev guest master xenbr4 address fe:ff:ff:ff:ff:ff up")
    applied.check_output("ip address add 192.168.97.9/32 dev card1")
    kept = {name: link(applied, name)["ifindex"] for name in ("xenbr4", "xenbr5", "xenbr6", "card1")}
    write(applied, stanzas("5-8", "192.168.98.2", "post-up"))
    result = applied.run("xen-legi net apply")
    assert result.rc == 0, result.stderr
    assert "2 made" not in result.stderr and "4 made, 0 changed, 4 removed" in result.stderr
    assert {name: link(applied, name)["ifindex"] for name in kept} == kept
    assert link(applied, "guest")["master"] == "xenbr4"  # nothing asks for it any more, but for the guest
    assert "xenbr2" not in names(applied) and {"xenbr7", "xenbr8"} <= set(names(applied))
    assert applied.file("/run/post-up-of-card1").exists  # its commands changed: ifup had to run them
    assert addresses(applied, "card1") == ["192.168.98.2"]
    assert plan(applied) == [("keep", "card0.4"), ("keep", "xenbr4")]


def test_an_address_is_exchanged_where_others_stay(applied: Host) -> None:
    text = "\n".join(line for line in stanzas().splitlines() if "touch" not in line) + "\n"
    write(applied, text)
    applied.check_output("xen-legi net apply; ip address add 192.168.97.9/32 dev card1")
    write(applied, text.replace("98.1", "98.2"))
    assert ("ip", "card1") in plan(applied) and ("again", "card1") not in plan(applied)
    assert applied.run("xen-legi net apply").rc == 0
    assert sorted(addresses(applied, "card1")) == ["192.168.97.9", "192.168.98.2"] and plan(applied) == []


def test_what_failed_is_right_after_the_mended_file(applied: Host) -> None:
    write(applied, stanzas(address="192.168.98.2").replace("up touch", "up false && touch"))
    assert applied.run("xen-legi net apply").rc == 1
    write(applied, stanzas())
    result = applied.run("xen-legi net apply")
    assert result.rc == 0, result.stderr
    assert addresses(applied, "card1") == ["192.168.98.1"] and plan(applied) == []


@pytest.mark.long
def test_an_interface_whose_stanza_is_gone_goes_down_by_it(applied: Host) -> None:
    write(applied, stanzas(command="down"))
    applied.check_output("xen-legi net apply")
    write(applied, stanzas().partition("auto card1")[0])
    assert plan(applied) == [("ifdown", "card1"), ("remove", "card1")]
    applied.check_output("xen-legi net apply")
    assert applied.file("/run/down-of-card1").exists and "card1" not in names(applied)
    assert "card1" not in applied.check_output("cat /run/network/ifstate")


def test_what_cannot_be_is_refused_before_anything_is_changed(applied: Host) -> None:
    before = names(applied)
    for text in ("auto br9\niface br9 inet manual\n    bridge-ports none\n    bridge-stp maybe\n",
                 "auto card1\niface card1 inet manual\n    xen-vlan 9 nowhere0\n"):
        write(applied, text)
        refused(applied.run("xen-legi net apply"))
        assert names(applied) == before and addresses(applied, "card1") == ["192.168.98.1"]
    write(applied, stanzas())
    for words in ("confirm", "revert", "try --timeout 4", "apply --timeout 9", "show --dry-run"):
        refused(applied.run(f"xen-legi net {words}"))
    assert plan(applied) == []


def flapped(host: Host, name: str) -> str:
    """Return how often a link has been up or down so far."""
    return host.check_output(f"cat /sys/class/net/{name}/carrier_changes")


def test_the_commands_of_a_bridge_with_a_guest_are_run_and_its_link_stays_up(applied: Host) -> None:
    write(applied, stanzas(command="down"))
    applied.check_output("xen-legi net apply")
    applied.check_output("ip link add guest type dummy && ip link set dev guest master card1 address fe:ff:ff:ff:ff:ff up")
    wait_until(lambda: link(applied, "card1")["operstate"] == "UP", 20, "the bridge has a carrier")
    before = flapped(applied, "card1")
    applied.check_output("ip monitor link >/run/links.log 2>&1 </dev/null & echo $! >/run/monitor.pid")
    write(applied, stanzas(address="192.168.98.2").replace("up touch", "up echo $IF_ADDRESS >"))
    assert ("commands", "card1") in plan(applied) and ("again", "card1") not in plan(applied)
    result = applied.run("xen-legi net apply")
    applied.check_output("sleep 1; kill $(cat /run/monitor.pid)")
    assert result.rc == 0, result.stderr
    assert applied.file("/run/down-of-card1").exists and addresses(applied, "card1") == ["192.168.98.2"]
    assert applied.check_output("cat /run/up-of-card1") == "192.168.98.2" and plan(applied) == []
    seen = [line for line in applied.check_output("cat /run/links.log").splitlines() if ": card1:" in line]
    assert flapped(applied, "card1") == before and not [line for line in seen if ",UP" not in line]


@pytest.mark.long
def test_a_command_that_fails_is_told_and_not_run_again(applied: Host) -> None:
    applied.check_output("ip link add guest type dummy && ip link set dev guest master card1 address fe:ff:ff:ff:ff:ff up")
    write(applied, stanzas().replace("up touch", "up false && touch"))
    assert applied.run("xen-legi net apply").rc == 1 and plan(applied) == []
    write(applied, stanzas(command="post-up"))
    applied.check_output("xen-legi net apply")
    assert applied.file("/run/post-up-of-card1").exists and plan(applied) == []


ROUTE = "    up ip route add 192.168.94.0/24 via 192.168.98.{0}\n    down ip route del 192.168.94.0/24\n"


@pytest.mark.long
def test_a_route_that_gets_another_gateway_is_told_where_its_line_for_down_stays_and_set_where_that_changes_too(
    applied: Host,
) -> None:
    applied.check_output("ip link add guest type dummy && ip link set dev guest master card1 address fe:ff:ff:ff:ff:ff up")
    write(applied, stanzas() + ROUTE.format(8))
    applied.check_output("xen-legi net apply")
    assert "via 192.168.98.8" in applied.check_output("ip route show 192.168.94.0/24")
    write(applied, stanzas() + ROUTE.format(9))
    went = "ip route add 192.168.94.0/24 via 192.168.98.8"
    assert f"no line for down went with {went}: what that did stays" in applied.check_output("xen-legi net plan")
    result = applied.run("xen-legi net apply")
    assert result.rc == 1 and "File exists" in result.stderr and f"No line for down went with {went}" in result.stderr
    assert plan(applied) == [] and "via 192.168.98.8" in applied.check_output("ip route show 192.168.94.0/24")
    other = ROUTE.format(7).replace("del 192.168.94.0/24", "flush 192.168.94.0/24")  # its line for down changes as well
    write(applied, stanzas() + other)
    applied.check_output("xen-legi net apply")
    assert "via 192.168.98.7" in applied.check_output("ip route show 192.168.94.0/24") and plan(applied) == []
    assert link(applied, "guest")["master"] == "card1"


@pytest.mark.long
def test_an_apply_that_was_killed_between_commands_is_finished_by_the_next(applied: Host) -> None:
    applied.check_output("ip link add guest type dummy && ip link set dev guest master card1 address fe:ff:ff:ff:ff:ff up")
    write(applied, stanzas(address="192.168.98.2", command="post-up"))
    assert run_killed(applied, "net:commands", "xen-legi net apply").rc == 137
    applied.check_output("xen-legi net apply")
    assert applied.file("/run/post-up-of-card1").exists and plan(applied) == []
    assert addresses(applied, "card1") == ["192.168.98.2"] and link(applied, "guest")["master"] == "card1"


POINTS = ("net:begun", "net:downs", "net:links", "net:ups")


@pytest.mark.parametrize("point", daily("net:again", more=POINTS))
def test_a_killed_apply_is_finished_by_the_next(applied: Host, point: str) -> None:
    more = "auto card2\niface card2 inet static\n    address 192.168.96.1/24\n    bridge-ports none\n"
    write(applied, stanzas("5-8", "192.168.98.2", "post-up") + more)
    assert run_killed(applied, point, "xen-legi net apply").rc == 137
    assert applied.run("xen-legi net apply").rc == 0 and plan(applied) == []
    assert [addresses(applied, name) for name in ("card1", "card2")] == [["192.168.98.2"], ["192.168.96.1"]]
    assert applied.file("/run/post-up-of-card1").exists and applied.run("ls /run/xen-legi/perhaps-in-force").rc != 0


@pytest.mark.long
def test_a_killed_apply_can_be_taken_back_by_the_files_of_before(applied: Host) -> None:
    write(applied, stanzas("5-8", "192.168.98.2", "post-up"))
    assert run_killed(applied, "net:again", "xen-legi net apply").rc == 137
    write(applied, stanzas())
    applied.check_output("xen-legi net apply")
    assert plan(applied) == [] and addresses(applied, "card1") == ["192.168.98.1"]
    assert "xenbr8" not in names(applied) and "xenbr2" in names(applied)


@pytest.mark.long
def test_a_port_that_is_taken_out_of_the_file_is_taken_out_of_the_bridge(applied: Host) -> None:
    applied.check_output("ip link add card2 type dummy; ip link add card3 type dummy")
    try:
        write(applied, stanzas().replace("bridge-ports none", "bridge-ports card2 card3\n    mtu 1400"))
        applied.check_output("xen-legi net apply")
        assert link(applied, "card3")["master"] == "card1" and link(applied, "card1")["mtu"] == 1400
        write(applied, stanzas().replace("bridge-ports none", "bridge-ports card2"))
        applied.check_output("xen-legi net apply")
        assert link(applied, "card2")["master"] == "card1" and "master" not in link(applied, "card3")
        assert link(applied, "card1")["mtu"] == 1500 and plan(applied) == []
    finally:
        write(applied, stanzas())
        applied.check_output("xen-legi net apply; ip link del dev card2; ip link del dev card3")


@pytest.mark.long
def test_a_port_that_a_bond_loses_and_that_gets_an_address_is_up(alone: Host) -> None:
    write(alone, stanzas() + OWN + BOND.format(2, "card2"))
    alone.check_output("xen-legi net apply")
    write(alone, stanzas() + ALONE + BOND.format(2, "none"))
    alone.check_output("xen-legi net apply")
    assert carries_alone(alone) and "master" not in link(alone, "card2") and plan(alone) == []


SLAVES = "auto /card[23]=slave\niface slave inet manual\n    bond-master bond9\n"


@pytest.mark.long
def test_the_cards_that_a_pattern_finds_join_their_bond_and_leave_it(applied: Host) -> None:
    applied.check_output("ip link add card2 type dummy; ip link add card3 type dummy")
    try:
        write(applied, stanzas() + SLAVES + BOND.format(2, "none"))
        assert {("ifup", "card2=slave"), ("ifup", "card3=slave")} <= set(plan(applied))
        applied.check_output("xen-legi net apply")
        assert [link(applied, name)["master"] for name in ("card2", "card3")] == ["bond9", "bond9"]
        assert "card2=slave" in applied.check_output("cat /run/network/ifstate") and plan(applied) == []
        write(applied, stanzas() + SLAVES.replace("    bond-master bond9\n", "") + BOND.format(2, "none"))
        assert ("ip", "card2") in plan(applied)
        applied.check_output("xen-legi net apply")
        assert "master" not in link(applied, "card2") and plan(applied) == []
    finally:
        write(applied, stanzas())
        applied.check_output("xen-legi net apply; ip link del dev card2; ip link del dev card3")


@pytest.mark.long
def test_a_link_that_was_set_down_by_hand_is_a_difference(alone: Host) -> None:
    alone.check_output("ip link set dev card2 down")
    assert ("ip", "card2") in plan(alone)
    alone.check_output("xen-legi net apply")
    assert carries_alone(alone) and plan(alone) == []


PLAIN = "auto card2\niface card2 inet static\n    address 192.168.95.1/24\n    dns-search {0}.example\n"


def test_a_card_that_was_brought_up_anew_by_hand_is_left_alone(alone: Host) -> None:
    write(alone, stanzas() + PLAIN.format("one"))
    alone.check_output("xen-legi net apply")
    write(alone, stanzas() + PLAIN.format("two"))
    assert ("again", "card2") in plan(alone)
    alone.check_output("ifdown card2; ifup card2")
    assert plan(alone) == []
    write(alone, stanzas("2-7") + PLAIN.format("two"))  # something else
    assert not [one for one in plan(alone) if one[1] == "card2"]
    alone.check_output("xen-legi net apply")
    assert "two.example" in alone.check_output("cat /run/xen-legi/in-force") and plan(alone) == []
    write(alone, stanzas("2-7") + PLAIN.format("three"))
    assert ("again", "card2") in plan(alone)


def test_a_card_of_which_nobody_knows_how_it_came_up_is_left_alone_until_it_comes_up_again(alone: Host) -> None:
    with by_another_file(alone):
        write(alone, stanzas("2-7") + "auto card2\niface card2 inet static\n    address 192.168.95.5/24\n")
        assert ("leave", "card2") in plan(alone) and ("ip", "card2") not in plan(alone)
        result = alone.run("xen-legi net apply")
        told = "card2: left alone: what ifup read when it came up stands neither in the files nor in what was in force"
        assert result.rc == 0 and f"{told}: ifdown and ifup it" in result.stderr, result.stderr
        assert addresses(alone, "card2") == ["192.168.95.7"] and "xenbr7" in names(alone)  # and all else is done
        assert plan(alone) == [("leave", "card2")]
        alone.check_output("ifdown card2; ifup card2")
        assert addresses(alone, "card2") == ["192.168.95.5"] and plan(alone) == []


@pytest.mark.long
def test_ifup_of_a_new_vlan_leaves_its_bond_as_it_is(alone: Host) -> None:
    bond = OWN + BOND.format(2, "card2").replace("bond-mode", "bond-lp-interval 7\n    bond-mode")
    write(alone, stanzas() + bond)
    alone.check_output("xen-legi net apply")
    new = "iface xenbr90 inet manual\n    xen-vlan 90 bond9\n"
    write(alone, stanzas() + bond.replace("active-backup", "balance-xor").replace("interval 7", "interval 8") + new)
    alone.check_output("ifup xenbr90")
    info = link(alone, "bond9")["linkinfo"]["info_data"]
    assert (info["mode"], info["lp_interval"]) == ("active-backup", 7)
    assert link(alone, "bond9.90")["master"] == "xenbr90" and link(alone, "card2")["master"] == "bond9"
    assert ("ip", "bond9") in plan(alone)  # that is for apply
    alone.check_output("ifdown xenbr90")


@pytest.mark.long
def test_of_many_links_that_are_refused_each_is_told_and_the_others_are_made(applied: Host) -> None:
    taken = [f"xenbr{number}" for number in range(10, 90)]
    applied.check_output("".join(f"ip link property add dev card0 altname {name}\n" for name in taken))
    try:
        write(applied, stanzas("2-99"))
        result = applied.run("xen-legi net apply")
        assert result.rc == 1 and not [name for name in taken if f"{name}: ip link add name {name} " not in result.stderr]
        made = {name.partition("@")[0] for name in names(applied)}
        assert {"xenbr9", "xenbr90", "xenbr99", "card0.9", "card0.99", "card0.50"} <= made
    finally:
        applied.check_output("".join(f"ip link property del dev card0 altname {name}\n" for name in taken))
    applied.check_output("xen-legi net apply")
    assert plan(applied) == [] and link(applied, "card0.50")["master"] == "xenbr50"


@pytest.mark.parametrize("kind", ["bridge", "bond"])
def test_the_defaults_are_those_of_the_kernel(dom0b: Host, kind: str) -> None:
    dom0b.check_output(f"ip link add new0 type {kind}")
    try:
        device = kernel.parse(json.loads(dom0b.check_output("ip -d -j link show dev new0")))["new0"]
    finally:
        dom0b.check_output("ip link del dev new0")
    known = {name: (BY_NAME[name].shown, value) for name, value in VALUES.items() if BY_NAME[name].kind == kind}
    told = {name: device.attributes[shown] for name, (shown, _) in known.items() if shown in device.attributes}
    assert len(told) > 5 and told == {name: known[name][1] for name in told}


# a VLAN-aware bridge


def test_the_ports_of_a_vlan_aware_bridge_carry_its_vlans(applied: Host) -> None:
    write(applied, stanzas() + AWARE.format("card2") + "iface card2 inet manual\n    bridge-pvid 75\n")
    applied.check_output("ip link add card2 type dummy")
    try:
        applied.check_output("xen-legi net apply")
        assert vlans_of(applied, "card2") == {74: False, 75: True}
        applied.check_output(f"sed -i 's/74-75/74-76/; s/pvid 75/access 74/' {FILE} && xen-legi net apply")
        assert vlans_of(applied, "card2") == {74: True}
        assert plan(applied) == []
    finally:
        applied.check_output("ip link del dev card2")
