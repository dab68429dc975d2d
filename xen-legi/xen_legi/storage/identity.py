"""The identity of a filesystem: what a copy must have in common with its original, so that the guest finds it.

The guest's fstab names UUIDs and labels, its boot loader and its kernel know only the features that its own mkfs made.
rsync carries none of that, so the copy's filesystem is made with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import fail
from xen_legi.run import run

EXT = ("ext2", "ext3", "ext4")
FILES = (*EXT, "xfs")  # copied file by file
MAKE_TIMEOUT = 1800  # seconds for each of the commands that make one, two at most
SWAP = "swap"  # not copied but made anew with the same identity
RAW = "raw"  # everything else: copied block by block, whatever it is
# features that come and go while a filesystem is used: the journal's, and what the kernel adds at the first need
_TRANSIENT = frozenset(("needs_recovery", "orphan_present"))
_DYNAMIC = _TRANSIENT | {"large_file", "ext_attr", "dir_nlink", "large_dir", "ea_inode", "verity"}
_XFS_META = ("crc", "finobt", "rmapbt", "reflink", "bigtime", "inobtcount")
_XFS_INODE = ("sparse", "nrext64")


@dataclass(frozen=True)
class Identity:
    """What blkid, dumpe2fs or xfs_info say of a filesystem. Sizes in bytes, except `blocks`. Swap has only names; what
    is raw has in place of a label what blkid takes it for, if anything."""

    type: str
    uuid: str
    label: str = ""
    block_size: int = 0
    blocks: int = 0
    inode_size: int = 0
    inodes: int = 0
    reserved: int = 0
    features: tuple[str, ...] = ()

    def same(self, other: "Identity") -> bool:
        """Tell whether a volume with the identity `other` can go on as the copy of a volume with this one."""
        return _lasting(self) == _lasting(other)


def method(values: Mapping[str, str]) -> str:
    """Given what blkid says of a volume, return how it is copied: files, swap (made anew), or blocks."""
    kind = values.get("TYPE", "")
    if kind in FILES:
        return "files"
    return "swap" if kind == SWAP else "blocks"


def blkid(device: Path) -> dict[str, str]:
    """Return what blkid reads on a device itself, past every cache: TYPE, UUID, LABEL, PTTYPE, ..."""
    return parse_blkid(run(["blkid", "-p", "-o", "export", device], ok=(0, 2, 8), timeout=60).stdout)


def parse_blkid(text: str) -> dict[str, str]:
    """Given the lines of blkid -o export, return them by name."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


def of_image(file: Path) -> Identity:
    """Return the identity of a disk image: what is in it goes block by block, whatever it is."""
    return _raw(blkid(file))


def _raw(values: Mapping[str, str]) -> Identity:
    return Identity(RAW, "", (values.get("TYPE") or values.get("PTTYPE") or "")[:16])


def probe(device: Path) -> Identity:
    """Return the identity of what is on a device."""
    values = blkid(device)
    how = method(values)
    if how == "blocks":
        return _raw(values)
    if how == SWAP:
        return Identity(SWAP, values.get("UUID", ""), values.get("LABEL", ""))
    if values["TYPE"] == "xfs":
        return parse_xfs(run(["xfs_info", device], timeout=60).stdout, values)
    return parse_ext(run(["dumpe2fs", "-h", device], timeout=60).stdout, values["TYPE"])


def parse_ext(text: str, kind: str) -> Identity:
    """Given what dumpe2fs -h printed, return the identity."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in pairs}
    label = values["Filesystem volume name"]
    return Identity(
        type=kind,
        uuid=values["Filesystem UUID"],
        label="" if label == "<none>" else label,
        block_size=int(values["Block size"]),
        blocks=int(values["Block count"]),
        inode_size=int(values.get("Inode size", "128")),
        inodes=int(values["Inode count"]),
        reserved=int(values["Reserved block count"]),
        features=tuple(sorted(set(values["Filesystem features"].split()) - _TRANSIENT)),
    )


def parse_xfs(text: str, values: Mapping[str, str]) -> Identity:
    """Given what xfs_info and blkid said, return the identity."""
    said = dict(re.findall(r"([a-z0-9-]+)=(\d+)", text.split("naming", 1)[0]))
    data = dict(re.findall(r"([a-z]+)=(\d+)", text.split("\ndata", 1)[1].split("naming", 1)[0]))
    return Identity(
        type="xfs",
        uuid=values.get("UUID", ""),
        label=values.get("LABEL", ""),
        block_size=int(data["bsize"]),
        blocks=int(data["blocks"]),
        inode_size=int(said["isize"]),
        features=tuple(f"{name}={said[name]}" for name in (*_XFS_META, *_XFS_INODE) if name in said),
    )


def make(one: Identity, device: Path) -> None:
    """Make a filesystem or swap space of this identity on a device. Fail if it came out different. What is copied block by
    block needs nothing to be there before."""
    if one.type == RAW:
        return
    for argv in commands(one, device):
        run(argv, timeout=MAKE_TIMEOUT)
    if not one.same(made := probe(device)):
        differ = set(one.features) ^ set(made.features)
        hint = f"they differ in {', '.join(sorted(differ - _DYNAMIC))}; is this host's Debian older?" if differ else ""
        fail(f"the {one.type} that this host makes is not like the original", hint=hint)


def commands(one: Identity, device: Path) -> list[list[str]]:
    """Return the commands that make this identity on a device."""
    if one.type == SWAP:
        return [["mkswap", *_named("-U", one.uuid), *_named("-L", one.label), str(device)]]
    return _xfs(one, device) if one.type == "xfs" else _ext(one, device)


def _ext(one: Identity, device: Path) -> list[list[str]]:
    features = ",".join(("none", *(name for name in one.features if name not in _TRANSIENT)))
    shape = ["-b", str(one.block_size), "-I", str(one.inode_size), "-N", str(one.inodes)]
    names = [*_named("-U", one.uuid), *_named("-L", one.label)]
    return [
        ["mke2fs", "-q", "-F", "-t", one.type, "-O", features, *shape, *names, str(device), str(one.blocks)],
        ["tune2fs", "-r", str(one.reserved), str(device)],
    ]


def _xfs(one: Identity, device: Path) -> list[list[str]]:
    has = dict(feature.split("=") for feature in one.features)
    meta = ",".join([f"{name}={has[name]}" for name in _XFS_META if name in has] + [f"uuid={one.uuid}"])
    inode = ",".join([f"size={one.inode_size}"] + [f"{name}={has[name]}" for name in _XFS_INODE if name in has])
    size = ["-b", f"size={one.block_size}", "-d", f"size={one.blocks * one.block_size}"]
    return [["mkfs.xfs", "-q", "-f", "-m", meta, "-i", inode, *size, *_named("-L", one.label), str(device)]]


def _named(option: str, value: str) -> list[str]:
    return [option, value] if value else []


def _lasting(one: Identity) -> tuple[object, ...]:
    features = frozenset(one.features) - _DYNAMIC
    return (one.type, one.uuid, one.label, one.block_size, one.blocks, one.inode_size, features)
