"""The network of a dom0: what /etc/network/interfaces says, and what the kernel has.

`show` lists the links of the kernel: cards, bonds, VLANs, bridges, and the vifs of domUs (by name when root asks).
`draw` makes a picture of the same, an SVG file that any browser shows; without FILE it goes to standard output.
`plan` tells what separates the kernel from the files: what `ip` would be told, what would go (bridges with guests stay), and
which interfaces with `auto` ifup would bring up (one with `allow-hotplug` that is not up is left: ifup it once). The exit
status is 1 if something of it cannot be. An interface that came up by neither the files nor what was in force is left alone.
`apply` does it: only the difference, and bridges keep the vifs of their guests. Where only commands changed and something is
attached, those for down that went are run, then those for up that came, whatever becomes of each (what one for up did that
went alone stays: `plan` names it); where more did (DHCP), or nothing is attached, ifdown and ifup are, and the link is down
for a moment: `plan` tells what with it. What is wrong in the files, or cannot be, is told first, and nothing is changed.
`try` does the same and takes it back by itself after --timeout seconds, unless `confirm` is said, in any session, or Enter
is pressed: also when the connection is cut, a process is killed or stopped, or the change takes over five minutes; the exit
status is 1 then. Where taking it back fails, that is tried five times. `revert` takes it back at once. The files stay as
they are. `try` needs systemd, and refuses before the first boot or `apply` with these packages: what is in force is not
known yet.
`check` reads the files and tells, with file and line: errors, which ifup would refuse or which would not come to be;
warnings, for what was hardly meant, or could not be brought up by hand now; differences, which the kernel has in another way
(before a reboot or ifup that is as it should be). With FILE (/dev/stdin is one, too) it reads that file, and what it sources
on this host, and asks the kernel nothing. A sourced file that you may not read is an error like others. The exit status is 1
if there is an error.
`show`, `draw`, `plan` and `check` change nothing, and whoever may read the files need not be root for them:
/usr/sbin/xen-legi net check.
"""

import argparse
import errno
import json
import os
import select
import sys
import termios
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from xen_legi.cli import no_more
from xen_legi.columns import aligned
from xen_legi.domu import xl
from xen_legi.errors import EXIT_FAILED, EXIT_OK, die, need_root
from xen_legi.finding import Finding, summary
from xen_legi.net import change, check, draw, files, kernel, logical, show, stanzas, transition, trial
from xen_legi.net.stanzas import Interfaces
from xen_legi.run import run_json
from xen_legi.steps import say, warn

EXAMPLES = """\
  xen-legi net show
  xen-legi net draw network.svg
  xen-legi net plan                       # after an edit: what would change
  xen-legi net apply
  xen-legi net try --timeout 120          # then, in this or another session: xen-legi net confirm
  xen-legi net check                      # this host's files, and its kernel
  xen-legi net check ./interfaces         # a file that is to become them
  xen-legi net check --json
"""

_CHANGING = ("apply", "try", "confirm", "revert")
_TIMEOUT = 60  # seconds
_STDIN = "/dev/stdin"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=(*_CHANGING, "check", "draw", "plan", "show"), help="what to do")
    parser.add_argument("file", nargs="?", default=None, metavar="FILE",
                        help="with check: another file than the host's own; with draw: where to")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--dry-run", action="store_true", help="with apply and try: only tell, as plan does")
    parser.add_argument("--timeout", type=int, metavar="SECONDS",
                        help=f"with try: how long it waits, 5 to 3600 (default: {_TIMEOUT})")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    if options.what != "try" and options.timeout is not None:
        die(f"net {options.what} waits for nothing: --timeout is for try", hint="xen-legi net --help has examples")
    if options.dry_run and options.what not in ("apply", "try"):
        die(f"net {options.what} has no --dry-run", hint="xen-legi net plan tells what would be done")
    if options.what in _CHANGING and not options.dry_run:
        no_more(f"net {options.what}", options.file)
        need_root(f"xen-legi net {options.what}")
        return _change(options)
    if options.what == "show":
        no_more("net show", options.file)
        return _show(as_json=options.json)
    if options.what in ("plan", "apply", "try"):
        no_more(f"net {options.what}", options.file)
        return _plan(as_json=options.json)
    return _draw(options) if options.what == "draw" else _check(options)


def _show(*, as_json: bool) -> int:
    links = _links()
    print(json.dumps([asdict(one) for one in links], indent=2) if as_json else show.table(links))
    return EXIT_OK


def _draw(options: argparse.Namespace) -> int:
    if options.json:
        die("a picture is no JSON", hint="xen-legi net show --json has the same facts")
    picture = draw.svg(_links(), f"{os.uname().nodename}, {time.strftime('%Y-%m-%d %H:%M')}")
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
    lines = check.with_errors(check.check(interfaces), change.change(interfaces, transition.look(interfaces)))
    if as_json:
        print(json.dumps(_rows(lines), indent=2))
    elif lines:
        print(*aligned(lines), sep="\n")
    else:
        say("nothing to do: the kernel has all that the files say")
    return EXIT_FAILED if any(action == "cannot" for action, _, _ in lines) else EXIT_OK


def _rows(lines: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [dict(zip(("action", "name", "text"), line, strict=True)) for line in lines]


def _change(options: argparse.Namespace) -> int:
    if options.what == "confirm":
        trial.confirm()
        say("confirmed: it stays")
        return EXIT_OK
    if options.what == "revert":
        status = _told(trial.revert(), [], as_json=options.json)
        if (left := trial.read()) and not left.reverted:
            warn(trial.outlook(left))
        return status
    return _try(options) if options.what == "try" else _apply(as_json=options.json)


def _apply(*, as_json: bool) -> int:
    with transition.alone():
        trial.refuse_while_under_way()
        interfaces = files.load()
        lines = _possible(interfaces, transition.look(interfaces))
        done = transition.bring(interfaces, files.INTERFACES)
        if not done.errors:
            trial.forget_given_up()
        return _told(done, lines, as_json=as_json)


def _possible(interfaces: Interfaces, now: change.Now) -> list[tuple[str, str, str]]:
    """Return the lines of what is to be done. Die if there is an error in the files, or if something of it cannot be."""
    todo = change.change(interfaces, now)
    found = [str(one) for one in check.check(interfaces) if one.level == "error"]
    found = found or [f"{name}: {why}" for name, why in todo.errors.items()]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        die(f"nothing was changed: {found[0]}{more}", hint="xen-legi net check and xen-legi net plan tell all of it")
    return list(todo.lines())


def _told(done: transition.Done, lines: Iterable[tuple[str, str, str]], *, as_json: bool) -> int:
    """Tell what was done and what failed; return the exit status."""
    rows = _rows(lines)
    if as_json:
        print(json.dumps({"done": rows, "errors": {**done.commands, **done.errors}, "missing": done.missing}, indent=2))
    for row in (one for one in rows if one["action"] == "leave"):
        warn(f"{row['name']}: left alone: {row['text']}")
    for name, why in (*done.missing.items(), *done.commands.items(), *done.errors.items()):
        warn(f"{name}: {why}")
    if done.errors:
        say("the rest is done; xen-legi net plan tells what is left")
    elif done.commands:
        say("done, but for these commands: they are not run again")
    elif not as_json:
        say("done: the kernel has all that the files say" if rows else "done")
    return EXIT_FAILED if done.errors or done.commands else EXIT_OK


def _try(options: argparse.Namespace) -> int:
    seconds = _TIMEOUT if options.timeout is None else options.timeout
    if not 5 <= seconds <= 3600:
        die(f"--timeout {seconds} is not from 5 to 3600 seconds", hint=f"without it, it is {_TIMEOUT}")
    if not os.path.isdir("/run/systemd/system"):
        die("a trial needs systemd, which takes it back", hint="xen-legi net apply works without")
    with transition.alone():
        trial.refuse_while_under_way()
        interfaces = files.load()
        now = transition.look(interfaces)
        lines = _possible(interfaces, now)
        trial.begin(now)
        done = transition.bring(interfaces, files.INTERFACES)
        trial.set_deadline(seconds)
    status = _told(done, lines, as_json=options.json)
    say(f"taken back in {seconds} s, unless you press Enter here or say, in any session: xen-legi net confirm")
    return status if _confirmed() else EXIT_FAILED


def _confirmed() -> bool:
    """Wait for the end of the trial; tell whether it was confirmed. Ctrl-C leaves the trial to its service."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)  # an Enter of before was not meant for this
    while trial.under_way():
        asked = [sys.stdin] if sys.stdin.isatty() else []
        if select.select(asked, [], [], 0.5)[0] and sys.stdin.readline():
            trial.confirm()
    ended = trial.read()
    if ended and ended.failed:
        warn("it was not confirmed, and could not be taken back: journalctl has why, xen-legi net revert tries again")
    else:
        say("taken back: it was not confirmed" if ended else "confirmed: it stays")
    return ended is None


def _check(options: argparse.Namespace) -> int:
    found = _of_file(options.file) if options.file is not None else _of_host()
    errors = sum(one.level == "error" for one in found)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            print(one)
        say(summary(found))
        if not errors and any(one.level == "difference" for one in found):
            say("what differs is done by the next boot or by xen-legi net apply; xen-legi net plan tells all that it does")
    return EXIT_FAILED if errors else EXIT_OK


def _of_file(name: str) -> list[Finding]:
    if not Path(name).exists():
        die(f"there is no file {name!r}", hint="without a name, this host's own is read: /etc/network/interfaces")
    if not (Path(name).is_file() or Path(name).is_fifo() or name == _STDIN):
        die(f"{name!r} is no regular file", hint="without a name, this host's own is read: /etc/network/interfaces")
    return check.check(_readable(files.load(name), name))


def _of_host() -> list[Finding]:
    interfaces = _readable(files.load(), files.INTERFACES)
    state = kernel.read()
    by = logical.in_use(interfaces, state, files.up())
    asked = logical.with_own(interfaces, by)
    names = dict.fromkeys((*stanzas.selected(interfaces, "auto", state), *by, *_up_with_stanza(asked)))
    found = check.check(interfaces, state)
    return [*found, *check.differences(asked, names, state), *check.idle(asked, names, state)]


def _readable(interfaces: Interfaces, first: str = "") -> Interfaces:
    """Return the same. Die if a file (`first`, if that is given) may not be read: it may be there and good all the same."""
    hidden = [one for one in interfaces.problems if one.text.endswith(os.strerror(errno.EACCES))]
    hidden = [one for one in hidden if not first or one.where == first]
    if hidden and os.geteuid() != 0:
        die(str(hidden[0]), hint="use sudo")
    return interfaces


def _up_with_stanza(interfaces: Interfaces) -> Iterable[str]:
    """Return the interfaces that ifupdown holds for up, beyond those that come up by themselves."""
    return sorted(name for name in files.configured() if interfaces.of(name))
