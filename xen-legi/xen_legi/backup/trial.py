"""A copy is started for a trial, from snapshots of it and without a network, until it asks for a login.

The copy itself is only read. The trial is a domU of its own, NAME.test, which is ended whatever came of it; its file and the
snapshots, SLOT.test, are ours by their place and tags, and go with the next order for this copy if a trial was killed.
"""

import contextlib
import os
import re
import select
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.backup import commit, copies, ghost, promote, trusted
from xen_legi.backup.generations import COPY, Copy
from xen_legi.domu import config as domu_config
from xen_legi.domu import xl
from xen_legi.errors import CommandFailed, die, fail
from xen_legi.run import PIPE, spawn
from xen_legi.steps import Progress, lock, named_point, say
from xen_legi.storage import lvm
from xen_legi.storage.lvm import TAG, TEST_TAG, Volume
from xen_legi.units import format_seconds, format_size

SUFFIX = ".test"
DIRECTORY = Path("/run/xen-legi/test")
BOOTS, UNSURE, FAILS, UNTESTED = "boots", "unsure", "fails", "untested"
_PROMPT = re.compile(r"(?m)^(?!Last )\S+ login: ")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\n]")
_KEPT = 8192  # characters
_LINES = 5  # of the console, told of a copy that does not start
_LOOK = 5  # seconds between two looks whether it is still there
_OVER = (
    *(f'on_{what} = "destroy"' for what in ("poweroff", "reboot", "crash", "watchdog", "soft_reset")),
    *(f"{what} = []" for what in ("vif", "pci", "usbctrl", "usbdev", "vtpm", "p9", "vfb", "channel")),  # the domU's own
)


@dataclass(frozen=True)
class Verdict:
    """How the trial of a copy went: boots, unsure (it runs, and asked for no login in time), fails, or untested; seconds
    until that was known; and what the console said last, or the problem."""

    domu: str
    group: str
    generation: int
    state: str
    seconds: float
    console: tuple[str, ...] = ()


def name_of(copy: Copy) -> str:
    """Return the name of the trial of a copy."""
    return f"{copy.domu}{SUFFIX}"


def need_testable(copy: Copy) -> None:
    """Die if a copy cannot be started for a trial now."""
    if copy.promoted:
        die(f"the copy of {copy.domu} in {copy.group} was promoted: it is the domU", hint="xl list")
    if copy.best is None or not copy.clean or any(one.merging for one in copy.volumes):
        die(f"the copy of {copy.domu} in {copy.group} is being written, or was not finished", hint="after the next run")


def text_of(copy: Copy, text: str, memory: int = 0) -> str:
    """Given the file of a copy, return that of its trial; what stands last counts. Memory in MiB, 0: as it is."""
    paths = renamed(copy)
    sizes = [f"memory = {memory}", f"maxmem = {memory}"] if memory else []
    lines = [f'name = "{name_of(copy)}"', f'uuid = "{uuid.uuid4()}"', *_OVER, *sizes]
    changed = domu_config.replace_disks(text, paths)
    changed = changed.rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    config = domu_config.parse(changed, Path(f"{name_of(copy)}.cfg"))
    if others := trusted.foreign(config, paths.values()):
        die(f"the file of this copy names {', '.join(others)}, which is not its own", hint="look at it in /etc/xen/copies")
    return changed


def renamed(copy: Copy) -> dict[str, str]:
    """Return the paths of the copy's volumes, and those of their snapshots."""
    return {f"/dev/{copy.group}/{slot}{COPY}": f"/dev/{copy.group}/{slot}{SUFFIX}" for slot in copy.slots}


def described(copy: Copy, text: str) -> list[str]:
    """Return what a trial does, for people."""
    config = domu_config.parse(text, Path(f"{name_of(copy)}.cfg"))
    return [f"snapshot {old} as {new}" for old, new in renamed(copy).items()] + [
        f"xl create {DIRECTORY / name_of(copy)}.cfg ({config.memory} MiB, no network)", f"xl destroy {name_of(copy)}"]


def test(copy: Copy, share: str, seconds: float, memory: int = 0) -> Verdict:
    """Start the trial of a copy, watch it, and end it. `share` is the setting ghost_size, for what the trial writes."""
    with _held(copy):
        end_leftovers(copy)
        copy = promote.settled(copy)
        need_testable(copy)
        text = text_of(copy, files.read(commit.config_file(copy.domu, copy.group)), memory)
        with _snapshots(copy, share), _running(copy, text):
            began = time.monotonic()
            state, console = _watch(name_of(copy), seconds)
            took = round(time.monotonic() - began, 1)
            _need_whole(copy)
        return Verdict(copy.domu, copy.group, copy.best.number if copy.best else 0, state, took, console)


@contextlib.contextmanager
def _held(copy: Copy) -> Iterator[None]:
    """Hold the copy, and the name of the trial: copies in two groups have the same."""
    with lock(f"test-{copy.domu}", what=f"the trial of {copy.domu}"):
        with lock(copies.lock_name(copy.domu, copy.group), what=f"the copy of {copy.domu}"):
            yield


def end_leftovers(copy: Copy) -> None:
    """End what a trial of this copy that was killed has left; who calls holds the copy's lock, so that none is under way."""
    if left := leftovers(copy, lvm.volumes(copy.group)):
        _end(copy)
        say(f"• ended the trial of {copy.domu} that was left")
    for one in left:
        _remove(one, copy)


def leftovers(copy: Copy, volumes: Iterable[Volume]) -> list[Volume]:
    """Return the snapshots of trials of a copy."""
    mine = {f"{slot}{COPY}" for slot in copy.slots}
    return [one for one in volumes if one.ours and TEST_TAG in one.tags and one.group == copy.group
            and one.tagged(f"{TAG}.domu") == copy.domu and (one.origin in mine or one.name.endswith(SUFFIX))]


@contextlib.contextmanager
def _snapshots(copy: Copy, share: str) -> Iterator[None]:
    """Inside the context, every volume of a copy has a snapshot."""
    volumes = {slot.name: slot.copy.volume for slot in copy.slots.values() if slot.copy}
    _need_room(copy, volumes, share)
    try:
        for name, one in volumes.items():
            tags = [TAG, TEST_TAG, f"{TAG}.domu={copy.domu}"]
            lvm.snapshot(one, f"{name}{SUFFIX}", ghost.size_of(share, one.size), tags=tags)
            named_point("test:snapshot-made")
        yield
    finally:
        for one in leftovers(copy, lvm.volumes(copy.group)):
            _remove(one, copy)


def _remove(one: Volume, copy: Copy) -> None:
    try:
        lvm.remove(one.group, one.name)
    except CommandFailed as error:
        fail(f"{one.full_name}, of a trial, could not be removed: {error.message}", hint=f"xl destroy {name_of(copy)}")


def _need_whole(copy: Copy) -> None:
    """Fail if what the trial wrote was more than its snapshots could hold: then its verdict is about them."""
    for one in leftovers(copy, lvm.volumes(copy.group)):
        if one.invalid:
            fail(f"the snapshot {one.full_name} was full before the trial ended", hint="a larger ghost_size gives it room")


def _need_room(copy: Copy, volumes: Mapping[str, Volume], share: str) -> None:
    group = lvm.group(copy.group)
    wanted = sum(group.rounded(ghost.size_of(share, one.size)) for one in volumes.values())
    taken = [one for one in lvm.volumes(copy.group) if one.name in {f"{name}{SUFFIX}" for name in volumes}]
    if taken:
        die(f"{taken[0].full_name} is none of our snapshots", hint="rename it with lvrename(8)")
    if wanted > group.free:
        die(f"volume group {group.name} has {format_size(group.free)} free, a trial of {copy.domu} needs"
            f" {format_size(wanted)} for what it writes", hint="make room, or set a smaller ghost_size")


@contextlib.contextmanager
def _running(copy: Copy, text: str) -> Iterator[None]:
    """Inside the context, the trial runs."""
    if xl.is_running(name_of(copy)):
        die(f"a domU {name_of(copy)} runs here, which is no trial", hint="xl list")
    DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(_file(copy), text, mode=0o600)
    try:
        named_point("test:file-written")
        xl.start(_file(copy))
        named_point("test:started")
        yield
    finally:
        _end(copy)


def _end(copy: Copy) -> None:
    """End the trial: the domU of this name that has our snapshots open. One that has not is somebody's own."""
    name = name_of(copy)
    if any(one.open for one in leftovers(copy, lvm.volumes(copy.group))) and xl.answers() and xl.is_running(name):
        xl.destroy(name)
        if not xl.gone(name, 60):
            fail(f"the trial {name} could not be ended", hint=f"xl destroy {name}, then the command once more")
    _file(copy).unlink(missing_ok=True)


def _file(copy: Copy) -> Path:
    return DIRECTORY / f"{name_of(copy)}.cfg"


def _watch(name: str, seconds: float) -> tuple[str, tuple[str, ...]]:
    """Read the console of a trial until it asks for a login, ends, or its time is over. Return what came of it, and the last
    lines."""
    told, until = "", time.monotonic() + seconds
    progress = Progress(f"{name} starts", int(seconds), format_seconds)
    while time.monotonic() < until and not _PROMPT.search(told):
        if xl.domain(name) is None:
            break
        for text in _console(name, until):
            told = (told + text)[-_KEPT:]
            progress.update(int(seconds - (until - time.monotonic())))
            if _PROMPT.search(told):
                break
        else:
            xl.gone(name, _LOOK)  # the console ends a moment before its domU, or has not begun yet
    progress.close()
    if _PROMPT.search(told):
        return BOOTS, ()
    return (UNSURE if xl.is_running(name) else FAILS), last_lines(told)


def _console(name: str, until: float) -> Iterator[str]:
    """Yield what the console of a domU says, nothing from time to time, until it ends or the time is over."""
    domain = xl.domain(name)
    if domain is None:
        return
    with tempfile.TemporaryFile("w") as errors:
        words = ["xl", "console", "-t", "pv", str(domain.id)]
        with spawn(words, stdin=PIPE, stdout=PIPE, stderr=errors) as console:
            assert console.stdout
            pipe = console.stdout.fileno()
            try:
                while time.monotonic() < until:
                    ready = select.select([pipe], [], [], _LOOK)[0]
                    data = os.read(pipe, 4096) if ready else b""
                    if ready and not data or not ready and xl.domain(name) is None:
                        return
                    yield plain(data)
            finally:
                console.kill()  # it only reads; when it is told to end, it may be waiting for us to read


def plain(data: bytes) -> str:
    """Return what a console said without what moves the cursor or sets colours."""
    return _ESCAPES.sub("", data.decode(errors="replace"))


def last_lines(told: str) -> tuple[str, ...]:
    """Return the last lines of what a console said."""
    return tuple(line.strip() for line in told.splitlines() if line.strip())[-_LINES:]
