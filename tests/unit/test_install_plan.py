"""The planner of new domUs: what a good wish becomes, and the line that each bad one gets."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from xen_legi.cli import create
from xen_legi.config import Config
from xen_legi.domu import config, mac
from xen_legi.domu.claims import Claim
from xen_legi.domu.shape import processors
from xen_legi.errors import EXIT_USAGE, Problem
from xen_legi.install import show, wish
from xen_legi.install.model import Facts, Wish
from xen_legi.install.plan import Source, check_domu_name, plan
from xen_legi.install.render import rendered
from xen_legi.install.role_environment import environment
from xen_legi.kernels.store import Store
from xen_legi.storage.images import Directory
from xen_legi.storage.lvm import Group, Volume
from xen_legi.units import GIB, MIB, parse_size

SOURCE = Source("template", "template trixie", "trixie", 300 * MIB)
OTHER = """\
name = 'db'
memory = 512
disk = ['phy:/dev/vg0/db-disk,xvda2,w']
vif = ['mac=00:16:3E:48:00:01,bridge=xenbr72,ip=192.168.72.12']
"""
WISH = Wish("web1", size=2 * GIB, vlans=(72,), ips=("192.168.72.11/24",))
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{43 * 'A'}"
RSA = f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB{64 * 'A'}"
VOLUME = Volume("vg0", "db-disk", GIB, "-wi-ao----", frozenset(), "", "", "u", True, True, False, None)
FACTS = Facts(
    groups={"vg0": Group("vg0", 20 * GIB, 10 * GIB, 4 * MIB), "vg1": Group("vg1", GIB, GIB, 4 * MIB)},
    volumes=(VOLUME,),
    domus=(config.parse(OTHER, Path("/etc/xen/db.cfg")),),
    files=frozenset({"db.cfg", "broken.cfg", "xl.conf"}),
    domains=frozenset({"Domain-0", "stray"}),
    bridges=frozenset({"xenbr72", "xenbr73"}),
    addresses=frozenset({"192.168.72.1"}),
    nameservers=("192.168.72.53",),
    kernel=Store(Path("/srv/xen")).kernel("6.12.1"),
    free_memory=4096,
    others=(
        Claim("Domain-0", frozenset({"52:54:00:00:00:01"}), where="it has a card with it"),
        Claim("www", frozenset({"00:16:3E:48:00:02"}), frozenset({"192.168.72.13", "2001:db8::13"}), "on dom0b"),
    ),
)


def test_a_domu_gets_swap_as_xvda1_and_root_as_xvda2() -> None:
    made = plan(WISH, FACTS, SOURCE)
    assert [(one.name, one.device, one.filesystem) for one in made.parts] == [
        ("web1-swap", "xvda1", "swap"), ("web1-disk", "xvda2", "ext4"),
    ]
    assert [one.name for one in plan(replace(WISH, swap=0), FACTS, SOURCE).parts] == ["web1-disk"]


IMAGES = replace(FACTS, groups={}, directory=Directory(Path("/srv/xen"), 4 * GIB, frozenset({"db"})))


def test_a_domu_of_image_files_needs_no_volume_group() -> None:
    made = plan(replace(WISH, directory="/srv/xen", swap=MIB // 2), IMAGES, SOURCE)
    assert [(str(one.path), one.size) for one in made.parts] == [
        ("/srv/xen/domains/web1/swap.img", MIB), ("/srv/xen/domains/web1/disk.img", 2 * GIB)]
    assert "'/srv/xen/domains/web1/disk.img,raw,xvda2,w,no-discard',  # /" in rendered(made)
    assert "make image /srv/xen/domains/web1/disk.img, 2G, xvda2" in show.described(made)
    assert "  image     /srv/xen/domains/web1/disk.img (2G, /)" in show.summary(made, "1 s")
    told = environment(made)
    assert told["dir"] == "/srv/xen" and "lvm" not in told
    assert told["PARTITION1"] == "swap:1M:swap::sw:file::/srv/xen/domains/web1/swap.img"


@pytest.mark.parametrize("change, said", [
    ({"name": "db2", "size": 4 * GIB}, "/srv/xen has 4G free, 4.5G are needed"),
    ({"name": "db"}, "/srv/xen/domains/db exists already"),
    ({"name": "db2", "size": 100 * MIB}, "size 100M is too small for template trixie"),
])
def test_images_that_cannot_be_made_are_told(change: dict[str, object], said: str) -> None:
    facts = replace(IMAGES, domus=(), files=frozenset())
    with pytest.raises(Problem) as raised:
        plan(replace(WISH, directory="/srv/xen", **change), facts, SOURCE)  # type: ignore[arg-type]
    assert said in raised.value.message and raised.value.hint


def test_an_interface_is_named_after_its_vlan() -> None:
    wish = replace(WISH, vlans=(72, 73), ips=("192.168.72.11/24", "dhcp"), gateways=("192.168.72.254",))
    first, second = plan(wish, FACTS, SOURCE).nics
    assert (first.device, first.bridge, str(first.address), str(first.gateway)) == (
        "eth72", "xenbr72", "192.168.72.11/24", "192.168.72.254")
    assert (second.device, second.bridge, second.address, second.gateway) == ("eth73", "xenbr73", None, None)
    assert first.mac.startswith("00:16:3E:48:") and second.mac.startswith("00:16:3E:49:")


def test_the_file_says_what_was_planned_and_can_be_read_again() -> None:
    made = plan(WISH, FACTS, SOURCE)
    one = config.parse(rendered(made), Path("/etc/xen/web1.cfg"))
    assert (one.name, one.type, one.memory, one.vcpus) == ("web1", "pvh", 512, 1)
    assert (one.kernel, one.ramdisk) == ("/srv/xen/boot/vmlinuz-6.12.1", "/srv/xen/boot/initrd.img-6.12.1")
    assert one.disks == (config.Disk("/dev/vg0/web1-swap", "xvda1", "w"), config.Disk("/dev/vg0/web1-disk", "xvda2", "w"))
    assert one.vifs == (config.Vif(made.nics[0].mac, "xenbr72", {"ip": "192.168.72.11"}),)
    assert one.settings["cmdline"] == "root=/dev/xvda2 ro noresume console=hvc0"


def test_the_dry_run_names_every_volume_interface_and_file() -> None:
    text = show.described(plan(WISH, FACTS, SOURCE))
    for word in ("web1-disk, 2G", "web1-swap, 512M", "eth72: 192.168.72.11/24", "/etc/xen/web1.cfg", "xl create"):
        assert word in text


def test_the_summary_says_how_to_log_in_and_who_can() -> None:
    keys = f'# ours\n{KEY} root@dom0a\nfrom="10.0.0.1" {RSA} anna of the desk\n{RSA}\n'
    text = show.summary(plan(WISH, FACTS, SOURCE, ssh_keys=keys), "1 s")
    assert "ssh root@192.168.72.11 with 3 ssh keys (root@dom0a, anna of the desk, without a name)\n" in f"{text}\n"
    for none in ("# none yet\n", "---- BEGIN SSH2 PUBLIC KEY ----\n", "hello\n"):
        assert "nobody can" in show.summary(plan(WISH, FACTS, SOURCE, ssh_keys=none), "1 s")


def test_the_name_of_a_key_moves_no_cursor() -> None:
    text = show.summary(plan(WISH, FACTS, SOURCE, ssh_keys=f"{KEY} a\x1b[2J\u202eb\n"), "1 s")
    assert "1 ssh key (a\\x1b[2J\\u202eb)\n" in f"{text}\n"


def test_the_summary_knows_no_address_of_a_guest_of_dhcp_and_none_without_an_interface() -> None:
    wish = replace(WISH, ips=("dhcp",), gateways=())
    text = show.summary(plan(wish, FACTS, SOURCE, ssh_keys=f"{KEY} x\n"), "1 s")
    assert "ssh root@ADDRESS with 1 ssh key (x); ADDRESS is what its DHCP server gives it" in text
    alone = replace(plan(wish, FACTS, SOURCE, ssh_keys=f"{KEY} x\n"), nics=())
    assert "log in" not in show.summary(alone, "1 s")


def test_the_summary_says_that_nobody_can_log_in() -> None:
    assert "nobody can" in show.summary(plan(WISH, FACTS, SOURCE), "1 s")


def test_the_summary_says_what_starts_the_domu_with_dom0() -> None:
    assert "ln -s ../web1.cfg /etc/xen/auto/" in show.summary(plan(WISH, FACTS, SOURCE), "1 s")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "-web"}, "cannot be the name of a domU"),
        ({"name": "web_1"}, "cannot be the name of a domU"),
        ({"name": "../web"}, "cannot be the name of a domU"),
        ({"name": "a" * 64}, "cannot be the name of a domU"),
        ({"name": "localhost"}, "taken on every host"),
        ({"name": "72"}, "cannot be the name of a domU"),
        ({"name": "web1.cfg"}, "is the path of a file"),
        ({"name": "snapshot"}, "cannot be the name of a domU"),
        ({"name": "snapshots-of-x"}, "cannot be the name of a domU"),
        ({"name": "pvmove0"}, "cannot be the name of a domU"),
        ({"name": "a" + 60 * "-" + "a"}, "is too long for a volume"),
        ({"name": "db"}, "there is a domU 'db' already: /etc/xen/db.cfg"),
        ({"name": "broken"}, "/etc/xen/broken.cfg exists already"),
        ({"name": "stray"}, "a domain 'stray' is running"),
        ({"group": "vg7"}, "there is no volume group 'vg7'"),
        ({"group": "vg1"}, "vg1 has 1G free, 2.5G are needed"),
        ({"size": 100 * GIB}, "vg0 has 10G free"),
        ({"pool": "db-disk"}, "there is no thin pool vg0/db-disk"),
        ({"size": 64 * MIB}, "size 64M is too small for template trixie and the modules"),
        ({"size": 256 * MIB, "filesystem": "xfs"}, "size 256M is too small"),
        ({"memory": 8192}, "memory 8G is more than the 4G that Xen has free"),
        ({"maxmem": 256}, "maxmem 256M is less than memory 512M"),
        ({"vlans": (74,)}, "VLAN 74 has no bridge 'xenbr74'"),
        ({"vlans": (5000,)}, "VLAN 5000 does not exist"),
        ({"vlans": (72, 72), "ips": ("dhcp", "dhcp")}, "the same VLAN was given twice"),
        ({"vlans": (), "bridge": "br9"}, "there is no bridge 'br9'"),
        ({"ips": ()}, "1 network interface and 0 addresses"),
        ({"vlans": ()}, "an address needs a place"),
        ({"ips": ("192.168.72.11",)}, "has no network"),
        ({"ips": ("192.168.72.300/24",)}, "is not an address"),
        ({"ips": ("192.168.72.11/33",)}, "is not an address"),
        ({"ips": ("junk/24",)}, "is not an address"),
        ({"ips": ("",)}, "has no network"),
        ({"ips": ("192.168.72.11",), "netmask": "junk"}, "is not an address"),
        ({"netmask": "255.255.255.0"}, "no address needs it"),
        ({"ips": ("fe80::1%eth0/64",)}, "is not an address"),
        ({"gateways": ("2001:db8::1",)}, "gateway 2001:db8::1 is outside of the domU's network"),
        ({"gateways": ("fe80::1%eth72",)}, "is not an address"),
        ({"nameservers": ("",)}, "name server '' is not an address"),
        ({"mac": "junk"}, "is not a MAC address"),
        ({"group": ""}, "there is no volume group ''"),
        ({"ips": ("192.168.72.0/24",)}, "is the network 192.168.72.0/24 itself"),
        ({"ips": ("192.168.72.255/24",)}, "is the broadcast address"),
        ({"ips": ("127.0.0.1/8",)}, "cannot be a machine's address"),
        ({"ips": ("224.0.0.1/8",)}, "cannot be a machine's address"),
        ({"ips": ("192.168.72.12/24",)}, "is that of domU db: /etc/xen/db.cfg"),
        ({"ips": ("192.168.72.1/24",)}, "is dom0's own"),
        ({"gateways": ("10.0.0.1",)}, "gateway 10.0.0.1 is outside of the domU's network"),
        ({"gateways": ("192.168.72.11",)}, "is the domU's own address"),
        ({"gateways": ("gw",)}, "gateway 'gw' is not an address"),
        ({"nameservers": ("dns",)}, "name server 'dns' is not an address"),
        ({"mac": "00:16:3e:48:00:01"}, "MAC 00:16:3E:48:00:01 is that of domU db"),
        ({"mac": "00:16:3E:48:00"}, "is not a MAC address"),
        ({"mac": "01:16:3E:48:00:01"}, "is a group address"),
        ({"mac": "00:00:00:00:00:00"}, "is no machine's address"),
        ({"mac": "fe-ff-ff-ff-ff-ff"}, "is no machine's address"),
        ({"mac": "52:54:00:00:00:01"}, "MAC 52:54:00:00:00:01 is that of dom0 itself: it has a card"),
        ({"mac": "00:16:3E:48:00:02"}, "MAC 00:16:3E:48:00:02 is that of domU www: on dom0b"),
        ({"name": "www"}, "there is a domU 'www' already: on dom0b"),
        ({"ips": ("192.168.72.13/24",)}, "address 192.168.72.13 is that of domU www: on dom0b"),
        ({"ips": ("2001:db8::13/64",)}, "address 2001:db8::13 is that of domU www: on dom0b"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_done(change: dict[str, object], message: str) -> None:
    with pytest.raises(Problem, match=message) as raised:
        plan(replace(WISH, **change), FACTS, SOURCE)
    assert raised.value.status == EXIT_USAGE and raised.value.hint


def test_the_plan_shows_and_counts_volumes_as_lvm2_makes_them_of_whole_extents() -> None:
    wished = replace(WISH, size=parse_size("1.1G"), swap=parse_size("1K"))
    made = plan(wished, FACTS, SOURCE)
    assert [one.size for one in made.parts] == [4 * MIB, 1128 * MIB]
    text = show.described(made)
    assert "web1-disk, 1128M" in text and "web1-swap, 4M" in text
    assert "/dev/vg0/web1-disk (1128M, /)" in show.summary(made, "1 s")
    tight = replace(FACTS, groups={"vg0": Group("vg0", GIB, 1131 * MIB, 4 * MIB)})
    with pytest.raises(Problem, match="are needed"):
        plan(wished, tight, SOURCE)


def test_a_reserved_name_is_told_with_the_reason() -> None:
    with pytest.raises(Problem) as raised:
        check_domu_name("snapshot1")
    assert "lvm2 keeps names that begin with snapshot" in raised.value.hint


@pytest.mark.parametrize("text", ["²", "٣x", "", "-1", "72.0", "9" * 5000])
def test_what_is_no_number_for_int_is_none_for_us(text: str) -> None:
    for check in (wish._vlan, processors):
        with pytest.raises(Problem, match="is not a number"):
            check(text)


def test_a_volume_of_the_name_that_is_there_already_is_not_touched() -> None:
    facts = replace(FACTS, domus=(), files=frozenset(), domains=frozenset())
    with pytest.raises(Problem, match="there is a volume vg0/db-disk already"):
        plan(replace(WISH, name="db"), facts, SOURCE)


def test_memory_does_not_matter_when_the_domu_is_not_started() -> None:
    assert plan(replace(WISH, memory=8192, start=False), FACTS, SOURCE).memory == 8192


def test_a_netmask_may_stand_apart() -> None:
    made = plan(replace(WISH, ips=("192.168.72.11",), netmask="255.255.255.0"), FACTS, SOURCE)
    assert str(made.nics[0].address) == "192.168.72.11/24"


def test_an_ipv6_address_is_an_address() -> None:
    made = plan(replace(WISH, ips=("2001:db8::11/64",), gateways=("2001:db8::1",)), FACTS, SOURCE)
    assert str(made.nics[0].gateway) == "2001:db8::1"


def test_a_mac_is_made_of_vlan_and_name_and_passes_over_those_of_others() -> None:
    first = mac.made("web1", 72, ())
    assert first == mac.made("web1", 72, ()) and first.startswith("00:16:3E:48:")
    assert mac.made("web1", 72, {first.lower()}) not in ("", first)
    assert mac.made("web1", 328, ()).startswith("00:16:3E:48:") and mac.made("web1", 328, ()) != first


def test_a_mac_that_is_taken_on_another_host_or_by_dom0_itself_is_passed_over() -> None:
    of_rule, next_one = mac.made("web1", 72, ()), mac.made("web1", 72, {mac.made("web1", 72, ())})
    for name in ("db9", "Domain-0"):
        facts = replace(FACTS, others=(Claim(name, frozenset({of_rule})),))
        assert [one.mac for one in plan(WISH, facts, SOURCE).nics] == [next_one]


def test_the_peers_are_asked_before_a_person_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(options: argparse.Namespace) -> str:
        raise AssertionError("nobody is asked for a password of what cannot be made")

    monkeypatch.setattr(create, "gather", lambda settings, kernel, directory, own_kernel: FACTS)
    monkeypatch.setattr(create, "method", lambda name, settings, wanted: SOURCE)
    monkeypatch.setattr(create, "need_programs", lambda parts: None)
    monkeypatch.setattr(wish, "ssh_keys", lambda file: "")
    monkeypatch.setattr(wish, "password", ask)
    given = dict.fromkeys(("kernel", "method", "dist", "source", "mirror", "keyring", "arch", "ssh_key"), "")
    options = argparse.Namespace(**given, dry_run=True)
    for other in (Claim("web1", where="on dom0c"), Claim("www", addresses=frozenset({"192.168.72.11"}), where="on dom0c")):
        monkeypatch.setattr(create.everywhere, "with_peers", lambda known, other=other: [*known, other])
        with pytest.raises(Problem, match="on dom0c$"):
            create._planned(options, WISH, Config())


def test_two_interfaces_of_one_domu_never_have_the_same_mac() -> None:
    wish = replace(WISH, name="w58782", vlans=(72, 328), ips=("192.168.72.11/24", "dhcp"))
    first, second = plan(wish, replace(FACTS, bridges=frozenset({"xenbr72", "xenbr328"})), SOURCE).nics
    assert first.mac == mac.made("w58782", 328, ()) != second.mac  # by the rule alone they would have the same
    assert second.mac.startswith("00:16:3E:48:")


@pytest.mark.parametrize(("change", "said"), [
    ({"vlans": (99,)}, "VLAN 99 has no bridge"), ({"ips": ("192.168.72.300/24",)}, "192.168.72.300"),
    ({"gateways": ("10.0.0.1",)}, "10.0.0.1"),
])
def test_what_was_mistyped_is_told_before_what_is_too_little(change: dict[str, object], said: str) -> None:
    with pytest.raises(Problem) as raised:
        plan(replace(WISH, group="vg1", memory=1 << 20, **change), FACTS, SOURCE)  # type: ignore[arg-type]
    assert said in raised.value.message


POOL = Volume("vg0", "pool0", 4 * GIB, "twi-aotz--", frozenset(), "", "", "p", True, False, False, 50.0)
THIN = replace(WISH, pool="pool0", size=100 * GIB)


def test_volumes_in_a_thin_pool_may_be_larger_than_it() -> None:
    made = plan(THIN, replace(FACTS, volumes=(VOLUME, POOL)), SOURCE)
    assert [(one.name, one.pool, one.size) for one in made.parts] == [
        ("web1-swap", "pool0", 512 * MIB), ("web1-disk", "pool0", 100 * GIB)
    ]  # fmt: skip
    assert "make volume /dev/vg0/web1-disk, 100G thin in vg0/pool0, xvda2 in the guest: ext4 on /" in show.described(made)


def test_a_thin_pool_whose_metadata_are_nearly_full_gets_no_domu() -> None:
    with pytest.raises(Problem, match="the metadata of the thin pool vg0/pool0 are full to 91 %") as raised:
        plan(THIN, replace(FACTS, volumes=(replace(POOL, table=91.2),)), SOURCE)
    assert "--poolmetadatasize" in raised.value.hint and raised.value.status == EXIT_USAGE


@pytest.mark.parametrize(
    ("percent", "message"),
    [(90.0, "pool0 is full to 90 %"), (83.0, r"pool0 has room for 286.7M before it is nearly full, 300M are needed")],
)
def test_a_thin_pool_that_is_nearly_full_gets_no_domu(percent: float, message: str) -> None:
    with pytest.raises(Problem, match=message) as raised:
        plan(THIN, replace(FACTS, volumes=(VOLUME, replace(POOL, percent=percent))), SOURCE)
    assert raised.value.status == EXIT_USAGE and "lvextend" in raised.value.hint


@pytest.mark.parametrize(
    ("words", "pool"),
    [("", "pool0"), ("--lvm vg0", "pool0"), ("--lvm vg1", ""), ("--thin other", "other"), ("--thin=", "")],
)
def test_the_thin_pool_of_the_settings_is_one_of_their_group(words: str, pool: str) -> None:
    parser = argparse.ArgumentParser()
    create.arguments(parser)
    options = parser.parse_args(["web1", "--bridge", "br0", "--dhcp", *words.split()])
    assert wish.from_options(options, Config(thin_pool="pool0")).pool == pool
