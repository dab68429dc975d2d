"""What the host has, as far as it tells whether its domUs can start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xen_legi.domu.disks import Devices, Images
from xen_legi.storage.lvm import Volume


@dataclass(frozen=True)
class Here:
    """What the host has. `devices`: where the disks' paths lead, `images`: files of domUs that are off among them;
    `memory`: the MiB of the whole host (None if not known), `of_dom0` of it dom0's, `free` nobody's (None if dom0 gives up
    some of its own for domUs); `autostarted`: the names of domUs that start with it; `off`: the files of those that do not
    run; `made`: ramdisks that were made for domUs.

    `bridges` are those of the kernel, `links` all other network interfaces, `cards` those that are hardware; `bridge`
    and `script` are those of a vif that names none.
    """

    exists: Callable[[str], bool]
    volumes: Sequence[Volume]
    devices: Devices
    bridges: frozenset[str]
    memory: int | None
    of_dom0: int = 0
    autostarted: frozenset[str] = frozenset()
    free: int | None = None
    off: frozenset[Path] = frozenset()
    made: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    cards: frozenset[str] = frozenset()
    bridge: str = "xenbr0"
    script: str = "vif-bridge"
    images: Images = field(default_factory=dict)
