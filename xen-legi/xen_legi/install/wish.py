"""From the words of the command line and the host's settings to a wish. Dies for what is no size, number or choice."""

import argparse
import getpass
import os
import re
import warnings
from pathlib import Path

from xen_legi.config import Config
from xen_legi.domu.shape import mebibytes, processors
from xen_legi.errors import die
from xen_legi.install import keys, partitions
from xen_legi.install.model import Partition, Wish
from xen_legi.run import run
from xen_legi.units import parse_size

NOT_HASHED = "!"  # in place of a password that nothing is made with; as a hash it would let nobody in
KEYS = Path("/root/.ssh/authorized_keys")


def from_options(options: argparse.Namespace, settings: Config) -> Wish:
    """Return what is wished for."""
    vlans = tuple(_vlan(one) for one in options.vlan)
    return Wish(
        name=_name(options),
        group=options.lvm or settings.volume_group,
        pool=_pool(options, settings),
        directory=_directory(options),
        size=parse_size(options.size or settings.size, what="size"),
        swap=0 if options.noswap else parse_size(options.swap or settings.swap, what="swap"),
        filesystem=options.fs or settings.filesystem,
        partitions=_partitions(options),
        memory=mebibytes(options.memory or settings.memory, "memory"),
        maxmem=mebibytes(options.maxmem, "maxmem") if options.maxmem else 0,
        vcpus=processors(options.vcpus or settings.vcpus),
        type=options.type or settings.type,
        vlans=vlans,
        bridge=_bridge(options, vlans),
        bridge_of_vlan=settings.bridge,
        ips=_ips(options, len(vlans) or 1),
        netmask=options.netmask,
        gateways=tuple(one for one in options.gateway if one),
        nameservers=tuple(options.nameserver) or settings.nameserver,
        mac=options.mac,
        roles=_names(options.role),
        final_roles=_names(options.finalrole),
        role_args=options.role_args,
        role_directory=os.path.abspath(options.roledir) if options.roledir else "",
        modules="all" if options.all_modules else settings.modules,
        own_kernel=_own_kernel(options),
        start=not options.no_start,
    )


def _own_kernel(options: argparse.Namespace) -> bool:
    for word, said in (("--kernel", options.kernel), ("--all-modules", options.all_modules)):
        if options.own_kernel and said:
            die(f"--own-kernel and {word} exclude each other", hint="its own kernel comes from Debian, with all its modules")
    return bool(options.own_kernel)


def ssh_keys(path: str) -> str:
    """Return the keys that root of the guest gets: those of the file given, else those of dom0's root, else none."""
    if not path and not KEYS.is_file():
        return ""
    file = Path(path or KEYS).absolute()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        die(f"ssh key {file}: {getattr(error, 'strerror', '') or 'is no text'}", hint="give a public key: --ssh-key FILE")
    if "PRIVATE KEY" in text:
        die(f"{file} is a private key", hint=f"the guest gets the public one: {file}.pub")
    # what opens this host to its peers, and starts a program of this host, is nothing for a guest
    kept = "".join(f"{line}\n" for line in text.split("\n") if line and "xen-legi-peer=" not in line)
    if path and not keys.comments(kept):
        die(f"{file} holds no public key", hint="a key is one line that begins with ssh-ed25519; see ssh-keygen(1)")
    return kept


def password(options: argparse.Namespace) -> str:
    """Return root's password hashed for /etc/shadow, asked for if so wished; nothing if none is wished. Nobody is asked in a
    dry run, which only has to tell that there will be one."""
    if options.dry_run and options.passwd:
        return NOT_HASHED
    clear = _asked_password() if options.passwd else str(options.password)
    if not clear:
        return ""
    if not clear.isprintable():
        die("the password holds what cannot be typed at a login", hint="no line ends, no control characters")
    if options.dry_run:
        return NOT_HASHED
    return run(["openssl", "passwd", "-6", "-stdin"], stdin=f"{clear}\n").stdout.strip()


def _asked_password() -> str:
    """Ask twice at the terminal. Die if there is none: what comes from elsewhere would be read without anybody knowing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            clear = getpass.getpass("password of root in the domU: ")
            again = getpass.getpass("once more: ")
    except (EOFError, getpass.GetPassWarning):
        die("nobody is there to be asked for root's password", hint="give it with --password, or leave --passwd out")
    if clear != again:
        die("the two passwords differ", hint="type the same one twice")
    if not clear:
        die("no password was given", hint="leave --passwd out, and root has none")
    return clear


def _name(options: argparse.Namespace) -> str:
    if options.name and options.hostname and options.name != options.hostname:
        die(f"two names were given: {options.name} and {options.hostname}", hint="leave --hostname out: it means the same")
    name = str(options.name or options.hostname)
    if not name:
        die("a new domU needs a name", hint="xen-legi create web1 --vlan 72 --ip 192.168.72.11/24")
    return name


def _names(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _partitions(options: argparse.Namespace) -> tuple[Partition, ...]:
    if not options.partitions:
        return ()
    given = [word for word, said in (("--size", options.size), ("--swap", options.swap), ("--noswap", options.noswap),
                                     ("--fs", options.fs)) if said]
    if given:
        die(f"--partitions and {given[0]} exclude each other", hint="the file of partitions says that")
    return partitions.read(options.partitions)


def _directory(options: argparse.Namespace) -> str:
    """Return the directory of image files, nothing where volumes are made."""
    for word, said in (("--lvm", options.lvm), ("--thin", options.thin)):
        if options.dir and said:
            die(f"--dir and {word} exclude each other", hint="a domU's disks are image files, or logical volumes")
    given = str(options.dir)
    if not re.fullmatch(r"[A-Za-z0-9/._+@:-]*", given):
        die(f"--dir {given!r} has characters that a domU's file cannot name", hint="letters, digits and / . _ + @ : -")
    return os.path.normpath(given) if given else ""


def _pool(options: argparse.Namespace, settings: Config) -> str:
    """Return the thin pool; that of the settings is one of the group that they name."""
    if options.thin is not None:
        return str(options.thin)
    return settings.thin_pool if options.lvm in ("", settings.volume_group) else ""


def _vlan(text: str) -> int:
    if not _is_number(text):
        die(f"VLAN {text!r} is not a number", hint="VLANs are numbered 1 to 4094")
    return int(text)


def _is_number(text: str) -> bool:
    """Tell whether int() takes it for what a person sees: str.isdigit() is true of a small raised 2."""
    return bool(re.fullmatch("[0-9]{1,9}", text))


def _bridge(options: argparse.Namespace, vlans: tuple[int, ...]) -> str:
    if options.bridge and vlans:
        die("--vlan and --bridge exclude each other", hint="the bridge of a VLAN follows from its number")
    if not options.bridge and not vlans:
        die("the domU has no place in a network", hint="give --vlan ID, or --bridge NAME")
    return str(options.bridge)


def _ips(options: argparse.Namespace, count: int) -> tuple[str, ...]:
    if options.dhcp and options.ip:
        die("--ip and --dhcp exclude each other", hint="for one interface of several write --ip dhcp in its place")
    return ("dhcp",) * count if options.dhcp else tuple(options.ip)
