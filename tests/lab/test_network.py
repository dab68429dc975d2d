"""The network that came up at boot from the reference's interfaces file, with nothing but our hooks installed."""

import json
import re
import shlex
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

from conftest import TOP, lab
from domus import refused
from pings import PER_SECOND, pinged

BOND = "/proc/net/bonding/bond0"
FILE = "/etc/network/interfaces.d/xen-legi"
CARD = "/etc/network/interfaces.d/card0"
ALL = "-a --exclude=eth0 --exclude=lo"  # but for the management network, by which we are there


def link(host: Host, name: str) -> dict[str, Any]:
    """Return what `ip -d -j link` says of one link."""
    (found,) = json.loads(host.check_output(f"ip -d -j link show dev {name}"))
    return dict(found)


def kind(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a link's facts that belongs to its kind, with the kind's name as `info_kind`."""
    info = facts["linkinfo"]
    return {"info_kind": info["info_kind"], **info["info_data"]}


def ports(host: Host) -> dict[str, dict[str, str]]:
    """Return what the bonding driver says of each port of bond0, with the names that it uses."""
    sections = host.check_output(f"cat {BOND}").split("Slave Interface: ")[1:]
    return {
        section.split("\n", 1)[0]: dict(re.findall(r"^\s*([^:\n]+): (.*)$", section.split("\n", 1)[1], re.M))
        for section in sections
    }


def in_one_aggregator(host: Host) -> bool:
    """Tell whether both cables carry the bond: up, in the active aggregator, with the same partner."""
    active = re.search(r"Active Aggregator Info:\s+Aggregator ID: (\d+)\s+Number of ports: (\d+)",
                       host.check_output(f"cat {BOND}"))
    found = ports(host)
    return (
        active is not None and active[2] == "2" and set(found) == {"eth1", "eth2"}
        and all(one["MII Status"] == "up" and one["Aggregator ID"] == active[1] for one in found.values())
    )


def wait_until(holds: Any, seconds: float, what: str) -> float:
    """Wait until a condition holds and return how long that took; fail when it does not within `seconds`."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - began


def names(host: Host) -> list[str]:
    """Return the names of all links, as `ip -br` writes them (vlan72@bond0)."""
    return sorted(line.split()[0] for line in host.check_output("ip -br link").splitlines())


def short_form() -> str:
    """Return the interfaces file that the README shows."""
    section = (TOP / "README.md").read_text().split("### The network of a dom0")[1].split("Written after the reboot", 1)[0]
    return "".join(f"{line[4:]}\n" for line in section.splitlines() if line.startswith("    "))


def test_only_our_hooks_are_there(dom0: Host) -> None:
    for package in ("bridge-utils", "vlan", "ifenslave", "ifupdown2", "ifupdown-ng"):
        assert not dom0.package(package).is_installed


def test_the_network_came_up_at_boot_without_a_complaint(dom0: Host) -> None:
    assert dom0.check_output("systemctl show -P Result networking.service") == "success"
    said = dom0.check_output("journalctl -b -u networking.service --no-pager -o cat")
    ours = [line for line in said.splitlines() if line.startswith("xen-legi:")]
    assert ours == ["xen-legi: 5 links made"] and "rror" not in said, said
    state = dom0.check_output("cat /run/network/ifstate").split()
    assert {"eth1=eth1", "bond0=bond0", "vlan72=vlan72", "xenbr72=xenbr72", "vlan73=vlan73", "xenbr73=xenbr73"} <= set(state)


def test_the_check_finds_the_files_good_and_the_kernel_as_they_say(dom0: Host) -> None:
    result = dom0.run("xen-legi net check")
    assert (result.rc, result.stdout, result.stderr) == (0, "", "nothing to complain about\n")
    result = dom0.run("xen-legi net plan")
    assert (result.rc, result.stdout) == (0, "") and result.stderr.startswith("nothing to do")


def test_the_check_reads_a_file_for_whoever_may_read_it(dom0b: Host) -> None:
    check = "runuser -u nobody -- /usr/sbin/xen-legi net check"
    assert dom0b.run(check).rc == 0
    dom0b.check_output("printf 'auto br9\\n' >/tmp/br9")
    try:
        result = dom0b.run(f"{check} /tmp/br9")
        assert (result.rc, result.stdout) == (1, "/tmp/br9:1: error: auto br9: there is no stanza iface br9\n")
        dom0b.check_output("chmod 600 /tmp/br9")
        result = dom0b.run(f"{check} /tmp/br9")
        hidden = "xen-legi: /tmp/br9: cannot be read: Permission denied\n  hint: use sudo\n"
        assert (result.rc, result.stdout, result.stderr) == (2, "", hidden)
    finally:
        dom0b.check_output("rm -f /tmp/br9")


def test_the_links_are_shown_with_what_they_stand_on(dom0: Host) -> None:
    shown = {one["name"]: one for one in json.loads(dom0.check_output("xen-legi net show --json"))}
    bond = shown["bond0"]
    assert (bond["kind"], bond["detail"], bond["ports"], bond["carrier"]) == ("bond", "802.3ad", ["eth1", "eth2"], True)
    for number in ("72", "73"):
        vlan, bridge = shown[f"vlan{number}"], shown[f"xenbr{number}"]
        assert (vlan["kind"], vlan["detail"], vlan["on"], vlan["port_of"]) == ("vlan", number, "bond0", bridge["name"])
        assert (bridge["kind"], bridge["ours"], vlan["name"] in bridge["ports"]) == ("bridge", True, True)
    assert (shown["eth0"]["kind"], shown["eth0"]["ours"], len(shown["eth0"]["addresses"]) > 0) == ("hardware", False, True)


def test_the_picture_of_the_network_names_its_links(dom0a: Host) -> None:
    picture = xml.fromstring(dom0a.check_output("xen-legi net draw"))
    told = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"eth0", "eth1", "eth2", "bond0", "vlan72", "xenbr72", "vlan73", "xenbr73", "VLAN 72"} <= told
    refused(dom0a.run("xen-legi net draw /nowhere/network.svg"))


def test_the_bond_is_what_the_file_says(dom0: Host) -> None:
    facts = kind(link(dom0, "bond0"))
    assert (facts["info_kind"], facts["mode"], facts["miimon"]) == ("bond", "802.3ad", 100)
    assert (facts["updelay"], facts["downdelay"]) == (200, 200)
    for name in ("eth1", "eth2"):
        assert link(dom0, name)["master"] == "bond0"


def test_lacp_is_negotiated_with_the_other_host_over_both_cables(dom0a: Host, dom0b: Host) -> None:
    for host, other in ((dom0a, dom0b), (dom0b, dom0a)):
        wait_until(lambda host=host: in_one_aggregator(host), 30, "both ports in one aggregator")
        partner = re.search(r"Partner Mac Address: (\S+)", host.check_output(f"cat {BOND}"))
        assert partner and partner[1] == other.check_output("cat /sys/class/net/bond0/address")


@pytest.mark.parametrize("number", [72, 73])
def test_each_vlan_has_its_bridge_without_stp_and_without_delay(dom0: Host, number: int) -> None:
    vlan = link(dom0, f"vlan{number}")
    assert (vlan["link"], vlan["master"]) == ("bond0", f"xenbr{number}")
    assert (kind(vlan)["info_kind"], kind(vlan)["id"], kind(vlan)["protocol"]) == ("vlan", number, "802.1Q")
    bridge = kind(link(dom0, f"xenbr{number}"))
    assert (bridge["info_kind"], bridge["stp_state"], bridge["forward_delay"]) == ("bridge", 0, 0)
    for name in (f"vlan{number}", f"xenbr{number}", "bond0"):
        assert "LOWER_UP" in link(dom0, name)["flags"]


def test_eth1_answers_no_arp(dom0: Host) -> None:
    assert "NOARP" in link(dom0, "eth1")["flags"]


@pytest.fixture
def cables() -> Iterator[None]:
    """The cables between the hosts may be cut in the test: they are joined again afterwards."""
    yield
    for card in ("eth1", "eth2"):
        lab("cable", "dom0a", card, "join")


def cut_and_join(dom0a: Host, dom0b: Host, card: str, while_cut: Callable[[], None] = lambda: None) -> None:
    """Cut a cable until both hosts see it, then join it until both have it in the aggregator again."""
    lab("cable", "dom0a", card, "cut")
    for host in (dom0a, dom0b):
        wait_until(lambda host=host: ports(host)[card]["MII Status"] == "down", 30, f"{card} is seen to be cut")
    while_cut()
    lab("cable", "dom0a", card, "join")
    for host in (dom0a, dom0b):
        wait_until(lambda host=host: in_one_aggregator(host), 60, f"{card} is back in the aggregator")


def test_a_cut_cable_is_survived_and_comes_back(dom0a: Host, dom0b: Host, addresses: str, cables: None) -> None:
    def reached() -> None:
        assert dom0a.run(f"ping -q -c 3 -W 2 {addresses}").rc == 0

    reached()
    cut_and_join(dom0a, dom0b, "eth1", reached)
    reached()


@pytest.fixture
def asking(dom0a: Host, dom0b: Host) -> Iterator[None]:
    """Both bonds ask the driver for the link: the one of these cards, e1000, tells by itself only every two seconds."""
    for host in (dom0a, dom0b):
        edit = r"s/bond-miimon 100/&\n    bond-use-carrier 0/"
        host.check_output(f"cp {FILE} /root/interfaces.saved && sed -i '{edit}' {FILE} && xen-legi net apply")
        assert kind(link(host, "bond0"))["use_carrier"] == 0
    yield
    for host in (dom0a, dom0b):
        host.check_output(f"mv /root/interfaces.saved {FILE} && xen-legi net apply")
        assert kind(link(host, "bond0"))["use_carrier"] == 1


@pytest.mark.long
@pytest.mark.parametrize("card", ["eth1", "eth2"])
def test_a_cable_cut_under_traffic_costs_a_second_at_most(
    dom0a: Host, dom0b: Host, addresses: str, cables: None, asking: None, card: str
) -> None:
    """The traffic is on one of the two."""
    with pinged(dom0a, addresses) as count:
        cut_and_join(dom0a, dom0b, card)
        time.sleep(3)  # what is lost after it is back counts too
    assert count.lost <= PER_SECOND and count.sent > 50, count


def test_a_bridge_goes_down_with_its_vlan_and_comes_up_again(dom0b: Host) -> None:
    dom0b.check_output("ifdown xenbr73")
    try:
        assert dom0b.run("ip link show xenbr73").rc != 0 and dom0b.run("ip link show vlan73").rc != 0
        assert link(dom0b, "bond0")["operstate"] == "UP"
    finally:
        dom0b.check_output("ifup xenbr73")
    assert link(dom0b, "vlan73")["master"] == "xenbr73"


def test_all_goes_down_and_comes_up_again(dom0b: Host) -> None:
    before = names(dom0b)
    dom0b.check_output(f"ifdown {ALL}")
    try:
        assert not [name for name in names(dom0b) if name.startswith(("bond", "vlan", "xenbr"))]
    finally:
        dom0b.check_output(f"ifup {ALL}")
    assert names(dom0b) == before
    wait_until(lambda: in_one_aggregator(dom0b), 60, "both ports in one aggregator")


@pytest.fixture
def card(dom0b: Host) -> Iterator[str]:
    """A card of its own for the VLANs of a range; its stanza asks for 2 to 11 and 4094, and VLAN 3 has an address."""
    text = "iface card0 inet manual\n    xen-vlans 2-11, 4094\n\niface xenbr3 inet static\n    address 192.168.99.1/24\n"
    dom0b.check_output(f"ip link add card0 type dummy && printf %s {shlex.quote(text)} > {CARD}")
    yield "card0"
    dom0b.run("ifdown --force xenbr3; ifdown --force card0")
    dom0b.check_output(f"rm {CARD}; ip link del dev card0")


def test_a_range_of_vlans_is_one_stanza(dom0b: Host, card: str) -> None:
    before = names(dom0b)
    assert dom0b.run(f"ifup {card} xenbr3").rc == 0
    numbers = [*range(2, 12), 4094]
    shown = {one["name"]: one for one in json.loads(dom0b.check_output("xen-legi net show --json"))}
    for number in numbers:
        bridge, vlan = shown[f"xenbr{number}"], shown[f"card0.{number}"]
        assert (bridge["kind"], bridge["ports"], bridge["carrier"]) == ("bridge", [f"card0.{number}"], True)
        assert (vlan["kind"], vlan["detail"], vlan["on"]) == ("vlan", str(number), "card0")
        assert "192.168.99.1/24" in bridge["addresses"] if number == 3 else bridge["addresses"] == []
    dom0b.check_output("ip link add guest type dummy && ip link set dev guest master xenbr4")
    try:
        dom0b.check_output(f"sed -i 's/2-11, 4094/2-3 5-10/' {CARD}")
        told = [(one["action"], one["name"]) for one in json.loads(dom0b.check_output("xen-legi net plan --json"))]
        assert sorted(told) == [("keep", "card0.4"), ("keep", "xenbr4"), ("remove", "card0.11"), ("remove", "card0.4094"),
                                ("remove", "xenbr11"), ("remove", "xenbr4094")]
        dom0b.check_output(f"sed -i 's/2-3 5-10/2-11, 4094/' {CARD}")
        dom0b.check_output(f"ifdown xenbr3 {card}")
        left = [f"card0.4@{card}", "guest", "xenbr4"]  # something is attached to this one
        assert set(names(dom0b)) - set(before) == set(left)
    finally:
        dom0b.check_output("ip link del dev guest; ip link del dev xenbr4; ip link del dev card0.4")
    assert names(dom0b) == before


@pytest.mark.long
def test_the_short_form_that_the_readme_shows_makes_the_same(dom0b: Host) -> None:
    before, text = names(dom0b), short_form()
    assert text.count("auto ") == 3 and "xen-vlan 72 bond0\n" in text
    dom0b.check_output(f"ifdown {ALL} && mv {FILE} /root/interfaces.saved")
    try:
        dom0b.check_output(f"printf %s {shlex.quote(text)} > {FILE} && ifup {ALL}")
        bond, bridge, vlan = (kind(link(dom0b, name)) for name in ("bond0", "xenbr72", "bond0.72"))
        assert (bond["info_kind"], bond["mode"], bond["miimon"]) == ("bond", "802.3ad", 100)
        assert (bridge["info_kind"], bridge["stp_state"], bridge["forward_delay"]) == ("bridge", 0, 0)
        assert (vlan["info_kind"], vlan["id"], vlan["protocol"]) == ("vlan", 72, "802.1Q")
        assert (link(dom0b, "bond0.72")["link"], link(dom0b, "bond0.72")["master"]) == ("bond0", "xenbr72")
        wait_until(lambda: in_one_aggregator(dom0b), 60, "both ports in one aggregator")
    finally:
        dom0b.run(f"ifdown {ALL}")
        dom0b.check_output(f"mv /root/interfaces.saved {FILE} && ifup {ALL}")
    assert names(dom0b) == before
    wait_until(lambda: in_one_aggregator(dom0b), 60, "both ports in one aggregator")
