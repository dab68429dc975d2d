"""Another kernel in a domU's file. Pure: everything else in the text stays as it is."""

from xen_legi.domu import xlcfg
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.loader import described
from xen_legi.errors import die
from xen_legi.kernels.store import Kernel


def pinned(domu: DomuConfig, kernel: Kernel) -> str:
    """Return the text of a domU's file with a kernel and its initramfs. Die if the domU brings its own: by a boot loader,
    which xl obeys whatever kernel the file names, by GRUB in place of a kernel, or by the firmware of an HVM domU."""
    if loader := described(domu):
        die(f"{domu.name} brings its own kernel: in {domu.file} {loader}", hint="it is updated inside the domU, by apt")
    if not domu.root:
        die(f"{domu.file} does not say what its root is", hint="a kernel needs it: root = '/dev/xvda2 ro'")
    new = {"kernel": str(kernel.image), "ramdisk": str(kernel.ramdisk)}
    found = [one for one in xlcfg.assignments(domu.text) if one.key in new]
    changes = [(atom.start, atom.end, new[one.key]) for one in found for atom in xlcfg.atoms(one.value)]
    text = xlcfg.replaced(domu.text, changes)
    return text if domu.ramdisk else text.rstrip("\n") + f"\nramdisk = '{kernel.ramdisk}'\n"
