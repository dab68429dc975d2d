"""To what size a disk of a domU grows, and which one is meant."""

from pathlib import Path

import pytest

from xen_legi.domu import config, growth
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.disks import NO_DEVICES
from xen_legi.domu.growth import Growth
from xen_legi.errors import Problem
from xen_legi.storage import grow
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Group, Volume
from xen_legi.units import GIB, MIB

GROUPS = {"vg0": Group("vg0", 100 * GIB, 3 * GIB, 4 * MIB)}
DISKS = ("phy:/dev/vg0/web1-swap,xvda1,w", "phy:/dev/vg0/web1-disk,xvda2,w", "phy:vg0/web1-home,xvda3,w",
         "file:/srv/web1.img,xvdb,w", "phy:/dev/vg0/media,xvdc,r")


def volume(name: str, *, origin: str = "", pool: str = "", size: int = 2 * GIB) -> Volume:
    """Return a volume of vg0."""
    return Volume("vg0", name, size, "-wi-a-----", frozenset(), origin, pool, name, True, False, False, None)


def domu(disks: tuple[str, ...] = DISKS, root: str = "root = '/dev/xvda2 ro'") -> DomuConfig:
    """Return web1 with these disks."""
    return config.parse(f"name = 'web1'\nmemory = 512\n{root}\ndisk = {list(disks)}\n", Path("/etc/xen/web1.cfg"))


VOLUMES = [volume("web1-swap", size=512 * MIB), volume("web1-disk"), volume("web1-home"), volume("media")]


def planned(size: str, wanted: str = "", *, of: DomuConfig | None = None, volumes: list[Volume] | None = None) -> Growth:
    """Return the plan for web1."""
    return growth.plan(of or domu(), wanted, size, VOLUMES if volumes is None else volumes, GROUPS, NO_DEVICES)


def test_the_root_grows_by_so_much_or_to_so_much_in_whole_extents() -> None:
    assert planned("+1G").described() == "xvda2, vg0/web1-disk: 2G to 3G"
    assert planned("4G").size == 4 * GIB
    assert planned("2049M").size == 2052 * MIB


@pytest.mark.parametrize("wanted", ["xvda3", "web1-home", "vg0/web1-home", "/dev/vg0/web1-home"])
def test_a_disk_may_be_called_as_the_domu_or_as_dom0_calls_it(wanted: str) -> None:
    assert planned("3G", wanted).volume.name == "web1-home"


def test_the_size_that_is_there_is_no_growth_so_that_a_killed_run_can_be_ended() -> None:
    one = planned("2G")
    assert not one.grows and one.described() == "xvda2, vg0/web1-disk: has its 2G, only the filesystem may have to grow"


def test_the_only_disk_is_meant_when_the_root_is_told_by_its_uuid_or_not_at_all() -> None:
    for root in ("extra = 'root=UUID=0b5'", "bootloader = 'pygrub'"):
        assert planned("+1G", of=domu(("vg0/web1-disk,raw,xvda,w",), root)).volume.name == "web1-disk"


@pytest.mark.parametrize(("size", "wanted", "words", "hint"), [
    ("1G", "", "vg0/web1-disk has 2G already: a disk is never made smaller", "+1G"),
    ("+4G", "", "vg0 has 3G free, 4G more are needed", "vgextend"),
    ("3G", "xvdz", "no disk 'xvdz' that it may write", "xvda1, xvda2, xvda3, xvdb"),
    ("3G", "xvdc", "no disk 'xvdc' that it may write", "xvda1"),  # read-only: others may have it too
    ("3G", "xvdb", "/srv/web1.img is no logical volume and no image file", "lvs"),
    ("much", "", "size 'much' is not a size", "512M"),
    ("-1G", "", "size '-1G' is not a size", "512M"),
    ("++1G", "", "size '+1G' is not a size", "512M"),
])
def test_what_cannot_grow_is_told_with_what_to_do(size: str, wanted: str, words: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        planned(size, wanted)
    assert words in caught.value.message and hint in caught.value.hint and caught.value.status == 2


def test_of_several_disks_without_a_root_none_is_taken() -> None:
    with pytest.raises(Problem) as caught:
        planned("3G", of=domu(root=""))
    assert "which is its root is not told" in caught.value.message


def test_a_volume_with_a_thick_snapshot_waits_for_its_end() -> None:
    with pytest.raises(Problem) as caught:
        planned("3G", volumes=[*VOLUMES, volume("web1-disk.ghost-1", origin="web1-disk")])
    assert "has the snapshot web1-disk.ghost-1" in caught.value.message and "backup" in caught.value.hint
    thin = [volume("web1-disk", pool="pool"), volume("web1-disk.ghost-1", origin="web1-disk", pool="pool")]
    assert planned("90G", volumes=thin).size == 90 * GIB  # its pool may hold less than is promised


def test_a_thick_snapshot_has_the_size_of_its_origin() -> None:
    with pytest.raises(Problem) as caught:
        planned("3G", volumes=[volume("web1-disk", origin="golden")])
    assert "is a snapshot of golden" in caught.value.message


IMAGE = Image(Path("/data/web1.img"), 2 * GIB, GIB, open=False)


def with_image(size: str, wanted: str = "xvdb", *, free: int = 3 * GIB, disk: str = "file:/srv/web1.img,xvdb,w") -> Growth:
    """Return the plan for an image of web1; /srv is a link."""
    one, files = domu((*DISKS[:3], disk)), {str(IMAGE.path): IMAGE}
    return growth.plan(one, wanted, size, VOLUMES, GROUPS, {"/srv/web1.img": "/data/web1.img"}, files, lambda path: free)


@pytest.mark.parametrize("wanted", ["xvdb", "/srv/web1.img", "/data/web1.img"])
def test_an_image_grows_in_whole_mebibytes(wanted: str) -> None:
    assert with_image("+1G", wanted).described() == "xvdb, /data/web1.img: 2G to 3G"
    assert with_image("2.0001G").size == 2 * GIB + MIB
    assert not with_image("2G").grows and with_image("5G").volume.path == IMAGE.path


@pytest.mark.parametrize(("size", "disk", "words", "hint"), [
    ("1G", "file:/srv/web1.img,xvdb,w", "/data/web1.img has 2G already: a disk is never made smaller", "+1G"),
    ("6G", "file:/srv/web1.img,xvdb,w", "/data has 3G free, 4G more are needed", "df"),
    ("+1G", "tap:qcow2:/srv/web1.img,xvdb,w", "/srv/web1.img is an image in the format qcow2", "raw"),
    ("+1G", "/srv/web1.img,qcow2,xvdb,w", "/srv/web1.img is an image in the format qcow2", "raw"),
    ("+1G", "file:/srv/web1.img,xvdb,r", "no disk 'xvdb' that it may write", "xvda1"),
])
def test_an_image_that_cannot_grow_is_told_with_what_to_do(size: str, disk: str, words: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        with_image(size, disk=disk)
    assert words in caught.value.message and hint in caught.value.hint and caught.value.status == 2


def test_the_command_for_the_domu_follows_its_filesystem() -> None:
    assert grow.command("ext4", "xvda2") == "resize2fs /dev/xvda2"
    assert grow.command("xfs", "xvda2") == "xfs_growfs /dev/xvda2"
    assert grow.command("crypto_LUKS", "xvda2") == ""
