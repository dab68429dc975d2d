"""The BMC's settings: what ipmitool prints, what stanzas ask for, and the files of other hosts."""

import argparse
from pathlib import Path

import pytest

from test_net_stanzas import read
from xen_legi.bmc import hosts, tool
from xen_legi.bmc.lan import Lan, differences, parse, wish
from xen_legi.cli import bmc
from xen_legi.errors import Problem
from xen_legi.net.check import check

PRINTED = """\
Set in Progress         : Set Complete
IP Address Source       : Static Address
IP Address              : 192.0.2.5
Subnet Mask             : 255.255.255.0
MAC Address             : 00:16:3e:00:00:01
Default Gateway IP      : 192.0.2.1
Default Gateway MAC     : 00:00:00:00:00:00
802.1q VLAN ID          : {vlan}
802.1q VLAN Priority    : 0
Cipher Suite Priv Max   : aaaaaaaaaaaaaaa
                        :     X=Cipher Suite Unused
"""
HAVE = Lan("static", "192.0.2.5", "255.255.255.0", "192.0.2.1", "83")
CARD = "auto eth0\niface eth0 inet dhcp\n"
STANZA = CARD + "    ipmi-address 192.0.2.5/24\n    ipmi-gateway 192.0.2.1\n    ipmi-vlan 83\n    ipmi-channel 2\n"


@pytest.mark.parametrize("vlan, read_as", [("83", "83"), ("Disabled", "off")])
def test_what_ipmitool_prints_is_read(vlan: str, read_as: str) -> None:
    assert parse(PRINTED.format(vlan=vlan)) == Lan("static", "192.0.2.5", "255.255.255.0", "192.0.2.1", read_as)


def test_sources_that_we_have_no_word_for_are_kept() -> None:
    assert parse("IP Address Source       : BIOS Assigned Address\n").source == "BIOS Assigned Address"
    assert parse("") == Lan(vlan="off")


def test_a_stanza_is_what_the_bmc_is_to_be() -> None:
    found = wish(read(STANZA))
    assert found and (found.lan, found.channel) == (HAVE, 2)
    assert wish(read(CARD)) is None and check(read(STANZA)) == []


def test_only_what_differs_is_set_and_the_source_comes_first() -> None:
    assert list(differences(HAVE, HAVE)) == []
    found = list(differences(HAVE, Lan("dhcp", "0.0.0.0", "255.255.255.0", "0.0.0.0", "off")))
    assert [one.words for one in found] == [
        ("ipsrc", "static"), ("ipaddr", "192.0.2.5"), ("defgw", "ipaddr", "192.0.2.1"), ("vlan", "id", "83")]
    assert list(differences(Lan(vlan="off"), HAVE))[0].words == ("vlan", "id", "off")


@pytest.mark.parametrize("line, text", [
    ("ipmi-address 192.0.2.5", "is no IPv4 address with the length of its network"),
    ("ipmi-address 2001:db8::1/64", "is no IPv4 address"),
    ("ipmi-gateway nowhere", "is neither an IPv4 address nor none"),
    ("ipmi-vlan 5000", "ipmi-vlan '5000'"),
    ("ipmi-source bios", "is not one of static, dhcp"),
    ("ipmi-source static", "needs an ipmi-address"),
    ("ipmi-channel 0", "ipmi-channel '0'"),
    ("ipmi-pasword x", "ipmi-pasword"),
    ("ipmi-source dhcp\n    ipmi-address 192.0.2.5/24", "exclude each other"),
    ("ipmi-vlan 5\niface eth1 inet manual\n    ipmi-vlan 6", "eth0 says already"),
])
def test_nonsense_is_told_with_its_place(line: str, text: str) -> None:
    found = check(read(f"{CARD}    {line}\n"))
    assert any(one.level == "error" and text in one.text and one.where.startswith("i:") for one in found), found


@pytest.mark.parametrize("text, said", [
    ('address = "192.0.2.5"\nuser = "admin"\n', "password is missing"),
    ('adress = "192.0.2.5"\n', "is not understood"),
    ('address = "192.0.2.5"\nuser = "admin"\npassword = "x"\nport = "623"\n', "is not understood"),
    ("address\n", "dom0z: "),
])
def test_a_file_that_is_not_good_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "dom0z").write_text(text)
    (tmp_path / "dom0z").chmod(0o600)
    with pytest.raises(Problem) as raised:
        hosts.find("dom0z", tmp_path)
    assert said in raised.value.message and raised.value.hint


def test_a_file_that_others_may_read_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dom0z").write_text('address = "192.0.2.5"\nuser = "admin"\npassword = "x"\n')
    (tmp_path / "dom0z").chmod(0o640)
    for name in ("dom0z", "dom0y", "../dom0z", ".x", ""):
        with pytest.raises(Problem) as raised:
            hosts.find(name, tmp_path)
        assert raised.value.status == 2 and raised.value.hint
    (tmp_path / "dom0z").chmod(0o600)
    assert "lanplus" in hosts.find("dom0z", tmp_path).words


@pytest.mark.parametrize("words", [["power", "dom0b", "off", "--yes", "--dry-run"], ["show", "--dry-run"]])
def test_a_dry_run_of_what_has_none_is_refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It switched the machine off."""
    monkeypatch.setattr(tool, "power", lambda bmc, action: pytest.fail("the machine was switched off"))
    parser = argparse.ArgumentParser()
    bmc.arguments(parser)
    with pytest.raises(Problem, match="has no --dry-run"):
        bmc.main(parser.parse_args(words))
