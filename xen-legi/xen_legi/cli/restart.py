"""Shut a domU down and start it again from its file in /etc/xen, with what was changed there.

A reboot in the domU itself starts it as it was.
"""

import argparse

from xen_legi.cli.stop import HINT, seconds
from xen_legi.domu import config, names, startable, xl
from xen_legi.errors import EXIT_OK, die, fail, need_root
from xen_legi.install import facts
from xen_legi.install.tidy import changing
from xen_legi.steps import step

EXAMPLES = """\
  xen-legi restart web1
  xen-legi restart web1 --wait 300
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("--wait", type=seconds, default=120, metavar="SECONDS",
                        help="how long it may take to shut down (default 120)")


def main(options: argparse.Namespace) -> int:
    """Stop and start it; what keeps it from starting is told while it still runs."""
    need_root("xen-legi restart")
    names.check(options.name)
    xl.need_xen()
    with changing(options.name):
        domu = config.by_name(options.name)
        running = xl.domain(domu.name)
        if not running:
            die(f"domU {domu.name} is not running", hint=f"xen-legi start {domu.name}")
        startable.check(domu)
        facts.need_memory(domu, has=running.memory, hint="xen-legi list shows what the domUs have")
        with step(f"shut down {domu.name}"):
            if not xl.shutdown(domu.name, options.wait):
                hint = HINT.format(f"wait longer, or xen-legi stop {domu.name} --force")
                fail(f"domU {domu.name} is still running", hint=hint)
        with step(f"start {domu.name}"):
            xl.start(domu.file)
    return EXIT_OK
