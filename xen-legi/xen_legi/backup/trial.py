"""A copy is started for a trial, from snapshots of it and without a network, until it asks for a login.

The copy itself is only read. The trial is a domU of its own, NAME.test, which is ended whatever came of it; its file and the
snapshots, SLOT.test, are ours by their place and tags, and go with the next order for this copy if a trial was killed.
"""

import contextlib
import os
import re
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.backup import commit, copies, ghost, trusted
from xen_legi.backup.generations import COPY, Copy
from xen_legi.domu import config as domu_config
from xen_legi.domu import xl
from xen_legi.errors import die, fail
from xen_legi.run import PIPE, spawn
from xen_legi.steps import Progress, lock, named_point, say
from xen_legi.storage import lvm
from xen_legi.storage.lvm import TAG, TEST_TAG, Volume
from xen_legi.units import format_seconds, format_size

SUFFIX = ".test"
DIRECTORY = Path("/run/xen-legi/test")
BOOTS, UNSURE, FAILS = "boots", "unsure", "fails"
_PROMPT = re.compile(rb"login: *$")
_LINES = 5  # of the console, told of a copy that does not start
_LOOK = 5  # seconds between two looks whether it is still there
_OVER = (
    "vif = []", *(f'on_{what} = "destroy"' for what in ("poweroff", "reboot", "crash", "watchdog", "soft_reset")),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """How the trial of a copy went: boots, unsure (it runs, and asked for no login in time) or fails; seconds; and what the
    console said last."""

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
    if copy.best is None or not copy.clean:
        die(f"the copy of {copy.domu} in {copy.group} is being written, or was not finished", hint="after the next run")


def text_of(copy: Copy, text: str, memory: int = 0) -> str:
    """Given the file of a copy, return that of its trial; what stands last counts. Memory in MiB, 0: as it is."""
    paths = renamed(copy)
    lines = [f'name = "{name_of(copy)}"', *_OVER, *([f"memory = {memory}", f"maxmem = {memory}"] if memory else [])]
    changed = domu_config.replace_disks(re.sub(r"(?m)^\s*uuid\s*=.*$", "", text), paths)
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
    with lock(copies.lock_name(copy.domu, copy.group), what=f"the copy of {copy.domu}"):
        copy = copies.Work(copy.domu, copy.group, copy.source).read_copy()
        end_leftovers(copy)
        need_testable(copy)
        text = text_of(copy, files.read(commit.config_file(copy.domu, copy.group)), memory)
        began = time.monotonic()
        with _snapshots(copy, share), _running(copy, text):
            state, console = _watch(name_of(copy), seconds)
        generation = copy.best.number if copy.best else 0
        return Verdict(copy.domu, copy.group, generation, state, round(time.monotonic() - began, 1), console)


def end_leftovers(copy: Copy) -> None:
    """End what a trial of this copy that was killed has left; who calls holds the copy's lock, so that none is under way."""
    file = _file(copy)
    if file.exists():
        _end(copy)
        say(f"• ended the trial of {copy.domu} that was left")
    for one in leftovers(copy, lvm.volumes(copy.group)):
        lvm.remove(one.group, one.name)


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
            lvm.remove(one.group, one.name)


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
    name = name_of(copy)
    if xl.is_running(name):
        xl.destroy(name)
        if not xl.gone(name, 60):
            fail(f"the trial {name} could not be ended", hint=f"xl destroy {name}, then the command once more")
    _file(copy).unlink(missing_ok=True)


def _file(copy: Copy) -> Path:
    return DIRECTORY / f"{name_of(copy)}.cfg"


def _watch(name: str, seconds: float) -> tuple[str, tuple[str, ...]]:
    """Read the console of a trial until it asks for a login, ends, or its time is over. Return what came of it, and the last
    lines."""
    domain = xl.domain(name)
    if domain is None:
        return FAILS, ()
    progress = Progress(f"{name} starts", int(seconds), lambda value: format_seconds(value))
    told, began = b"", time.monotonic()
    with spawn(["xl", "console", "-t", "pv", str(domain.id)], stdin=PIPE, stdout=PIPE, stderr=PIPE) as console:
        assert console.stdout
        pipe = console.stdout.fileno()
        while (passed := time.monotonic() - began) < seconds:
            data = _read(pipe)
            told = (told + (data or b""))[-8192:]
            if _PROMPT.search(told):
                break
            if data == b"" or (data is None and xl.domain(name) is None):
                break
            progress.update(int(passed))
        console.terminate()
    progress.close()
    if _PROMPT.search(told):
        return BOOTS, ()
    return (UNSURE if xl.is_running(name) else FAILS), last_lines(told)


def _read(pipe: int) -> bytes | None:
    """Return what the console says within some seconds: None if nothing, no bytes at its end."""
    return os.read(pipe, 4096) if select.select([pipe], [], [], _LOOK)[0] else None


def last_lines(told: bytes) -> tuple[str, ...]:
    """Return the last lines of a console without what moves the cursor or sets colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\n]", "", told.decode(errors="replace"))
    return tuple(line.strip() for line in text.splitlines() if line.strip())[-_LINES:]
