"""What a file in the form of xen-tools.conf says of a new domU, for those who keep one. See xen-create-image(8).

It stands in for the words of the command line that were not given there. Where two words exclude each other and one of them
was given, the file does not say the other one. What has no meaning here is named; what would make another domU than the file
means is refused.
"""

import argparse
import re
from pathlib import Path

from xen_legi.errors import CommandFailed, die
from xen_legi.install import mirror
from xen_legi.install.addressing import family, fixed_families, need_netmask
from xen_legi.install.methods import DEFAULT, uses
from xen_legi.install.model import FILESYSTEMS
from xen_legi.install.release import ARCHITECTURES
from xen_legi.run import run
from xen_legi.steps import warn

# key of the file: our word, as argparse keeps it
_SAME = {
    "arch": "arch", "bridge": "bridge", "dir": "dir", "dist": "dist", "finalrole": "finalrole", "fs": "fs",
    "install-method": "method", "install-source": "source", "keyring": "keyring", "lvm": "lvm", "lvm_thin": "thin",
    "mac": "mac", "maxmem": "maxmem", "memory": "memory", "mirror": "mirror", "netmask": "netmask",
    "partitions": "partitions", "password": "password", "role": "role", "role-args": "role_args", "roledir": "roledir",
    "size": "size", "swap": "swap", "vcpus": "vcpus",
}  # fmt: skip
_FLAGS = {"dhcp": "dhcp", "noswap": "noswap", "passwd": "passwd"}
_LISTS = {"gateway": "gateway", "ip": "ip", "nameserver": "nameserver", "vlan": "vlan"}
_WORDS = _SAME | _FLAGS | _LISTS
_METHODS = {"debootstrap": "debootstrap", "cdebootstrap": "debootstrap", "tar": "tar", "copy": "copy"}
# what cannot be had: the domU would not be what the file describes
_REFUSED = {
    "evms": "EVMS is not known here: lvm = VG names a volume group",
    "zpool": "ZFS is not known here: lvm = VG names a volume group",
    "image-dev": "devices are not named here: lvm = VG names a volume group",
    "apt_proxy": "the proxy of this host's apt is used: Acquire::http::Proxy in apt.conf(5); a role can set the guest's",
}
_DISKS = ("evms", "zpool", "image-dev")
# what is the same in every domU of ours; arch can be another one with a method that has a word for it
_USUAL = {"arch": ARCHITECTURES[0], "disk_device": "xvda", "serial_device": "hvc0"}
_OF_SUITE = ("mirror", "keyring")  # mirror_bookworm = ... is what holds for that suite
# words that exclude each other: one given on the command line silences the others
_RIVALS = (
    ("ip", "dhcp"), ("vlan", "bridge"), ("partitions", "size"), ("partitions", "swap"), ("partitions", "noswap"),
    ("partitions", "fs"), ("swap", "noswap"), ("password", "passwd"), ("dir", "lvm"), ("dir", "thin"),
)  # fmt: skip
_LINE = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<value>.*?)\s*")
_COMMAND = re.compile(r"(.*?)`([^`]+)`(.*)")
_PATIENCE = 60  # seconds for a command in a value
# What xen-tools' own file asks for this host's suite. Debian 13 has no such program, and Debian 12's cannot read deb822.
_GUESS = re.compile(r"\s*(?:/usr/bin/)?xt-guess-suite-and-mirror\s+(?:(--suite|-s)|--mirror|-m)\s*")


def apply(options: argparse.Namespace, file: Path) -> None:
    """Complete what was said on the command line by what the file says. Die for what cannot be read or cannot be done."""
    try:
        said = parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, ValueError) as error:
        die(f"{file}: {getattr(error, 'strerror', '') or 'is no text'}", hint="usually /etc/xen-tools/xen-tools.conf")
    for key in (one for one in _REFUSED if said.get(one) and not (options.lvm and one in _DISKS)):
        die(f"{file}: {key} = {said[key]} has no counterpart", hint=_REFUSED[key])
    _complete(options, said, str(file))
    known = {*_WORDS, *_USUAL, *(key for key in said if _of_suite(key) not in ("", options.dist) and options.dist)}
    known |= {f"{name}_{options.dist}" for name in _OF_SUITE if options.dist}
    if unused := sorted(set(said) - known):
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


def _silent(options: argparse.Namespace, said: dict[str, str]) -> set[str]:
    """Return the words of ours of which the file does not say anything: they are given, or what is given excludes them."""
    given = {name for name, value in vars(options).items() if value not in ("", None, False, [])}
    given |= {"thin"} if options.thin is not None else set()  # "": no pool
    silent = given | {pair[not at] for pair in _RIVALS for at in (0, 1) if pair[at] in given}
    silent |= {"thin"} if "lvm" in given else set()  # the file's pool is one of the file's group
    if "partitions" not in silent and said.get("partitions"):
        silent |= {"size", "swap", "noswap", "fs"}
    return silent


def _complete(options: argparse.Namespace, said: dict[str, str], where: str) -> None:
    silent = _silent(options, said)
    words = {_WORDS[key]: key for key, value in said.items() if value and _WORDS.get(key, "") not in silent | {""}}
    for name in (one for one in ("method", "dist") if one in words):
        setattr(options, name, _value(words.pop(name), said, where, options.dry_run))
    used = uses(options.method or DEFAULT)
    meant = {name: f"{name}_{options.dist}" for name in _OF_SUITE if name not in silent}
    words |= {name: key for name, key in meant.items() if said.get(key)}
    for key in (one for one in _USUAL if said.get(one) and not (one in silent or one in used)):
        _need_usual(key, said[key], where)
    for name in {"source", "arch", *_OF_SUITE} - set(used):
        words.pop(name, None)
    for name, key in words.items():
        setattr(options, name, _value(key, said, where, options.dry_run))
    # in the file they are for addresses that need them
    if "netmask" in words and not need_netmask(options.ip):
        options.netmask = ""
    if "gateway" in words:
        options.gateway = [one for one in options.gateway if family(one) in fixed_families(options.ip)]


def _of_suite(key: str) -> str:
    """Return the suite for which a key is meant; nothing for any."""
    name, _, suite = key.partition("_")
    return suite if name in _OF_SUITE else ""


def _need_usual(key: str, value: str, where: str) -> None:
    """Die if a value is another one than every domU of ours has."""
    if value != _USUAL[key]:
        hint = "--method debootstrap has other ones" if key == "arch" else f"take the line out: it is always {_USUAL[key]}"
        die(f"{where}: {key} = {value} has no counterpart", hint=hint)


def _value(key: str, said: dict[str, str], where: str, dry: bool) -> object:
    """Return a value as argparse would have it. Die for what is no choice, and for a command in a `dry` run."""
    if dry and (match := _COMMAND.fullmatch(said[key])) and not _GUESS.fullmatch(match[2]):
        die(f"{where}: {key} = {said[key]} is known when the command is run, which --dry-run does not",
            hint=f"say --{key.replace('_', '-')} beside it")
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
    if not (match := _COMMAND.fullmatch(value)):
        return value
    if guess := _GUESS.fullmatch(match[2]):
        return f"{match[1]}{_guessed(suite=bool(guess[1]), where=where)}{match[3]}"
    try:
        printed = run(["/bin/sh", "-c", match[2]], timeout=_PATIENCE).stdout.strip()
    except CommandFailed as failed:
        die(f"{where}: `{match[2]}` failed: {failed.stderr.strip() or 'it says nothing'}", hint="write the value itself")
    return f"{match[1]}{printed}{match[3]}"


def _guessed(*, suite: bool, where: str) -> str:
    """Return the suite that this host has from Debian, or where from."""
    known = mirror.ask()
    found = mirror.own_suite(known) if suite else mirror.uri_of(known, "Debian")
    if not found:
        die(f"{where}: this host's apt has no source of Debian to tell it", hint="write the value itself, or give it beside")
    return found
