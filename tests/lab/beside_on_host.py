#!/usr/bin/python3
"""Bring the reference's interfaces file up and down on this host, with our hooks alone and with Debian's beside them.

Reads the file from standard input. Each time it is done in a root of its own, an overlay over the host's (tests/bench);
prints as JSON, for each of the two: what the kernel has after each step, and what the last words were.
"""

import json
import subprocess
import sys
from typing import Any

from net_on_host import OURS, Way, ground, inside, root, sh

CARDS = ("eth1", "eth2")
ROOTS = {"alone": "", "beside": "bridge-utils vlan ifenslave"}
STEPS = {
    "ifup -a": "ifup -a -i /root/interfaces", "ifdown xenbr72": "ifdown -i /root/interfaces xenbr72",
    "ifup xenbr72": "ifup -i /root/interfaces xenbr72", "ifdown -a": "ifdown -a -i /root/interfaces",
}
# What differs from one moment to the next, or counts.
MOVING = ("timer", "ad_info", "topology_change", "root_path", "multicast_query")


def facts() -> dict[str, dict[str, Any]]:
    """Return what the kernel has of the links that a stanza can have made."""
    told = json.loads(subprocess.run(["ip", "-d", "-j", "link"], check=True, capture_output=True, text=True).stdout)
    return {one["ifname"]: {
        "master": one.get("master"), "on": one.get("link"), "mtu": one["mtu"], "up": "UP" in one["flags"],
        "arp": "NOARP" not in one["flags"], "kind": one.get("linkinfo", {}).get("info_kind"),
        "data": {key: value for key, value in one.get("linkinfo", {}).get("info_data", {}).items()
                 if not any(word in key for word in MOVING)},
    } for one in told if one["ifname"] not in ("lo", "eth0", "far1", "far2")}


def look(packages: str, text: str) -> dict[str, Any]:
    """Take the steps in a root with these packages beside ours; return what came of each."""
    seen: dict[str, Any] = {}
    with ground(), root(Way("beside", f"{OURS} {packages}", lambda numbers: "")) as top:
        (top / "root/interfaces").write_text(text)
        (top / "etc/network/interfaces").write_text(text)  # the nested ifup reads the usual file
        for number, card in enumerate(CARDS, 1):
            far = f"far{number}"
            sh(f"ip link add {card} address 02:00:00:00:00:0{number} type veth peer name {far}; ip link set {far} up")
        try:
            for name, line in STEPS.items():
                in_time = inside(top, line)
                sh("udevadm settle --timeout=60")
                seen[name] = {"in time": in_time, "links": facts(), "said": (top / "root/log").read_text()}
        finally:
            for link in ("xenbr72", "xenbr73", "vlan72", "vlan73", "bond0", *CARDS):
                sh(f"ip link del dev {link}", check=False)
    return seen


if __name__ == "__main__":
    stanzas = sys.stdin.read()
    print(json.dumps({name: look(packages, stanzas) for name, packages in ROOTS.items()}))
