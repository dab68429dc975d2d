"""What a domU that is like another one consists of."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from xen_legi import steps
from xen_legi.cli import clone
from xen_legi.domu import cloning, config
from xen_legi.domu.claims import Claim
from xen_legi.domu.cloning import Cloning, Place, Twin, check_networks, fixed_addresses, replaced
from xen_legi.domu.config import Disk
from xen_legi.domu.disks import NO_DEVICES
from xen_legi.domu.inventory import vlan_of
from xen_legi.errors import Problem
from xen_legi.install import clone as install_clone
from xen_legi.storage import images
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Group, Volume

FILE = """\
# web1, made by hand
name = "web1"   # its name
uuid = '11111111-2222-3333-4444-555555555555'
root = '/dev/xvda2 ro'
disk = [ 'phy:/dev/vg0/web1-swap,xvda1,w', "phy:vg0/web1-disk,xvda2,w",
         'format=raw,vdev=xvda3,access=w,target=/dev/mapper/vg0-data', 'phy:/dev/vg0/media,xvdc,r' ]
vif = [ 'mac=00:16:3e:48:12:34,bridge=xenbr72,ip=192.168.72.11', 'bridge=xenbr73' ]  # 192.168.72.11/24, not 192.168.72.111
"""
UUID = "99999999-2222-3333-4444-555555555555"
KINDS = {"web1-swap": "swap", "web1-disk": "ext4", "data": "xfs"}


def volume(name: str, pool: str = "", *, active: bool = True, percent: float | None = None) -> Volume:
    """Return a volume of one GiB."""
    return Volume("vg0", name, 1 << 30, "-wi-a-----", frozenset(), "", pool, name, active, False, False, percent)


VOLUMES = [volume("web1-swap"), volume("web1-disk"), volume("data"), volume("media")]


def planned(*, text: str = FILE, ips: tuple[str, ...] = ("192.168.72.12",), new: str = "web2", free: int = 10 << 30,
            volumes: list[Volume] | None = None, kinds: dict[str, str] | None = None, root: str = "",
            others: tuple[Claim, ...] = ()) -> Cloning:
    """Return the plan for a clone of web1."""
    domu = config.parse(text, Path("/etc/xen/web1.cfg"))
    vif = "mac=00:16:3E:48:00:01,ip=192.168.72.20 2001:DB8::20"
    other = config.parse(f"name = 'db'\nvif = ['{vif}']\n", Path("/etc/xen/db.cfg"))
    known = VOLUMES if volumes is None else volumes
    found = {**KINDS, **(kinds or {})}
    place = Place(
        [domu, other], known, {"vg0": Group("vg0", 20 << 30, free, 4 << 20)}, NO_DEVICES, frozenset({"192.168.72.1"}), UUID,
        vlan=partial(vlan_of, setting="xenbr{vlan}"), kind=lambda path: found.get(path.name, ""),
        ghost=lambda size: size // 4, others=others,
    )
    return cloning.plan(domu, new, root, ips, place)


def test_each_disk_that_is_written_has_a_twin_and_one_that_is_read_is_shared() -> None:
    assert planned().lines == [
        "volume vg0/web2-swap 1G, made anew: like vg0/web1-swap",
        "volume vg0/web2-disk 1G, ext4, its files copied: like vg0/web1-disk",
        "volume vg0/web2-data 1G, xfs, its files copied: like vg0/data",
        f"00:16:3E:48:12:34 becomes {planned().words['00:16:3E:48:12:34']}",
        "192.168.72.11 becomes 192.168.72.12",
        "file /etc/xen/web2.cfg",
    ]
    assert "'phy:/dev/vg0/media,xvdc,r'" in planned().text


def test_the_file_has_the_clones_own_names_and_every_other_byte_of_the_domus() -> None:
    mac = planned().words["00:16:3E:48:12:34"]
    changed = FILE.replace('"web1" ', '"web2" ').replace("vg0/web1-", "vg0/web2-").replace("vg0-data", "vg0-web2--data")
    changed = changed.replace("00:16:3e:48:12:34", mac.lower()).replace("72.11'", "72.12'").replace("72.11/", "72.12/")
    assert planned().text == "# a clone of web1\n" + changed.replace("11111111-", "99999999-")
    assert mac.startswith("00:16:3E:48:") and planned().macs == {mac} and planned().ips == {"192.168.72.12"}


def test_what_is_on_a_thin_volume_is_of_no_account() -> None:
    thin = [replace(one, pool="pool") if one.name == "data" else one for one in VOLUMES]
    plan = planned(volumes=[*thin, volume("pool", percent=20)], kinds={"data": ""})
    assert "volume vg0/web2-data 1G, thin snapshot: like vg0/data" in plan.lines


def test_a_domu_whose_addresses_come_from_dhcp_needs_none() -> None:
    assert planned(text=FILE.replace(",ip=192.168.72.11", ""), ips=()).ips == frozenset()


def refusal(**given: Any) -> str:
    """Return how a plan is refused."""
    with pytest.raises(Problem) as caught:
        planned(**given)
    assert caught.value.hint and caught.value.status == 2
    return caught.value.message


@pytest.mark.parametrize(("given", "said"), [
    ({"ips": ()}, "the domU has 1 fixed addresses (192.168.72.11), 0 were given"),
    ({"ips": ("192.168.72.12", "192.168.72.13")}, "the domU has 1 fixed addresses (192.168.72.11), 2 were given"),
    ({"ips": ("192.168.72.12/24",)}, "--ip '192.168.72.12/24' names a network"),
    ({"ips": ("web",)}, "address 'web' is not an address"),
    ({"ips": ("2001:db8::1",)}, "address 2001:db8::1 cannot come in the place of 192.168.72.11"),
    ({"ips": ("192.168.72.11",)}, "address 192.168.72.11 is that of domU web1: /etc/xen/web1.cfg"),
    ({"ips": ("192.168.72.20",)}, "address 192.168.72.20 is that of domU db: /etc/xen/db.cfg"),
    ({"ips": ("192.168.72.1",)}, "address 192.168.72.1 is dom0's own"),
    ({"free": 3 << 30}, "volume group vg0 has 3G free, 3G are needed, and 512M meanwhile"),
    ({"volumes": [*VOLUMES, volume("web2-disk")]}, "there is a volume vg0/web2-disk already"),
    ({"volumes": [one for one in VOLUMES if one.name != "data"]},
     "/dev/mapper/vg0-data of web1 is no logical volume and no image file of this host: it cannot be cloned"),
    ({"volumes": [replace(one, active=False) for one in VOLUMES]}, "vg0/web1-swap is not active"),
    ({"kinds": {"data": ""}}, "vg0/data holds nothing that blkid knows and is not thin: it cannot be cloned"),
    ({"kinds": {"data": "crypto_LUKS"}}, "vg0/data holds crypto_LUKS and is not thin: it cannot be cloned"),
    ({"root": "xvda1"}, "vg0/web1-swap, the root of web1, holds no filesystem whose files could be changed from here"),
    ({"root": "xvdz"}, "domU web1 has no disk 'xvdz' that it writes"),
    ({"text": FILE.replace("root =", "other =")}, "domU web1 has no disk, or several, that could be its root"),
    ({"ips": ("224.0.0.1",)}, "224.0.0.1 cannot be a machine's address"),
    ({"text": FILE.replace("ip=192.168.72.11", "ip=2001:db8::1"), "ips": ("2001:DB8::20",)},
     "address 2001:db8::20 is that of domU db: /etc/xen/db.cfg"),
    ({"text": FILE.replace("bridge=xenbr73", "vifname=lan0")},
     "a vif of web1 has the name lan0, and the clone's needs another one"),
    ({"text": FILE.replace("bridge=xenbr73", "vifname=web1.1"), "new": "a-long-name-it-is"},
     "a vif of web1 has the name web1.1, and the clone's needs another one"),
    ({"volumes": [*(replace(one, pool="pool") for one in VOLUMES), volume("pool", percent=95.2)]},
     "the thin pool vg0/pool is full to 95 %"),
    ({"volumes": [*(replace(one, pool="pool") for one in VOLUMES), replace(volume("pool"), table=97.0)]},
     "the metadata of the thin pool vg0/pool are full to 97 %"),
    ({"new": "w" * 108}, f"the name {'w' * 108} is too long for a volume"),
])
def test_what_cannot_be_cloned_is_told_with_a_hint(given: dict[str, Any], said: str) -> None:
    assert refusal(**given) == said


def test_what_a_domu_of_another_host_has_the_clone_has_not() -> None:
    of_rule = planned().macs
    other = Claim("www", of_rule, frozenset({"192.168.72.13"}), "on dom0b")
    macs = planned(others=(other,)).macs
    assert len(macs) == 1 and not macs & of_rule
    assert refusal(others=(other,), new="www") == "there is a domU 'www' already: on dom0b"
    assert refusal(others=(other,), ips=("192.168.72.13",)) == "address 192.168.72.13 is that of domU www: on dom0b"


def test_the_clone_of_a_domu_that_was_promoted_beside_another_has_no_disks_like_copies() -> None:
    text = FILE.replace("vg0/web1-disk", "vg0/web1-disk.copy")
    volumes = [replace(one, name="web1-disk.copy") if one.name == "web1-disk" else one for one in VOLUMES]
    plan = planned(text=text, volumes=volumes, kinds={"web1-disk.copy": "ext4"}, root="xvda2")
    assert "volume vg0/web2-disk 1G, ext4, its files copied: like vg0/web1-disk.copy" in plan.lines


ON_FILES = """\
name = 'web1'
root = '/dev/xvda2 ro'
disk = [ 'file:/srv/domains/web1/swap.img,xvda1,w', '/srv/domains/web1/disk.img,raw,xvda2,w,no-discard',
         'file:/srv/data.img,xvdb,w', 'phy:/dev/vg0/data,xvdc,w', 'file:/srv/dvd.iso,xvdd,r' ]
"""


def on_files(*taken: str, free: int = 10 << 30, text: str = ON_FILES, kinds: dict[str, str] | None = None) -> Cloning:
    """Return the plan for a clone of web1 as it is on files, three of one GiB: data.img is sparse; /srv is a link."""
    domu = config.parse(text, Path("/etc/xen/web1.cfg"))
    paths = {path: f"/data{path}" for path in ("/srv/domains/web1/swap.img", "/srv/domains/web1/disk.img", "/srv/data.img")}
    room = {real: 1 << (20 if "data.img" in real else 30) for real in paths.values()}
    files = {real: Image(Path(real), 1 << 30, room[real], open=False) for real in room}
    found = {"swap.img": "swap", "disk.img": "ext4", "data": "xfs", **(kinds or {})}
    place = Place(
        [domu], VOLUMES, {"vg0": Group("vg0", 20 << 30, 10 << 30, 4 << 20)}, paths, frozenset(), UUID,
        vlan=lambda bridge: None, kind=lambda path: found.get(path.name, ""), ghost=lambda size: size // 4,
        images=files, taken=lambda path: str(path) in taken, room=lambda path: (1, free),
    )  # fmt: skip
    return cloning.plan(domu, "web2", "", (), place)


def test_image_files_have_their_likes_beside_them_whatever_is_in_them() -> None:
    plan = on_files()
    assert plan.lines == [
        "image /data/srv/domains/web2/swap.img 1G, made anew: like /data/srv/domains/web1/swap.img",
        "image /data/srv/domains/web2/disk.img 1G, copied: like /data/srv/domains/web1/disk.img",
        "image /data/srv/web2-data.img 1G, copied: like /data/srv/data.img",
        "volume vg0/web2-data 1G, xfs, its files copied: like vg0/data",
        "file /etc/xen/web2.cfg",
    ]
    changed = ON_FILES.replace("/srv/domains/web1/", "/data/srv/domains/web2/").replace("/srv/data", "/data/srv/web2-data")
    changed = changed.replace("'web1'", "'web2'").replace("vg0/data", "vg0/web2-data")
    assert plan.text == f"# a clone of web1\n{changed}" and str(plan.root.path) == "/data/srv/domains/web2/disk.img"


@pytest.mark.parametrize(("given", "said"), [
    ({"taken": "/data/srv/domains/web2"}, "/data/srv/domains/web2 exists already"),
    ({"taken": "/data/srv/web2-data.img"}, "/data/srv/web2-data.img exists already"),
    ({"free": 2 << 30}, "/data/srv has 2G free, 2.0G are needed"),  # what is a hole takes no room
    ({"text": ON_FILES.replace("/srv/data.img,", "/srv/gone.img,")},
     "/srv/gone.img of web1 is no logical volume and no image file of this host: it cannot be cloned"),
    ({"text": ON_FILES.replace("disk.img,raw", "disk.img,qcow2")},
     "/srv/domains/web1/disk.img is an image in the format qcow2, which is not known here"),
    ({"kinds": {"disk.img": ""}},
     "/data/srv/domains/web1/disk.img, the root of web1, holds no filesystem whose files could be changed from here"),
])
def test_what_cannot_be_cloned_of_images_is_told_with_a_hint(given: dict[str, Any], said: str) -> None:
    taken = [given.pop("taken")] if "taken" in given else []
    with pytest.raises(Problem) as caught:
        on_files(*taken, **given)
    assert (caught.value.message, caught.value.status) == (said, 2) and caught.value.hint


def test_images_that_fit_exactly_are_cloned() -> None:
    assert on_files(free=(2 << 30) + (1 << 20)).twins


def test_two_disks_never_get_the_same_name() -> None:
    text = FILE.replace("vg0-data", "vg0-web1--x").replace("vg0/web1-swap", "vg0/x")
    volumes = [volume("x"), volume("web1-disk"), volume("web1-x")]
    said = refusal(text=text, volumes=volumes, kinds={"x": "swap", "web1-x": "ext4"})
    assert said == "there is a volume vg0/web2-x already"


def test_words_are_replaced_whole_and_in_the_letters_that_they_had() -> None:
    words = {"00:16:3E:48:12:AB": "00:16:3E:48:99:CD", "10.0.0.1": "10.0.0.9", "fe80::1": "fe80::2"}
    text = "address=00:16:3e:48:12:ab 10.0.0.1/24 10.0.0.1. fe80::1/64 ip=10.0.0.1::10.0.0.2 --to 10.0.0.1:80"
    others = " 00:16:3E:48:12:AB:00 10.0.0.11 110.0.0.1 10.0.0.1.5 fe80::1:2"
    changed = "address=00:16:3e:48:99:cd 10.0.0.9/24 10.0.0.9. fe80::2/64 ip=10.0.0.9::10.0.0.2 --to 10.0.0.9:80"
    assert replaced(text + others, words) == changed + others
    assert replaced(text, {}) == text


def test_words_that_change_places_do_so_in_one_step() -> None:
    assert replaced("10.0.0.1 10.0.0.2", {"10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1"}) == "10.0.0.2 10.0.0.1"


@pytest.mark.parametrize(("text", "found"), [
    ("iface lo inet static\n address 127.0.0.5\niface e0 inet static\n\taddress 10.0.0.1/24\n gateway 10.0.0.2", "10.0.0.1"),
    ("# address 10.9.9.9\n up ip address add 10.0.0.1/24 dev eth0\n up ip route add 10.2.0.1/32 dev eth0\n", "10.0.0.1"),
    ("[Network]\nAddress = \"2001:DB8::1/64\"\nAddress=::1/128\n[Match]\nMACAddress=00:16:3e:48:1:3", "2001:db8::1"),
    ("addresses: [10.0.0.1/24]\nroutes: [{to: 10.1.0.0/16, via: 10.0.0.2}]\n", "10.0.0.1"),
    ("addresses:\n  - 10.0.0.1/24\n", "10.0.0.1"),
    ("[ipv4]\naddress1=10.0.0.1/24,10.0.0.2\nmethod=manual\n", "10.0.0.1"),
    ("allow 10.0.0.0/24\n", ""),
])
def test_addresses_that_a_guest_gives_itself_are_found(text: str, found: str) -> None:
    assert fixed_addresses(text) == ({found} if found else set())


def test_only_lines_that_say_who_the_domu_is_are_changed() -> None:
    text = FILE.replace("vg0-data", "vg0-192.168.72.11").replace("'phy:/dev/vg0/media", "'phy:/dev/vg0/x-192.168.72.11")
    volumes = [one for one in VOLUMES if one.name != "data"] + [volume("192.168.72.11")]
    plan = planned(text=text, volumes=volumes, kinds={"192.168.72.11": "ext4"})
    assert "/dev/vg0/x-192.168.72.11,xvdc,r" in plan.text and "/dev/mapper/vg0-web2--192.168.72.11" in plan.text
    one_line = text.replace("xvdc,r' ]\n", "xvdc,r' ]; ")
    assert "a part of a path" in refusal(text=one_line, volumes=volumes, kinds={"192.168.72.11": "ext4"})


def test_what_the_kernel_is_told_is_changed_too_and_what_is_left_of_it_is_doubted() -> None:
    given = planned(text=FILE.replace("xvda2 ro'", "xvda2 ro ip=192.168.72.11::192.168.72.1:255.255.255.0'"))
    assert "ro ip=192.168.72.12::192.168.72.1:255" in given.text and given.doubts == frozenset()
    assert planned(text=FILE.replace("xvda2 ro'", "xvda2 ro ip=10.0.0.1::10.0.0.2'")).doubts == {"10.0.0.1"}
    assert planned(text=FILE.replace("xvda2 ro'", "xvda2 ro ip=dhcp'")).doubts == frozenset()


def test_a_vif_that_has_a_name_in_dom0_gets_another() -> None:
    assert "vifname=web2.1'" in planned(text=FILE.replace("bridge=xenbr73", "vifname=web1.1")).text


def test_the_only_volume_with_files_is_the_root_where_none_is_told() -> None:
    text = FILE.replace("root =", "other =").replace(",access=w,target", ",access=r,target")
    assert planned(text=text).root.name == "web2-disk" and planned(root="vg0/data").root.name == "web2-data"


@pytest.mark.parametrize(("text", "new"), [
    ("iface eth72 inet static\n    address 192.168.72.11/24\n    gateway 192.168.72.1\n", "10.0.0.5"),
    ("iface eth0 inet static\n gateway 192.168.72.1\n address 192.168.72.11\n netmask 255.255.255.0\n", "192.168.73.12"),
    ("iface e0 inet static\n netmask 255.0.0.0\n address 10.0.0.1\niface e1 inet static\n netmask 255.255.255.0\n"
     " address 192.168.72.11\n", "10.0.0.5"),
    ("[Network]\nAddress=192.168.72.11/24\n", "10.0.0.5"),
    ("addresses:\n  - 192.168.72.11/24\n", "10.0.0.5"),
])
def test_an_address_of_a_clone_is_one_of_the_domus_network(text: str, new: str) -> None:
    with pytest.raises(Problem) as raised:
        check_networks({"192.168.72.11": new}, ["", text])
    assert raised.value.message == f"address {new} is outside of 192.168.72.0/24, the network that 192.168.72.11 is in"
    assert raised.value.hint and raised.value.status == 2
    check_networks({"192.168.72.11": "192.168.72.12"}, [text])
    check_networks({"00:16:3E:48:12:34": "00:16:3E:48:12:35", "192.168.72.111": new}, [text])


@pytest.mark.parametrize("text", [
    "iface eth0 inet static\n address 192.168.72.11/32\n", "iface eth0 inet static\n address 192.168.72.11\n netmask junk\n",
    "# address 192.168.72.11/24\n", "iface eth0 inet dhcp\n",
])
def test_where_a_guest_does_not_tell_its_network_nothing_is_known_of_it(text: str) -> None:
    check_networks({"192.168.72.11": "10.0.0.5"}, [text])


def test_an_address_of_a_clone_is_no_network_and_an_ipv6_address_may_be_written_in_any_way() -> None:
    with pytest.raises(Problem, match="is the broadcast address of 192.168.72.0/24"):
        check_networks({"192.168.72.11": "192.168.72.255"}, ["address 192.168.72.11/24"])
    with pytest.raises(Problem, match="2001:db8:1::2 is outside of 2001:db8::/64"):
        check_networks({"2001:DB8:0::1": "2001:db8:1::2"}, ["address 2001:db8::1/64"])


def test_swap_on_an_image_of_a_domu_that_runs_is_made_anew_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is read in a snapshot: it need not be on a logical volume."""
    for name in ("answers", "stays"):
        monkeypatch.setattr(clone.xl, name, lambda *words: True)
    monkeypatch.setattr(clone.images, "try_out", lambda path: None)
    monkeypatch.setattr(clone, "image_of", lambda path, volumes: f"is a file: {path}")
    swap, disk = (Image(Path(f"/srv/web1/{one}.img"), 1 << 20, 1 << 20, open=True) for one in ("swap", "disk"))
    twins = tuple(Twin(one, f"/srv/web2/{one.path.name}", Disk(str(one.path), "xvda", "w"), kind)
                  for one, kind in ((swap, "swap"), (disk, "ext4")))
    only_swap = replace(planned(), twins=twins[:1])
    assert clone._caught(only_swap, VOLUMES) == {}
    with pytest.raises(Problem, match=r"/srv/web1/disk\.img is a file"):
        clone._caught(replace(only_swap, twins=twins), VOLUMES)


def test_an_image_that_came_into_use_after_it_was_planned_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    monkeypatch.setattr(install_clone.xl, "answers", lambda: False)
    monkeypatch.setattr(images, "used", lambda path: path.name == "held.img")
    with install_clone._kept_off("web1", [Path("/srv/free.img")]):
        pass
    with pytest.raises(Problem, match="/srv/held.img is in use, though web1 is off"):
        with install_clone._kept_off("web1", [Path("/srv/free.img"), Path("/srv/held.img")]):
            pass


@pytest.mark.parametrize("lines, after, left", [
    ("pci = ['0000:01:00.0', '02:00.1,permissive=1',]  # the card\n", "  # the card\n",
     ["pci 0000:01:00.0", "pci 02:00.1,permissive=1"]),
    ("pci = [\n  '01:00.0',  # one\n]\n", "\n", ["pci 01:00.0"]),
    ("vnc = 1; vncdisplay = 3; vncpasswd = 'x'\n", "vnc = 1; ; vncpasswd = 'x'\n", ["vncdisplay 3"]),
    ("vfb = ['vnc=1,vncdisplay=2,vncpasswd=x']\n", "vfb = ['vnc=1,vncpasswd=x']\n", ["vncdisplay 2"]),
    ("vfb = ['vncdisplay=12, vnc=1']\n", "vfb = ['vnc=1']\n", ["vncdisplay 12"]),
    ("vfb = ['type=vnc,vncunused=1']\n# pci = ['01:00.0']\n", "vfb = ['type=vnc,vncunused=1']\n# pci = ['01:00.0']\n", []),
    ("pci = []\n", "pci = []\n", []),
])
def test_hardware_and_displays_that_only_one_domu_can_have_are_left_out_and_told(
    lines: str, after: str, left: list[str]
) -> None:
    plan = planned(text=FILE + lines)
    assert plan.text.endswith(after) and lines not in plan.text.removesuffix(after)
    assert [line for line in plan.lines if line.startswith("left out")] == [f"left out: {one}" for one in left]
    assert config.parse(plan.text, Path("/etc/xen/web2.cfg")).vifs == config.parse(
        planned().text, Path("/etc/xen/web2.cfg")).vifs
