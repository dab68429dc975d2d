"""On which device a file of dom0 is, by what the kernel tells of mounts."""

import pytest
from xen_legi.storage import places
from xen_legi.storage.places import Spot

MOUNTS = places.parse(r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
40 22 253:0 / /srv/images rw shared:20 - xfs /dev/mapper/vg0-images rw
41 22 253:1 /deep/er /srv/a\040b rw - ext4 /dev/mapper/vg0-more rw
42 40 253:2 / /srv/images/new rw - ext4 /dev/mapper/vg0-old rw
43 42 253:3 / /srv/images/new rw - ext4 /dev/mapper/vg0-new rw
broken line
""")


@pytest.mark.parametrize("file, spot", [
    ("/srv/web1.img", Spot("254:1", "ext4", "srv/web1.img")), ("/srv/images/web1.img", Spot("253:0", "xfs", "web1.img")),
    ("/srv/imagesx/web1.img", Spot("254:1", "ext4", "srv/imagesx/web1.img")),
    ("/srv/a b/web1/disk.img", Spot("253:1", "ext4", "deep/er/web1/disk.img")),
    ("/srv/images/new/disk.img", Spot("253:3", "ext4", "disk.img")),
])
def test_a_file_is_on_what_is_mounted_nearest_above_it_and_last(file: str, spot: Spot) -> None:
    assert places.spot(file, MOUNTS) == spot


def test_where_nothing_is_mounted_there_is_no_spot() -> None:
    assert places.spot("/srv/web1.img", []) is None


def test_what_is_no_device_has_no_number(tmp_path: places.Path) -> None:
    assert places.number(tmp_path / "nothing") == "" and places.number(places.Path("/dev/null")) == "1:3"


def test_this_host_is_asked_as_it_is() -> None:
    found = places.where("/proc/self/mountinfo")
    assert found and found.kind == "proc" and found.within == "self/mountinfo"
