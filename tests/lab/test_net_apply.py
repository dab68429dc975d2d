"""Changes of a running network by `xen-legi net apply` and `net try`: only the difference, and back by itself."""

import json
import shlex
import time
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from domus import WEB1, guest, refused, run_killed
from marks import daily
from pings import pinged
from test_network import link, names, wait_until
from xen_legi.net import kernel
from xen_legi.net.defaults import VALUES
from xen_legi.net.options import BY_NAME

FILE = "/etc/network/interfaces.d/test"
CARD = """
auto card0
iface card0 inet manual
    xen-vlans {vlans}

auto card1
iface card1 inet static
    address {address}/24
    bridge-ports none
    {command} touch /run/{command}-of-card1
"""


def plan(host: Host) -> list[tuple[str, str]]:
    """Return what `net plan` tells: (action, interface or link)."""
    return sorted({(one["action"], one["name"]) for one in json.loads(host.run("xen-legi net plan --json").stdout)})


def write(host: Host, text: str) -> None:
    """Make this the file of the tests."""
    host.check_output(f"printf %s {shlex.quote(text)} > {FILE}")


def stanzas(vlans: str = "2-6", address: str = "192.168.98.1", command: str = "up") -> str:
    """Return the file of the tests: a card with a range of VLANs, and a bridge with an address."""
    return CARD.format(vlans=vlans, address=address, command=command)


def addresses(host: Host, name: str) -> list[str]:
    """Return the IPv4 addresses of an interface."""
    found = json.loads(host.check_output(f"ip -j -4 address show dev {name}"))
    return [one["local"] for row in found for one in row.get("addr_info", [])]


@pytest.fixture(scope="module")
def card(switch: Host) -> Iterator[Host]:
    """The light machine with a card of its own for these tests; afterwards all is as before."""
    before = names(switch)
    switch.check_output("ip link add card0 type dummy")
    yield switch
    switch.check_output(f"rm -f {FILE} && xen-legi net apply; ip link del dev card0; rm -f /run/*-of-card1")
    assert (names(switch), plan(switch)) == (before, [])


@pytest.fixture
def applied(card: Host) -> Host:
    """The same, with the file of the tests in force: a range of VLANs, and a bridge with an address."""
    card.run("ip link del dev guest; rm -f /run/*-of-card1")
    write(card, stanzas())
    card.check_output("xen-legi net apply")
    assert plan(card) == []
    return card


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
def test_a_command_that_fails_is_told_and_run_again(applied: Host) -> None:
    applied.check_output("ip link add guest type dummy && ip link set dev guest master card1 address fe:ff:ff:ff:ff:ff up")
    write(applied, stanzas().replace("up touch", "up false && touch"))
    assert applied.run("xen-legi net apply").rc == 1
    write(applied, stanzas(command="post-up"))
    applied.check_output("xen-legi net apply")
    assert applied.file("/run/post-up-of-card1").exists and plan(applied) == []


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


OWN = "auto card2\niface card2 inet manual\n"
BOND = """
auto bond9
iface bond9 inet static
    address 192.168.95.{0}/24
    bond-mode active-backup
    bond-slaves {1}
"""
ALONE = "auto card2\niface card2 inet static\n    address 192.168.95.1/24\n    gateway 192.168.95.9\n    metric 777\n"


def carries_alone(host: Host) -> bool:
    """Tell whether card2 is up by itself, with its address and its route."""
    there = "UP" in link(host, "card2")["flags"] and addresses(host, "card2") == ["192.168.95.1"]
    return there and "default via 192.168.95.9" in host.check_output("ip route show dev card2")


@pytest.fixture
def alone(applied: Host) -> Iterator[Host]:
    """The same, with a card of its own that has an address and a route."""
    applied.check_output("ip link add card2 type dummy")
    write(applied, stanzas() + ALONE)
    applied.check_output("xen-legi net apply")
    assert carries_alone(applied)
    yield applied
    write(applied, stanzas())
    applied.check_output("xen-legi net apply; ip link del dev card2")


def test_a_card_whose_bond_is_taken_back_is_up_and_has_its_address(alone: Host) -> None:
    write(alone, stanzas() + OWN + BOND.format(1, "card2"))
    begin(alone)
    wait_until(lambda: under_way(alone), 60, "the trial is under way")
    assert link(alone, "card2")["master"] == "bond9"
    wait_until(lambda: taken_back(alone), 90, "it is taken back")
    assert carries_alone(alone) and "bond9" not in names(alone)


def test_a_card_without_auto_that_a_trial_took_down_is_brought_up_again(alone: Host) -> None:
    write(alone, stanzas() + ALONE.replace("auto", "allow-hotplug"))
    alone.check_output("xen-legi net apply")
    write(alone, stanzas() + "auto xenbr9\niface xenbr9 inet manual\n    bridge-ports card2\n")
    begin(alone)
    wait_until(lambda: under_way(alone), 60, "the trial is under way")
    assert link(alone, "card2")["master"] == "xenbr9"
    wait_until(lambda: taken_back(alone), 90, "it is taken back")
    assert carries_alone(alone) and "xenbr9" not in names(alone)


@pytest.mark.long
def test_a_port_that_a_bond_loses_and_that_gets_an_address_is_up(alone: Host) -> None:
    write(alone, stanzas() + OWN + BOND.format(2, "card2"))
    alone.check_output("xen-legi net apply")
    write(alone, stanzas() + ALONE + BOND.format(2, "none"))
    alone.check_output("xen-legi net apply")
    assert carries_alone(alone) and "master" not in link(alone, "card2") and plan(alone) == []


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


NEW = "auto xenbr90\niface xenbr90 inet manual\n    bridge-ports none\n"


@pytest.mark.long
def test_what_only_stands_in_the_files_is_taken_back_by_a_trial(applied: Host) -> None:
    good = as_before(applied)
    write(applied, stanzas() + NEW)
    applied.check_output("ifdown card1; ifup card1")  # an unrelated one
    assert "xenbr90" not in applied.check_output("cat /run/xen-legi/in-force")
    begin(applied, seconds=5)
    wait_until(lambda: under_way(applied), 60, "the trial is under way")
    assert "xenbr90" in names(applied)
    wait_until(lambda: taken_back(applied), 90, "it is taken back")
    assert good()


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


# a trial


def begin(host: Host, words: str = "", seconds: int = 20) -> None:
    """Begin a trial in the background, as in a session that is lost."""
    host.check_output(f"rm -f /run/xen-legi/net-trial; cd /; "
                      f"({words} setsid xen-legi net try --timeout {seconds} >/run/try.log 2>&1 </dev/null &)")


def under_way(host: Host) -> bool:
    """Tell whether the change has been made and waits to be confirmed."""
    return '"deadline": 0' not in host.run("cat /run/xen-legi/net-trial || echo '\"deadline\": 0'").stdout


def taken_back(host: Host) -> bool:
    """Tell whether the trial has ended in being taken back."""
    return host.run("grep -q '\"reverted\": true' /run/xen-legi/net-trial").rc == 0


def as_before(host: Host) -> Callable[[], bool]:
    """Return a question: is all as the fixture made it?"""
    wanted = names(host)
    return lambda: names(host) == wanted and addresses(host, "card1") == ["192.168.98.1"]


@pytest.mark.long
def test_a_trial_that_is_confirmed_stays(applied: Host) -> None:
    write(applied, stanzas("2-7", "192.168.98.2"))
    begin(applied, seconds=60)
    wait_until(lambda: under_way(applied), 60, "the trial is under way")
    refused(applied.run("xen-legi net try"))
    applied.check_output("xen-legi net confirm")
    wait_until(lambda: applied.run("systemctl is-active xen-legi-net-trial-*").rc != 0, 20, "its service has ended")
    assert "xenbr7" in names(applied) and addresses(applied, "card1") == ["192.168.98.2"] and plan(applied) == []
    assert "confirmed: it stays" in applied.check_output("cat /run/try.log")


def test_a_trial_that_nobody_confirms_is_taken_back_though_its_processes_are_killed(applied: Host) -> None:
    good = as_before(applied)
    write(applied, stanzas("2-7", "192.168.98.2"))
    begin(applied)
    wait_until(lambda: under_way(applied), 60, "the trial is under way")
    applied.check_output("systemctl kill --signal=KILL xen-legi-net-trial-*; "
                         "kill -9 $(sed 's/.*\"process\": \\([0-9]*\\).*/\\1/' /run/xen-legi/net-trial)")
    assert "xenbr7" in names(applied)
    wait_until(lambda: taken_back(applied), 90, "it is taken back")
    assert good()
    refused(applied.run("xen-legi net confirm"))


@pytest.mark.long
def test_a_trial_whose_change_is_killed_half_way_is_taken_back(applied: Host) -> None:
    good = as_before(applied)
    write(applied, stanzas("2-7", "192.168.98.2"))
    begin(applied, "XEN_LEGI_KILL_AT=net:links", seconds=600)
    wait_until(lambda: taken_back(applied), 90, "it is taken back")
    assert good()


def test_a_trial_whose_change_is_stopped_half_way_is_taken_back(applied: Host) -> None:
    good = as_before(applied)
    write(applied, stanzas("2-7", "192.168.98.2"))
    begin(applied, "XEN_LEGI_STOP_AT=net:links", seconds=600)
    wait_until(lambda: taken_back(applied), 90, "it is taken back")
    assert good() and applied.run("pgrep -f '[x]en-legi net try'").rc != 0


@pytest.mark.long
def test_a_trial_that_cannot_be_taken_back_is_taken_back_when_it_can_be(applied: Host) -> None:
    good = as_before(applied)
    write(applied, stanzas().replace("up touch", "up ! test -e /run/refuse-of-card1 && touch"))
    applied.check_output("xen-legi net apply")
    write(applied, stanzas("2-7", "192.168.98.2"))
    begin(applied, seconds=5)
    wait_until(lambda: under_way(applied), 60, "the trial is under way")
    applied.check_output("touch /run/refuse-of-card1")
    wait_until(lambda: '"tries": 1' in applied.check_output("cat /run/xen-legi/net-trial"), 90, "taking it back has failed")
    refused(applied.run("xen-legi net confirm"))
    applied.check_output("rm /run/refuse-of-card1")
    wait_until(lambda: taken_back(applied), 120, "it is taken back")
    assert good()


def answers(host: Host) -> bool:
    """Tell whether a host can be reached at all: testinfra raises where ssh cannot."""
    try:
        return host.run("true").rc == 0
    except RuntimeError:
        return False


def test_a_trial_that_takes_the_management_address_away_is_taken_back(applied: Host) -> None:
    file = applied.check_output("grep -l 'iface eth0' /etc/network/interfaces /etc/network/interfaces.d/* | head -n 1")
    was = addresses(applied, "eth0")
    watch = "for i in $(seq 90); do ip -4 -o address show dev eth0 | grep -q inet && echo there || echo gone; sleep 1; done"
    rescue = f"cp /root/eth0.saved {file}; ifdown --force eth0; ifup eth0"  # if it is not taken back
    timer = f"systemd-run --quiet --unit=eth0-rescue --on-active=300 sh -c '{rescue}'"
    applied.check_output(f"cp {file} /root/eth0.saved && {timer}")
    applied.check_output(f"(setsid sh -c '{watch}' >/run/eth0.log 2>&1 </dev/null &)")
    applied.check_output(f"sed -i 's/^iface eth0 inet .*/iface eth0 inet manual/' {file}")
    try:
        begin(applied)
        time.sleep(15)
        wait_until(lambda: answers(applied) and taken_back(applied), 200, "the host answers again")
    finally:
        applied.check_output(f"systemctl stop eth0-rescue.timer; cp /root/eth0.saved {file}")
    assert addresses(applied, "eth0") == was and "gone" in applied.check_output("cat /run/eth0.log")


# a guest


@pytest.mark.long
def test_a_guest_loses_nothing_while_vlans_come_and_go(dom0a: Host, web1: Host) -> None:
    text = "auto xv{0}\niface xv{0} inet manual\n    xen-vlan {0} bond0\n"
    dom0a.check_output("cp -a /etc/network/interfaces.d/xen-legi /root/interfaces.saved")
    try:
        write(dom0a, "".join(text.format(number) for number in range(101, 111)))
        dom0a.check_output("xen-legi net apply")
        with pinged(web1, WEB1) as count:
            write(dom0a, "".join(text.format(number) for number in range(201, 221)))  # 10 go, 20 come
            dom0a.check_output("sed -i 's/bond-downdelay 200/bond-downdelay 400/; s/bridge_maxwait 0/&\\n    mtu 1400/' "
                               "/etc/network/interfaces.d/xen-legi && xen-legi net apply")
            time.sleep(2)
        assert count.lost == 0 and count.sent > 50, count
        assert "xv101" not in names(dom0a)
        wait_until(lambda: link(dom0a, "xv220")["operstate"] == "UP", 10, "xv220 is up")
        assert link(dom0a, "xenbr72")["mtu"] == 1400 and guest(web1, "true") == ""
    finally:
        restored = "cp -a /root/interfaces.saved /etc/network/interfaces.d/xen-legi"
        dom0a.check_output(f"rm -f {FILE}; {restored}; xen-legi net apply")
    assert "xv220" not in names(dom0a)


def vif_of(host: Host, name: str) -> str:
    """Return the vif of a domU's first card."""
    return "vif" + host.check_output(f"xl domid {name}") + ".0"


@pytest.mark.parametrize("command", daily("xen-legi net apply", more=("ifup --force xenbr72",)))
def test_a_vif_that_lost_its_bridge_joins_again_though_the_bridge_is_there(dom0a: Host, web1: Host, command: str) -> None:
    vif = vif_of(dom0a, "web1")
    dom0a.check_output(f"ip link set dev {vif} nomaster")
    dom0a.check_output(command)
    assert link(dom0a, vif)["master"] == "xenbr72"
    wait_until(lambda: guest(web1, "true") == "", 30, "the guest answers")


@pytest.mark.long
def test_a_vif_that_is_routed_is_never_put_into_a_bridge(dom0a: Host, web1: Host) -> None:
    vif = vif_of(dom0a, "web1")
    key = f"/local/domain/0/backend/vif/{vif[3:-2]}/0/script"
    was = dom0a.check_output(f"xenstore-read {key}")
    dom0a.check_output(f"xenstore-write {key} /etc/xen/scripts/vif-route && ip link set dev {vif} nomaster")
    try:
        dom0a.check_output("xen-legi net apply")
        assert "master" not in link(dom0a, vif)
    finally:
        dom0a.check_output(f"xenstore-write {key} {was} && xen-legi net apply")
    assert link(dom0a, vif)["master"] == "xenbr72"


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

AWARE = "auto br0\niface br0 inet manual\n    bridge-ports {0}\n    bridge-vlan-aware yes\n    bridge-vids 74-75\n"


def vlans_of(host: Host, port: str) -> dict[int, bool]:
    """Return the VLANs that a port carries: ID -> without a tag?"""
    return kernel.parse_vlans(json.loads(host.check_output(f"bridge -json vlan show dev {port}")))[port]


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


def attach(host: Host, number: int, vlans: str) -> None:
    """Give web1 another card on br0: vlan= where xl knows it, else by our script."""
    new = "4.17" not in host.check_output("xl info | grep xen_version")
    old = "script=vif-xen-legi bridge=br0" + (f".{vlans}" if "/" not in vlans else "." + vlans.replace("p/", ":"))
    words = f"bridge=br0 vlan={vlans}" if new else old
    host.check_output(f"xl network-attach web1 mac=00:16:3e:00:00:0{number} {words}")


def reaches(web1: Host, address: str) -> bool:
    """Tell whether dom0b reaches an address of the guest."""
    return web1.run(f"ping -q -c 2 -W 3 {address}").rc == 0


@pytest.fixture
def aware(dom0a: Host, web1: Host) -> Iterator[None]:
    """A VLAN-aware bridge over bond0 on dom0a, and addresses on VLANs 74 and 75 of dom0b's bond0."""
    write(dom0a, AWARE.format("bond0"))
    dom0a.check_output("xen-legi net apply")
    for number in (74, 75):
        web1.check_output(f"ip link add link bond0 name test{number} type vlan id {number} && "
                          f"ip link set dev test{number} up && ip address add 192.168.{number}.2/24 dev test{number}")
    yield
    web1.run("ip link del dev test74; ip link del dev test75")
    dom0a.check_output(f"rm -f {FILE}; xl network-detach web1 1; xl network-detach web1 2; sleep 3; xen-legi net apply")


@pytest.mark.long
def test_the_vifs_of_a_vlan_aware_bridge_are_separated_and_a_trunk_sees_both(dom0a: Host, web1: Host, aware: None) -> None:
    attach(dom0a, 1, "74")
    attach(dom0a, 2, "74p/75")
    up = ("n=$(grep -l 00:16:3e:00:00:0{0} /sys/class/net/*/address | cut -d/ -f5); "
          "ip link set $n up; ip address add {1}/24 dev $n")
    wait_until(lambda: guest(web1, "cat /sys/class/net/*/address").count("00:16:3e:00:00:0") == 2, 60, "the cards are there")
    guest(web1, up.format(1, "192.168.74.11"))
    wait_until(lambda: reaches(web1, "192.168.74.11"), 30, "VLAN 74 is reached")
    guest(web1, "ip address flush to 192.168.74.11; " + up.format(1, "192.168.75.11"))
    assert not reaches(web1, "192.168.75.11")  # frames without a tag are VLAN 74's
    guest(web1, "ip address flush to 192.168.75.11; " + up.format(2, "192.168.74.12"))
    assert reaches(web1, "192.168.74.12")
    guest(web1, up.format(2, "192.168.99.1") + "; modprobe 8021q; ip link add link $n name trunk75 type vlan id 75; "
          "ip link set trunk75 up; ip address add 192.168.75.12/24 dev trunk75")
    assert reaches(web1, "192.168.75.12")
    dom0a.check_output("ifdown br0; ifup br0")
    wait_until(lambda: reaches(web1, "192.168.75.12"), 30, "the vifs are back in the bridge, with their VLANs")
