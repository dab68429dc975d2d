"""Another kernel in a domU's file. Pure: everything else in the text stays as it is."""

from xen_legi.domu import xlcfg
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die
from xen_legi.kernels.store import Kernel

_LOADERS = ("/usr/lib/grub-xen/", "/usr/lib/xen")


def pinned(domu: DomuConfig, kernel: Kernel) -> str:
    """Return the text of a domU's file with a kernel and its initramfs. Die if the domU brings its own: by pygrub, by
    grub-xen (its file has a boot loader as kernel then), or by the firmware of an HVM domU."""
    if not domu.kernel or domu.type == "hvm" or domu.kernel.startswith(_LOADERS):
        loader = f"its kernel is {domu.kernel}" if domu.kernel else "it names none"
        die(f"{domu.name} brings its own kernel: in {domu.file} {loader}", hint="it is updated inside the domU, by apt")
    if not domu.root:
        die(f"{domu.file} does not say what its root is", hint="a kernel needs it: root = '/dev/xvda2 ro'")
    new = {"kernel": str(kernel.image), "ramdisk": str(kernel.ramdisk)}
    found = [one for one in xlcfg.assignments(domu.text) if one.key in new]
    changes = [(atom.start, atom.end, new[one.key]) for one in found for atom in xlcfg.atoms(one.value)]
    text = xlcfg.replaced(domu.text, changes)
    return text if domu.ramdisk else text.rstrip("\n") + f"\nramdisk = '{kernel.ramdisk}'\n"
