"""Open the console of a domU; Ctrl-] leaves it."""

import argparse
import os

from xen_legi.domu import xl
from xen_legi.errors import die, need_root

EXAMPLES = """\
  xen-legi console web1
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")


def main(options: argparse.Namespace) -> int:
    """Become xl console."""
    need_root("xen-legi console")
    if not xl.is_running(options.name):
        die(f"domU {options.name} is not running", hint=f"xen-legi start {options.name}")
    os.execvp("xl", ["xl", "console", options.name])
