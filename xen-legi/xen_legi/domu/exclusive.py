"""What a domU's file names and only one domU can have at a time: PCI devices, a display of VNC with its number. Pure."""

import re

from xen_legi.domu import xlcfg

_DISPLAY = re.compile(r",\s*vncdisplay=(\d+)|vncdisplay=(\d+)\s*,?\s*")


def without(text: str) -> tuple[str, list[str]]:
    """Return the text of a domU's file without them, every other byte kept, and what was left out, for people."""
    changes, left = [], []
    for one in xlcfg.assignments(text):
        atoms = list(xlcfg.atoms(one.value))
        if one.key in ("pci", "vncdisplay") and atoms:
            changes.append((one.start, one.end, ""))
            left += [f"{one.key} {atom.value}" for atom in atoms]
        for atom in atoms if one.key == "vfb" else ():
            raw = text[atom.start:atom.end]
            left += [f"vncdisplay {match[1] or match[2]}" for match in _DISPLAY.finditer(raw)]
            changes.append((atom.start, atom.end, _DISPLAY.sub("", raw)))
    return xlcfg.replaced(text, changes), left
