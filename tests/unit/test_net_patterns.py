"""Lists of ports: regular expressions as bridge-utils hands them to grep -E, `none`, and what waits for them."""

import warnings

import pytest

from test_net_links import error, link, stanza, wanted
from test_net_stanzas import read
from xen_legi.net.check import check
from xen_legi.net.patterns import expand

DEVICES = ("eth0", "eth1", "eth10", "eth&", "eth-", "enp1s0", "wlan0", "p1p1")


@pytest.mark.parametrize("words, found", [
    ("regex eth[[:digit:]]", ["eth0", "eth1"]),
    ("regex eth[[:digit:]]+", ["eth0", "eth1", "eth10"]),
    ("regex eth[^[:digit:]]", ["eth&", "eth-"]),
    ("regex [[:alpha:]]+[[:digit:]] noregex wlan9", ["eth0", "eth1", "wlan0", "wlan9"]),
    ("regex eth[&&-]", ["eth&", "eth-"]),
    ("regex eth[0[&]", ["eth&", "eth0"]),
    ("regex eth[+--]", ["eth-"]),
    ("all", ["eth&", "eth-", "eth0", "eth1", "eth10", "enp1s0", "p1p1"]),
    ("eth[0-9] regex", ["eth[0-9]"]),
])
def test_an_expression_stands_for_the_devices_that_it_matches_whole(words: str, found: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(expand("bridge-ports", words.split(), DEVICES)) == found


@pytest.mark.parametrize("word", ["eth[1", "eth(", "eth[[:numbers:]]", "*eth"])
def test_what_is_no_expression_is_an_error_also_where_no_device_is_known(word: str) -> None:
    text = stanza(f"bridge-ports regex {word}")
    assert error(text, "br0").startswith(f"bridge-ports: {word!r} is not a regular expression")
    assert wanted(text, "br0", devices=()).errors
    assert [one.where for one in check(read(text))][:1] == ["i:2"]


@pytest.mark.parametrize("lines, wait, ports", [
    (("bridge-waitport 5", "bridge-waitport 5"), 5, ("eth0",)),
    (("bridge-waitport 1 eth3", "bridge-waitport 2 eth4"), 2, ("eth4",)),
])
def test_of_several_lines_waitport_the_last_counts(lines: tuple[str, ...], wait: float, ports: tuple[str, ...]) -> None:
    text = stanza("bridge-ports eth0", lines[0]) + stanza("bridge-ports eth0", lines[1]).replace("inet ", "inet6 ")
    for one in (link(text, "br0"), link(stanza("bridge-ports eth0", *lines), "br0")):
        assert (one.wait, one.wait_ports) == (wait, ports)


def test_a_line_none_names_no_port_beside_other_lines() -> None:
    text = stanza("bridge-ports eth0") + stanza("bridge-ports none").replace("inet ", "inet6 ")
    assert link(text, "br0").ports == ("eth0",)
