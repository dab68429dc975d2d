"""Make a domU: volumes, filesystem, files, its place in the network, its file, and start it.

The options have the names that xen-create-image gave them where they mean the same. What is not given comes from the
settings of this host (xen-legi config show). Everything is looked at before the first change, also with --dry-run; the
peers are asked whether a domU of theirs has the name, the MAC or an address, and one that cannot be asked is told. A domU
that cannot be finished is removed again, after a kill by the next xen-legi command.
"""

import argparse
import contextlib
import time
from dataclasses import replace
from pathlib import Path

from xen_legi import as_json, config
from xen_legi.backup import everywhere
from xen_legi.cli import json_of_plan
from xen_legi.domu import config as domu_config
from xen_legi.errors import EXIT_OK, EXIT_USAGE, need_root
from xen_legi.install import hooks, leftovers, show, wish, xen_tools
from xen_legi.install.commit import start
from xen_legi.install.create import create
from xen_legi.install.facts import gather
from xen_legi.install.methods import DEFAULT, METHODS, Method, Wanted, method
from xen_legi.install.model import FILESYSTEMS, Plan, Wish
from xen_legi.install.plan import Source, check_domu_name, check_wish, plan
from xen_legi.install.render import rendered
from xen_legi.install.roles import DIRECTORIES, find_roles
from xen_legi.install.tidy import tidy
from xen_legi.install.volumes import need_programs
from xen_legi.steps import lock, named_point, warn
from xen_legi.units import format_seconds

EXAMPLES = """\
  xen-legi create web1 --vlan 72 --ip 192.168.72.11/24 --memory 512M --size 2G
  xen-legi create db --vlan 72 --ip 192.168.72.12/24 --gateway 192.168.72.254 --vlan 73 --ip dhcp --role admin-ssh
  xen-legi create www --vlan 72 --ip 192.168.72.14/24 --ip 2001:db8::14/64 --gateway 192.168.72.1 --gateway fe80::1
  xen-legi create old --vlan 72 --ip dhcp --method debootstrap --dist bookworm
  xen-legi create web2 --vlan 72 --ip dhcp --method tar --source /root/web2.tar.zst
  xen-legi create web3 --vlan 72 --ip 192.168.72.13 --config /etc/xen-tools/xen-tools.conf
  xen-legi create test1 --vlan 72 --ip dhcp --dir /srv/xen
  xen-legi create own1 --vlan 72 --ip dhcp --own-kernel --type pv
  xen-legi create db2 --vlan 72 --ip dhcp --partitions /root/db.partitions
  xen-legi create web1 --vlan 72 --ip 192.168.72.11/24 --dry-run
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="name of the domU, its host name")
    parser.add_argument("--hostname", default="", metavar="NAME", help="the same")
    parser.add_argument("--method", "--install-method", default="", metavar="METHOD",
                        help=f"how its files are made (default: {DEFAULT}): "
                        + "; ".join(f"{name}: {text}" for name, text in METHODS.items()))
    parser.add_argument("--dist", default="", metavar="NAME",
                        help="with method template: its name; with debootstrap: the suite")
    parser.add_argument("--source", "--install-source", default="", metavar="PATH",
                        help="with method tar: the archive; with copy: the directory")
    parser.add_argument("--mirror", default="", metavar="URI",
                        help="with method debootstrap: where to get it (default: as this host)")
    parser.add_argument("--keyring", default="", metavar="FILE",
                        help="with method debootstrap: the keys of that archive (default: those that apt trusts here)")
    parser.add_argument("--arch", default="", metavar="ARCH",
                        help="with method debootstrap: its architecture, amd64 (default) or i386, on a kernel of amd64")
    parser.add_argument("--config", default="", metavar="FILE",
                        help="for what is not given here: a file of xen-tools, such as /etc/xen-tools/xen-tools.conf")
    _storage(parser.add_argument_group("storage"))
    _machine(parser.add_argument_group("machine"))
    _network(parser.add_argument_group("network"))
    _access(parser.add_argument_group("inside the guest"))
    parser.add_argument("--no-start", action="store_true", help="make it, but do not start it")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    json_of_plan(parser)


def _storage(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--lvm", default="", metavar="VG", help="volume group of its volumes NAME-disk and NAME-swap")
    group.add_argument("--thin", "--lvm_thin", default=None, metavar="POOL",
                       help='thin pool of that group, in which they are made; "": none, whatever the settings say')
    group.add_argument("--dir", default="", metavar="DIRECTORY",
                       help="instead: image files, DIRECTORY/domains/NAME/disk.img and swap.img")
    group.add_argument("--size", default="", metavar="SIZE", help="size of its root: 2G")
    group.add_argument("--swap", default="", metavar="SIZE", help="size of its swap: 512M")
    group.add_argument("--noswap", action="store_true", help="no swap")
    group.add_argument("--fs", default="", choices=FILESYSTEMS, help="filesystem of its root")
    group.add_argument("--partitions", default="", metavar="FILE",
                       help="several volumes instead, as this file says (a path, or a name in /etc/xen-tools/partitions.d): "
                       "for each a section [NAME] with size=, type=, mountpoint= and perhaps options=")


def _machine(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--memory", default="", metavar="SIZE", help="its memory: 512M")
    group.add_argument("--maxmem", default="", metavar="SIZE", help="what its memory can be raised to while it runs")
    group.add_argument("--vcpus", default="", metavar="N", help="its virtual processors")
    group.add_argument("--type", default="", choices=("pvh", "pv"), help="kind of its machine")
    group.add_argument("--kernel", default="", metavar="VERSION", help="its kernel (see xen-legi kernel list)")
    group.add_argument("--own-kernel", action="store_true",
                       help="instead: linux-image-amd64 in the guest, started by GRUB (package grub-xen-host of this host)")
    group.add_argument("--all-modules", action="store_true",
                       help="all modules of its kernel, for PCI passthrough (default: none for hardware that no domU has)")


def _network(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--vlan", action="append", default=[], metavar="ID",
                       help="a VLAN on which it has an interface, eth<ID> in the guest (vlan<ID> where ID is less than "
                       "the number of interfaces); may be given again")
    group.add_argument("--bridge", default="", metavar="NAME", help="instead: a bridge, eth0 in the guest")
    group.add_argument("--ip", action="append", default=[], metavar="ADDRESS",
                       help='its address with its network, 192.168.72.11/24, or "dhcp"; of IPv6: 2001:db8::11/64, or '
                       '"auto6", as routers announce it. One for each --vlan, in order; where there are more, one of the '
                       "other family directly after one is of the same interface, as are those with a comma between them")
    group.add_argument("--dhcp", action="store_true", help="all its addresses come from DHCP")
    group.add_argument("--netmask", default="", metavar="MASK", help="network mask of an --ip without a network")
    group.add_argument("--gateway", action="append", default=[], metavar="ADDRESS",
                       help="its way to other networks; may be given again, for IPv6: also fe80::1")
    group.add_argument("--nameserver", action="append", default=[], metavar="ADDRESS", help="may be given again")
    group.add_argument("--mac", default="", metavar="MAC", help="its MAC address (default: made from VLAN and name)")


def _access(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--ssh-key", default="", metavar="FILE",
                       help="public keys for root (default: /root/.ssh/authorized_keys of this host)")
    group.add_argument("--password", default="", metavar="TEXT",
                       help="root's password, which ps shows meanwhile; without one no password fits, only keys")
    group.add_argument("--passwd", action="store_true", help="ask for root's password")
    group.add_argument("--role", default="", metavar="NAME,...",
                       help="scripts in /etc/xen-legi/role.d, /etc/xen-tools/role.d or /usr/share/xen-legi/roles, or paths; "
                       "each is run as ROLE MOUNTPOINT ARGUMENTS before the guest starts")
    group.add_argument("--finalrole", default="", metavar="NAME,...", help="the same, run after its file is written")
    group.add_argument("--role-args", default="", metavar="ARGUMENTS", help="arguments for the roles")
    group.add_argument("--roledir", default="", metavar="DIRECTORY", help="where roles are instead, unless paths are given")


def main(options: argparse.Namespace) -> int:
    """Plan it, and make it."""
    began = time.monotonic()
    need_root("xen-legi create")
    settings = config.load()
    if options.config:
        xen_tools.apply(options, Path(options.config))
    wished = wish.from_options(options, settings)
    check_domu_name(wished.name)
    if options.dry_run:
        planned, _ = _planned(options, wished, settings)
        print(as_json.text(planned) if options.json_of_plan else show.described(planned))
        return EXIT_OK
    tidy()
    with contextlib.ExitStack() as afterwards:
        with lock(leftovers.lock_name(wished.name), what=f"domU {wished.name}", status=EXIT_USAGE):
            planned, chosen = _planned(options, wished, settings)
            named_point("create:planned")
            domu = domu_config.parse(rendered(planned), domu_config.DIRECTORY / f"{planned.name}.cfg")
            hooks.before("create", domu)
            create(planned, chosen)
            afterwards.callback(hooks.after, "create", domu)  # without the lock, and also of one that does not start
            if planned.start:
                start(planned.name)
    print(show.summary(planned, format_seconds(time.monotonic() - began)))
    return EXIT_OK


def _planned(options: argparse.Namespace, wished: Wish, settings: config.Config) -> tuple[Plan, Method]:
    """Return the plan and the method that fills the root; die for whatever could not work."""
    facts = gather(settings, options.kernel.rpartition("vmlinuz-")[2], wished.directory, own_kernel=wished.own_kernel)
    check_wish(wished, facts)
    name = options.method or DEFAULT
    chosen = method(name, settings, Wanted(options.dist, options.source, options.mirror, options.keyring, options.arch))
    source = Source(name, chosen.text, chosen.dist, chosen.size)
    places = (Path(wished.role_directory),) if wished.role_directory else DIRECTORIES
    roles, final = find_roles(wished.roles, places), find_roles(wished.final_roles, places)
    keys = wish.ssh_keys(options.ssh_key)
    need_programs(plan(wished, facts, source).parts)  # before the peers and a person are asked
    facts = replace(facts, others=tuple(everywhere.with_peers(facts.others)))
    check_wish(wished, facts)
    planned = plan(wished, facts, source, roles=roles, ssh_keys=keys, password=wish.password(options))
    if planned.lacks_name_servers:
        warn(f"{planned.name} will know no names: this host has no name server that it could ask (see --nameserver)")
    origin = str(Path(options.source).absolute()) if options.source else ""
    return replace(planned, final_roles=final, role_directory=wished.role_directory, install_source=origin), chosen
