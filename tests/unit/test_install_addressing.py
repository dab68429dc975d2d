"""How addresses, gateways and names are shared out among the interfaces of a new domU."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.domu import config
from xen_legi.errors import EXIT_USAGE, Problem
from xen_legi.install import show
from xen_legi.install.facts import host_nameservers
from xen_legi.install.model import Nic, Plan
from xen_legi.install.plan import plan
from xen_legi.install.render import rendered
from xen_legi.install.roles import environment
from xen_legi.install.settle import names, network

V4, V6 = "192.168.72.11/24", "2001:db8::11/64"
BRIDGES = replace(FACTS, bridges=frozenset({"xenbr1", "xenbr2", "xenbr72", "xenbr73"}))


def planned(*ips: str, vlans: tuple[int, ...] = (72,), gateways: tuple[str, ...] = ()) -> Plan:
    """Return the plan of a domU with these addresses."""
    return plan(replace(WISH, ips=ips, vlans=vlans, gateways=gateways), BRIDGES, SOURCE)


def refusal(*ips: str, vlans: tuple[int, ...] = (72,), gateways: tuple[str, ...] = ()) -> str:
    """Return how it is refused."""
    with pytest.raises(Problem) as raised:
        planned(*ips, vlans=vlans, gateways=gateways)
    assert raised.value.status == EXIT_USAGE and raised.value.hint and "\n" not in raised.value.message
    return raised.value.message


def test_an_interface_has_an_address_and_a_gateway_of_each_family() -> None:
    made = planned(V4, V6, gateways=("fe80::1", "192.168.72.254"))
    assert network.interfaces(made.nics).endswith("""
auto eth72
iface eth72 inet static
    address 192.168.72.11/24
    gateway 192.168.72.254
iface eth72 inet6 static
    address 2001:db8::11/64
    gateway fe80::1
""")
    file = config.parse(rendered(made), Path("/etc/xen/web1.cfg"))
    assert file.vifs[0].options["ip"] == "192.168.72.11 2001:db8::11" and made.ips == {"192.168.72.11", "2001:db8::11"}
    assert "# VLAN 72, eth72 in the guest: 192.168.72.11/24, 2001:db8::11/64\n" in rendered(made)
    assert f"eth72: {V4}, {V6}, gateway 192.168.72.254, gateway fe80::1, bridge xenbr72" in show.described(made)
    assert "127.0.0.1\tlocalhost\n192.168.72.11\tweb1\n2001:db8::11\tweb1\n\n::1\tlocalhost" in names.hosts(made)


def test_a_role_is_told_of_the_address_and_the_gateway_of_ipv4() -> None:
    told = environment(planned(V6, V4, gateways=("fe80::1", "192.168.72.254")))
    assert (told["ip1"], told["ip_count"], told["netmask"]) == ("192.168.72.11", "1", "255.255.255.0")
    assert told["gateway"] == "192.168.72.254" and "dhcp" not in told
    assert environment(planned("dhcp", V6))["dhcp"] == "1"


@pytest.mark.parametrize(("vlans", "ips", "shared"), [
    ((72,), (V6, V4), [f"{V4}, {V6}"]),
    ((72,), (f"{V6},{V4}",), [f"{V4}, {V6}"]),
    ((72,), ("dhcp", V6), [f"{V6}, DHCP"]),
    ((72,), ("dhcp", "auto6"), ["DHCP, SLAAC"]),
    ((72,), (V4, "auto6"), [f"{V4}, SLAAC"]),
    ((72,), (V6,), [V6]),
    ((72, 73), (V4, V6), [V4, V6]),
    ((72, 73), (V4, V6, "192.168.73.11/24"), [f"{V4}, {V6}", "192.168.73.11/24"]),
    ((72, 73), (V4, "192.168.73.11/24", V6), [V4, f"192.168.73.11/24, {V6}"]),
    ((72, 73), (V4, V6, "192.168.73.11/24", "2001:db8:1::11/64"),
     [f"{V4}, {V6}", "192.168.73.11/24, 2001:db8:1::11/64"]),
    ((72, 73), ("dhcp", f"{V6},{V4}"), ["DHCP", f"{V4}, {V6}"]),
    ((72, 73), (f"dhcp,{V6}", "dhcp"), [f"{V6}, DHCP", "DHCP"]),
])
def test_addresses_are_shared_out_in_order(vlans: tuple[int, ...], ips: tuple[str, ...], shared: list[str]) -> None:
    assert [one.text for one in planned(*ips, vlans=vlans).nics] == shared


@pytest.mark.parametrize(("ips", "said"), [
    ((V4, "192.168.72.14/24"), "1 network interface and 2 addresses"),
    ((V4, V6, "192.168.72.14/24"), "1 network interface and 3 addresses"),
    (("dhcp", V4), "1 network interface and 2 addresses"),
    ((f"{V4},192.168.72.14/24",), "one interface cannot have 192.168.72.11/24 and 192.168.72.14/24"),
    ((f"{V4},{V6},dhcp",), "one interface cannot have 192.168.72.11/24 and 2001:db8::11/64 and dhcp"),
    ((f"{V4},",), "one interface cannot have 192.168.72.11/24 and "),
    (("dhcp", "2001:db8::11"), "address '2001:db8::11' has no network"),
])
def test_addresses_that_cannot_be_shared_out_are_refused(ips: tuple[str, ...], said: str) -> None:
    assert refusal(*ips) == said


def test_an_interface_that_asks_for_its_addresses_says_so_in_interfaces() -> None:
    assert network.interfaces(planned("dhcp", "auto6").nics).endswith(
        "auto eth72\niface eth72 inet dhcp\niface eth72 inet6 auto\n")


def ways(*ips: str, vlans: tuple[int, ...], gateways: tuple[str, ...]) -> list[list[str]]:
    """Return the gateways of each interface."""
    return [[str(one) for one in nic.gateways] for nic in planned(*ips, vlans=vlans, gateways=gateways).nics]


def test_a_gateway_in_two_networks_is_that_of_the_smallest_alone() -> None:
    both = ("10.0.0.5/8", "10.1.0.5/16")
    assert ways(*both, vlans=(72, 73), gateways=("10.1.0.1",)) == [[], ["10.1.0.1"]]
    assert ways(*both, vlans=(72, 73), gateways=("10.2.0.1",)) == [["10.2.0.1"], []]
    assert ways(V4, "192.168.72.14/24", vlans=(72, 73), gateways=("192.168.72.1",)) == [["192.168.72.1"], []]


def test_a_link_local_gateway_is_that_of_the_interface_with_ipv6() -> None:
    assert ways("dhcp", V6, vlans=(72, 73), gateways=("fe80::1",)) == [[], ["fe80::1"]]
    said = refusal(V6, "2001:db8:1::5/64", vlans=(72, 73), gateways=("fe80::1",))
    assert said == "gateway fe80::1 may be on each network of IPv6 that the domU is in"
    assert refusal(V4, gateways=("fe80::1",)) == "gateway fe80::1 is outside of the domU's network"
    assert refusal("auto6", gateways=("fe80::1",)) == "gateway fe80::1 is outside of the domU's network"


def test_there_is_one_gateway_for_each_family() -> None:
    said = refusal(V4, gateways=("192.168.72.1", "192.168.72.2"))
    assert said == "two gateways for IPv4: 192.168.72.1 and 192.168.72.2"


@pytest.mark.parametrize(("text", "said"), [
    ("192.168.72.11/0", "would have every address in its network"),
    ("192.168.72.11/0.0.0.0", "would have every address in its network"),
    ("2001:db8::11/0", "would have every address in its network"),
    ("192.168.72.11/0.0.0.255", "'0.0.0.255' is not a netmask"),
    ("192.168.72.11/255.0.255.0", "'255.0.255.0' is not a netmask"),
    ("192.168.72.11/255.255.255.0.0", "'255.255.255.0.0' is not a netmask"),
    ("240.0.0.1/8", "240.0.0.1 cannot be a machine's address"),
    ("255.1.1.1/8", "255.1.1.1 cannot be a machine's address"),
    ("0.1.2.3/8", "0.1.2.3 cannot be a machine's address"),
    ("::ffff:192.168.72.11/120", "cannot be a machine's address"),
    ("fe80::5/64", "fe80::5 is reached from nowhere else"),
])
def test_what_is_no_address_of_a_machine_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize("text", ["192.168.72.11/255.255.255.0", "10.0.0.1/255.255.255.255", "fd00::1/64", "10.9.9.9/31"])
def test_what_is_one_is_taken(text: str) -> None:
    assert len(planned(text).nics[0].addresses) == 1


@pytest.mark.parametrize(("vlans", "devices"), [
    ((1,), ["eth1"]), ((1, 72), ["vlan1", "eth72"]), ((72, 1), ["eth72", "vlan1"]), ((2, 72), ["eth2", "eth72"]),
    ((1, 2, 72), ["vlan1", "vlan2", "eth72"]),
])
def test_no_interface_has_a_name_that_the_kernel_may_give_to_another(vlans: tuple[int, ...], devices: list[str]) -> None:
    nics = planned(*("dhcp" for _ in vlans), vlans=vlans).nics
    assert [one.device for one in nics] == devices
    assert all(f"Name={one.device}\n" in network.link_file(one) for one in nics)
    assert not {f"eth{number}" for number in range(len(vlans))} & set(devices)


def test_a_bridge_is_on_the_only_interface_and_that_is_eth0() -> None:
    made = plan(replace(WISH, vlans=(), bridge="xenbr72", ips=(V4, V6)), BRIDGES, SOURCE)
    assert [(one.device, len(one.addresses)) for one in made.nics] == [("eth0", 2)]


def test_the_name_servers_are_those_that_systemd_resolved_asks(tmp_path: Path) -> None:
    stub, asked = tmp_path / "resolv.conf", tmp_path / "asked"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert host_nameservers((stub, asked)) == ()
    useless = ("fe80::1%eth0", "fe80::1", "junk", "0.0.0.0")
    asked.write_text("".join(f"nameserver {one}\n" for one in (*useless, "192.168.72.53")))
    assert host_nameservers((stub, asked)) == ("192.168.72.53",)
    stub.write_text("nameserver 192.168.72.54\n")
    assert host_nameservers((stub, asked)) == ("192.168.72.54",)


def test_who_will_know_no_names_is_told_of() -> None:
    none = replace(BRIDGES, nameservers=())
    static, asking = (plan(replace(WISH, ips=(one,)), none, SOURCE) for one in (V4, "dhcp"))
    assert static.lacks_name_servers and "  names     from none\n" in show.summary(static, "1 s")
    assert not asking.lacks_name_servers and "from those that its DHCP server names\n" in show.summary(asking, "1 s")
    assert "  names     from 192.168.72.53\n" in show.summary(planned(V4), "1 s")
    assert not planned(V4).lacks_name_servers and plan(replace(WISH, ips=("auto6",)), none, SOURCE).lacks_name_servers


def test_an_interface_without_a_fixed_address_has_no_gateway() -> None:
    assert Nic("eth0", "br0", "m", asks=("dhcp",)).gateway is None
