"""A rule of udev in the guest: when dom0 has made a disk larger, the filesystem on it grows too (xen-legi resize).

The kernel tells of the new size with RESIZE=1, once Xen has told the kernel. systemd does the work: udev ends what it has
started itself when the event is over.
"""

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan

FILE = "/etc/udev/rules.d/90-xen-legi-grow.rules"
_TEXT = """\
# written by xen-legi create: a disk that grows takes its filesystem with it
ACTION!="change", GOTO="end"
SUBSYSTEM!="block", GOTO="end"
ENV{RESIZE}!="1", GOTO="end"
ENV{ID_FS_TYPE}=="ext[234]", RUN+="/usr/bin/systemd-run --quiet --no-block --collect /sbin/resize2fs /dev/%k"
ENV{ID_FS_TYPE}=="xfs", RUN+="/usr/bin/systemd-run --quiet --no-block --collect /usr/sbin/xfs_growfs /dev/%k"
LABEL="end"
"""


def settle(guest: Guest, plan: Plan) -> None:
    """Write it."""
    guest.write(FILE, _TEXT)
