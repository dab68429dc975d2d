"""Trials: changes of a running network by `xen-legi net try`, which are taken back by themselves."""

import time
from collections.abc import Callable

import pytest
from testinfra.host import Host

from changes import ALONE, BOND, OWN, addresses, by_another_file, carries_alone, plan, stanzas, write
from domus import refused
from test_network import link, names, wait_until

KILL = "kill -9 $(sed 's/.*\"process\": \\([0-9]*\\).*/\\1/' /run/xen-legi/net-trial)"  # who makes the change


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
    applied.check_output(f"systemctl kill --signal=KILL xen-legi-net-trial-*; {KILL}")
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


SLOW = "    up sleep 300; ip address add 192.168.95.3/24 dev card2\n"
WAITING = [  # what ifup waits for, and by which processes that is seen
    pytest.param("iface card2 inet dhcp\n", "dh(client|cpcd).*(card2|launcher)", id="a-dhcp-client-without-server"),
    pytest.param(f"iface card2 inet static\n    address 192.168.95.2/24\n{SLOW}", "[s]leep 300", id="a-command"),
]


@pytest.mark.long
@pytest.mark.parametrize("stanza, processes", WAITING)
def test_what_ifup_waits_for_when_a_trial_is_killed_does_not_outlive_it(alone: Host, stanza: str, processes: str) -> None:
    if "dhcp" in stanza and alone.run("test -x /sbin/dhclient || test -x /sbin/dhcpcd").rc != 0:
        pytest.skip("no DHCP client is installed")
    waits = f"pgrep -f '{processes}'"
    assert alone.run(waits).rc != 0
    write(alone, stanzas() + "auto card2\n" + stanza)
    begin(alone, seconds=600)
    wait_until(lambda: alone.run(waits).rc == 0, 60, "ifup waits")
    assert not under_way(alone)
    alone.check_output(KILL)
    wait_until(lambda: taken_back(alone), 90, "it is taken back")
    assert alone.run(waits).rc != 0 and alone.run("test -e /run/xen-legi/net-session").rc != 0
    assert carries_alone(alone)


@pytest.mark.long
def test_a_trial_and_its_end_leave_a_card_alone_of_which_nobody_knows_how_it_came_up(alone: Host) -> None:
    with by_another_file(alone):
        write(alone, stanzas("2-7") + "auto card2\niface card2 inet static\n    address 192.168.95.5/24\n")
        begin(alone, seconds=120)
        wait_until(lambda: under_way(alone), 60, "the trial is under way")
        told = "card2: left alone: what ifup read when it came up"
        wait_until(lambda: told in alone.check_output("cat /run/try.log"), 20, "it is told what is left alone")
        assert "xenbr7" in names(alone) and addresses(alone, "card2") == ["192.168.95.7"]
        before = alone.check_output("cat /run/xen-legi/net-before")
        assert "iface card1" in before and "iface card2" not in before and "\nauto card2\n" not in before
        alone.check_output("xen-legi net revert")
        assert taken_back(alone) and "xenbr7" not in names(alone)
        assert addresses(alone, "card2") == ["192.168.95.7"] and ("leave", "card2") in plan(alone)
