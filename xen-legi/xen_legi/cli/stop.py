"""Shut a domU down, or pull its plug."""

import argparse
import re

from xen_legi.domu import config, names, xl
from xen_legi.errors import EXIT_OK, EXIT_USAGE, die, fail, need_root
from xen_legi.install import leftovers
from xen_legi.install.tidy import tidy
from xen_legi.steps import lock, step

HINT = "{}; with on_poweroff = 'restart' in its file it always comes back"
EXAMPLES = """\
  xen-legi stop web1
  xen-legi stop web1 --wait 300
  xen-legi stop web1 --force
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--wait", type=seconds, default=120, metavar="SECONDS", help="how long it may take (default 120)")
    parser.add_argument("--force", action="store_true", help="destroy it: what it has not written is lost")


def seconds(text: str) -> int:
    """Return whole seconds. What is said here stands in the parser's own message."""
    if not re.fullmatch("[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return int(text)


def main(options: argparse.Namespace) -> int:
    """Stop it."""
    need_root("xen-legi stop")
    names.check(options.name)
    xl.need_xen()
    tidy()  # what cannot be ended while the domU runs does not keep it from being stopped
    with lock(leftovers.lock_name(options.name), what=f"domU {options.name}", status=EXIT_USAGE):
        if not xl.is_running(options.name):
            config.by_name(options.name)
            die(f"domU {options.name} is not running", hint="xen-legi list shows the domUs")
        with step(f"{'destroy' if options.force else 'shut down'} {options.name}"):
            if not (xl.destroyed(options.name, 30) if options.force else xl.shutdown(options.name, options.wait)):
                fail(f"domU {options.name} is still running", hint=HINT.format("wait, or use --force"))
    return EXIT_OK
