"""The guest's network: interfaces named by MAC, /etc/network/interfaces, resolv.conf.

The kernel would call the first interface eth0 or enX0. A systemd .link file gives it the name of its VLAN; guests whose
systemd knows no .link files have a udev rule, which says the same.
"""

from xen_legi.columns import printable
from xen_legi.domu.addresses import AUTO6, DHCP
from xen_legi.install import network_files
from xen_legi.install.guest import Guest
from xen_legi.install.model import Nic, Plan
from xen_legi.steps import warn

_INTERFACES = """\
# written by xen-legi create; see interfaces(5)
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
"""
_ASKING = {DHCP: "inet dhcp", AUTO6: "inet6 auto"}
_UDEV_RULE = 'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{mac}", NAME="{device}"\n'


def settle(guest: Guest, plan: Plan) -> None:
    """Write them. What a tree of another machine has is set aside: the guest must not answer with that one's address."""
    own = written(plan)
    if others := network_files.foreign(guest, own, plan.ips):
        network_files.set_aside(guest, others)
        names = ", ".join(map(printable, others))
        warn(f"set aside in the guest, as another machine's: {names} (now in {network_files.ASIDE})")
    for path, text in own.items():
        guest.write(path, text)
    guest.write("/etc/resolv.conf", resolv_conf(plan))


def written(plan: Plan) -> dict[str, str]:
    """Return the files that give the guest its place in the network, and their texts."""
    return {
        **{f"/etc/systemd/network/10-{nic.device}.link": link_file(nic) for nic in plan.nics},
        "/etc/udev/rules.d/70-persistent-net.rules": udev_rules(plan.nics),
        network_files.INTERFACES: interfaces(plan.nics),
    }


def link_file(nic: Nic) -> str:
    """Return a systemd.link(5) file that names an interface."""
    return f"[Match]\nMACAddress={nic.mac.lower()}\n\n[Link]\nName={nic.device}\n"


def udev_rules(nics: tuple[Nic, ...]) -> str:
    """Return the rules that old guests need; udev compares addresses in lower case."""
    return "".join(_UDEV_RULE.format(mac=nic.mac.lower(), device=nic.device) for nic in nics)


def interfaces(nics: tuple[Nic, ...]) -> str:
    """Return /etc/network/interfaces."""
    return _INTERFACES + "".join(f"\n{_stanza(nic)}" for nic in nics)


def resolv_conf(plan: Plan) -> str:
    """Return /etc/resolv.conf; a name with a domain is searched in its domain."""
    domain = plan.name.partition(".")[2]
    lines = [f"search {domain}"] if domain else []
    return "".join(f"{line}\n" for line in lines + [f"nameserver {one}" for one in plan.nameservers])


def _stanza(nic: Nic) -> str:
    lines = [f"auto {nic.device}", *(f"iface {nic.device} {_ASKING[one]}" for one in nic.asks)]
    for address in nic.addresses:
        family = "inet6" if address.version == 6 else "inet"
        lines += [f"iface {nic.device} {family} static", f"    address {address}"]
        lines += [f"    gateway {one}" for one in nic.gateways if one.version == address.version]
    return "\n".join(lines) + "\n"
