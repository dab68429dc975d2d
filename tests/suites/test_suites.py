"""Copies between Debian 12 and Debian 13: both ways, what either's programs make is read, written and shown by the other."""

import pytest
from testinfra.host import Host

from backups import RAW, add_raw, backup, digest, in_disk, leftovers, make_tiny, manifest, report, scribble

DISK, COPY = "/dev/vg0/tiny1-disk", "/dev/vg0/tiny1-disk.copy"
RAW_COPY = "/dev/vg0/tiny1-raw.copy"
Way = tuple[Host, Host, str]


@pytest.mark.parametrize(("kind", "size"), [("ext4", "64M"), ("xfs", "320M")])
def test_a_copy_on_the_other_debian_equals_its_domu_and_the_next_one_too(way: Way, kind: str, size: str) -> None:
    source, target, name = way
    make_tiny(source, size=size, kind=kind)
    for generation in (1, 2):
        result = backup(source, f"--to {name}")
        assert result.rc == 0, result.stdout + result.stderr
        (row,) = report(source)
        assert (row["state"], row["generation"], row["message"]) == ("good", generation, "")
        assert manifest(target, COPY) == manifest(source, DISK)
        in_disk(source, f"rm -rf /run/look/etc/deep; echo {generation} > /run/look/etc/new")
    show = "blkid -p -s UUID -s LABEL -s TYPE -o value {}"
    assert target.check_output(show.format(COPY)) == source.check_output(show.format(DISK))
    assert leftovers(source) == [] and leftovers(target) == []


def test_a_disk_of_any_content_on_the_other_debian_equals_the_domus(way: Way) -> None:
    source, target, name = way
    make_tiny(source)
    add_raw(source)
    for place in (5, 3 << 20):
        result = backup(source, f"--to {name}")
        assert result.rc == 0, result.stdout + result.stderr
        assert digest(source, RAW) == digest(target, RAW_COPY)
        scribble(source, place)


def test_each_tells_what_the_other_has_of_it(way: Way) -> None:
    source, target, name = way
    make_tiny(source)
    assert backup(source, f"--to {name}").rc == 0
    assert f"{name}:vg0  good" in source.check_output("backup-domu status || [ $? = 3 ]")
    assert "tiny1" in target.check_output("backup-domu status")
    refused = backup(target, f"--to {name}")  # it has no domU of this name, and is no peer of itself
    assert refused.rc == 2 and "there is no domU 'tiny1'" in refused.stderr
