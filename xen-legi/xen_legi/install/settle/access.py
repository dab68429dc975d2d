"""Who can log in: root's keys, and root's password or none."""

import os

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan

_KEYS = "/root/.ssh/authorized_keys"


def settle(guest: Guest, plan: Plan) -> None:
    """Install the keys; set root's password, or lock it."""
    if plan.ssh_keys:
        directory = guest.path(_KEYS).parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        guest.write(_KEYS, plan.ssh_keys, 0o600)
    if guest.has("/etc/shadow"):
        before = guest.path("/etc/shadow").stat()
        guest.write("/etc/shadow", with_password(guest.read("/etc/shadow"), plan.password), before.st_mode & 0o777)
        os.chown(guest.path("/etc/shadow"), before.st_uid, before.st_gid)


def with_password(shadow: str, password: str) -> str:
    """Return /etc/shadow with root's password; "" locks it ("*": no password fits, keys still do)."""
    lines = [line.split(":") for line in shadow.splitlines()]
    return "".join(":".join([one[0], password or "*", *one[2:]] if one[0] == "root" else one) + "\n" for one in lines)
