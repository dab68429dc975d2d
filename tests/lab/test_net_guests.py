"""Changes of the network of a dom0 with a guest, by `xen-legi net apply`: it loses nothing."""

import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from changes import AWARE, FILE, vlans_of, write
from domus import WEB1, guest
from marks import daily
from pings import pinged
from test_network import kind, link, names, wait_until


@pytest.mark.long
def test_a_guest_loses_nothing_while_vlans_come_and_go(dom0a: Host, web1: Host) -> None:
    text = "auto xv{0}\niface xv{0} inet manual\n    xen-vlan {0} bond0\n"
    dom0a.check_output("cp -a /etc/network/interfaces.d/xen-legi /root/interfaces.saved")
    try:
        write(dom0a, "".join(text.format(number) for number in range(101, 111)))
        dom0a.check_output("xen-legi net apply")
        with pinged(web1, WEB1) as count:
            write(dom0a, "".join(text.format(number) for number in range(201, 221)))  # 10 go, 20 come
            bond = r"s/bond-downdelay 200/bond-downdelay 400\n    bond-xmit-hash-policy layer2+3/"
            edit = rf"{bond}; s/bridge_maxwait 0/&\n    mtu 1400/"
            dom0a.check_output(f"sed -i '{edit}' /etc/network/interfaces.d/xen-legi && xen-legi net apply")
            time.sleep(2)
        assert count.lost == 0 and count.sent > 50, count
        assert "xv101" not in names(dom0a)
        wait_until(lambda: link(dom0a, "xv220")["operstate"] == "UP", 10, "xv220 is up")
        facts = kind(link(dom0a, "bond0"))
        assert (facts["downdelay"], facts["xmit_hash_policy"]) == (400, "layer2+3")
        assert link(dom0a, "xenbr72")["mtu"] == 1400 and guest(web1, "true") == ""
    finally:
        restored = "cp -a /root/interfaces.saved /etc/network/interfaces.d/xen-legi"
        dom0a.check_output(f"rm -f {FILE}; {restored}; xen-legi net apply")
    assert "xv220" not in names(dom0a)


def vif_of(host: Host, name: str) -> str:
    """Return the vif of a domU's first card."""
    return "vif" + host.check_output(f"xl domid {name}") + ".0"


@pytest.mark.parametrize("command", daily("xen-legi net apply", more=("ifup --force xenbr72",)))
def test_a_vif_that_lost_its_bridge_joins_again_though_the_bridge_is_there(dom0a: Host, web1: Host, command: str) -> None:
    vif = vif_of(dom0a, "web1")
    dom0a.check_output(f"ip link set dev {vif} nomaster")
    dom0a.check_output(command)
    assert link(dom0a, vif)["master"] == "xenbr72"
    wait_until(lambda: guest(web1, "true") == "", 30, "the guest answers")


@pytest.mark.long
def test_a_vif_that_is_routed_is_never_put_into_a_bridge(dom0a: Host, web1: Host) -> None:
    vif = vif_of(dom0a, "web1")
    key = f"/local/domain/0/backend/vif/{vif[3:-2]}/0/script"
    was = dom0a.check_output(f"xenstore-read {key}")
    dom0a.check_output(f"xenstore-write {key} /etc/xen/scripts/vif-route && ip link set dev {vif} nomaster")
    try:
        dom0a.check_output("xen-legi net apply")
        assert "master" not in link(dom0a, vif)
    finally:
        dom0a.check_output(f"xenstore-write {key} {was} && xen-legi net apply")
    assert link(dom0a, vif)["master"] == "xenbr72"


# a VLAN-aware bridge


def attach(host: Host, number: int, vlans: str) -> None:
    """Give web1 another card on br0: vlan= where xl knows it, else by our script."""
    new = "4.17" not in host.check_output("xl info | grep xen_version")
    old = "script=vif-xen-legi bridge=br0" + (f".{vlans}" if "/" not in vlans else "." + vlans.replace("p/", ":"))
    words = f"bridge=br0 vlan={vlans}" if new else old
    host.check_output(f"xl network-attach web1 mac=00:16:3e:00:00:0{number} {words}")


def reaches(web1: Host, address: str) -> bool:
    """Tell whether dom0b reaches an address of the guest."""
    return web1.run(f"ping -q -c 2 -W 3 {address}").rc == 0


CARD_OF = "n=$(grep -l 00:16:3e:00:00:0{0} /sys/class/net/*/address | cut -d/ -f5)"  # the name of a card in the guest


@pytest.fixture
def aware(dom0a: Host, web1: Host) -> Iterator[None]:
    """A VLAN-aware bridge over bond0 on dom0a, and addresses on VLANs 74 and 75 of dom0b's bond0."""
    write(dom0a, AWARE.format("bond0"))
    dom0a.check_output("xen-legi net apply")
    for number in (74, 75):
        web1.check_output(f"ip link add link bond0 name test{number} type vlan id {number} && "
                          f"ip link set dev test{number} up && ip address add 192.168.{number}.2/24 dev test{number}")
    yield
    web1.run("ip link del dev test74; ip link del dev test75")
    gone = "; ".join(f"xl network-detach web1 {number}" for number in (1, 2))
    dom0a.check_output(f"rm -f {FILE}; {gone}; sleep 3; xen-legi net apply")


@pytest.mark.long
def test_the_vifs_of_a_vlan_aware_bridge_are_separated_and_a_trunk_sees_both(dom0a: Host, web1: Host, aware: None) -> None:
    attach(dom0a, 1, "74")
    attach(dom0a, 2, "74p/75")
    up = f"{CARD_OF} && ip link set $n up; ip address add {{1}}/24 dev $n"
    wait_until(lambda: guest(web1, "cat /sys/class/net/*/address").count("00:16:3e:00:00:0") == 2, 60, "the cards are there")
    guest(web1, up.format(1, "192.168.74.11"))
    wait_until(lambda: reaches(web1, "192.168.74.11"), 30, "VLAN 74 is reached")
    guest(web1, "ip address flush to 192.168.74.11; " + up.format(1, "192.168.75.11"))
    assert not reaches(web1, "192.168.75.11")  # frames without a tag are VLAN 74's
    guest(web1, "ip address flush to 192.168.75.11; " + up.format(2, "192.168.74.12"))
    assert reaches(web1, "192.168.74.12")
    guest(web1, up.format(2, "192.168.99.1") + "; modprobe 8021q; ip link add link $n name trunk75 type vlan id 75; "
          "ip link set trunk75 up; ip address add 192.168.75.12/24 dev trunk75")
    assert reaches(web1, "192.168.75.12")
    dom0a.check_output("ifdown br0; ifup br0")
    wait_until(lambda: reaches(web1, "192.168.75.12"), 30, "the vifs are back in the bridge, with their VLANs")


def test_a_card_without_a_vlan_is_in_that_of_frames_without_a_tag(dom0a: Host, web1: Host, aware: None) -> None:
    write(dom0a, AWARE.format("bond0") + "    bridge-pvid 75\n")
    dom0a.check_output("xen-legi net apply; xl network-attach web1 mac=00:16:3e:00:00:01 bridge=br0")
    vif = f"vif{dom0a.check_output('xl domid web1').strip()}.1"
    wait_until(lambda: vif in names(dom0a) and link(dom0a, vif).get("master") == "br0", 60, "the vif is in the bridge")
    wait_until(lambda: vlans_of(dom0a, vif) == {75: True}, 10, "the vif is in VLAN 75")


def test_two_cards_on_one_vlan_aware_bridge_meet_only_in_one_vlan(dom0a: Host, web1: Host, aware: None) -> None:
    """Inside one host, where the bridge alone keeps them apart; the guest has the second card in a namespace."""
    attach(dom0a, 1, "74")
    attach(dom0a, 2, "75")
    wait_until(lambda: guest(web1, "cat /sys/class/net/*/address").count("00:16:3e:00:00:0") == 2, 60, "the cards are there")
    alone = ("{0} && ip netns add other && ip link set $n netns other && ip -n other link set $n up && "
             "ip -n other address add 192.168.90.2/24 dev $n").format(CARD_OF.format(2))
    guest(web1, f"{CARD_OF.format(1)} && ip link set $n up && ip address add 192.168.90.1/24 dev $n && {alone}")
    meet = "ping -q -c 2 -W 3 192.168.90.2 >/dev/null && echo met || echo apart"
    assert guest(web1, meet).strip() == "apart"
    vif = f"vif{dom0a.check_output('xl domid web1').strip()}.2"
    dom0a.check_output(f"bridge vlan del dev {vif} vid 75 && bridge vlan add dev {vif} vid 74 pvid untagged")
    assert guest(web1, meet).strip() == "met"
    guest(web1, "ip netns del other")
