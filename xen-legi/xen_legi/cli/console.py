"""Open the console of a domU; Ctrl-] leaves it.

It shows what the domU has said lately, and needs a terminal.
"""

import argparse
import os
import signal
import sys

from xen_legi.domu import config, names, xl
from xen_legi.errors import die, need_root
from xen_legi.run import environment

EXAMPLES = """\
  xen-legi console web1
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")


def main(options: argparse.Namespace) -> int:
    """Become xl console."""
    need_root("xen-legi console")
    names.check(options.name)
    domain = xl.domain(options.name)
    if not domain:
        config.by_name(options.name)
        die(f"domU {options.name} is not running", hint=f"xen-legi start {options.name}")
    if not sys.stdin.isatty():  # nobody could leave it
        die("the console needs a terminal", hint=f"ssh -t HOST xen-legi console {options.name}; xl console goes without one")
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and xl would inherit that
    os.execvpe("xl", ["xl", "console", str(domain.id)], environment())
