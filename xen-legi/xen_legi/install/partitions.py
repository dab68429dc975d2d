"""Several volumes for one domU, from a file in the form of xen-tools' partitions.d: a section for each, NAME-SECTION is its
volume.

    [root]
    size = 2G
    type = ext4
    mountpoint = /
    options = noatime        (what stands in the guest's fstab; may be left out)
"""

import configparser
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from xen_legi.errors import die
from xen_legi.install.model import FILESYSTEMS, SWAP, Partition
from xen_legi.units import parse_size

DIRECTORY = Path("/etc/xen-tools/partitions.d")
TYPES = (*FILESYSTEMS, SWAP)
_KEYS = ("size", "type", "mountpoint", "options")
# what a guest needs before it reads its fstab, and what is none of its disks; /boot is read by GRUB, if by anybody
_WHOLE = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr")


def read(name: str) -> tuple[Partition, ...]:
    """Read a file: a name with a slash is a path, any other is one in xen-tools' directory. Die if it describes no domU."""
    file = Path(name).absolute() if "/" in name else DIRECTORY / name
    try:
        return parse(file.read_text(encoding="utf-8"), file)
    except (OSError, ValueError) as error:
        die(f"{file}: {getattr(error, 'strerror', '') or 'is no text'}", hint="--partitions names a file of partitions")


def parse(text: str, file: Path) -> tuple[Partition, ...]:
    """Given the text of a file, return its partitions in their order. Die naming the section that cannot be."""
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#", ";"), inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        die(f"{file}: {str(error).splitlines()[0]}", hint="a section for each volume: [root], then lines such as size = 2G")
    found = tuple(_partition(name, parser[name], f"{file}, section {name}") for name in parser.sections())
    places = [one.mount for one in found if one.mount]
    if "/" not in places:
        die(f"{file} has no partition for /", hint="one needs: mountpoint = /")
    if len(set(places)) < len(places):
        die(f"{file} has two partitions for the same place", hint="each mountpoint once")
    return found


def _partition(name: str, said: Mapping[str, str], where: str) -> Partition:
    if not re.fullmatch("[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", name):
        die(f"{where} cannot be the name of a volume", hint="letters, digits and dashes")
    for key in said:
        if key not in _KEYS:
            die(f"{where}: {key!r} means nothing", hint=f"known are {', '.join(_KEYS)}")
    kind = said.get("type", "")
    if kind not in TYPES:
        reason = ": a domU's initramfs cannot mount it, nor can a backup copy its files" if kind == "btrfs" else ""
        die(f"{where}: type {kind!r} cannot be made{reason}", hint=f"types are {', '.join(TYPES)}")
    mount = "" if kind == SWAP else _mount(said.get("mountpoint", ""), where)
    options = said.get("options", "")
    if re.search(r"\s", options):
        die(f"{where}: options {options!r} hold a blank", hint="as in fstab(5): noatime,nodev")
    return Partition(name, parse_size(said.get("size", ""), what=f"{where}: size"), kind, mount, options)


def _mount(text: str, where: str) -> str:
    path = PurePosixPath(text)
    if not text.startswith("/") or ".." in path.parts or re.search(r"[\s\\]", text) or text.startswith("//"):
        die(f"{where}: mountpoint {text!r} is no place in the guest", hint="an absolute path: /home")
    if str(path) in _WHOLE or str(path).startswith(tuple(f"{one}/" for one in _WHOLE if one != "/usr")):
        what = "the programs that start the guest, and mount the others, are in it" if str(path) == "/usr" else ""
        die(f"{where}: {path} has to be on the root{what and f': {what}'}",
            hint="leave that section out, and make the root as much larger; /boot, /home, /srv, /tmp and /var can be apart")
    return str(path)
