"""What the configuration of another host's domU may say, if it is to be started here some day. Pure.

A peer that was broken into must not gain this host through a copy: no program of its choice is started here, no file or
device of this host is handed to the guest.
"""

import re
from collections.abc import Iterable
from pathlib import PurePath

from xen_legi.domu import xlcfg
from xen_legi.domu.config import DomuConfig

_LOADERS = ("", "pygrub", "/usr/bin/pygrub")
_FORBIDDEN = re.compile(
    "device_model.*|bootloader_args|firmware|(bios|smbios|acpi)_.*|stubdomain_.*|device_tree|seclabel|xsm_.*|driver_domain"
    "|pci|dtdev|usb.*|irqs|ioports|iomem|p9|channel|vtpm|vdispl|vsnd|argo|vnc.*|sdl|spice.*"
)
# the key script= or the prefix script: of a disk or a vif, not a volume that is named javascript-disk
_SCRIPT = re.compile(r"(?<![\w/.+-])script\s*[=:]")
# what is only handed to the guest's kernel, however it is read
_COMMAND_LINE = ("cmdline", "root", "extra")
_BOOT = (PurePath("/boot"), PurePath("/usr/lib/grub-xen"))


def refusals(config: DomuConfig, domu: str, sent: Iterable[str], boot: PurePath) -> list[str]:
    """Given a configuration, the paths of the volumes that are sent and the directory of domU kernels, return what is
    wrong with it."""
    found = [] if config.name == domu else [f"it is that of {config.name!r}, not of {domu!r}"]
    found += [f"it sets {key}" for key in sorted(config.settings) if _FORBIDDEN.fullmatch(key)]
    found += [f"it sets {key}" for key in sorted(_lists(config)) if _FORBIDDEN.fullmatch(key)]
    found += [f"it writes {key} with a \\, which xl reads in its own way" for key in _escaped(config)]
    if config.settings.get("bootloader", "") not in _LOADERS:
        found.append(f"it names a boot loader {config.settings['bootloader']!r}")
    if any(_SCRIPT.search(atom.value) for key in ("disk", "vif") for atom in _atoms(config, key)):
        found.append("it names a script for a disk or a vif")
    ours = set(sent)
    found += [f"it names a disk {one.path!r} that is not sent" for one in config.disks if one.path not in ours]
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


def _lists(config: DomuConfig) -> set[str]:
    return {one.key for one in xlcfg.assignments(config.text)}


def _atoms(config: DomuConfig, key: str) -> list[xlcfg.Atom]:
    return list(xlcfg.atoms(xlcfg.values(config.text).get(key, ())))
