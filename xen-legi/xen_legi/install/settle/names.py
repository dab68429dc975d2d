"""The guest's name: /etc/hostname, /etc/hosts and /etc/mailname if there is one."""

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan

_HOSTS = """\
127.0.0.1\tlocalhost
{own}
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
    """Return the text of /etc/hosts: the name stands for the fixed addresses of the first interface that has some, else for
    127.0.1.1 as Debian has it."""
    first = next((one.addresses for one in plan.nics if one.addresses), ())
    names = plan.name if plan.name == plan.hostname else f"{plan.name} {plan.hostname}"
    own = [str(one.ip) for one in first] or ["127.0.1.1"]
    return _HOSTS.format(own="".join(f"{one}\t{names}\n" for one in own))
