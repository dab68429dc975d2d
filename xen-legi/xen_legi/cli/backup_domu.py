"""Copy domUs, while they run, to other volume groups and other dom0s, so that each copy can be started as it is."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from xen_legi import VERSION, config, files, run, steps, window
from xen_legi.backup import (
    destination, foreseen, health, nightly, overview, plan, report, state, tasks, unreadable, wishes,
)  # fmt: skip
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Options
from xen_legi.backup.report import Row
from xen_legi.backup.tasks import Task
from xen_legi.backup.unreadable import NotCopied
from xen_legi.cli import Parser, VerbParser, backup_trial, common, guarded, nearest
from xen_legi.config import Config
from xen_legi.domu import config as domu_config
from xen_legi.domu import disks
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import EXIT_OK, EXIT_PARTLY, EXIT_STATUS_HELP, EXIT_USAGE, Problem, die, need_root
from xen_legi.peers import book
from xen_legi.storage import lvm
from xen_legi.units import parse_seconds

VERBS = ("run", "plan", "status", "check", "test")
_WITH_VALUE = ("--to", "--warning", "--critical", "--prometheus", "--group", "--timeout", "--memory")
_NO_VERB = ("-h", "--help", "--version")
EXAMPLES = """\
examples:
  backup-domu                          # copy all domUs to all destinations of /etc/xen-legi/xen-legi.toml
  backup-domu web1 --to dom0b          # copy one, to one
  backup-domu plan                     # say what would be copied, and how
  backup-domu status                   # where copies are, and how old
  backup-domu check                    # the same for Nagios or Icinga
  backup-domu test web1                # start the copy of web1 on this host for a trial, without a network
"""
_EXAMPLES_OF = {
    "test": backup_trial.EXAMPLES,
    "run": """\
examples:
  backup-domu                          # all domUs to all destinations of /etc/xen-legi/xen-legi.toml
  backup-domu web1 db1 --to dom0b      # copy two, to one
  backup-domu --dry-run                # say what would be done
  backup-domu web1 --checksum          # find also what changed and kept its size and time
""",
    "plan": """\
examples:
  backup-domu plan                     # all domUs
  backup-domu plan web1 --to vg1 --json
""",
    "status": """\
examples:
  backup-domu status                   # the copies that this host has sent, and those that it keeps
  backup-domu status --json
""",
    "check": """\
examples:
  backup-domu check                    # one line, and the exit status of a plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  backup-domu check --warning 2d --critical 4d
  backup-domu check --prometheus /var/lib/prometheus/node-exporter/xen-legi.prom
""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; without one, `run`. Return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    words = verb_first(given)
    try:
        return guarded("backup-domu", lambda: _dispatch(words, no_verb=len(words) > len(given)))
    except SystemExit as end:
        if words[:1] == ["check"] and end.code == EXIT_USAGE:  # for a plugin, that would be an alarm
            print("UNKNOWN: wrong use")
            return health.UNKNOWN
        raise


def verb_first(words: Sequence[str]) -> list[str]:
    """Return the words with the verb in front of all options; `run` is meant where none is named."""
    place = next((at for at, word in enumerate(words) if not word.startswith("-")
                  and (at == 0 or words[at - 1] not in _WITH_VALUE)), len(words))
    before = list(words[:place])
    if "--version" in before:
        return ["--version"]
    if place < len(words) and words[place] in VERBS and "--" not in before:
        return [words[place], *before, *words[place + 1:]]
    return [word for word in before if word in _NO_VERB][:1] or ["run", *words]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole program."""
    top = Parser(
        prog="backup-domu",
        usage="backup-domu [run|plan|status|check|test] [OPTION...] [NAME...]",
        description=__doc__,
        epilog=f"{EXAMPLES}\n{EXIT_STATUS_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an option that comes later must not change what a word in somebody's script means
    )
    common(top)
    top.add_argument("--version", action="version", version=f"backup-domu {VERSION}")
    title = "verbs (run is meant where none is named)"
    below = top.add_subparsers(prog="backup-domu", metavar="VERB", required=True, title=title, parser_class=VerbParser)
    one = _verb(below, "run", _run, "copy domUs now")
    _what(one)
    one.add_argument("--dry-run", action="store_true", help="say what would be done, as plan does")
    one.add_argument("--cron", action="store_true", help="say nothing but the report, and nothing at all without domUs")
    one.add_argument("--checksum", action="store_true", help="go by the content of every file, not by its size and time")
    one.add_argument(
        "--allow-deletes", action="store_true",
        help="the domU has rightly lost or changed most of its files: let the copies follow"
    )
    _what(_verb(below, "plan", _plan, "say what would be copied, and how"))
    one = _verb(below, "status", _status, "say where copies are, and how old")
    one.add_argument("--json", action="store_true", help="print JSON")
    _check_options(_verb(below, "check", _check, "say in one line whether all domUs have young copies, for Nagios"))
    backup_trial.options(_verb(below, "test", backup_trial.main, "start copies of this host for a trial, without a network"))
    return top


def _check_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--warning", default="26h", metavar="TIME", help="age from which on a copy is too old (default: 26h)")
    one.add_argument("--critical", default="50h", metavar="TIME",
                     help="the same for the newest copy of a domU (default: 50h)")
    one.add_argument("--prometheus", default="", metavar="FILE",
                     help="write it to a file for node_exporter's textfile collector, too")


def _verb(
    below: "argparse._SubParsersAction[VerbParser]", name: str, job: object, text: str
) -> argparse.ArgumentParser:
    one = below.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.",
                           epilog=f"{_EXAMPLES_OF[name]}\n{EXIT_STATUS_HELP}",
                           formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    common(one, again=True)
    one.set_defaults(main=job)
    return one


def _what(one: argparse.ArgumentParser) -> None:
    one.add_argument("names", nargs="*", metavar="NAME", help="domUs (default: all that are not excluded)")
    one.add_argument(
        "--to", action="append", default=[], metavar="DEST", help="a volume group or a peer (default: the settings')"
    )
    one.add_argument("--json", action="store_true", help="print JSON")


def _dispatch(words: list[str], *, no_verb: bool) -> int:
    options = parser().parse_args(words)
    options.no_verb = no_verb
    run.debug, steps.quiet = options.debug, options.quiet or getattr(options, "cron", False)
    if options.main != _check:
        need_root("backup-domu")
    return int(options.main(options))


def _run(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _plan(options)
    began = time.time()
    settings = _settings()
    configs, unread = _domus(options, settings)
    if options.cron and not configs and not unread:
        return EXIT_OK
    work = _tasks(settings, configs, options.to)
    asked = nightly.receivers(_destinations(_wanted(options, settings, work)), settings.retries, settings.keep_base)
    chosen = tasks.placed(work, asked)
    tasks.remember(chosen, asked)
    by_content = options.checksum or (options.cron and window.is_sunday_for(settings.checksum, time.localtime(began)))
    what = Options(nightly.run_name(), checksum=by_content, allow_deletes=options.allow_deletes,
                   at_once=settings.at_once, usual=options.to or settings.destinations, windows=not options.names)
    rows = nightly.run(chosen, unread, asked, what)
    seconds = time.time() - began
    kept = _keep(rows, began, seconds)
    if options.json:
        print(report.as_json([asdict(row) for row in rows]), end="")
    nightly.need_one(asked)
    if not options.json:
        print(report.text(rows, state.host(), seconds), end="")
    return EXIT_OK if kept and not any(row.state == report.FAILED for row in rows) else EXIT_PARTLY


def _settings() -> Config:
    """Return the settings of this host; where they name no destination, all peers are meant."""
    settings = config.load()
    return settings if settings.destinations else replace(settings, destinations=tuple(one.name for one in book.all_peers()))


def _tasks(settings: Config, configs: Sequence[DomuConfig], to: Sequence[str] = ()) -> list[Task]:
    groups, peers = set(lvm.groups()), book.all_peers()
    return tasks.tasks(configs, settings, to, lambda name: destination.resolve(name, groups, peers))


def _wanted(options: argparse.Namespace, settings: Config, work: Sequence[Task]) -> Sequence[str]:
    """Return the names of all destinations of this run: with those of this host, for what belongs to no domU."""
    return options.to or list(dict.fromkeys([*settings.destinations, *tasks.destinations(work)]))


def _keep(rows: list[Row], began: float, seconds: float) -> bool:
    """Keep the report for programs; tell whether it could be kept. People get theirs all the same."""
    try:
        report.save(rows, state.host(), began, seconds)
    except OSError as error:
        steps.warn(f"the report could not be kept in {report.LAST}: {error.strerror or error}; is the disk full?")
        return False
    steps.named_point("backup:report-written")
    return True


def _plan(options: argparse.Namespace) -> int:
    settings = _settings()
    volumes = lvm.volumes()
    configs, unread = _domus(options, settings)
    work = _tasks(settings, configs, options.to)
    where = _destinations(_wanted(options, settings, work))
    if tasks.undecided(work):
        work = tasks.placed(work, nightly.ask_all(where))
    devices = disks.devices(configs, volumes)
    domus = [(one, plan.examine(one.config, volumes, plan.method_of, devices, plan.image_of)) for one in work]
    if options.json:
        print(report.as_json(foreseen.facts(domus, unread, options.to or settings.destinations)), end="")
    else:
        print(foreseen.text(domus, unread, [] if options.names else _strays()), end="")
    return EXIT_OK


def _strays() -> list[Path]:
    """Return the files with settings for domUs that this host does not have."""
    files, broken = domu_config.all_files()
    return wishes.strays([name for one in files for name in (one.name, one.file.stem)] + [one.file.stem for one in broken])


def _check(options: argparse.Namespace) -> int:
    """Say it in one line. Whatever keeps us from knowing is UNKNOWN: for a plugin, 1 and 2 mean something else."""
    places: list[overview.Place] = []
    now = int(time.time())
    try:
        need_root("backup-domu")
        limits = _limits(options)
        settings = _settings()
        work, unread = _all(settings)
        places = _places(settings, work)
        every = {one.name for one in domu_config.all_domus()}
        wanted = health.Expected(state.host(), _aims(settings, work, unread), _mistakes(work), every)
        found = health.findings(places, wanted, limits, now)
        level, line = health.status(found), health.line(places, found, now)
    except (Problem, OSError) as problem:
        level, line = health.UNKNOWN, f"UNKNOWN: {getattr(problem, 'message', problem)}"
    try:
        if options.prometheus:
            files.replace(Path(options.prometheus), health.prometheus(places, level, now))
    except OSError as error:
        level, line = health.UNKNOWN, f"UNKNOWN: {options.prometheus}: {error.strerror}"
    print(line)
    return level


def _limits(options: argparse.Namespace) -> health.Limits:
    limits = health.Limits(*(parse_seconds(one, what="age") for one in (options.warning, options.critical)))
    if limits.warning > limits.critical:
        die(f"--warning {options.warning} is more than --critical {options.critical}", hint="the alarm comes last")
    return limits


def _all(settings: Config) -> tuple[list[Task], list[str]]:
    """Return all domUs that are to be copied, and the names of those whose file cannot be read."""
    known, twins = unreadable.apart(domu_config.all_domus())
    unread = [one.name for one in (*unreadable.all_unreadable(), *twins)]
    out = wishes.excluded([*(one.name for one in known), *unread], settings)
    work = _tasks(settings, [one for one in known if one.name not in out])
    return work, [name for name in dict.fromkeys(unread) if name not in out]


def _places(settings: Config, work: Sequence[Task]) -> list[overview.Place]:
    names = dict.fromkeys([*settings.destinations, *tasks.destinations(work)])
    return [*overview.sent(_destinations(list(names)) if names else []), *overview.kept()]


def _aims(settings: Config, work: Sequence[Task], unread: Sequence[str]) -> dict[str, health.Aim]:
    """Return how many copies each domU should have, and where: never more than there are hosts for them."""
    peers = {one.name for one in book.all_peers()}
    aims = dict.fromkeys(unread, (settings.destinations, settings.copies))
    aims |= {one.name: (one.to, one.settings.copies) for one in work}
    return {name: health.Aim(to, min(copies, len({one if one in peers else "" for one in to})) if copies < len(to) else 0)
            for name, (to, copies) in aims.items()}


def _mistakes(work: Sequence[Task]) -> list[str]:
    return [one.problem.message for one in work if one.problem] + [
        f"{one} is not the file of a domU of this host" for one in _strays()]


def _status(options: argparse.Namespace) -> int:
    settings = _settings()
    work, unread = _all(settings)
    places = _places(settings, work)
    if options.json:
        facts = {"format": report.FORMAT, "host": state.host(), "copies": [asdict(one) for one in places]}
        print(report.as_json(facts), end="")
    else:
        print(overview.text(places, {name: aim.where for name, aim in _aims(settings, work, unread).items()}), end="")
        print("".join(f"{one}\n" for one in _mistakes(work)), end="")
    return EXIT_PARTLY if any(one.problem for one in places) else EXIT_OK


def _domus(options: argparse.Namespace, settings: Config) -> tuple[list[DomuConfig], list[NotCopied]]:
    """Return the domUs that are meant, and of those that are meant the files that cannot be read, or are two for one."""
    known, twins = unreadable.apart(domu_config.all_domus())
    found = [*unreadable.all_unreadable(), *twins]
    out = wishes.excluded([one.name for one in known] + [one.name for one in found], settings)
    unread = unreadable.choose(found, [one.name for one in known], options.names, out)
    names = [name for name in options.names if name not in {one.name for one in unread}]
    if options.names and not names:
        return [], unread
    if options.no_verb:
        _need_no_verb(names, known)
    return plan.choose(known, names, out), unread


def _need_no_verb(names: Sequence[str], known: Sequence[DomuConfig]) -> None:
    """Die if the first name is none, but nearly a verb."""
    verb = nearest(names[0], VERBS) if names and names[0] not in {one.name for one in known} else ""
    if verb:
        domus = ", ".join(one.name for one in known) or "none"
        die(f"there is neither a verb nor a domU {names[0]!r}; is {verb} meant?", hint=f"domUs of this host: {domus}")


def _destinations(names: Sequence[str]) -> list[Destination]:
    """Return the destinations of these names. One that is unknown is wrong use; nothing has been done yet."""
    if not names:
        die("no destinations are set, and there are no peers: nothing is copied",
            hint='xen-legi peer add; or in /etc/xen-legi/xen-legi.toml, section [backup]: destinations = ["vg1", "dom0b"]')
    groups, peers = set(lvm.groups()), book.all_peers()
    if twice := {name for name in names if list(names).count(name) > 1}:
        die(f"{', '.join(sorted(twice))} is named twice", hint="name each destination once")
    return [destination.resolve(name, groups, peers) for name in names]
