"""A kernel of its own in a tree of real Debian, as `xen-legi create --own-kernel` installs it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from trees import SUITE, debian
from xen_legi.install import own_kernel
from xen_legi.install.guest import Guest
from xen_legi.install.model import Facts, Plan, Wish
from xen_legi.install.plan import Source, plan
from xen_legi.install.settle import fstab
from xen_legi.storage.lvm import Group
from xen_legi.units import GIB


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """A small Debian of this computer's suite, as a template has it."""
    with debian("systemd-sysv", "udev", "kmod", "e2fsprogs", "ifupdown", "netbase") as place:
        yield place


def planned() -> Plan:
    wished = Wish("web1", group="vg0", size=2 * GIB, own_kernel=True, bridge="br0", ips=("dhcp",))
    facts = Facts({"vg0": Group("vg0", 9 * GIB, 9 * GIB, 4 << 20)}, (), (), frozenset(), frozenset(), frozenset({"br0"}),
                  frozenset(), (), None, loaders=frozenset({"pvh"}))
    return plan(wished, facts, Source("copy", "a tree", SUITE))


def test_debians_kernel_is_installed_and_its_packages_keep_the_links_that_grub_reads(tree: Path) -> None:
    guest = Guest(tree)
    fstab.settle(guest, planned())
    own_kernel.install(guest, planned())
    (version,) = own_kernel.versions(guest)
    links = {name: (tree / "boot" / name).readlink() for name in ("vmlinuz", "initrd.img")}
    assert links == {"vmlinuz": Path(f"vmlinuz-{version}"), "initrd.img": Path(f"initrd.img-{version}")}
    look = ["chroot", str(tree), "lsinitramfs", f"/boot/initrd.img-{version}"]
    held = subprocess.run(look, text=True, capture_output=True, check=True)
    names = {Path(one).name.split(".")[0] for one in held.stdout.splitlines()}
    assert {"xen-blkfront", "ext4", "fsck"} <= names
    # another kernel, as an upgrade brings it: it is Debian's own program that puts the links
    for name in ("vmlinuz", "initrd.img"):
        subprocess.run(["cp", tree / f"boot/{name}-{version}", tree / f"boot/{name}-99.1-amd64"], check=True)
    update = ["linux-update-symlinks", "install", "99.1-amd64", "/boot/vmlinuz-99.1-amd64"]
    subprocess.run(["chroot", tree, *update], check=True)
    assert {name: (tree / "boot" / name).readlink().name for name in ("vmlinuz", "vmlinuz.old", "initrd.img.old")} == {
        "vmlinuz": "vmlinuz-99.1-amd64", "vmlinuz.old": f"vmlinuz-{version}", "initrd.img.old": f"initrd.img-{version}",
    }
    assert not list(tree.glob("vmlinuz*"))
