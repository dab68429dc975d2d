"""What the kernel takes of a bond's options together, and what is left out for it."""

import pytest

from test_net_links import bond, link, settings
from test_net_stanzas import read
from xen_legi.net.check import check


@pytest.mark.parametrize("lines, text", [
    (("bond-arp-ip-target 192.0.2.1 2001:db8::1",), "bond-arp-ip-target '192.0.2.1 2001:db8::1' is not a list of IPv4"),
    (("bond-ns-ip6-target 192.0.2.1",), "bond-ns-ip6-target '192.0.2.1' is not a list of IPv6 addresses"),
    (("bond-ns-ip6-target fe80::1%eth0",), "bond-ns-ip6-target 'fe80::1%eth0' is not a list of IPv6 addresses"),
    (("bond-arp-ip-target " + " ".join(f"192.0.2.{one}" for one in range(1, 18)),), "bond-arp-ip-target '192.0.2.1 "),
])
def test_a_bond_that_the_kernel_would_refuse_whole_is_told_with_its_line(lines: tuple[str, ...], text: str) -> None:
    found = [one for one in check(read(bond(*lines))) if one.level == "error"]
    assert [one.text.startswith(f"bond0: {text}") for one in found] == [True] and found[0].where != "i:1"


@pytest.mark.parametrize("lines, text, expected", [
    (("bond-miimon 100", "bond-arp-interval 500"), "bond-arp-interval is left out: a bond is watched by one of", {}),
    (("bond-arp-validate all",), "bond-arp-validate is left out: it is for ARP probes", {}),
    (("bond-arp-validate all", "bond-miimon 100"), "bond-arp-validate is left out: it is for ARP probes", {}),
    (("bond-arp-interval 500", "bond-arp-ip-target 192.0.2.1", "bond-updelay 200"), "bond-updelay is left out: it is for a",
     {"bond-miimon": "", "bond-arp-interval": "500", "bond-arp-ip-target": "192.0.2.1"}),
    (("bond-miimon 0", "bond-updelay 200"), "bond-updelay is left out: it is for a bond that", {"bond-miimon": "0"}),
    (("bond-miimon 0", "bond-peer-notify-delay 200"), "bond-peer-notify-delay is left out: it", {"bond-miimon": "0"}),
    (("bond-arp-ip-target 0.0.0.0",), "bond-arp-ip-target: 0.0.0.0 is left out: the kernel does not probe it", {}),
    (("bond-arp-ip-target 0.0.0.0 192.0.2.1",), "bond-arp-ip-target: 0.0.0.0 is left", {"bond-arp-ip-target": "192.0.2.1"}),
    (("bond-ns-ip6-target ff02::1",), "bond-ns-ip6-target: ff02::1 is left out: the kernel does not probe it", {}),
    (("bond-num-grat-arp 3", "bond-num-unsol-na 4"), "bond-num-grat-arp is left out: it is the same setting as",
     {"bond-num-unsol-na": "4"}),
])
def test_what_ifenslave_takes_and_the_kernel_refuses_costs_an_option_and_not_the_bond(
    lines: tuple[str, ...], text: str, expected: dict[str, str]
) -> None:
    (told,) = check(read(bond(*lines) + "auto bond0\n"))
    assert told.level == "warning" and told.text.startswith(f"bond0: {text}") and told.where != "i:1"
    made = settings(link(bond(*lines), "bond0"))
    assert made == {name: value for name, value in ({"bond-miimon": "100"} | expected).items() if value}


@pytest.mark.parametrize("lines, expected", [
    (("bond-arp-interval 0",), {"bond-miimon": "100", "bond-arp-interval": "0"}),
    (("bond-arp-interval 500", "bond-updelay 0", "bond-miimon 0"), {"bond-arp-interval": "500", "bond-miimon": "0"}),
    (("bond-updelay 250", "bond-miimon 100"), {"bond-miimon": "100", "bond-updelay": "200"}),
    (("bond-arp-validate none",), {"bond-miimon": "100", "bond-arp-validate": "none"}),
    (("bond-mode 4", "bond-arp-interval 500"), {"bond-mode": "802.3ad", "bond-miimon": "100"}),
    (("bond-ns-ip6-target 2001:DB8:0::1,2001:db8::1",), {"bond-miimon": "100", "bond-ns-ip6-target": "2001:db8::1"}),
])
def test_the_options_of_a_bond_are_those_that_the_kernel_keeps(lines: tuple[str, ...], expected: dict[str, str]) -> None:
    assert settings(link(bond(*lines), "bond0")) == expected
