"""The table of links, from facts in the form of `ip -json -details address show`. A real dom0's are read in tests/lab."""

from typing import Any

from xen_legi.net.show import rows, table

ANSWER: list[dict[str, Any]] = [
    {"ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "mtu": 65536,
     "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eth1", "flags": ["SLAVE", "UP", "LOWER_UP"], "mtu": 1500, "master": "bond0", "addr_info": [],
     "linkinfo": {"info_slave_kind": "bond", "info_slave_data": {"state": "ACTIVE"}}},
    {"ifname": "xenbr72", "flags": ["UP", "LOWER_UP"], "mtu": 1500, "group": "5694",
     "linkinfo": {"info_kind": "bridge", "info_data": {"stp_state": 0}},
     "addr_info": [{"local": "192.168.72.2", "prefixlen": 24}]},
    {"ifname": "vlan72", "flags": ["UP", "LOWER_UP"], "mtu": 1500, "master": "xenbr72", "link": "bond0", "group": "5694",
     "ifalias": "servers",
     "linkinfo": {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 72}}, "addr_info": []},
    {"ifname": "vlan9", "flags": [], "mtu": 1500, "link": "bond0",
     "linkinfo": {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 9}}, "addr_info": []},
    {"ifname": "bond0", "flags": ["MASTER", "UP"], "mtu": 1500, "group": "5694",
     "linkinfo": {"info_kind": "bond", "info_data": {"mode": "802.3ad"}}, "addr_info": []},
    {"ifname": "vif3.0", "flags": ["UP", "LOWER_UP"], "mtu": 1500, "master": "xenbr72", "addr_info": []},
    {"ifname": "db-eth0", "flags": ["UP"], "mtu": 1500, "master": "xenbr72", "addr_info": [], "parentbus": "xen-backend",
     "parentdev": "vif-12-0"},
    {"ifname": "db-eth0-emu", "flags": ["UP"], "mtu": 1500, "master": "xenbr72", "addr_info": []},
    {},
]


def test_links_come_from_the_cards_up_to_the_domus() -> None:
    assert [one.name for one in rows(ANSWER, {})] == [
        "eth1", "lo", "bond0", "vlan9", "vlan72", "xenbr72", "db-eth0", "db-eth0-emu", "vif3.0"]


def test_a_row_tells_what_a_link_is_and_where_it_hangs() -> None:
    found = {one.name: one for one in rows(ANSWER, {3: "web1", 12: "db1"})}
    assert (found["vlan72"].kind, found["vlan72"].detail, found["vlan72"].on) == ("vlan", "72", "bond0")
    assert (found["bond0"].detail, found["bond0"].ports, found["bond0"].carrier) == ("802.3ad", ("eth1",), False)
    assert found["xenbr72"].ports == ("db-eth0", "db-eth0-emu", "vif3.0", "vlan72")
    assert found["xenbr72"].addresses == ("192.168.72.2/24",)
    assert (found["vif3.0"].kind, found["vif3.0"].domu, found["vif3.0"].port_of) == ("vif", "web1", "xenbr72")
    for name in ("db-eth0", "db-eth0-emu"):  # vifname= in the domU's file
        assert (found[name].kind, found[name].domu) == ("vif", "db1")
    assert found["eth1"].kind == "hardware" and found["lo"].kind == "loopback"
    assert [name for name, one in found.items() if one.ours] == ["bond0", "vlan72", "xenbr72"]


def test_the_table_says_so_in_words() -> None:
    lines = [line.split() for line in table(rows(ANSWER, {3: "web1"})).splitlines()]
    assert lines[0] == ["LINK", "KIND", "NAME", "STATE", "MTU", "ON", "PORTS", "ADDRESSES"]
    assert ["bond0", "bond", "802.3ad", "no", "carrier", "1500", "eth1"] in lines
    assert ["vlan72", "vlan", "72", "servers", "up", "1500", "bond0"] in lines
    assert ["vlan9", "vlan", "9", "down", "1500", "bond0"] in lines
    assert ["vif3.0", "vif", "web1", "up", "1500"] in lines
