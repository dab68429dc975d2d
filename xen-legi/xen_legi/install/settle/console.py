"""A login on the Xen console, hvc0, so that `xl console` has one."""

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan

_WANTS = "/etc/systemd/system/getty.target.wants/serial-getty@hvc0.service"
_UNIT = "lib/systemd/system/serial-getty@.service"
_INITTAB_LINE = "hvc:2345:respawn:/sbin/getty -L 38400 hvc0 xterm\n"


def settle(guest: Guest, plan: Plan) -> None:
    """Enable it for systemd; for a guest with sysvinit add the line to inittab."""
    for prefix in ("/usr/", "/"):
        if guest.has(f"{prefix}{_UNIT}"):
            guest.link(_WANTS, f"{prefix}{_UNIT}")
            break
    inittab = guest.read("/etc/inittab")
    if inittab:
        guest.write("/etc/inittab", with_console(inittab))


def with_console(inittab: str) -> str:
    """Return inittab with a getty on hvc0."""
    present = any("hvc0" in line and not line.startswith("#") for line in inittab.splitlines())
    return inittab if present else f"{inittab.rstrip()}\n{_INITTAB_LINE}"
