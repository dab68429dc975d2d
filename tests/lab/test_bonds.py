"""Bonds in every mode that the kernel has, made by ifup and read back from the kernel."""

import json
import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

from test_network import kind, link, names, wait_until
from xen_legi.net.options import BY_NAME

FILE = "/etc/network/interfaces.d/test-bonds"
CARDS = ("card1", "card2")
STANZA = "auto bond9\niface bond9 inet manual\n    bond-slaves {0}\n    bond-mode {1}\n{2}"
# Of each mode the options that it alone has, or that are usual with it, and what the kernel is to say then.
MODES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "balance-rr": (("bond-packets-per-slave 4", "bond-miimon 100"), {"packets_per_slave": 4, "miimon": 100}),
    "active-backup": (
        ("bond-primary card2", "bond-primary-reselect better", "bond-fail-over-mac active", "bond-arp-interval 500",
         "bond-arp-ip-target 192.0.2.1 192.0.2.2", "bond-arp-validate active", "bond-num-grat-arp 3"),
        {"primary": "card2", "primary_reselect": "better", "fail_over_mac": "active", "arp_interval": 500,
         "arp_ip_target": ["192.0.2.1", "192.0.2.2"], "arp_validate": "active", "num_peer_notif": 3}),
    "balance-xor": (
        ("bond-xmit-hash-policy layer3+4", "bond-miimon 50", "bond-updelay 100", "bond-downdelay 150"),
        {"xmit_hash_policy": "layer3+4", "miimon": 50, "updelay": 100, "downdelay": 150}),
    "broadcast": (("bond-miimon 100", "bond-all-slaves-active 1"), {"miimon": 100, "all_slaves_active": 1}),
    "802.3ad": (
        ("bond-miimon 100", "bond-lacp-rate fast", "bond-ad-select bandwidth", "bond-min-links 1",
         "bond-xmit-hash-policy layer2+3"),
        {"ad_lacp_rate": "fast", "ad_select": "bandwidth", "min_links": 1, "xmit_hash_policy": "layer2+3"}),
    "balance-tlb": (
        ("bond-miimon 100", "bond-tlb-dynamic-lb 0", "bond-lp-interval 5"), {"tlb_dynamic_lb": 0, "lp_interval": 5}),
    "balance-alb": (("bond-miimon 100", "bond-resend-igmp 2"), {"miimon": 100, "resend_igmp": 2}),
}

CHANGED = {  # of a bond that is up: what the kernel takes then, and what it takes only of one that is down
    "bond-miimon": ("balance-rr", "50"), "bond-updelay": ("balance-rr", "200"),
    "bond-packets-per-slave": ("balance-rr", "5"),
    "bond-resend-igmp": ("active-backup", "3"), "bond-num-grat-arp": ("active-backup", "3"),
    "bond-primary-reselect": ("active-backup", "better"), "bond-min-links": ("802.3ad", "1"),
    "bond-xmit-hash-policy": ("802.3ad", "layer3+4"), "bond-lacp-rate": ("802.3ad", "fast"),
    "bond-lacp-active": ("802.3ad", "off"), "bond-ad-select": ("802.3ad", "count"),
    "bond-ad-user-port-key": ("802.3ad", "5"), "bond-ad-actor-sys-prio": ("802.3ad", "7"),
    "bond-ad-actor-system": ("802.3ad", "02:00:00:00:00:07"), "bond-tlb-dynamic-lb": ("balance-tlb", "0"),
}


@pytest.fixture(scope="module")
def cards(switch: Host) -> Iterator[Host]:
    """The light machine with two cards for a bond."""
    before = names(switch)
    for card in CARDS:
        switch.check_output(f"ip link add {card} type dummy")
    yield switch
    switch.run(f"ifdown --force bond9; rm -f {FILE}; ip link del dev bond9")
    for card in CARDS:
        switch.check_output(f"ip link del dev {card}")
    assert names(switch) == before


def made(host: Host, text: str) -> dict[str, Any]:
    """Bring bond9 up by a stanza, and return what the kernel says of it."""
    host.check_output(f"printf %s {shlex.quote(text)} >{FILE} && ifup bond9")
    return kind(link(host, "bond9"))


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_with_its_options_is_set_and_read_back(cards: Host, mode: str) -> None:
    options, wanted = MODES[mode]
    lines = "".join(f"    {option}\n" for option in options)
    facts = made(cards, STANZA.format(" ".join(CARDS), mode, lines))
    try:
        assert {name: facts.get(name) for name in ("mode", *wanted)} == {"mode": mode, **wanted}
        assert {link(cards, card)["master"] for card in CARDS} == {"bond9"}
        told = [one for one in json.loads(cards.check_output("xen-legi net plan --json")) if one["name"] == "bond9"]
        assert told == []
    finally:
        cards.check_output("ifdown bond9")
    assert not any(name.startswith("bond9") for name in names(cards))


def test_a_bond_is_taken_down_only_for_what_the_kernel_refuses_otherwise(cards: Host) -> None:
    """An option that needs no pause must not cost the guests one, and one that needs it must not fail."""
    told = {name: _taken(cards, mode, f"{BY_NAME[name].word} {value}") for name, (mode, value) in CHANGED.items()}
    assert told == {name: (BY_NAME[name].needs == "", True) for name in CHANGED}


def _taken(host: Host, mode: str, words: str) -> tuple[bool, bool]:
    """Tell whether the kernel takes a change of a bond that is up, and of one that is down."""
    made(host, STANZA.format(" ".join(CARDS), mode, ""))
    try:
        change = f"ip link set dev bond9 type bond {words}"
        return host.run(change).rc == 0, host.run(f"ip link set dev bond9 down; {change}").rc == 0
    finally:
        host.check_output("ifdown bond9")


def test_an_option_of_another_mode_is_left_out_and_the_bond_comes_up(cards: Host) -> None:
    lines = "    bond-lacp-rate fast\n    bond-ad-actor-sys-prio 7\n    bond-primary eth9\n    bond-tlb-dynamic-lb 0\n"
    facts = made(cards, STANZA.format(" ".join(CARDS), "balance-rr", lines))
    try:
        assert facts["mode"] == "balance-rr" and {link(cards, card)["master"] for card in CARDS} == {"bond9"}
        refused = cards.run("ip link set dev bond9 type bond lacp_rate fast")  # else there would be no need
        assert refused.rc != 0
    finally:
        cards.check_output("ifdown bond9")


OVER = "\nauto xenbr95\niface xenbr95 inet static\n    address 192.168.95.1/24\n    xen-vlan 95 bond9\n"


def test_nothing_waits_for_a_bond_whose_cables_are_dead(cards: Host) -> None:
    """The other end of its only card is down: what stands on it comes up all the same, with its address."""
    cards.check_output("ip link add card3 type veth peer name end3")
    try:
        began = time.monotonic()
        assert made(cards, STANZA.format("card3", "802.3ad", "    bond-lacp-rate fast\n") + OVER)["mode"] == "802.3ad"
        cards.check_output("ifup xenbr95")
        took = time.monotonic() - began
        assert "NO-CARRIER" in link(cards, "card3")["flags"]
        assert "192.168.95.1/24" in cards.check_output("ip address show xenbr95")
        assert took < 20, took  # a bridge alone may wait for 32 s, LACP for 30
    finally:
        cards.check_output("ifdown xenbr95 bond9; ip link del dev card3")


def test_a_bond_without_carrier_or_without_its_ports_comes_up_at_once(cards: Host) -> None:
    """As at a boot with the cables out, or a card that is not there: nothing waits for it."""
    facts = made(cards, STANZA.format("nowhere0", "802.3ad", "    bond-miimon 100\n"))
    try:
        assert facts["mode"] == "802.3ad"
        wait_until(lambda: "NO-CARRIER" in link(cards, "bond9")["flags"], 10, "no carrier")  # the kernel tells it late
    finally:
        cards.check_output("ifdown bond9")
