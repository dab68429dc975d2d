"""domUs whose disks are image files: copied from a snapshot of the volume that they are on, while they are written."""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import LAST, image_domu, leftovers, report
from domus import run_killed

COPY = "/dev/vg1/img2-disk.copy"
MIB = 1 << 20
RUN = "backup-domu run img2 --to vg1"


@pytest.fixture(scope="module")
def image(store: Host) -> Iterator[str]:
    """The file that is the disk of img2, 9 MiB, on the store."""
    with image_domu(store, "img2") as file:
        yield file


@pytest.fixture
def device(store: Host, image: str) -> Iterator[str]:
    """A loop device on the image, as a running domU has one."""
    name = store.check_output(f"losetup --find --show {image}").strip()
    yield name
    store.check_output(f"losetup -d {name}")


def same(host: Host, image: str) -> None:
    """Assert that the copy is what the image is, and that nothing is left."""
    host.check_output(f"cmp -n {9 * MIB} {image} {COPY} && "
                      f"cmp -n {2 * MIB} {image.replace('disk', 'more')} {COPY.replace('disk', 'more')}")
    uuids = [host.check_output(f"blkid -p -s UUID -o value {one.replace('disk', 'swap')}") for one in (image, COPY)]
    assert uuids[0] and uuids[0] == uuids[1]
    assert "images.ghost" not in host.check_output("lvs") and leftovers(host) == []
    assert host.check_output("grep -c images /proc/mounts").strip() == "1"


def test_what_a_running_domu_wrote_a_moment_ago_is_in_the_copy(store: Host, image: str, device: str) -> None:
    assert "vg0/images:img2/disk.img" in store.check_output("backup-domu plan img2 --to vg1")
    store.check_output(f"dd if=/dev/urandom of={device} bs=1M seek=3 count=2 conv=notrunc status=none")  # and no sync
    result = store.run(RUN)
    assert result.rc == 0, result.stdout + result.stderr
    same(store, image)
    text = store.check_output("cat /etc/xen/copies/vg1/img2.cfg")
    assert f"'file:{COPY},xvda,w'" in text


@pytest.mark.long
def test_the_next_night_sends_what_changed(store: Host, image: str, device: str) -> None:
    store.check_output(f"{RUN} && head -c 700 /dev/urandom | dd of={device} bs=1 seek=5000000 conv=notrunc status=none")
    result = store.run(RUN)
    assert result.rc == 0, result.stdout + result.stderr
    assert report(store)[0]["bytes"] == 256 << 10
    same(store, image)


@pytest.mark.long
@pytest.mark.parametrize("point", ["backup:ghosts-mounted", "backup:sending-blocks"])
def test_a_run_that_is_killed_leaves_nothing_after_the_next(store: Host, image: str, device: str, point: str) -> None:
    store.check_output(f"dd if=/dev/urandom of={device} bs=1M seek=6 count=1 conv=notrunc status=none")
    assert run_killed(store, point, RUN).rc == 137
    result = store.run(RUN)
    assert result.rc == 0, result.stdout + result.stderr
    same(store, image)


@pytest.mark.long
def test_an_image_that_no_snapshot_can_show_is_a_failed_row_and_so_is_one_that_is_not_raw(store: Host, image: str) -> None:
    for disk, said in (("file:/var/tmp/img3.img", "but on no logical volume"), (f"tap:qcow2:{image}", "in the format qcow")):
        config = f"name = 'img3'\\nmemory = 32\\ndisk = ['{disk},xvda,w']\\n"
        store.check_output(f"truncate -s 1M /var/tmp/img3.img; printf \"{config}\" > /etc/xen/img3.cfg; rm -f {LAST}")
        try:
            assert store.run("backup-domu run img3 --to vg1").rc == 3
            assert said in report(store)[0]["message"]
        finally:
            store.check_output("rm -f /etc/xen/img3.cfg /var/tmp/img3.img")
