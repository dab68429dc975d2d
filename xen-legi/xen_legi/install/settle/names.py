"""The guest's name: /etc/hostname, /etc/hosts and /etc/mailname if there is one."""

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan

_HOSTS = """\
127.0.0.1\tlocalhost
{address}\t{names}

::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def settle(guest: Guest, plan: Plan) -> None:
    """Write them."""
    guest.write("/etc/hostname", f"{plan.hostname}\n")
    guest.write("/etc/hosts", hosts(plan))
    if guest.has("/etc/mailname"):
        guest.write("/etc/mailname", f"{plan.name}\n")


def hosts(plan: Plan) -> str:
    """Return the text of /etc/hosts: the name stands for the first fixed address, else for 127.0.1.1 as Debian has it."""
    address = next((str(one.address.ip) for one in plan.nics if one.address), "127.0.1.1")
    names = plan.name if plan.name == plan.hostname else f"{plan.name} {plan.hostname}"
    return _HOSTS.format(address=address, names=names)
