"""Names of VLANs: the file, and the links that bear them."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_net_links import REFERENCE, stanza
from test_net_plan import ETH1, ETH2, complete, state
from test_net_stanzas import read
from xen_legi.net import files, names
from xen_legi.net.kernel import Device
from xen_legi.net.links import desired
from xen_legi.net.plan import plan

NAMED = {"72": "web servers", "7": "inner"}


def test_the_file_is_ids_with_names() -> None:
    found, wrong = names.parse("# VLANs\n72 web servers\n\n 0100\tbackup  \n")
    assert (dict(found), wrong) == ({"72": "web servers", "100": "backup"}, [])


@pytest.mark.parametrize("line, said", [
    ("servers 72", "'servers' is not a VLAN ID from 1 to 4094"),
    ("4095 x", "'4095' is not a VLAN ID from 1 to 4094"),
    ("73", "VLAN 73 has no name"),
    ('73 the "best"', "'the \"best\"' is not a name"),
    ("73 " + "x" * 65, "is not a name: at most 64 characters"),
    ("73 a\x07b", "is not a name"),
    ("072 again", "VLAN 072 is 'servers' already"),
])
def test_a_wrong_line_is_told_with_its_place_and_the_others_count(line: str, said: str) -> None:
    found, wrong = names.parse(f"72 servers\n{line}\n74 guests\n")
    assert dict(found) == {"72": "servers", "74": "guests"}
    (message,) = wrong
    assert message.where == "/etc/xen-legi/vlans:2" and said in message.text


def test_the_host_s_names_come_with_its_interfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "FILE", str(tmp_path / "vlans"))
    (tmp_path / "interfaces").write_text("auto lo\niface lo inet loopback\n")
    assert files.load(str(tmp_path / "interfaces")).vlan_names == {}
    (tmp_path / "vlans").write_text("72 servers\nx\n")
    loaded = files.load(str(tmp_path / "interfaces"))
    assert loaded.vlan_names == {"72": "servers"} and len(loaded.problems) == 1


def aliases(text: str, *wanted: str, devices: dict[str, Device] | None = None) -> dict[str, str]:
    interfaces = replace(read(text), vlan_names=NAMED)
    there = devices or state(ETH1, ETH2)
    steps = plan(desired(interfaces, wanted, there), there).steps
    return {step.link: step.do.partition(" alias ")[2].strip('"') for step in steps if " alias " in step.do}


def test_a_vlan_and_the_bridge_over_it_bear_its_name() -> None:
    assert aliases(REFERENCE, "xenbr72") == {"vlan72": "web servers", "xenbr72": "web servers"}
    assert aliases(stanza("xen-vlan 72 eth1", name="dmz"), "dmz") == {"eth1.72": "web servers", "dmz": "web servers"}


def test_a_name_that_is_there_already_is_not_set_again() -> None:
    devices = complete()
    devices["vlan72"] = replace(devices["vlan72"], alias="web servers")
    assert aliases(REFERENCE, "xenbr72", devices=devices) == {"xenbr72": "web servers"}


def test_a_description_of_the_stanza_is_stronger_and_other_bridges_have_no_name() -> None:
    text = stanza("vlan-raw-device eth1", "description mine", name="vlan72") + stanza("bridge-ports vlan72 vlan7", name="b")
    text += stanza("vlan-raw-device eth1", name="vlan7")
    assert aliases(text, "b") == {"vlan7": "inner"}


def test_a_vlan_within_a_vlan_is_another_network() -> None:
    text = stanza("vlan-raw-device eth1", name="vlan72") + stanza("vlan-raw-device vlan72", "vlan-id 7", name="in7")
    assert aliases(text, "in7") == {"vlan72": "web servers"}
