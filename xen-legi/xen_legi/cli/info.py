"""Show all that is known of one domU, whether it runs or not."""

import argparse
import json
from dataclasses import asdict

from xen_legi.domu import known, names
from xen_legi.domu.inventory import sheet
from xen_legi.errors import EXIT_OK, die, need_root
from xen_legi.install.tidy import tidy

EXAMPLES = """\
  xen-legi info web1
  xen-legi info web1 --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--json", action="store_true", help="print JSON, as list does for each domU")


def main(options: argparse.Namespace) -> int:
    """Print it."""
    need_root("xen-legi info")
    names.check(options.name)
    tidy()
    entries = known.entries()
    entry = next((one for one in entries if one.name == options.name), None)
    if entry is None:
        die(f"there is no domU {options.name!r}", hint=f"there are: {', '.join(one.name for one in entries) or 'none'}")
    print(json.dumps(asdict(entry), indent=2) if options.json else sheet(entry))
    return EXIT_OK
