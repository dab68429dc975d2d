"""The copies of one domU in one run: ghosts of all its volumes, then their transfer to some destinations at once."""

import contextlib
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from xen_legi import files, workers
from xen_legi.backup import (
    base, boot, copies, destination, ghost, plan, quiesce, report, request, send, send_blocks, tripwire,
)  # fmt: skip
from xen_legi.backup.base import Delta
from xen_legi.backup.destination import Destination
from xen_legi.backup.ghost import Ghost
from xen_legi.backup.plan import SENT, Domu, Part
from xen_legi.backup.report import Row
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.backup.send import Sent
from xen_legi.errors import Lost, Problem, die, fail
from xen_legi.steps import lock, named_point, say, step
from xen_legi.storage import identity, lvm, namespace
from xen_legi.units import format_seconds

COUNTERS = Path("/var/lib/xen-legi/backup/generation")
PAUSE = 10  # seconds before a copy whose connection broke is tried again


@dataclass(frozen=True)
class Receiver:
    """A destination that answered at the start of the run: its copies by domU, or the problem that it had."""

    where: Destination
    copies: dict[str, dict[str, object]]
    problem: Problem | None = None
    free: int | None = None  # bytes

    def number(self, domu: str, fact: str) -> int:
        """Return a number that the receiver told of its copy of a domU; 0 if it has none."""
        value = self.copies.get(domu, {}).get(fact, 0)
        return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class Options:
    """What holds for the whole run, or for one domU in it."""

    run: str
    ghost_size: str = "20%"
    checksum: bool = False
    allow_deletes: bool = False
    at_once: int = 1
    bandwidth: int = 0  # bytes a second to another host, 0: no limit
    sync_wait: int = 0  # seconds that a running domU has to write what it holds in memory, 0: it is not asked
    keep_base: int = 0  # percent of a thin pool up to which a base may stay in it, 0: never
    retries: int = 0  # of a copy whose connection broke
    usual: Sequence[str] = ()  # the destinations of what belongs to no domU
    windows: bool = False  # whether a domU must be in its window: not when a person names it


def back_up(domu: Domu, receivers: Sequence[Receiver], options: Options) -> Iterator[Row]:
    """Copy one domU to every receiver that answered and yield a row for each, when it is done: what goes wrong later, with
    the clean-up, is nothing to it. Raise Problem if none could be begun."""
    yield from (row for one in receivers if (row := unreached(domu.name, one)))
    there = [one for one in receivers if not one.problem]
    if not there:
        return
    if domu.problem:  # before the lock: a name that is none would be a path there
        die(f"{domu.name} is not copied: {domu.problem}", hint="until then, leave it out: exclude in xen-legi.toml")
    with lock(ghost.lock_name(domu.name), what=f"the backup of {domu.name}"):
        named_point("backup:locked")
        data = [one for one in domu.parts if one.method in SENT]
        wanted = _request(domu, _generation(domu.name, there), boot.needed(domu.config), options)
        quiesce.ask(domu.name, options.sync_wait)
        origins = {one.volume.full_name: one.volume for one in data}  # several images may be on one of them
        with ghost.ghosts(domu.name, list(origins.values()), options.ghost_size, options.run) as (made, pause):
            by_part = {part.name: one for part in data for one in made if one.origin == part.volume}
            wanted = _with_identities(wanted, domu, by_part)
            with _opened(wanted, data, by_part) as (trees, raw):
                named_point("backup:ghosts-mounted")
                disks = {part.name: by_part[part.name] for part in data if part.method == "blocks" and not part.image}
                volumes = lvm.volumes() if any(one.origin.pool for one in disks.values()) else []
                wanted = base.named(wanted, disks, volumes)
                deltas = {} if options.checksum else base.deltas(disks, volumes)
                any_good = yield from _to_all(there, Transfer(wanted, trees, made, pause.seconds, options, raw, deltas))
            if any_good:
                base.keep(disks.values(), options.keep_base)


@dataclass(frozen=True)
class Transfer:
    """What goes to every receiver: the request, the mounted ghost of each slot that has files, the ghosts of all, how long
    the guest was paused; what is read of those that go block by block, and what is known of their changes."""

    wanted: CopyRequest
    trees: dict[str, Path]
    made: Sequence[Ghost]
    pause: float
    options: Options
    raw: Mapping[str, Path] = field(default_factory=dict)
    deltas: Mapping[str, Delta] = field(default_factory=dict)


def _to_all(receivers: Sequence[Receiver], what: Transfer) -> Generator[Row, None, bool]:
    """Copy to all of them, some at once, and yield a row for each. Return whether any copy is good."""
    good = False
    names = ", ".join(one.where.name for one in receivers)
    with step(f"{what.wanted.domu} to {names}, generation {what.wanted.generation}"):
        done = workers.each(partial(_to_one, what=what), receivers, what.options.at_once)
        for receiver, row in zip(receivers, done, strict=True):
            if isinstance(row, Problem):
                row = report.failed(what.wanted.domu, receiver.where.name, row.message, row.hint)
            good = good or row.state == report.GOOD
            yield row
    return good


def _to_one(receiver: Receiver, what: Transfer) -> Row:
    """Copy to one receiver; whatever goes wrong there is this row's problem and nobody else's."""
    began = time.monotonic()
    said: list[str] = []
    for attempt in range(1 + what.options.retries):
        try:
            if attempt:
                say(f"{receiver.where.name} is tried again in {PAUSE} s")
                time.sleep(PAUSE)
                what = _again(what, attempt)
            return _copied(receiver, what, began)
        except Exception as error:
            problem = _given_up(receiver.where, what.wanted, error)
        said += [problem.message] if problem.message not in said else []
        if not isinstance(problem, Lost) or receiver.where.local:
            break
    took = time.monotonic() - began
    return report.failed(what.wanted.domu, receiver.where.name, "; tried again: ".join(said), problem.hint, took)


def _again(what: Transfer, attempt: int) -> Transfer:
    """Return the transfer as another run: what the receiver may still hear of the first one is refused there."""
    wanted = what.wanted
    number = wanted.generation + 1
    _count(wanted.domu, number)
    run = f"{what.options.run}-{attempt + 1}"
    return replace(what, wanted=replace(wanted, run=run, generation=number))


def _copied(receiver: Receiver, what: Transfer, began: float) -> Row:
    """Make the copy and return its row."""
    where, wanted = receiver.where, what.wanted
    tripwire.need_files(where.name, wanted, receiver.number(wanted.domu, "files"), what.trees.values())
    begun = _begin(where, wanted)
    sent = _transfer(where, what, begun)
    full = _prove(what.made)  # for the last time: what becomes of the ghosts from here on is nothing to this copy
    named_point("backup:verified")
    where.call("commit", wanted.domu, wanted.run, timeout=copies.timeout("commit", len(wanted.volumes)))
    named_point("backup:committed")
    took = time.monotonic() - began
    say(f"{where.name}: the copy is good ({format_seconds(took)})")
    return report.good(
        wanted.domu, where.name, wanted.generation, sent, took, ghost=full, pause=what.pause,
        warnings=(*begun.warnings, *whole(where, what.deltas, begun.held)),
    )


def _given_up(where: Destination, wanted: CopyRequest, error: Exception) -> Problem:
    """Tell what went wrong, and the receiver that this try is over."""
    problem = explained(error)
    say(problem.message)
    with contextlib.suppress(Problem):
        where.call("abort", wanted.domu, wanted.run, timeout=60)
    return problem


@dataclass(frozen=True)
class Begun:
    """What a receiver that is ready answers: what it warns of, in which volumes size and time of a file are no proof of its
    content, which ghosts the volumes are that go block by block, where it knows that, and which volumes are new ones."""

    warnings: Sequence[str]
    unsure: frozenset[str]
    held: Mapping[str, str]
    anew: frozenset[str]


def _begin(where: Destination, wanted: CopyRequest) -> Begun:
    """Have the receiver get ready, give it the kernels that it lacks, and return what it tells."""
    limit = copies.timeout("begin", len(wanted.volumes))
    answer = where.call("begin", wanted.domu, payload=request.to_json(wanted), timeout=limit)
    named_point("backup:begun")
    try:
        missing, warnings = list(answer["missing"]), [str(one) for one in answer["warnings"]]
        unsure = frozenset(str(one) for one in answer.get("by_content", ()))
        held = {str(slot): str(run) for slot, run in answer.get("held", {}).items()}  # an older receiver knows of none
        anew = frozenset(str(one) for one in answer.get("anew", [one.name for one in wanted.volumes]))
    except (KeyError, TypeError, AttributeError) as error:
        raise destination.strange(where.name, error) from None
    for one in wanted.boot:
        if one.path in missing:
            say(f"{where.name} lacks {one.path}: sending it")
            where.push("kernel", Path(one.path).name, one.sha256, file=Path(one.path))
            named_point("backup:kernel-sent")
    return Begun(warnings, unsure, held, anew)


def _transfer(where: Destination, what: Transfer, begun: Begun) -> Sent:
    """Send every tree, prove the ghosts, then have every copy compared. Raise Problem for any difference."""
    total = Sent()
    domu, run = what.wanted.domu, what.wanted.run
    by_content = set(what.trees) if what.options.checksum else set(begun.unsure)
    for slot, tree in what.trees.items():
        _prove(what.made)
        sent = send.send(tree, where, domu, slot, run, checksum=slot in by_content, bandwidth=what.options.bandwidth)
        by_content |= {slot} if sent.tight else set()
        total += sent
        if slot not in begun.anew:
            tripwire.need_usual(where, what.wanted, slot, sent)
        named_point("backup:sent")
    total += _transfer_blocks(where, what, begun.held)
    _prove(what.made)
    for slot, tree in what.trees.items():
        differ = send.verify(tree, where, domu, slot, run, checksum=slot in by_content)
        if differ:
            lines = "".join(f"\n    {line}" for line in differ[:5])
            fail(f"{where.name}: the copy of {slot} differs from its ghost in {len(differ)} places:{lines}",
                 hint="the last good copy is kept; the next run tries again")
    return total


def _transfer_blocks(where: Destination, what: Transfer, held: Mapping[str, str]) -> Sent:
    """Send what differs of each volume that goes block by block, and have it proven."""
    total = Sent()
    for slot, path in what.raw.items():
        _prove(what.made)
        size = what.wanted.volume(slot).size
        source = send_blocks.Source(path, size, (what.wanted.domu, slot, what.wanted.run))
        delta = what.deltas.get(slot)
        if delta and not unknown(where, delta, held.get(slot)):
            total += send_blocks.send_known(source, where, delta.numbers, what.options.bandwidth)
            named_point("backup:sent")
        else:
            total += _compare_all(source, where, what.options.bandwidth)
    return total


def _compare_all(source: send_blocks.Source, where: Destination, bandwidth: int) -> Sent:
    """Find what differs by reading all of both sides, send it, and have all of it compared once more."""
    sent, own = send_blocks.send_changed(source, where, bandwidth)
    named_point("backup:sent")
    if differ := send_blocks.verify(source, where, own):
        fail(f"{where.name}: the copy of {source.slot} differs from its ghost in {len(differ)} places: {differ[0]}, ...",
             hint="the last good copy is kept; the next run tries again")
    return sent


def unknown(where: Destination, delta: Delta, held: str | None) -> str:
    """Return why what changed since the last run does not tell what differs from a copy; nothing if it does."""
    return delta.why or ("" if held == delta.ghost else f"{where.name} does not vouch for the copy of {delta.run}")


def whole(where: Destination, deltas: Mapping[str, Delta], held: Mapping[str, str]) -> list[str]:
    """Return a line for each volume of which all was read, although it has a base."""
    reasons = {slot: unknown(where, delta, held.get(slot)) for slot, delta in deltas.items()}
    return [f"all of {slot} was compared: {why}" for slot, why in reasons.items() if why]


def _prove(made: Sequence[Ghost]) -> float:
    """Return how full the fullest ghost is. Raise Problem if one does not show any more what was."""
    return max(one.percent() for one in made)


@contextlib.contextmanager
def _opened(
    wanted: CopyRequest, data: Sequence[Part], made: Mapping[str, Ghost]
) -> Iterator[tuple[dict[str, Path], dict[str, Path]]]:
    """Mount the ghosts of volumes that have files of the guest or are what its images are on. Yield the trees of the former,
    and what is read of those that go block by block: a ghost's device, or the image in the ghost."""
    trees, raw = {}, {}
    places: dict[Path, Path] = {}
    with contextlib.ExitStack() as mounts:
        for part in data:
            device = made[part.name].device
            if device not in places and (part.image or part.method == "files"):
                kind = part.image.filesystem if part.image else wanted.volume(part.name).identity.type
                places[device] = mounts.enter_context(namespace.mounted(device, kind))
            if part.image:
                raw[part.name] = places[device] / part.image.within
                plan.need_same(part.image, raw[part.name])
            elif part.method == "files":
                trees[part.name] = places[device]
            else:
                raw[part.name] = device
        yield trees, raw
    named_point("backup:unmounted")


def _request(domu: Domu, generation: int, needed: tuple[request.BootFile, ...], options: Options) -> CopyRequest:
    text = domu.config.text
    return CopyRequest(domu.name, options.run, generation, text, (), needed, options.allow_deletes)


def _with_identities(wanted: CopyRequest, domu: Domu, made: dict[str, Ghost]) -> CopyRequest:
    """Return the request with the volumes; a filesystem's identity is read from its ghost, which stands still."""
    _prove(list(made.values()))  # of a ghost that has overflowed, blkid only says that it knows nothing
    volumes = []
    for part in domu.parts:
        volume = VolumeRequest(part.name, part.path, part.size, _identity(part, made.get(part.name)))
        if volume.raw != (part.method == "blocks"):
            fail(f"{part.volume.full_name} has changed its kind since the run began", hint="the next run copies it")
        volumes.append(volume)
    whole_one = replace(wanted, volumes=tuple(volumes))
    return request.from_json(request.to_json(whole_one))  # what the receiver would refuse is refused here


def _identity(part: Part, made: Ghost | None) -> identity.Identity:
    if part.image and made:  # where the ghost is mounted is not known yet
        return identity.of_image(part.image.path)
    return identity.probe(part.image.path if part.image else made.device if made else part.volume.path)


def _generation(domu: str, receivers: Sequence[Receiver]) -> int:
    """Return the number of this run's generation: higher than any that we or a receiver ever heard of. It is kept."""
    number = 1 + max([_counted(domu), *(one.number(domu, "newest") for one in receivers)])
    _count(domu, number)
    return number


def _counted(domu: str) -> int:
    said = files.read(COUNTERS / domu).strip()
    return int(said) if said.isdecimal() else 0


def _count(domu: str, generation: int) -> None:
    """Keep the number of a generation before anybody hears of it, unless a higher one was kept."""
    path = COUNTERS / domu
    try:
        with lock(f"generation-{domu}", what=f"the generations of {domu}", wait=30):  # two copies may be tried again at once
            files.replace(path, f"{max(generation, _counted(domu))}\n")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}", hint="is the disk full?")


def explained(error: Exception) -> Problem:
    """Return what went wrong as a problem of one copy: even a bug there must not cost the others theirs."""
    if isinstance(error, Problem):
        return error
    traceback.print_exception(error)
    return Problem(f"a bug in backup-domu: {error!r}", hint="please report the lines above")


def unreached(domu: str, receiver: Receiver) -> Row | None:
    """Return the row of a receiver that had a problem from the start, or None."""
    if receiver.problem is None:
        return None
    return report.failed(domu, receiver.where.name, receiver.problem.message, receiver.problem.hint)
