"""List the domUs: those with a file in /etc/xen, and those that run.

VLANs are told by the bridges' names, addresses by the ip= of the vif lines. The state is running, paused, shutdown,
crashed, dying or stopped.
"""

import argparse
import json
from dataclasses import asdict

from xen_legi import config
from xen_legi.domu import config as domu_config
from xen_legi.domu import disks, xl
from xen_legi.domu.inventory import inventory, table
from xen_legi.errors import EXIT_OK, need_root
from xen_legi.install import leftovers
from xen_legi.storage import lvm

EXAMPLES = """\
  xen-legi list
  xen-legi list --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Print them."""
    need_root("xen-legi list")
    leftovers.clean()
    domains = xl.domains() if xl.answers() else []
    domus, volumes = domu_config.all_domus(), lvm.volumes()
    starting = [one.file for one in domus if one.autostart]
    entries = inventory(domus, domains, volumes, starting, config.load().bridge, disks.devices(domus, volumes))
    print(json.dumps([asdict(one) for one in entries], indent=2) if options.json else table(entries))
    return EXIT_OK
