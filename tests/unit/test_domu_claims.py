"""What no two domUs may have: as a domU's file tells it, as Xen does, and as another host does, which may lie."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from xen_legi.domu import claims, config, xl
from xen_legi.domu.claims import Claim
from xen_legi.errors import CommandFailed, Problem

MAC, IP = "00:16:3E:48:12:34", "192.168.72.11"
WEB1 = {"name": "web1", "macs": [MAC], "addresses": [IP]}
FILE = """name = 'web1'
vif = ['mac=00:16:3e:48:12:34,bridge=xenbr72,ip=192.168.72.11/24 2001:DB8::0:11 dhcp', 'mac=junk', 'bridge=xenbr73']
"""
# as `xl list -l` of Xen 4.20 prints it, without what is of no account here
STARTED = json.dumps([
    {"domid": 0, "config": {"c_info": {"type": "pv", "name": "Domain-0"}, "b_info": {}}},
    {"domid": 3, "config": {"c_info": {"type": "pv", "name": "stray"}, "nics": [
        {"devid": 0, "mac": "00:16:3e:48:12:34", "bridge": "xenbr72", "ip": "192.168.72.11"}, {"devid": 1}]}},
    {"domid": 4, "config": {"c_info": {"type": "pv", "name": "web1"}, "nics": [{"mac": "00:16:3e:48:99:99"}]}},
])


def test_a_file_tells_name_macs_and_addresses_and_what_is_none_is_left_out() -> None:
    assert claims.of_domu(config.parse(FILE, Path("/etc/xen/web1.cfg"))) == Claim(
        "web1", frozenset({MAC}), frozenset({IP, "2001:db8::11"}), "/etc/xen/web1.cfg")


def domains(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let Xen have these domains, besides dom0."""
    known = [xl.Domain(number, name, "running", 1, 1, 0.0) for number, name in enumerate(["Domain-0", *names])]
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "domains", lambda: known)


def test_a_domain_without_a_file_is_known_with_what_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    domains(monkeypatch, "stray", "web1", "new")
    monkeypatch.setattr(xl, "started_with", lambda: STARTED)
    where = "it runs, without a file"
    assert claims.running({"web1"}) == [Claim("stray", frozenset({MAC}), frozenset({IP}), where), Claim("new", where=where)]


@pytest.mark.parametrize("said", ["", "null", "[", "[1]", '[{"config": {}}]', '{"a": 1}', '[{"config": {"nics": [1]}}]'])
def test_of_what_xen_does_not_tell_the_name_is_left(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    domains(monkeypatch, "stray")
    monkeypatch.setattr(xl, "started_with", lambda: said)
    assert [(one.name, one.macs) for one in claims.running(())] == [("stray", frozenset())]


def test_while_xl_fails_nothing_is_known_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise CommandFailed(("xl", "list"), 1, "")

    domains(monkeypatch, "stray")
    monkeypatch.setattr(xl, "started_with", fails)
    assert [one.name for one in claims.running(())] == ["stray"]
    monkeypatch.setattr(xl, "domains", fails)
    assert claims.running(()) == []


def test_the_macs_of_dom0_are_those_of_all_its_links(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [{"ifname": "eno1", "address": "52:54:00:00:00:01", "permaddr": "52:54:00:00:00:0a"}, {"ifname": "tun0"},
             {}, {"ifname": "sit0", "address": "0.0.0.0"}, {"ifname": "xenbr72", "address": "52:54:00:00:00:01"}]
    monkeypatch.setattr(claims, "run_json", lambda argv: links)
    assert claims.of_dom0().macs == {"52:54:00:00:00:01", "52:54:00:00:00:0A"}
    assert claims.of_dom0().told == "dom0 itself: it has a card or a bridge with it"


def test_a_peer_understands_what_a_peer_tells() -> None:
    told = [Claim("web1", frozenset({MAC}), frozenset({IP, "2001:db8::11"}), "web1.cfg"), Claim("a b"), Claim("bad\n")]
    heard = claims.understood(json.loads(json.dumps(claims.plain(told))), "dom0b")
    assert heard == [Claim("web1", told[0].macs, told[0].addresses, "on dom0b", host="dom0b"),
                     Claim("a b", where="on dom0b", host="dom0b")]


@pytest.mark.parametrize("said", [
    None, "web1", {}, {"web1": WEB1}, ["web1"], [WEB1, None], [{**WEB1, "more": 1}], [{"name": "web1"}],
    [{**WEB1, "name": ""}], [{**WEB1, "name": 7}], [{**WEB1, "name": "x" * 201}], [{**WEB1, "name": "\x1b[2Jweb1"}],
    [{**WEB1, "name": "web\u202e1"}], [{**WEB1, "macs": MAC}], [{**WEB1, "macs": [MAC.lower()]}],
    [{**WEB1, "macs": [MAC + "\n"]}], [{**WEB1, "macs": [7]}], [{**WEB1, "macs": [MAC] * 257}],
    [{**WEB1, "addresses": None}], [{**WEB1, "addresses": [3232253963]}], [{**WEB1, "addresses": ["fe80::1%\x1b"]}],
    [{**WEB1, "addresses": ["192.168.72.11/24"]}], [WEB1] * 10_001,
])
def test_an_answer_that_no_peer_of_ours_gives_is_none(said: Any) -> None:
    with pytest.raises(ValueError):
        claims.understood(said, "dom0b")


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.sampled_from([MAC, IP]),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from(["name", "macs", "addresses", "x"]), inner),
)


@given(some.lists(JSON))
def test_of_whatever_a_peer_says_only_names_macs_and_addresses_are_believed(said: list[Any]) -> None:
    try:
        heard = claims.understood(said, "dom0b")
    except ValueError:
        return
    assert all(one.name.isprintable() and one.where == "on dom0b" for one in heard)
    assert claims.plain(claims.understood(claims.plain(heard), "dom0b")) == claims.plain(heard)


def test_what_is_taken_is_refused_with_where_it_is_and_a_hint() -> None:
    known = [Claim("www", frozenset({MAC}), frozenset({IP}), "on dom0b"), Claim("db", where="on dom0c", hint="remove it")]
    for check, word, said in ((claims.need_free_name, "www", "there is a domU 'www' already: on dom0b"),
                              (claims.need_free_mac, MAC, f"MAC {MAC} is that of domU www: on dom0b"),
                              (claims.need_free_address, IP, f"address {IP} is that of domU www: on dom0b")):
        with pytest.raises(Problem) as caught:
            check(word, known)
        assert (caught.value.message, caught.value.status) == (said, 2) and caught.value.hint
        check("other", known)
    with pytest.raises(Problem) as caught:
        claims.need_free_name("db", known)
    assert caught.value.hint == "remove it"
