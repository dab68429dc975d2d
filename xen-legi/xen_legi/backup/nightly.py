"""A whole run: what killed runs left is removed, the receivers are asked, then one domU after the other is copied."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from xen_legi import window
from xen_legi.backup import base, commit, copies, destination, elsewhere, ghost, job, plan, priority, report, state
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Options, Receiver
from xen_legi.backup.report import Row
from xen_legi.backup.tasks import Task
from xen_legi.backup.unreadable import NotCopied
from xen_legi.config import Config
from xen_legi.domu import disks
from xen_legi.errors import Lost, Problem, die, fail
from xen_legi.steps import named_point, say, step, warn
from xen_legi.storage import lvm, namespace
from xen_legi.units import parse_size


def run_name() -> str:
    """Return a name for this run that no other run has or had."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


def receivers(destinations: Iterable[Destination], retries: int = 0, keep_base: int = 0) -> list[Receiver]:
    """Remove what killed runs have left on this host, and ask every destination what it has."""
    reap()
    base.reap(keep_base)
    asked = ask_all(destinations)
    asked = once_more(asked) if retries else asked
    named_point("backup:receivers-asked")
    return asked


def ask_all(destinations: Iterable[Destination]) -> list[Receiver]:
    """Ask every destination what it has."""
    return [ask(one) for one in destinations]


def once_more(asked: Sequence[Receiver]) -> list[Receiver]:
    """Ask those again that could not be reached: it may have been a moment's trouble, and a whole night depends on it."""
    if not any(isinstance(one.problem, Lost) for one in asked):
        return list(asked)
    time.sleep(job.PAUSE)
    return [ask(one.where) if isinstance(one.problem, Lost) else one for one in asked]


def run(work: Sequence[Task], unreadable: Iterable[NotCopied], asked: Sequence[Receiver], options: Options) -> list[Row]:
    """Do these tasks and return the rows of the report. One failure never stops the others."""
    usual = [to.where.name for to in asked if to.where.name in options.usual] or ["-"]
    rows = [report.failed(one.name, where, one.message, one.hint) for one in unreadable for where in usual]
    if not any_answered(asked):
        return rows + [row for one in work for row in _unreached(one, _mine(one, asked))]
    for to in asked:
        if to.problem:
            say(f"• {to.problem.message}")
    namespace.enter()
    for one in sorted(work, key=_turn):
        rows += _one(one, _mine(one, asked), options)
    return rows


def _turn(one: Task) -> int:
    """Tell when a domU's turn is: first what can come too late, last what may still come early enough."""
    return 1 if not one.settings.window else 0 if window.is_open(one.settings.window, time.localtime()) else 2


def _unreached(one: Task, asked: Sequence[Receiver]) -> list[Row]:
    """Return the rows of a domU where nobody can be reached, or that has no destination at all: it is never left out."""
    if asked:
        return [row for to in asked if (row := job.unreached(one.name, to))]
    problem = one.problem or Problem("no destination is set for it", hint="destinations in xen-legi.toml, or its own file")
    return [report.failed(one.name, "-", problem.message, problem.hint)]


def _mine(one: Task, asked: Iterable[Receiver]) -> list[Receiver]:
    """Return the receivers that a domU goes to."""
    return [to for to in asked if to.where.name in one.to]


def any_answered(asked: Iterable[Receiver]) -> bool:
    """Tell whether a copy can be made to any receiver at all."""
    return any(one.problem is None for one in asked)


def need_one(asked: Sequence[Receiver]) -> None:
    """Die with what kept us from every receiver, if it was every one: then nothing was begun."""
    problems = [one.problem for one in asked if one.problem]
    if not any_answered(asked):
        hints = dict.fromkeys(one.hint for one in problems if one.hint)
        die("; ".join(one.message for one in problems), hint="; ".join(hints))


def reap() -> None:
    """Remove what killed runs have left on this host. What cannot be looked for now is left to the next run."""
    try:
        for name in ghost.reap():
            say(f"• removed the ghost {name} that a killed run has left")
    except Problem as problem:
        warn(f"the ghosts of killed runs could not be looked for: {problem.message}")
    named_point("backup:reaped")


def ask(where: Destination) -> Receiver:
    """Ask a receiver what it has."""
    try:
        answer = where.call("status", timeout=60)
        held = {str(one["domu"]): one for one in answer["copies"]}
        return Receiver(where, held, _old_rsync(where, str(answer["rsync"])), int(answer["free"]))
    except Problem as problem:
        return Receiver(where, {}, problem)
    except (KeyError, TypeError, ValueError) as error:
        return Receiver(where, {}, destination.strange(where.name, error))


def _one(task: Task, asked: Sequence[Receiver], options: Options) -> list[Row]:
    config = task.config
    if not asked:
        return _unreached(task, asked)
    if options.windows and not window.is_open(task.settings.window, time.localtime()):
        return [report.later(config.name, to.where.name, f"not within its window, {task.settings.window}") for to in asked]
    began = time.monotonic()
    rows: list[Row] = []
    try:
        with step(f"domU {config.name}"):
            if task.problem:
                raise task.problem
            _need_at_home(config.name, asked)
            priority.stand_back(task.settings.ionice)
            volumes = lvm.volumes()  # here, like the next line: a disk that hangs costs this domU its rows only
            domu = plan.examine(config, volumes, plan.method_of, disks.devices([config], volumes), plan.image_of)
            for row in job.back_up(domu, asked, _options(task.settings, options)):
                rows.append(row)  # one by one: a copy that is made stays made, whatever becomes of the clean-up after it
    except Exception as error:
        rows += _without_row(config.name, asked, rows, job.explained(error), time.monotonic() - began)
    return rows


def _need_at_home(domu: str, asked: Iterable[Receiver]) -> None:
    """Die if a domU runs where its copy was promoted: what is here is old most likely, and must not take the place of a copy
    from before. Which of two is old cannot be told where both were promoted from a copy of the other: it is copied then."""
    others = [to for to in asked if not to.where.local]
    promoted = {to.where.name for to in others if to.copies.get(domu, {}).get("state") == "promoted"}
    if not promoted or any(one.promoted and one.domu == domu for one in copies.all_copies().values()):
        return
    if host := elsewhere.runs_at(domu, promoted):
        fail(f"{domu} runs on {host}, where its copy was promoted: meanwhile it is not copied from here",
             hint=f"only one of the two may run; how the old one is put away: {commit.MANUAL}")


def _options(settings: Config, options: Options) -> Options:
    """Return the options with what the settings of one domU say."""
    limit = parse_size(settings.bandwidth) if settings.bandwidth else 0
    return replace(options, ghost_size=settings.ghost_size, bandwidth=limit, retries=settings.retries,
                   keep_base=settings.keep_base, sync_wait=settings.sync_wait)


def _without_row(name: str, asked: Sequence[Receiver], rows: Sequence[Row], problem: Problem, took: float) -> list[Row]:
    """Return a failed row for every receiver that has none yet. If all have theirs, the problem is only a warning."""
    done = {row.destination for row in rows}
    left = [one for one in asked if one.where.name not in done]
    if not left:
        warn(f"after the copies of {name}: {problem.message}; the next run cleans up")
    failed = (problem.message, problem.hint, took)
    return [job.unreached(name, one) or report.failed(name, one.where.name, *failed) for one in left]


def _old_rsync(where: Destination, version: str) -> Problem | None:
    """Return a problem if one of the two rsyncs is older than what a supported Debian has with its security fixes."""
    for host, said in ((where.name, version), (state.host(), state.rsync_version())):
        if numbers(said) < state.SAFE_RSYNC:
            wanted = ".".join(map(str, state.SAFE_RSYNC))
            return Problem(f"rsync {said} of {host} is older than {wanted} and not safe", hint="upgrade it there", status=1)
    return None


def numbers(version: str) -> tuple[int, ...]:
    """Given 3.5.0, return (3, 5, 0)."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
