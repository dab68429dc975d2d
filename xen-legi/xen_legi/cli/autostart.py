"""Start a domU with dom0, or no longer; without a word, tell which.

It is a link in /etc/xen/auto to the domU's file, which xendomains.service reads at boot.
"""

import argparse

from xen_legi import as_json
from xen_legi.domu import autostart, config, names
from xen_legi.errors import EXIT_OK, need_root
from xen_legi.install.tidy import changing

EXAMPLES = """\
  xen-legi autostart web1
  xen-legi autostart web1 on
  xen-legi autostart web1 off
  xen-legi autostart web1 --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")
    parser.add_argument("wanted", metavar="on|off", nargs="?", choices=("on", "off"), help="what it shall be")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Change it, and tell what it is then."""
    need_root("xen-legi autostart")
    names.check(options.name)
    with changing(options.name, dry_run=not options.wanted):
        domu = config.by_name(options.name)
        if options.wanted == "on":
            autostart.on(domu.file)
        elif options.wanted == "off":
            autostart.off(domu.file)
        facts = {"name": domu.name, "autostart": domu.autostart}
        print(as_json.text(facts) if options.json else "on" if domu.autostart else "off")
    return EXIT_OK
