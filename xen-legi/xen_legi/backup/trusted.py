"""What the configuration of another host's domU may say, if it is to be started here some day. Pure.

A peer that was broken into must not gain this host through a copy: no program of its choice is started here, no file or
device of this host is handed to the guest.
"""

import re
from collections.abc import Iterable
from pathlib import PurePath

from xen_legi.domu import xlcfg
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.loader import is_pygrub, is_restricted

_LOADER = re.compile(r"|(?:/usr/bin/|/usr/lib/xen-(?:[0-9.]+|default)/bin/)?pygrub")
# What only shapes the guest. Everything else is refused: many settings of xl.cfg(5) become options of a qemu in dom0, name
# files or devices of dom0, or another domain that serves a device; and every version of Xen has new ones.
_SETTINGS = frozenset(
    "name uuid type builder pvh kernel ramdisk cmdline root extra bootloader bootloader_restrict"
    " memory maxmem vcpus maxvcpus cpus cpus_soft"
    " cpu_weight cap pool disk vif on_poweroff on_reboot on_crash on_watchdog on_soft_reset localtime rtc_timeoffset"
    " timer_mode tsc_mode nomigrate max_grant_frames max_maptrack_frames max_grant_version max_event_channels"
    " acpi apic pae nx hap shadow_memory cpuid dhcp xen_shell".split()  # the last two: xen-tools writes them, xl passes by
)
_TYPES = {"type": ("pv", "pvh"), "builder": ("generic", "linux")}  # hvm is a qemu in dom0; for xl, "h" is hvm as well
# what may stand on a disk's line beside its path, and what leads that in
_DISK = re.compile(
    r"(?:format=)?raw||(?:vdev=)?(?:(?:xv|[shv])d[a-z]{1,3}\d{0,4}|d\d+(?:p\d+)?)|(?:access=)?(?:r|ro|w|rw)"
    r"|devtype=disk|backendtype=phy|(?:no-)?discard|direct-io-safe|(?:un)?trusted"
)
_TARGET = re.compile(r"target=|(?:(?:phy|file|raw|tap2?|aio|tapdisk|ioemu):)+")
_VIF = re.compile(  # of scripts, which dom0 starts as root, our own alone
    r"|(?:mac|bridge|ip|vifname|rate|devid|mtu|model|type|gatewaydev|trusted|vlan)\s*=[A-Za-z0-9_.:/@%+ -]*"
    r"|script\s*=\s*vif-xen-legi"
)
# what is only handed to the guest's kernel, however it is read
_COMMAND_LINE = ("cmdline", "root", "extra")
_BOOT = (PurePath("/boot"), PurePath("/usr/lib/grub-xen"))


def refusals(config: DomuConfig, domu: str, sent: Iterable[str], boot: PurePath) -> list[str]:
    """Given a configuration, the paths of the volumes that are sent and the directory of domU kernels, return what is
    wrong with it."""
    found = [] if config.name == domu else [f"it is that of {config.name!r}, not of {domu!r}"]
    found += [f"it sets {key}" for key in sorted({one.key for one in xlcfg.assignments(config.text)} - _SETTINGS)]
    found += [f"it sets {key} = {config.settings[key]!r}" for key, may in _TYPES.items()
              if config.settings.get(key, may[0]).lower() not in may]
    found += [f"it writes {key} with a \\, which xl reads in its own way" for key in _escaped(config)]
    if not _LOADER.fullmatch(config.settings.get("bootloader", "")):
        found.append(f"it names a boot loader {config.settings['bootloader']!r}")
    elif is_pygrub(config) and not is_restricted(config):
        found.append("pygrub would read its disks here as root (XSA-443): it must set bootloader_restrict = 1, or start its"
                     " own kernel by GRUB (xen-legi kernel pin)")
    found += _disks(config, set(sent))
    found += [f"it says {word!r} of a vif" for word in _words(config, "vif") if not _VIF.fullmatch(word)]
    for path in (config.kernel, config.ramdisk):
        if path and (".." in path.split("/") or PurePath(path).parent not in (*_BOOT, boot)):
            found.append(f"it boots from {path}, which is not in {boot}")
    return found


def foreign(config: DomuConfig, devices: Iterable[str]) -> list[str]:
    """Given a copy's configuration as xl will read it and the copy's own devices, return the other disks that it names."""
    ours = set(devices)
    return [one.path for one in config.disks if one.path not in ours]


def _escaped(config: DomuConfig) -> list[str]:
    """Return the keys with an escape in a value: what we read there need not be what xl reads."""
    mine = (one for one in xlcfg.assignments(config.text) if one.key not in _COMMAND_LINE)
    return sorted({one.key for one in mine for atom in xlcfg.atoms(one.value) if "\\" in config.text[atom.start:atom.end]})


def _disks(config: DomuConfig, sent: set[str]) -> list[str]:
    """Return what is wrong with the disks; of one that is sent, what may not be said of it."""
    if others := foreign(config, sent):
        return [f"it names a disk {path!r} that is not sent" for path in others]
    words = (word for word in _words(config, "disk") if _TARGET.sub("", word, count=1) not in sent)
    return [f"it says {word!r} of a disk" for word in words if not _DISK.fullmatch(word)]


def _words(config: DomuConfig, key: str) -> list[str]:
    """Return what is said in all lines of a list, word by word."""
    lines = xlcfg.atoms(xlcfg.values(config.text).get(key, ()))
    return [word.strip() for one in lines for word in one.value.split(",")]
