"""The vifs of domUs that have lost their bridge: it went down and came up again, and Xen attaches a vif once, at its start.

To which bridge a vif belongs stands in xenstore (xl-network-configuration(5), `bridge`).
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from xen_legi.errors import Problem
from xen_legi.net.apply import batch
from xen_legi.run import run
from xen_legi.steps import warn

_SYS = Path("/sys/class/net")
HOOK = Path("/etc/xen/scripts/vif-post.d/50-xen-legi-vlans.hook")
_BACKENDS = "/local/domain/0/backend/vif"
_LINE = re.compile(rf'{_BACKENDS}/(\d+)/(\d+)/bridge = "([^"]*)"')
Vif = tuple[str, str]  # numbers of its domain and of its card


def attach(bridges: Collection[str]) -> list[str]:
    """Make vifs without a bridge ports of these bridges again, where that is what they belong to; return their names.

    Xenstore is asked only when there are any: at boot nobody answers yet.
    """
    lost = without_bridge()
    if not lost:
        return []
    with contextlib.suppress(Problem):  # the bridges are good all the same
        told = run(["xenstore-ls", "-f", _BACKENDS], ok=range(256), timeout=10).stdout
        homes = home(told.splitlines(), lost)
        mine = {name: bridge for name, bridge in homes.items() if bridge in bridges}
        batch([f"link set dev {name} master {bridge}" for name, bridge in mine.items()], force=True)
        return [name for name, bridge in mine.items() if _set_vlans(name, bridge, lost[name])]
    return []


def _set_vlans(name: str, bridge: str, vif: Vif) -> bool:
    """Have the hook of vif-bridge give a vif its VLANs, where the bridge is VLAN-aware. If that cannot be, take the vif out
    of the bridge, where it would be in a VLAN that is not its own, and tell."""
    aware = _SYS / bridge / "bridge/vlan_filtering"
    if not HOOK.exists() or not aware.exists() or aware.read_text().strip() != "1":
        return True
    words = {"command": "online", "dev": name, "bridge": bridge, "XENBUS_PATH": f"{_BACKENDS}/{'/'.join(vif)}"}
    try:
        run(["bash", HOOK], env=words, timeout=60)
    except Problem as problem:
        batch([f"link set dev {name} nomaster"])
        warn(f"{name} is not attached again: {problem.message}")
        return False
    return True


def home(lines: Iterable[str], lost: Mapping[str, Vif]) -> dict[str, str]:
    """Given what `xenstore-ls -f` prints of the vifs, return the bridge of each of these devices."""
    bridges = {(match[1], match[2]): match[3] for match in map(_LINE.match, lines) if match}
    return {name: bridges[vif] for name, vif in lost.items() if bridges.get(vif)}


def without_bridge(sys: Path = _SYS) -> dict[str, Vif]:
    """Return the vifs of this host that are ports of nothing; of a domU with an emulated card, that card too."""
    found: dict[str, Vif] = {}
    for name in sorted(os.listdir(sys)):
        if match := re.search(r"/vif-(\d+)-(\d+)/net/", os.path.realpath(sys / name)):
            cards = (one for one in (name, f"{name}-emu") if (sys / one).exists() and not (sys / one / "master").exists())
            found |= dict.fromkeys(cards, (match[1], match[2]))
    return found
