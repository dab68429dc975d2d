"""A kernel of its own in a new guest, and the grub.cfg with which GRUB in place of a kernel (see domu/loader.py) starts it.

The guest gets no boot loader: grub-install in dom0 would write down the guest's disk as dom0 calls it. The grub.cfg names
the links vmlinuz and initrd.img in /boot, which Debian's kernel packages keep (linux-update-symlinks(1)), and the root as
the domU's file calls it. Who installs grub-xen in the guest has update-grub(8) write another one, which is as good there.
"""

import re
from collections.abc import Iterable

from xen_legi.errors import CommandFailed, fail
from xen_legi.install import mirror
from xen_legi.install.bootstrap import Counter
from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan
from xen_legi.kernels.store import in_order
from xen_legi.run import lines
from xen_legi.steps import Progress, step

PACKAGE = "linux-image-amd64"
CONFIG = "/boot/grub/grub.cfg"
_LINKS = "/etc/kernel-img.conf"
_RESUME = "/etc/initramfs-tools/conf.d/resume"
_KEPT = "# written by xen-legi create: /boot/grub/grub.cfg names these links\ndo_symlinks = yes\nlink_in_boot = yes\n"
_GRUB = """\
# Written by xen-legi create. {boot} is kept by Debian's kernel packages: a new kernel is started next without a change here.
set default=0
set timeout=2

menuentry "Linux" {{
    linux {boot} {words}
    initrd {initramfs}
}}

menuentry "Linux, the kernel before" {{
    linux {boot}.old {words}
    initrd {initramfs}.old
}}
"""
# in process and mount namespaces of its own, with dom0's name servers, which nothing in the guest can write to; no link of
# the guest leads a mount elsewhere
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_INSTALL = """\
root=$1 proc=$2 pts=$3 resolv=$4 package=$5; shift 5
mkdir -p "$proc" "$pts" && mount -t proc proc "$proc" && mount --bind /dev/pts "$pts" || exit 126
if [ -f "$resolv" ] && [ ! -L "$resolv" ] && [ -e /etc/resolv.conf ]; then
    mount --bind /etc/resolv.conf "$resolv" && mount -o remount,bind,ro "$resolv" || exit 126
fi
chroot "$root" apt-get -q "$@" update && chroot "$root" apt-get -q -y --no-install-recommends "$@" install "$package" &&
    exec chroot "$root" apt-get clean
"""


def install(guest: Guest, plan: Plan) -> None:
    """Give a settled guest a kernel, if it has none, and write its grub.cfg. Fail if it has none then."""
    guest.write(_LINKS, _KEPT)  # before the package, which makes the links
    guest.write(_RESUME, "RESUME=none\n")  # else the swap of dom0, where the initramfs is made, is waited for
    if not versions(guest):
        with step(f"{PACKAGE} for the guest"):
            _install(guest)
    if not (found := versions(guest)):
        fail(f"{PACKAGE} is installed, and there is no kernel in the guest's /boot")
    for name in ("vmlinuz", "initrd.img"):
        guest.link(f"/boot/{name}", f"{name}-{found[-1]}")
    guest.write(CONFIG, grub_config(plan))


def versions(guest: Guest) -> list[str]:
    """Return the kernels in a guest's /boot that have an initramfs, oldest first."""
    names = [one.removeprefix("/boot/vmlinuz-") for one in guest.matching("/boot", "vmlinuz-*")]
    return in_order(one for one in names if guest.has(f"/boot/initrd.img-{one}"))


def grub_config(plan: Plan) -> str:
    """Return the text of grub.cfg: its paths begin where the filesystem does that holds /boot."""
    top = "/boot" if plan.boot is plan.root else ""
    words = f"root=/dev/{plan.root.device} ro noresume console=hvc0"
    return _GRUB.format(boot=f"{top}/vmlinuz", initramfs=f"{top}/initrd.img", words=words)


def _install(guest: Guest) -> None:
    counter = Counter(stage=1)  # of apt's two stages in bootstrap the second: packages that are not essential
    progress = Progress("packages", shown=lambda thirds: f"{thirds // 3}")
    options = [word for one in mirror.apt_options() for word in ("-o", _option(one))]
    places = [guest.root, guest.directory("/proc"), guest.directory("/dev/pts"), guest.path("/etc/resolv.conf")]
    argv = [*_ALONE, "sh", "-c", _INSTALL, "sh", *map(str, places), PACKAGE, *options]
    try:
        for line in lines(argv, env={"DEBIAN_FRONTEND": "noninteractive"}):
            if counter.see(line):
                counter.show(progress)
    except CommandFailed as failed:
        fail(f"{PACKAGE} cannot be installed in the guest: {_last(failed.stderr.splitlines())}",
             hint=f"a template may hold it: xen-legi template make NAME --include {PACKAGE}")
    progress.close()


def _option(line: str) -> str:
    """Given a line of apt-config dump, return what -o takes: Acquire::http::Proxy=http://..."""
    match = re.fullmatch(r'(\S+) "(.*)";', line)
    return f"{match[1]}={match[2]}" if match else line


def _last(said: Iterable[str]) -> str:
    return ([one.strip() for one in said if one.strip()] or ["apt-get says nothing"])[-1]
