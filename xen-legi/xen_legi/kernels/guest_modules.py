"""Which modules of its kernel a domU gets: all, or none of those that drive hardware no domU has. Pure.

Hardware comes to a domU only by PCI passthrough. Without it, graphics, sound, radio, sensors, host bus adapters and the like
are half of a kernel's modules (of Debian 12's 6.1: 2,600 of 4,900 files, 240 of 400 MB), in each domU and in each of its
copies. Debian's cloud kernels leave out the same. What comes over the network or over USB, which Xen passes on, stays.
"""

TREES = "/lib/modules"
NEW = ".new-xen-legi-"  # before the name of a tree in a guest that is not whole yet
# in a tree that is there: updates, extra, build and the like are the guest's (DKMS, headers)
KERNELS_OWN = ("--delete", "--include=/kernel/***", "--include=/modules.*", "--exclude=/*")
_HARDWARE = (
    "sound", "drivers/ata", "drivers/bluetooth", "drivers/comedi", "drivers/firewire", "drivers/gpu", "drivers/hwmon",
    "drivers/iio", "drivers/infiniband/hw", "drivers/isdn", "drivers/media", "drivers/mmc", "drivers/mtd",
    "drivers/net/ethernet", "drivers/net/wireless", "drivers/net/wwan", "drivers/pcmcia", "drivers/platform",
    "drivers/soundwire", "drivers/staging", "drivers/thunderbolt", "drivers/ufs",
)
_ADAPTERS = "drivers/scsi"  # its directories are adapters, its own files are SCSI itself: iSCSI, disks, tapes


def rsync_options(choice: str) -> tuple[str, ...]:
    """Return the options with which rsync copies the tree /lib/modules/VERSION of a domU's kernel."""
    if choice == "all":
        return ()
    return (
        *(f"--exclude=/kernel/{one}" for one in _HARDWARE),
        f"--include=/kernel/{_ADAPTERS}/device_handler", f"--exclude=/kernel/{_ADAPTERS}/*/",
    )
