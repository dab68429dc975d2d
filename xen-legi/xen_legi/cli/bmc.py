"""The BMC of this host, and the power of the others.

`show` tells the BMC's LAN settings, and in what they differ from the ipmi- options of /etc/network/interfaces. `apply` sets
only what differs and reads it back; ifup does the same, in the background. The exit status is 1 if the BMC has it otherwise
all the same. `power` asks the BMC of another host, over its LAN, for the state of its power, or switches it.

/etc/xen-legi/bmc/HOST, a file that only root may read, says how HOST's BMC is reached, in lines like address = "192.0.2.5":
address, user, password, and if they are not the usual ones port (623) and cipher (17).
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict

from xen_legi.bmc import hosts, lan, tool
from xen_legi.bmc.lan import Difference, Wish
from xen_legi.cli import agreed, no_more
from xen_legi.columns import aligned
from xen_legi.errors import EXIT_FAILED, EXIT_OK, die, need_root
from xen_legi.net import files
from xen_legi.run import need
from xen_legi.steps import lock, say, step, warn

_ACTIONS = ("status", "on", "off", "cycle")
EXAMPLES = """\
  xen-legi bmc show
  xen-legi bmc apply --dry-run
  install -D -m 600 /dev/stdin /etc/xen-legi/bmc/dom0b     # type address = "192.0.2.5", user = "...", password = "...",
                                                           # a line for each, then Ctrl-D
  xen-legi bmc power dom0b status
  xen-legi bmc power dom0b off --yes      # before xen-legi promote: now it is dead for certain
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("show", "apply", "power"), help="what to do")
    parser.add_argument("host", nargs="?", default="", metavar="HOST", help="with power: the host; with show: another one")
    parser.add_argument("action", nargs="?", default="", metavar="ACTION", help=f"with power: {', '.join(_ACTIONS)}")
    parser.add_argument("--dry-run", action="store_true", help="with apply: only tell what would be set")
    parser.add_argument("--yes", action="store_true", help="with power off and cycle: do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    if options.dry_run and options.what != "apply":
        die(f"bmc {options.what} has no --dry-run", hint="only bmc apply has: xen-legi bmc --help has examples")
    if options.what == "power":
        return _power(options)
    no_more(f"bmc {options.what}", options.action or (options.host if options.what == "apply" else ""))
    need_root(f"xen-legi bmc {options.what}")
    return _show(options) if options.what == "show" else _apply(options)


def _wish() -> Wish | None:
    try:
        return lan.wish(files.load())
    except ValueError as error:
        die(str(error), hint="xen-legi net check tells of all of the file")


def _show(options: argparse.Namespace) -> int:
    wish = None if options.host else _wish()
    bmc = hosts.find(options.host) if options.host else tool.here()
    channel, have = bmc.find(wish.channel if wish else 0)
    wrong = list(lan.differences(wish.lan, have)) if wish else []
    if options.json:
        print(json.dumps({"channel": channel, **asdict(have), "differences": [_row(one) for one in wrong]}, indent=2))
        return EXIT_OK
    print(*aligned([("channel", str(channel)), *asdict(have).items()]), sep="\n")
    _tell(wrong, "the stanza asks for")
    return EXIT_OK


def _row(one: Difference) -> dict[str, str]:
    return {"name": one.name, "have": one.have, "want": one.want}


def _tell(found: Iterable[Difference], what: str) -> None:
    for one in found:
        say(f"{one.name}: {one.have}, {what} {one.want}")


def _apply(options: argparse.Namespace) -> int:
    wish = _wish()
    if wish is None:
        die("no stanza says what the BMC is to be", hint="ipmi-address and the like in a stanza do: man xen-legi-interfaces")
    bmc = tool.here()
    if options.dry_run:
        return _applied(list(lan.differences(wish.lan, bmc.find(wish.channel)[1])), [], "to become", as_json=options.json)
    with lock("bmc", what="the BMC", wait=60):
        done, left = tool.apply(bmc, wish)
    return _applied(done, left, "now", as_json=options.json)


def _applied(done: list[Difference], left: list[Difference], what: str, *, as_json: bool) -> int:
    """Tell what was set, or is to be, and what the BMC ignores; return the exit status."""
    taken = [one for one in done if one not in left]
    if as_json:
        print(json.dumps({"set": [_row(one) for one in taken], "ignored": [_row(one) for one in left]}, indent=2))
    else:
        _tell(taken, what)
    for one in left:
        warn(f"the BMC ignores {one.name} {one.want}: it is {one.have}")
    if not done and not as_json:
        say("nothing to do: the BMC is as the stanza says")
    return EXIT_FAILED if left else EXIT_OK


def _power(options: argparse.Namespace) -> int:
    if not options.host or options.action not in _ACTIONS:
        die(f"power of which host, and what: {', '.join(_ACTIONS)}?", hint="xen-legi bmc power dom0b status")
    need_root("xen-legi bmc power")
    bmc = hosts.find(options.host)
    need("ipmitool")
    if options.action in ("off", "cycle") and not options.yes:
        if not agreed(f"{options.host}: power {options.action}, at once, with all domUs on it?", "whether its power may go"):
            die("nothing was done", hint="it was not agreed to")
    with step(f"power {options.action} of {options.host}"):
        state = tool.power(bmc, options.action)
    print(json.dumps({"host": options.host, "power": state}) if options.json else state)
    return EXIT_OK
