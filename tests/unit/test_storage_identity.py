"""Filesystems are recognised by what Debian's tools print, and made again with the same identity."""

from dataclasses import replace
from pathlib import Path

import pytest
from xen_legi.storage import identity

DEVICE = Path("/dev/vg0/web1-disk.copy")
DUMPE2FS = """\
Filesystem volume name:   <none>
Last mounted on:          /
Filesystem UUID:          0fc8d1d1-7a5e-4f3c-9d3e-6f0a3f0b8a11
Filesystem magic number:  0xEF53
Filesystem revision #:    1 (dynamic)
Filesystem features:      has_journal ext_attr resize_inode dir_index orphan_file filetype needs_recovery extent 64bit \
flex_bg metadata_csum_seed sparse_super large_file huge_file dir_nlink extra_isize metadata_csum orphan_present
Filesystem state:         clean
Inode count:              131072
Block count:              524288
Reserved block count:     26214
Free blocks:              300000
Block size:               4096
Inode size:\t          256
Default directory hash:   half_md4
"""
XFS_INFO = """\
meta-data=/dev/vg0/data          isize=512    agcount=4, agsize=65536 blks
         =                       sectsz=512   attr=2, projid32bit=1
         =                       crc=1        finobt=1, sparse=1, rmapbt=0
         =                       reflink=1    bigtime=1 inobtcount=1 nrext64=0
data     =                       bsize=4096   blocks=262144, imaxpct=25
         =                       sunit=0      swidth=0 blks
naming   =version 2              bsize=4096   ascii-ci=0, ftype=1
log      =internal log           bsize=4096   blocks=16384, version=2
"""


def test_ext4_is_recognised_without_the_features_of_the_moment() -> None:
    one = identity.parse_ext(DUMPE2FS, "ext4")
    assert (one.label, one.blocks, one.block_size) == ("", 524288, 4096)
    assert (one.inode_size, one.inodes, one.reserved) == (256, 131072, 26214)
    assert "orphan_file" in one.features and "needs_recovery" not in one.features and "orphan_present" not in one.features


def test_a_copy_of_ext4_is_made_with_the_same_names_and_features() -> None:
    one = replace(identity.parse_ext(DUMPE2FS, "ext4"), label="root disk")
    make, tune = identity.commands(one, DEVICE)
    assert make[:5] == ["mke2fs", "-q", "-F", "-t", "ext4"]
    assert make[6].startswith("none,") and "metadata_csum_seed" in make[6].split(",")
    assert {"-U": one.uuid, "-L": "root disk", "-N": "131072", "-I": "256"}.items() <= dict(zip(make, make[1:])).items()
    assert make[-2:] == [str(DEVICE), "524288"]
    assert tune == ["tune2fs", "-r", "26214", str(DEVICE)]


def test_features_that_the_kernel_adds_in_use_do_not_make_a_copy_unfit() -> None:
    one = identity.parse_ext(DUMPE2FS, "ext4")
    young = replace(one, features=tuple(name for name in one.features if name not in ("large_file", "dir_nlink")))
    assert one.same(young)
    assert not one.same(replace(one, blocks=one.blocks * 2))
    assert not one.same(replace(one, label="x"))
    assert not one.same(replace(one, features=tuple(name for name in one.features if name != "metadata_csum")))


def test_xfs_is_recognised_and_made_again() -> None:
    one = identity.parse_xfs(XFS_INFO, {"UUID": "11111111-2222-3333-4444-555555555555", "LABEL": "data"})
    assert (one.block_size, one.blocks, one.inode_size) == (4096, 262144, 512)
    (make,) = identity.commands(one, DEVICE)
    assert "crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=1,inobtcount=1,uuid=11111111-2222-3333-4444-555555555555" in make
    assert "size=512,sparse=1,nrext64=0" in make and f"size={262144 * 4096}" in make


def test_swap_is_made_again_under_its_old_names() -> None:
    one = identity.Identity("swap", "11111111-2222-3333-4444-555555555555")
    assert identity.commands(one, DEVICE) == [["mkswap", "-U", one.uuid, str(DEVICE)]]


@pytest.mark.parametrize("values, how", [
    ({"TYPE": "ext4"}, "files"), ({"TYPE": "xfs"}, "files"), ({"TYPE": "swap"}, "swap"), ({"TYPE": "crypto_LUKS"}, "blocks"),
    ({"TYPE": "btrfs"}, "blocks"), ({"PTTYPE": "gpt"}, "blocks"), ({}, "blocks"),
])
def test_files_where_we_know_the_filesystem_and_blocks_of_everything_else(values: dict[str, str], how: str) -> None:
    assert identity.method(values) == how


def test_blkid_escapes_are_undone() -> None:
    assert identity.parse_blkid("DEVNAME=/dev/x\nLABEL=root\\ disk\nTYPE=ext4\n")["LABEL"] == "root disk"
