"""What is written into a new guest, and that a guest's links never lead into dom0."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.domu import config, xlconf
from xen_legi.errors import Problem
from xen_legi.install import facts, network_files
from xen_legi.install.copying import bytes_done
from xen_legi.install.facts import free_memory, nameservers
from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan
from xen_legi.install.plan import plan
from xen_legi.install.settle import access, console, fstab, names, network

PLAN = plan(WISH, FACTS, SOURCE)


def on_two_vlans() -> Plan:
    wish = replace(WISH, vlans=(72, 73), ips=("192.168.72.11/24", "dhcp"), gateways=("192.168.72.254",))
    return plan(replace(wish, name="web1.example.org"), FACTS, SOURCE)


def test_the_link_file_and_the_udev_rule_name_the_interface_by_its_mac_in_lower_case() -> None:
    nic = PLAN.nics[0]
    assert network.link_file(nic) == f"[Match]\nMACAddress={nic.mac.lower()}\n\n[Link]\nName=eth72\n"
    assert f'ATTR{{address}}=="{nic.mac.lower()}", NAME="eth72"' in network.udev_rules(PLAN.nics)


def test_interfaces_has_a_stanza_for_each_interface() -> None:
    text = network.interfaces(on_two_vlans().nics)
    assert "auto eth72\niface eth72 inet static\n    address 192.168.72.11/24\n    gateway 192.168.72.254\n" in text
    assert "auto eth73\niface eth73 inet dhcp\n" in text


def test_resolv_conf_searches_the_domain_of_the_name() -> None:
    assert network.resolv_conf(PLAN) == "nameserver 192.168.72.53\n"
    assert network.resolv_conf(on_two_vlans()) == "search example.org\nnameserver 192.168.72.53\n"


def test_hosts_gives_the_address_the_full_and_the_short_name() -> None:
    assert "192.168.72.11\tweb1.example.org web1\n" in names.hosts(on_two_vlans())
    assert "127.0.1.1\tweb1\n" in names.hosts(plan(replace(WISH, ips=("dhcp",)), FACTS, SOURCE))


def test_fstab_has_the_root_first_and_the_swap_last() -> None:
    lines = fstab.fstab(PLAN.parts).splitlines()
    assert lines[1].split() == ["/dev/xvda2", "/", "ext4", "noatime,errors=remount-ro", "0", "1"]
    assert lines[2].split() == ["/dev/xvda1", "none", "swap", "sw", "0", "0"]


def test_root_has_the_password_given_or_none_that_fits() -> None:
    shadow = "root:!:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
    assert access.with_password(shadow, "").startswith("root:*:19000:0:")
    assert access.with_password(shadow, "$6$x$y").splitlines()[0] == "root:$6$x$y:19000:0:99999:7:::"
    assert access.with_password(shadow, "").splitlines()[1] == "daemon:*:19000:0:99999:7:::"


def test_inittab_gets_one_console() -> None:
    once = console.with_console("1:2345:respawn:/sbin/getty 38400 tty1\n#hvc0 is a comment\n")
    assert once.count("respawn:/sbin/getty -L 38400 hvc0") == 1
    assert console.with_console(once) == once


def test_the_links_of_a_guest_stay_in_the_guest(tmp_path: Path) -> None:
    guest = Guest(tmp_path / "root")
    (guest.root / "usr/lib").mkdir(parents=True)
    (guest.root / "lib").symlink_to("usr/lib")
    (guest.root / "etc").symlink_to("/usr/etc")
    (guest.root / "up").symlink_to("../../..")
    guest.write("/lib/x", "1")
    guest.write("/etc/y", "2")
    guest.write("/up/z", "3")
    assert (guest.root / "usr/lib/x").read_text() == "1"
    assert (guest.root / "usr/etc/y").read_text() == "2"
    assert (guest.root / "z").read_text() == "3"


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "resolv.conf"
    outside.write_text("dom0's")
    guest = Guest(tmp_path / "root")
    (guest.root / "etc").mkdir(parents=True)
    (guest.root / "etc/resolv.conf").symlink_to(outside)
    assert guest.read("/etc/resolv.conf") == ""
    guest.write("/etc/resolv.conf", "the guest's")
    assert outside.read_text() == "dom0's" and guest.read("/etc/resolv.conf") == "the guest's"


@pytest.mark.parametrize(("line", "done"), [
    ("    150,000 ", None),
    ("     123456  12%   10.00MB/s    0:00:10 (xfr#12, to-chk=3/20)", 123456),
    ("rsync: [sender] 5 files", None),
])
def test_the_progress_of_rsync_is_read(line: str, done: int | None) -> None:
    assert bytes_done(line) == done


def test_name_servers_that_only_dom0_can_reach_are_not_given_to_guests() -> None:
    assert nameservers("nameserver 127.0.0.53\nnameserver 10.0.0.1\n# nameserver 1.1.1.1\nnameserver ::1\n") == ("10.0.0.1",)


def test_free_memory_counts_only_where_dom0_keeps_its_own() -> None:
    text = "free_memory            : 2048\nxen_commandline        : placeholder dom0_mem=1G,max:1G\n"
    assert free_memory(text) == 2048
    assert free_memory(text.replace("dom0_mem=1G,max:1G", "")) is None
    assert free_memory(text, "off") == 2048 and free_memory(text, "auto") == 2048
    assert free_memory(text, "on") is None and free_memory(text, "1") is None  # see autoballoon in xl.conf(5)


def test_the_settings_of_all_domus_are_read_as_xl_reads_them() -> None:
    text = "#autoballoon=\"auto\"\nautoballoon = 'on'\nvif.default.bridge=\"br0\" # ours\nmax_maptrack_frames=64\n"
    assert xlconf.settings(text) == {"autoballoon": "on", "vif.default.bridge": "br0", "max_maptrack_frames": "64"}


def test_a_domu_is_not_started_with_memory_that_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    domu = config.parse("name = 'web1'\nmemory = 1024\n", Path("/etc/xen/web1.cfg"))
    monkeypatch.setattr(facts, "free_now", lambda: 1000)
    with pytest.raises(Problem, match="this host has 1000M of memory free, web1 needs 1G"):
        facts.need_memory(domu, hint="")
    facts.need_memory(domu, has=24, hint="")  # what a restart gives back
    monkeypatch.setattr(facts, "free_now", lambda: None)
    facts.need_memory(domu, hint="")


OF_ANOTHER = {
    "/etc/network/interfaces": "iface eth0 inet static\n    address 10.0.0.5/24\n",
    "/etc/network/interfaces.d/eth0": "iface eth0 inet static\n    address 10.0.0.5/24\n",
    "/etc/systemd/network/20-lan.network": "[Match]\nName=*\n[Network]\nAddress=10.0.0.5/24\n",
    "/etc/systemd/network/10-eth72.link": "[Match]\nMACAddress=00:16:3e:48:00:01\n[Link]\nName=eth72\n",
    "/etc/systemd/network/05-any.link": "[Match]\nOriginalName=*\n[Link]\nName=lan0\n",
    "/etc/netplan/50-cloud-init.yaml": "network: {ethernets: {lan: {addresses: [10.0.0.5/24]}}}\n",
    "/etc/NetworkManager/system-connections/lan.nmconnection": "[ipv4]\naddress1=10.0.0.5/24,10.0.0.1\n",
    "/etc/udev/rules.d/70-persistent-net.rules": "an old one\n",
}
HARMLESS = {
    "/etc/network/interfaces.d/dhcp": "iface eth99 inet dhcp\n",
    "/etc/systemd/network/80-dhcp.network": "[Match]\nName=*\n[Network]\nDHCP=yes\n",
    "/etc/udev/rules.d/60-disk.rules": 'SUBSYSTEM=="block"\n',
    "/etc/dhcpcd.conf": "#static ip_address=192.168.0.10/24\nduid\n",
}


@pytest.mark.parametrize("ips", [("192.168.72.11/24",), ("dhcp",)])
def test_a_tree_of_another_machine_keeps_no_address_of_that(
    tmp_path: Path, ips: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    guest, made = Guest(tmp_path), plan(replace(WISH, ips=ips), FACTS, SOURCE)
    for path, text in {**OF_ANOTHER, **HARMLESS}.items():
        guest.write(path, text)
    guest.link("/etc/systemd/network/99-default.link", "/dev/null")
    guest.link("/etc/udev/rules.d/61-other.rules", "/srv/other.rules")
    guest.link("/etc/netplan/shared.yaml", "/srv/shared.yaml")
    network.settle(guest, made)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "/etc/network/interfaces.d/eth0, /etc/systemd/network/05-any.link, " in said
    assert network_files.fixed(guest, network_files.present(guest)) == made.ips
    assert all(guest.read(path) == text for path, text in HARMLESS.items())
    kept = guest.path("/etc/disabled-by-xen-legi/network/interfaces.d/eth0")
    assert kept.read_text() == OF_ANOTHER["/etc/network/interfaces.d/eth0"]
    assert not guest.has("/etc/netplan/shared.yaml") and guest.has("/etc/udev/rules.d/61-other.rules")
    assert guest.has("/etc/systemd/network/99-default.link")
    assert guest.read("/etc/systemd/network/10-eth72.link") == network.link_file(made.nics[0])
    network.settle(guest, made)
    assert capsys.readouterr().err == ""


def test_a_link_in_a_tree_leads_nothing_that_is_set_aside_into_dom0(tmp_path: Path) -> None:
    outside = tmp_path / "dom0"
    outside.mkdir()
    guest = Guest(tmp_path / "root")
    guest.write("/etc/network/interfaces.d/eth0", "iface eth0 inet static\n    address 10.0.0.5/24\n")
    guest.link("/etc/disabled-by-xen-legi", f"../../../../../../../..{outside}")
    network.settle(guest, PLAN)
    assert list(outside.iterdir()) == [] and not guest.has("/etc/network/interfaces.d/eth0")
