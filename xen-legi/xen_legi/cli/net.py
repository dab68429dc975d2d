"""The network of a dom0: what /etc/network/interfaces says, and what the kernel has.

`show` lists the links of the kernel: cards, bonds, VLANs, bridges, and the vifs of domUs (by name when root asks).
`draw` makes a picture of the same, an SVG file that any browser shows; without FILE it goes to standard output.
`plan` tells what separates the kernel from the files: what `ip` would be told, what would go (bridges with guests stay), and
which interfaces ifup would bring up. The exit status is 1 if something of it cannot be.
`check` reads the files and tells, with file and line: errors, which ifup would refuse or which would not come to be;
warnings, for what was hardly meant; differences, which the kernel has in another way (before a reboot or ifup that is as it
should be). With FILE it reads that file, and what it sources on this host, and asks the kernel nothing. The exit status is 1
if there is an error.
Nothing is changed by any of these, and whoever may read the files need not be root: /usr/sbin/xen-legi net check.
"""

import argparse
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from xen_legi.cli import no_more
from xen_legi.columns import aligned
from xen_legi.domu import xl
from xen_legi.errors import EXIT_FAILED, EXIT_OK, die
from xen_legi.net import change, check, draw, files, kernel, show, stanzas
from xen_legi.net.check import Finding
from xen_legi.net.stanzas import Interfaces
from xen_legi.run import run_json
from xen_legi.steps import say

EXAMPLES = """\
  xen-legi net show
  xen-legi net draw network.svg
  xen-legi net plan                       # after an edit: what would change
  xen-legi net check                      # this host's files, and its kernel
  xen-legi net check ./interfaces         # a file that is to become them
  xen-legi net check --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("show", "draw", "check", "plan"), help="what to do")
    parser.add_argument("file", nargs="?", default=None, metavar="FILE",
                        help="with check: another file than the host's own; with draw: where to")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    if options.what == "show":
        no_more("net show", options.file)
        return _show(as_json=options.json)
    if options.what == "plan":
        no_more("net plan", options.file)
        return _plan(as_json=options.json)
    return _draw(options) if options.what == "draw" else _check(options)


def _show(*, as_json: bool) -> int:
    links = _links()
    print(json.dumps([asdict(one) for one in links], indent=2) if as_json else show.table(links))
    return EXIT_OK


def _draw(options: argparse.Namespace) -> int:
    if options.json:
        die("a picture is no JSON", hint="xen-legi net show --json has the same facts")
    picture = draw.svg(_links(), f"{socket.gethostname()}, {time.strftime('%Y-%m-%d %H:%M')}")
    if options.file is None:
        if sys.stdout.isatty():
            die("a picture is not for a terminal", hint="name a file: xen-legi net draw network.svg")
        print(picture, end="")
        return EXIT_OK
    try:
        Path(options.file).write_text(picture, encoding="utf-8")
    except OSError as error:
        die(f"{options.file} cannot be written: {error.strerror}", hint="is its directory there, and may you write to it?")
    return EXIT_OK


def _links() -> list[show.Row]:
    return show.rows(run_json(["ip", "-json", "-details", "address", "show"]), _domus())


def _domus() -> dict[int, str]:
    """Return the names of the running domains by their number, as far as we may ask."""
    return {one.id: one.name for one in xl.domains()} if os.geteuid() == 0 and xl.answers() else {}


def _plan(*, as_json: bool) -> int:
    interfaces = _readable(files.load())
    lines = list(change.change(interfaces, kernel.read(), files.up()).lines())
    if as_json:
        print(json.dumps([dict(zip(("action", "name", "text"), line, strict=True)) for line in lines], indent=2))
    elif lines:
        print(*aligned(lines), sep="\n")
    else:
        say("nothing to do: the kernel has what the files say")
    return EXIT_FAILED if any(action == "cannot" for action, _, _ in lines) else EXIT_OK


def _check(options: argparse.Namespace) -> int:
    found = _of_file(options.file) if options.file is not None else _of_host()
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
        die(f"{name!r} is no regular file", hint="without a name, this host's own is read: /etc/network/interfaces")
    return check.check(_readable(files.load(name)))


def _of_host() -> list[Finding]:
    interfaces = _readable(files.load())
    state = kernel.read()
    names = (*stanzas.selected(interfaces, "auto", state), *_up_with_stanza(interfaces))
    return [*check.check(interfaces, state), *check.differences(interfaces, dict.fromkeys(names), state)]


def _readable(interfaces: Interfaces) -> Interfaces:
    """Return the same. Die if a file may not be read: that it is there and good may be so all the same."""
    hidden = next((one for one in interfaces.problems if one.text.endswith(os.strerror(errno.EACCES))), None)
    if hidden and os.geteuid() != 0:
        die(str(hidden), hint="use sudo")
    return interfaces


def _up_with_stanza(interfaces: Interfaces) -> Iterable[str]:
    """Return the interfaces that ifupdown holds for up, beyond those that come up by themselves."""
    return sorted(name for name in files.configured() if interfaces.of(name))


def _summary(found: Iterable[Finding]) -> str:
    levels = [one.level for one in found]
    counts = [(levels.count(level), level) for level in ("error", "warning", "difference")]
    told = [f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count]
    return ", ".join(told) or "nothing to complain about"
