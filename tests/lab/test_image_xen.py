"""Image files of a domain that Xen has: what may be done with them while they are on its loop devices. No guest runs.

The domain img4 is made and stays paused; its kernel is web1's, and never gets a processor.
"""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import image_domu, in_disk
from domus import make_web1, refused, state

NAME = "img4"
FILE = f"/etc/xen/{NAME}.cfg"


@pytest.fixture
def image(dom0a: Host, dom0b: Host) -> Iterator[str]:
    """The first disk of img4, whose images are on a logical volume; it is off, and has a root with an /etc."""
    make_web1(dom0a, dom0b)
    dom0a.run(f"xl destroy {NAME}; xen-legi delete img5 --yes")
    with image_domu(dom0a, NAME) as file:
        dom0a.check_output(f"grep -E '^(kernel|ramdisk) ' /etc/xen/web1.cfg >> {FILE} && "
                           f"sed -i 's/^memory.*/memory = 256/' {FILE} && echo \"root = '/dev/xvda ro'\" >> {FILE}")
        in_disk(dom0a, f"mkdir /run/look/etc; echo {NAME} > /run/look/etc/hostname", file, "loop")
        try:
            yield file
        finally:
            dom0a.run(f"xl destroy {NAME}; xen-legi delete img5 --yes; rm -rf /srv/images/img5; udevadm settle; sleep 2")


@pytest.fixture
def paused(dom0a: Host, image: str) -> Iterator[str]:
    """The same, while Xen has the domain."""
    dom0a.check_output(f"xl create -p -q {FILE}")
    yield image
    dom0a.run(f"xl destroy {NAME}")
    dom0a.check_output(f"for try in $(seq 100); do test -z \"$(losetup -n -j {image})\" && break; sleep 0.1; done")


def loop_bytes(host: Host, image: str) -> int:
    """Return the bytes of the loop device that is on an image."""
    return int(host.check_output(f"blockdev --getsize64 $(losetup --noheadings --output NAME --associated {image})"))


def test_an_image_grows_under_its_domain_and_the_loop_device_with_it(dom0a: Host, paused: str) -> None:
    assert loop_bytes(dom0a, paused) == 9 << 20
    said = dom0a.check_output(f"xen-legi resize {NAME} --size +3M")
    assert "xvda has 12M; the domU sees it when it next uses the disk" in said and "resize2fs /dev/xvda" in said
    assert loop_bytes(dom0a, paused) == 12 << 20 == int(dom0a.check_output(f"stat -c %s {paused}"))


@pytest.mark.long
def test_an_image_that_is_on_no_loop_device_of_the_domain_keeps_its_size(dom0a: Host, paused: str) -> None:
    more = f"{paused}.more"
    dom0a.check_output(f"truncate -s 1M {more}; sed -i.saved \"s#disk = \\[#&'{more},raw,xvdd,w', #\" {FILE}")
    before = state(dom0a)
    result = dom0a.run(f"xen-legi resize {NAME} --size +1M --disk xvdd")
    refused(result)
    assert "xvdd of img4 is on no loop device" in result.stderr
    assert state(dom0a) == before and dom0a.check_output(f"stat -c %s {more}") == str(1 << 20)


def test_images_on_a_volume_are_cloned_while_their_domain_is_there(dom0a: Host, paused: str) -> None:
    before = state(dom0a)
    device = dom0a.check_output(f"losetup --noheadings --output NAME --associated {paused.replace('disk', 'more')}").strip()
    # as the back end writes: into the file's pages, past those of the device, which nobody writes back while Xen has it open
    dom0a.check_output(f"dd if=/dev/urandom of={device} bs=1M count=1 oflag=direct conv=notrunc status=none")
    dom0a.check_output(f"xen-legi clone {NAME} img5 --no-start")
    theirs = paused.replace(NAME, "img5")
    dom0a.check_output(f"cmp {paused.replace('disk', 'more')} {theirs.replace('disk', 'more')}")
    assert dom0a.check_output(f"debugfs -R 'cat /etc/hostname' {theirs} 2>/dev/null") == "img5"
    dom0a.check_output("xen-legi delete img5 --yes")
    assert state(dom0a) == before


@pytest.mark.long
def test_images_on_no_volume_are_cloned_only_while_the_domu_is_off(dom0a: Host, image: str) -> None:
    place = f"/var/tmp/{NAME}"
    dom0a.check_output(f"mkdir -p {place} && cp --sparse=always /srv/images/{NAME}/*.img {place}/ && "
                       f"sed -i 's#/srv/images/#/var/tmp/#g' {FILE} && xl create -p -q {FILE}")
    try:
        before = state(dom0a)
        result = dom0a.run(f"xen-legi clone {NAME} img5 --no-start")
        refused(result)
        assert "is copied only while img4 is off" in result.stderr and "xen-legi stop img4" in result.stderr
        assert state(dom0a) == before and dom0a.run("test -e /var/tmp/img5").rc == 1
        dom0a.check_output(f"xl destroy {NAME}; xen-legi clone {NAME} img5 --no-start && "
                           f"cmp {place}/more.img /var/tmp/img5/more.img && xen-legi delete img5 --yes")
    finally:
        dom0a.run(f"xl destroy {NAME}; xen-legi delete img5 --yes; rm -rf {place} /var/tmp/img5")
