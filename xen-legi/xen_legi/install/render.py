"""A new domU's configuration file, written to be read and edited by people. See xl.cfg(5)."""

from xen_legi.domu import loader
from xen_legi.install.model import Nic, Part, Plan

_FILE = """\
# domU {name}, made by xen-legi create from {source}.
# Everything here may be edited, see xl.cfg(5). It counts from the next start of the domU on.

name    = "{name}"
type    = "{type}"

{boot}
memory  = {memory}
{maxmem}vcpus   = {vcpus}

disk = [
{disks}
]

{vifs}

on_poweroff = "destroy"
on_reboot   = "restart"
on_crash    = "restart"
"""

_KERNEL = """\
# dom0's kernel, with an initramfs for domUs; xen-legi kernel list. noresume: with dom0's own it would wait for dom0's swap
kernel  = "{kernel}"
ramdisk = "{ramdisk}"
cmdline = "root=/dev/{root} ro noresume console=hvc0"
"""
_GRUB = """\
# GRUB, which starts the domU's own kernel as its /boot/grub/grub.cfg says. It does not look at cmdline, which tells xen-legi
# and people which disk is the root
kernel  = "{kernel}"
cmdline = "root=/dev/{root}"
"""


def rendered(plan: Plan) -> str:
    """Return the text of a planned domU's file."""
    return _FILE.format(
        name=plan.name,
        source=plan.source,
        type=plan.type,
        boot=_boot(plan),
        memory=plan.memory,
        maxmem=f"maxmem  = {plan.maxmem}\n" if plan.maxmem else "",
        vcpus=plan.vcpus,
        disks="\n".join(_disk(one) for one in plan.parts),
        vifs=_vifs(plan.nics),
    )


def _boot(plan: Plan) -> str:
    if plan.kernel:
        return _KERNEL.format(kernel=plan.kernel.image, ramdisk=plan.kernel.ramdisk, root=plan.root.device)
    return _GRUB.format(kernel=loader.IMAGES[plan.type], root=plan.root.device)


def _disk(part: Part) -> str:
    # no-discard: what the guest trims would be holes in the image, and their room somebody else's (xl-disk-configuration(5))
    disk = f"{part.image},raw,{part.device},w,no-discard" if part.image else f"phy:{part.path},{part.device},w"
    return f"    '{disk}',  # {part.mount or part.filesystem}"


def _vifs(nics: tuple[Nic, ...]) -> str:
    if not nics:
        return "vif = [ ]"
    return "\n".join(["vif = [", *[f"    '{_vif(one)}',  # {_meaning(one)}" for one in nics], "]"])


def _vif(nic: Nic) -> str:
    """Return a vif line. Its ip= is for people, for our check of addresses, and for a packet filter if dom0 has one."""
    fixed = " ".join(str(one.ip) for one in nic.addresses)
    return f"mac={nic.mac},bridge={nic.bridge}" + (f",ip={fixed}" if fixed else "")


def _meaning(nic: Nic) -> str:
    place = f"VLAN {nic.vlan}, " if nic.vlan else ""
    return f"{place}{nic.device} in the guest: {nic.text}"
