"""The network of a dom0: what /etc/network/interfaces says, and what the kernel has.

`check` reads the files and tells, with file and line, what ifup would refuse, what is hardly meant, and in what the kernel
differs. With FILE it reads that file, of whatever host, and asks the kernel nothing. It changes nothing and needs no root.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from xen_legi.errors import EXIT_FAILED, EXIT_OK, die
from xen_legi.net import check, files, kernel, stanzas
from xen_legi.net.check import Finding
from xen_legi.net.stanzas import Interfaces
from xen_legi.steps import say

EXAMPLES = """\
  xen-legi net check                      this host's files, and its kernel
  xen-legi net check ./interfaces         a file that is to become them
  xen-legi net check --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("check",), help="what to do")
    parser.add_argument("file", nargs="?", default="", metavar="FILE", help="with check: another file than the host's own")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    found = _of_file(options.file) if options.file else _of_host()
    errors = sum(one.level == "error" for one in found)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            print(one)
        say(_summary(found))
    return EXIT_FAILED if errors else EXIT_OK


def _of_file(name: str) -> list[Finding]:
    if not Path(name).is_file():
        die(f"{name} is no file", hint="without a name, this host's own is read: /etc/network/interfaces")
    return check.check(files.load(name))


def _of_host() -> list[Finding]:
    interfaces = files.load()
    state = kernel.read()
    names = (*stanzas.selected(interfaces, "auto", state), *_up_with_stanza(interfaces))
    return [*check.check(interfaces, state), *check.differences(interfaces, dict.fromkeys(names), state)]


def _up_with_stanza(interfaces: Interfaces) -> Iterable[str]:
    """Return the interfaces that ifupdown holds for up, beyond those that come up by themselves."""
    return sorted(name for name in files.configured() if interfaces.of(name))


def _summary(found: Iterable[Finding]) -> str:
    levels = [one.level for one in found]
    counts = [(levels.count(level), level) for level in ("error", "warning", "difference")]
    told = [f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count]
    return ", ".join(told) or "nothing to complain about"
