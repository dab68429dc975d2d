"""The vifs of domUs that have lost their bridge: it went down and came up again, and Xen attaches a vif once, at its start.

To which bridge a vif belongs stands in xenstore (xl-network-configuration(5), `bridge`), and whether it belongs to one at
all (`script`): libxl writes a bridge also for one that is routed.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from xen_legi.errors import Problem
from xen_legi.net.apply import batch
from xen_legi.net.describe import Link
from xen_legi.run import run
from xen_legi.steps import warn

_SYS = Path("/sys/class/net")
HOOK = Path("/etc/xen/scripts/vif-post.d/50-xen-legi-vlans.hook")
_BACKENDS = "/local/domain/0/backend/vif"
_LINE = re.compile(rf'{_BACKENDS}/(\d+)/(\d+)/(bridge|script) = "([^"]*)"')
_BRIDGING = ("vif-bridge", "vif-xen-legi")
Vif = tuple[str, str]  # numbers of its domain and of its card


def attach(names: Collection[str]) -> list[str]:
    """Make vifs without a bridge ports of these bridges again, where that is what they belong to; return their names.

    Xenstore is asked only when there are any: at boot nobody answers yet.
    """
    lost = without_bridge() if names else {}
    if not lost:
        return []
    try:
        told = run(["xenstore-ls", "-f", _BACKENDS], ok=range(256), timeout=10).stdout
        homes = home(told.splitlines(), lost)
        mine = {name: bridge for name, bridge in homes.items() if bridge in names and (_SYS / bridge).exists()}
        batch([f"link set dev {name} master {bridge}" for name, bridge in mine.items()], force=True)
    except Problem as problem:  # the bridges are good all the same
        warn(f"whether {', '.join(lost)} belong to a bridge is not known: {problem.message}; xen-legi net apply looks again")
        return []
    return [name for name, bridge in mine.items() if _joined(name, bridge) and _set_vlans(name, bridge, lost[name])]


def bridges(links: Mapping[str, Link]) -> list[str]:
    """Return the names of those that are bridges."""
    return [link.name for link in links.values() if link.kind == "bridge"]


def _joined(name: str, bridge: str) -> bool:
    if (_SYS / name).exists() and not (_SYS / name / "master").exists():
        warn(f"{name} cannot be attached to {bridge} again: ip link set dev {name} master {bridge} tells why")
        return False
    return (_SYS / name).exists()  # its domU may have ended meanwhile


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
    """Given what `xenstore-ls -f` prints of the vifs, return the bridge of each of these devices that is to have one."""
    told = {(match[1], match[2], match[3]): match[4] for match in map(_LINE.match, lines) if match}
    bridged = {name: vif for name, vif in lost.items() if os.path.basename(told.get((*vif, "script"), "")) in _BRIDGING}
    return {name: told[*vif, "bridge"] for name, vif in bridged.items() if told.get((*vif, "bridge"))}


def without_bridge(sys: Path = _SYS) -> dict[str, Vif]:
    """Return the vifs of this host that are ports of nothing; of a domU with an emulated card, that card too."""
    found: dict[str, Vif] = {}
    for name in sorted(os.listdir(sys)):
        if match := re.search(r"/vif-(\d+)-(\d+)/net/", _place(f"{sys}/{name}")):
            cards = (one for one in (name, f"{name}-emu") if (sys / one).exists() and not (sys / one / "master").exists())
            found |= dict.fromkeys(cards, (match[1], match[2]))
    return found


def _place(path: str) -> str:
    """Return where a link leads to; nothing for a file, or for what is gone."""
    try:
        return os.readlink(path)  # of thousands of links that are no vifs, this is all that is asked
    except OSError:
        return ""
