"""List the domUs: those with a file in /etc/xen, and those that run.

VLANs are told by the bridges' names, addresses by the ip= of the vif lines. The state is running, paused, shutdown,
crashed, dying or stopped.
"""

import argparse
import json
from dataclasses import asdict

from xen_legi.domu import known
from xen_legi.domu.inventory import table
from xen_legi.errors import EXIT_OK, need_root
from xen_legi.install.tidy import tidy

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
    tidy()
    entries = known.entries()
    print(json.dumps([asdict(one) for one in entries], indent=2) if options.json else table(entries))
    return EXIT_OK
