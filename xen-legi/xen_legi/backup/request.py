"""What a sender asks of a receiver at `begin`: the domU, its configuration and its volumes. JSON between the two.

The receiver believes nothing of it: everything is checked for its form here, before it is used for anything.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xen_legi.errors import die
from xen_legi.peers.words import NAME
from xen_legi.storage.identity import FILES, RAW, SWAP, Identity

FORMAT = 1
NOTHING = "nothing"
MAX_VOLUMES = 64
MAX_CONFIG = 64 * 1024
_SECTOR = 512
# only ever compared with a path in the configuration and replaced there; xl puts /dev/ before vg0/web1-disk
PATH = r"(?:/|[A-Za-z0-9_+][A-Za-z0-9_.+-]*/)[A-Za-z0-9_.+/:@-]{1,300}"


@dataclass(frozen=True)
class VolumeRequest:
    """One volume: its name in the copy, its path in the configuration, its size in bytes and its filesystem."""

    name: str
    path: str
    size: int
    identity: Identity
    ghost: str = ""  # what names the ghost that is sent, if it may become a base: the UUID that lvm2 gave it

    @property
    def files(self) -> bool:
        """Tell whether this volume's files are sent."""
        return self.identity.type in FILES

    @property
    def raw(self) -> bool:
        """Tell whether its blocks are sent, whatever they are."""
        return self.identity.type == RAW

    @property
    def kind(self) -> str:
        """What it holds, in a word that may be a tag: ext4, swap, crypto_LUKS, gpt; nothing, where blkid knows nothing."""
        word = self.identity.label if self.raw else self.identity.type
        return re.sub(r"[^A-Za-z0-9_.-]", "_", word) or NOTHING

    @property
    def sent(self) -> bool:
        """Tell whether it is sent; else it is made anew."""
        return self.files or self.raw


@dataclass(frozen=True)
class BootFile:
    """A kernel or ramdisk in dom0 that the domU boots from: its path and the SHA-256 of its content."""

    path: str
    sha256: str


@dataclass(frozen=True)
class CopyRequest:
    """Everything that a receiver needs to make and keep a startable copy."""

    domu: str
    run: str
    generation: int
    config: str
    volumes: tuple[VolumeRequest, ...]
    boot: tuple[BootFile, ...] = ()
    allow_deletes: bool = False

    def volume(self, name: str) -> VolumeRequest:
        """Return the volume of that name; die if this run has none."""
        for one in self.volumes:
            if one.name == name:
                return one
        die(f"this run of {self.domu} has no volume {name!r}")


def to_json(request: CopyRequest) -> str:
    """Return the request as it goes over the wire and as the receiver keeps it."""
    return json.dumps({"format": FORMAT, **asdict(request)}, indent=1)


def from_json(text: str) -> CopyRequest:
    """Given what a sender sent, return the request. Die naming what is wrong with it."""
    try:
        return _request(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        die(f"refused: the request is not one that we know: {error}", hint="have both hosts the same version of xen-legi?")


def _request(tree: Mapping[str, Any]) -> CopyRequest:
    if tree["format"] != FORMAT:
        raise ValueError(f"format {tree['format']!r}")
    volumes = tuple(_volume(one) for one in tree["volumes"])
    names = {one.name for one in volumes}
    if not 0 < len(volumes) <= MAX_VOLUMES or len(names) != len(volumes):
        raise ValueError("the volumes are none, too many, or two of one name")
    return CopyRequest(
        domu=_match(tree["domu"], NAME, "domu"),
        run=_match(tree["run"], NAME, "run"),
        generation=_number(tree["generation"], 1, 10**9),
        config=_config(tree["config"]),
        volumes=volumes,
        boot=tuple(_boot(one) for one in tree["boot"][:4]),
        allow_deletes=tree["allow_deletes"] is True,
    )


def _config(value: Any) -> str:
    text = _match(value, rf"[\s\S]{{1,{MAX_CONFIG}}}", "config")
    text.encode("utf-8", "surrogateescape")  # what could not be written to a file is found now, not after the commit
    return text


def _volume(tree: Mapping[str, Any]) -> VolumeRequest:
    size = _number(tree["size"], _SECTOR, 1 << 60)
    if size % _SECTOR:
        raise ValueError(f"size {size}")
    identity = _identity(tree["identity"])
    if identity.blocks * identity.block_size > size:
        raise ValueError("a filesystem that is larger than its volume")
    path = _match(tree["path"], PATH, "path")
    ghost = _match(tree.get("ghost", ""), r"[A-Za-z0-9-]{0,64}", "ghost")  # older senders have none
    return VolumeRequest(_match(tree["name"], NAME, "name"), path, size, identity, ghost)


def _identity(tree: Mapping[str, Any]) -> Identity:
    return Identity(
        type=_match(tree["type"], "|".join((*FILES, SWAP, RAW)), "type"),
        uuid=_match(tree["uuid"], r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?", "uuid"),
        label=_match(tree["label"], r"[^\x00-\x1f\x7f]{0,16}", "label"),
        block_size=_number(tree["block_size"], 0, 65536),
        blocks=_number(tree["blocks"], 0, 1 << 50),
        inode_size=_number(tree["inode_size"], 0, 4096),
        inodes=_number(tree["inodes"], 0, 1 << 32),
        reserved=_number(tree["reserved"], 0, 1 << 50),
        features=tuple(_match(one, r"[a-zA-Z0-9_]{1,30}(?:=[01])?", "feature") for one in tree["features"][:64]),
    )


def _boot(tree: Mapping[str, Any]) -> BootFile:
    path = _match(tree["path"], r"/[A-Za-z0-9_.+/~-]{1,300}", "path")
    if ".." in path.split("/"):
        raise ValueError("a path with ..")
    return BootFile(path, _match(tree["sha256"], r"[0-9a-f]{64}", "sha256"))


def _match(value: Any, pattern: str, what: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(f"{what} {str(value)[:60]!r}")
    return value


def _number(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"number {value!r}")
    return value
