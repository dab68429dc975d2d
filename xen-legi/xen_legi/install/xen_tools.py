"""What a file in the form of xen-tools.conf says of a new domU, for those who keep one. See xen-create-image(8).

It stands in for the words of the command line that were not given there. Where two words exclude each other and one of them
was given, the file does not say the other one. What has no meaning here is named; what would make another domU than the file
means is refused.
"""

import argparse
import re
from pathlib import Path

from xen_legi.errors import CommandFailed, die
from xen_legi.install.methods import DEFAULT, uses
from xen_legi.install.model import FILESYSTEMS
from xen_legi.run import run
from xen_legi.steps import warn

# key of the file: our word, as argparse keeps it
_SAME = {
    "bridge": "bridge", "dir": "dir", "dist": "dist", "finalrole": "finalrole", "fs": "fs", "gateway": "gateway",
    "install-method": "method", "install-source": "source", "lvm": "lvm", "lvm_thin": "thin", "mac": "mac",
    "maxmem": "maxmem", "memory": "memory", "mirror": "mirror", "netmask": "netmask", "partitions": "partitions",
    "password": "password", "role": "role", "role-args": "role_args", "roledir": "roledir", "size": "size",
    "swap": "swap", "vcpus": "vcpus",
}  # fmt: skip
_FLAGS = {"dhcp": "dhcp", "noswap": "noswap", "passwd": "passwd"}
_LISTS = {"ip": "ip", "nameserver": "nameserver", "vlan": "vlan"}
_WORDS = _SAME | _FLAGS | _LISTS
_METHODS = {"debootstrap": "debootstrap", "cdebootstrap": "debootstrap", "tar": "tar", "copy": "copy"}
# what cannot be had: the domU would not be what the file describes
_REFUSED = {
    "evms": "EVMS is not known here: lvm = VG names a volume group",
    "zpool": "ZFS is not known here: lvm = VG names a volume group",
    "image-dev": "devices are not named here: lvm = VG names a volume group",
}
_DISKS = ("evms", "zpool", "image-dev")
# words that exclude each other: one given on the command line silences the others
_RIVALS = (
    ("ip", "dhcp"), ("vlan", "bridge"), ("partitions", "size"), ("partitions", "swap"), ("partitions", "noswap"),
    ("partitions", "fs"), ("swap", "noswap"), ("password", "passwd"), ("dir", "lvm"), ("dir", "thin"),
)  # fmt: skip
_LINE = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<value>.*?)\s*")
_PATIENCE = 60  # seconds for a command in a value


def apply(options: argparse.Namespace, file: Path) -> None:
    """Complete what was said on the command line by what the file says. Die for what cannot be read or cannot be done."""
    try:
        said = parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, ValueError) as error:
        die(f"{file}: {getattr(error, 'strerror', '') or 'is no text'}", hint="usually /etc/xen-tools/xen-tools.conf")
    for key in (one for one in _REFUSED if said.get(one) and not (options.lvm and one in _DISKS)):
        die(f"{file}: {key} = {said[key]} has no counterpart", hint=_REFUSED[key])
    _complete(options, {key: value for key, value in said.items() if key in _WORDS}, str(file))
    if unused := sorted(key for key in said if key not in _WORDS):
        warn(f"{file}: not used: {', '.join(unused)}")


def parse(text: str, where: str) -> dict[str, str]:
    """Given the text of a file, return its keys and values. A backslash at the end of a line goes on in the next one."""
    found = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if not bare:
            continue
        match = _LINE.fullmatch(bare)
        if not match:
            die(f"{where}: {bare!r} is no setting", hint="a line is: key = value")
        found[match["key"]] = match["value"]
    return found


def _complete(options: argparse.Namespace, said: dict[str, str], where: str) -> None:
    given = {name for name, value in vars(options).items() if value not in ("", None, False, [])}
    given |= {"thin"} if options.thin is not None else set()  # "": no pool
    silent = given | {pair[not at] for pair in _RIVALS for at in (0, 1) if pair[at] in given}
    silent |= {"thin"} if "lvm" in given else set()  # the file's pool is one of the file's group
    if "partitions" not in silent and said.get("partitions"):
        silent |= {"size", "swap", "noswap", "fs"}
    words = {_WORDS[key]: key for key, value in said.items() if value and _WORDS[key] not in silent}
    if "method" in words:
        options.method = _value(words.pop("method"), said, where)
    for name in {"dist", "source", "mirror"} - set(uses(options.method or DEFAULT)):
        words.pop(name, None)
    for name, key in words.items():
        setattr(options, name, _value(key, said, where))
    # in the file they are for addresses that need them
    if "netmask" in words and all("/" in one or one == "dhcp" for one in options.ip):
        options.netmask = ""
    if "gateway" in words and all(one == "dhcp" for one in options.ip):
        options.gateway = ""


def _value(key: str, said: dict[str, str], where: str) -> object:
    """Return a value as argparse would have it. Die for what is no choice."""
    value = _output(said[key], f"{where}: {key}")
    if key in _FLAGS:
        return value.lower() not in ("0", "no", "false")
    if key in _LISTS:
        return value.split()
    for choice, known in (("install-method", _METHODS), ("fs", FILESYSTEMS)):
        if key == choice and value not in known:
            die(f"{where}: {key} = {value} is not known here", hint=f"known are {', '.join(known)}")
    return _METHODS[value] if key == "install-method" else value


def _output(value: str, where: str) -> str:
    """Return a value; where it is `a command`, what that prints, as xen-tools does it."""
    if not (match := re.fullmatch(r"(.*?)`([^`]+)`(.*)", value)):
        return value
    try:
        printed = run(["/bin/sh", "-c", match[2]], timeout=_PATIENCE).stdout.strip()
    except CommandFailed as failed:
        die(f"{where}: `{match[2]}` failed: {failed.stderr.strip() or 'it says nothing'}", hint="write the value itself")
    return f"{match[1]}{printed}{match[3]}"
