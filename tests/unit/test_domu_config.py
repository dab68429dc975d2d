"""The reader of /etc/xen/NAME.cfg: what xl accepts is understood, and a change keeps every other byte."""

from pathlib import Path

import pytest

from xen_legi.domu import config, xlcfg
from xen_legi.domu.config import Disk, Vif

XEN_TOOLS = """\
#
# Configuration file for the Xen instance web1, created
# by xen-tools 4.9.2 on Mon Jan  1 00:00:00 2024.
#
kernel      = '/boot/vmlinuz-6.1.0-18-amd64'
extra       = 'elevator=noop'
ramdisk     = '/boot/initrd.img-6.1.0-18-amd64'
vcpus       = '2'
memory      = '512'
root        = '/dev/xvda2 ro'
disk        = [
                  'phy:/dev/vg0/web1-disk,xvda2,w',
                  'phy:/dev/vg0/web1-swap,xvda1,w',
              ]
name        = 'web1'
vif         = [ 'ip=192.168.72.11 ,mac=00:16:3E:48:12:34,bridge=xenbr72' ]
on_poweroff = 'destroy'
"""

BY_HAND = 'name="db";memory=0x400 ; vcpus = 010\ntype = "PVH" # the new way\n' \
    'disk = ["vdev=xvda,access=ro,format=raw,target=/srv/a,b.img"]\nvif=["bridge=xenbr73"]'


def parsed(text: str) -> config.DomuConfig:
    return config.parse(text, Path("/etc/xen/x.cfg"))


def test_a_file_that_xen_tools_wrote_is_understood() -> None:
    one = parsed(XEN_TOOLS)
    assert (one.name, one.type, one.memory, one.vcpus) == ("web1", "pv", 512, 2)
    assert one.kernel == "/boot/vmlinuz-6.1.0-18-amd64"
    assert one.disks == (Disk("/dev/vg0/web1-disk", "xvda2", "w"), Disk("/dev/vg0/web1-swap", "xvda1", "w"))
    assert one.vifs == (Vif("00:16:3E:48:12:34", "xenbr72", {"ip": "192.168.72.11"}),)


def test_a_file_made_by_hand_is_understood() -> None:
    one = parsed(BY_HAND)
    assert (one.name, one.type, one.memory, one.vcpus) == ("db", "pvh", 1024, 8)
    assert one.disks == (Disk("/srv/a,b.img", "xvda", "r"),)
    assert one.vifs == (Vif("", "xenbr73", {}),)


@pytest.mark.parametrize(
    ("line", "disk"),
    [
        ("phy:/dev/vg0/web1-disk,xvda2,w", Disk("/dev/vg0/web1-disk", "xvda2", "w")),
        ("/dev/vg0/web1-disk,raw,xvda2,rw", Disk("/dev/vg0/web1-disk", "xvda2", "w")),
        ("/dev/vg0/web1-disk,,xvda2", Disk("/dev/vg0/web1-disk", "xvda2", "w")),
        ("/dev/vg0/web1-disk,xvda2", Disk("/dev/vg0/web1-disk", "xvda2", "w")),
        ("tap:aio:/srv/web1.img,xvda,r", Disk("/srv/web1.img", "xvda", "r")),
        ("file:/iso/a.iso,hdc:cdrom,r", Disk("/iso/a.iso", "hdc", "r")),
        ("file:/iso/a.iso,hdc:cdrom", Disk("/iso/a.iso", "hdc", "r")),
        ("/iso/a.iso,,hdc,cdrom", Disk("/iso/a.iso", "hdc", "r")),
        ("/iso/a.iso,raw,hdc,rw,devtype=cdrom", Disk("/iso/a.iso", "hdc", "r")),
        ("format=raw, vdev=xvda1, access=rw, target=/dev/vg0/x", Disk("/dev/vg0/x", "xvda1", "w")),
        ("vdev=xvdc,access=r,devtype=cdrom,target=", Disk("", "xvdc", "r")),
    ],
)
def test_a_disk_line_is_read_in_each_of_its_forms(line: str, disk: Disk) -> None:
    assert config.disk(line) == disk


@pytest.mark.parametrize(
    "text", ["import os\n", "name = 'a\n", "memory = \n", "disk = [ 'a' 'b' ]\n", "name == 'x'\n", "x = ["]
)
def test_what_is_no_xl_text_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parsed(text)


def test_a_bad_number_is_refused() -> None:
    with pytest.raises(ValueError, match="'many' is not a number"):
        parsed("name='a'\nmemory='many'\n")


def test_replacing_disks_keeps_every_other_byte() -> None:
    text = config.replace_disks(XEN_TOOLS, {"/dev/vg0/web1-disk": "/dev/vg1/web1-disk"})
    assert text == XEN_TOOLS.replace("/dev/vg0/web1-disk", "/dev/vg1/web1-disk")
    by_key = config.replace_disks(BY_HAND, {"/srv/a,b.img": "/dev/vg1/b"})
    assert by_key == BY_HAND.replace("/srv/a,b.img", "/dev/vg1/b")


def test_replacing_a_disk_leaves_a_longer_path_alone() -> None:
    text = "disk = ['phy:/dev/vg0/web1-disk2,xvda3,w', 'phy:/dev/vg0/web1-disk,xvda2,w'] # /dev/vg0/web1-disk\n"
    changed = config.replace_disks(text, {"/dev/vg0/web1-disk": "/dev/z"})
    assert changed == "disk = ['phy:/dev/vg0/web1-disk2,xvda3,w', 'phy:/dev/z,xvda2,w'] # /dev/vg0/web1-disk\n"


def test_renaming_changes_the_name_only() -> None:
    assert config.rename(XEN_TOOLS, "web2") == XEN_TOOLS.replace("name        = 'web1'", "name        = 'web2'")


def test_the_last_assignment_holds_and_additions_add() -> None:
    values = xlcfg.values("a = 1\na = 2\nd = ['x']\nd += ['y']\n")
    assert isinstance(values["a"], xlcfg.Atom) and values["a"].value == "2"
    assert [one.value for one in xlcfg.atoms(values["d"])] == ["x", "y"]


def test_only_domus_are_listed_and_broken_files_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "web1.cfg").write_text(XEN_TOOLS)
    (tmp_path / "pool.cfg").write_text('name = "pool"\nsched = "credit2"\ncpus = ["1"]\n')
    (tmp_path / "broken.cfg").write_text("name = \n")
    (tmp_path / "xl.conf").write_text("autoballoon=0\n")
    assert [one.name for one in config.all_domus(tmp_path)] == ["web1"]
    assert "broken.cfg: line 1" in capsys.readouterr().err


def test_what_cannot_be_read_is_told_apart_from_what_is_no_domu(tmp_path: Path) -> None:
    (tmp_path / "nameless.cfg").write_text("disk = ['phy:/dev/vg0/x,xvda,w']\n")
    (tmp_path / "broken.cfg").write_text("name = \n")
    (tmp_path / "gone.cfg").symlink_to("/nowhere/gone.cfg")
    (tmp_path / "round.cfg").symlink_to("round.cfg")
    (tmp_path / "deep.cfg").write_text("x = " + "[" * 5000)
    (tmp_path / ".#web1.cfg").symlink_to("root@dom0a.123")
    (tmp_path / "directory.cfg").mkdir()
    files, broken = config.all_files(tmp_path)
    assert [one.file.name for one in files] == ["nameless.cfg"]
    assert [one.file.name for one in broken] == ["broken.cfg", "deep.cfg", "gone.cfg", "round.cfg"]
    assert broken[0].reason.startswith("line 1") and all(one.reason for one in broken)


def test_a_link_that_goes_round_in_circles_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "web1.cfg").write_text(XEN_TOOLS)
    (tmp_path / "auto").mkdir()
    (tmp_path / "auto/round").symlink_to("round")
    (tmp_path / "auto/web1.cfg").symlink_to("../web1.cfg")
    assert config.auto_links(tmp_path / "web1.cfg", tmp_path / "auto") == [tmp_path / "auto/web1.cfg"]


def test_the_file_that_bears_the_name_goes_before_others(tmp_path: Path) -> None:
    (tmp_path / "a-copy.cfg").write_text(XEN_TOOLS)
    (tmp_path / "web1.cfg").write_text(XEN_TOOLS)
    found = config.find("web1", tmp_path)
    assert found and found.file == tmp_path / "web1.cfg"
    assert [one.file.name for one in config.all_domus(tmp_path)] == ["web1.cfg", "a-copy.cfg"]  # what is shown first
    assert config.find("web2", tmp_path) is None


@pytest.mark.parametrize("line, format", [
    ("/srv/x.img,qcow2,xvda,w", "qcow2"), ("tap:qcow2:/srv/x.img,xvda,w", "qcow2"), ("file:/srv/x.img,xvda,w", ""),
    ("format=vhd,vdev=xvda,target=/srv/x.img", "vhd"), ("/dev/vg0/x,raw,xvda,w", "raw"), ("tap:aio:/srv/x.img,xvda,w", ""),
])
def test_the_format_of_an_image_is_told_in_any_of_the_ways(line: str, format: str) -> None:
    assert config.disk(line).format == format


def test_a_domu_whose_file_is_called_otherwise_is_known_when_it_is_certainly_one(tmp_path: Path) -> None:
    text = "name = '{}'\nmemory = 64\n"
    (tmp_path / "auto").mkdir()
    (tmp_path / "mine").mkdir()
    for file, name in {
        "plain": "plain", "dots.example.org": "dots.example.org", "shop.conf": "shop", "auto/real": "started",
        "mine/linked.cfg": "linked", "twice.cfg": "twice", "twice": "twice", "off.cfg.off": "off", "old~": "old",
        ".draft": "draft", "other": "another", "mine/unknown": "unknown", "auto/twice2": "twice",
    }.items():
        (tmp_path / file).write_text(text.format(name))
    links = {"linked": "../mine/linked.cfg", "plain": "../plain", "twice.cfg": "../twice.cfg", "gone": "../x"}
    for link, target in links.items():
        (tmp_path / "auto" / link).symlink_to(target)
    (tmp_path / "README").write_text("Files of domUs.\n")
    found = {one.name: str(one.file.relative_to(tmp_path)) for one in config.all_domus(tmp_path)}
    assert found == {"dots.example.org": "dots.example.org", "linked": "mine/linked.cfg", "plain": "plain",
                     "shop": "shop.conf", "started": "auto/real", "twice": "twice.cfg"}


def test_who_removes_something_is_told_of_every_file_that_may_name_it(tmp_path: Path) -> None:
    text = "name = '{}'\ndisk = ['phy:/dev/vg0/{}-disk,xvda,w']\n"
    for place in ("auto", "old", "copies/dom0b", "scripts"):
        (tmp_path / place).mkdir(parents=True)
    for file, name in {"web1.cfg": "web1", "web1.cfg.off": "web1", "web2": "web2", "web3.cfg~": "web3", "auto/web4": "web4",
                       "old/web5.cfg": "web5", "copies/dom0b/web6.cfg": "web6", "scripts/x": "web7"}.items():
        (tmp_path / file).write_text(text.format(name, name))
    (tmp_path / "notes.txt").write_text("web1-disk is precious")
    found, texts = config.that_may_name(config.read(tmp_path / "web1.cfg"), tmp_path)
    assert sorted(one.name for one in found) == ["web2", "web3", "web4", "web5"]
    assert list(texts) == [tmp_path / "notes.txt"]
