"""Regular expressions in lists of ports, as bridge-utils hands them to grep -E."""

import warnings

import pytest

from test_net_links import error, stanza, wanted
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
