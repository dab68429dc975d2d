"""What a killed `resize` was about, and its end by whatever verb comes next.

A larger volume whose filesystem is not, or memory that only the running domU has, cannot be seen afterwards. So what is to
come is written to /var/lib/xen-legi/resizing-NAME.json before the first change, with the sizes that it shall have at last,
and removed after the last one. Each change looks first whether it is done already, and whether what it is about is still
the domU's. The end is tried once: what hinders it then is for a person, who is told the command.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xen_legi import files
from xen_legi.domu import backend, config, disks, shape, xl
from xen_legi.domu.shape import Shape
from xen_legi.domu.xl import Domain
from xen_legi.errors import Problem, fail
from xen_legi.install import leftovers
from xen_legi.steps import is_locked, lock, named_point, say, step, warn
from xen_legi.storage import grow, images, lvm
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import private_mounts
from xen_legi.units import MIB, exact_size

DIRECTORY = Path("/var/lib/xen-legi")


@dataclass(frozen=True)
class Resizing:
    """All that a `resize` changes. `uuid`, see which(), is what gets `size` bytes ("": none), `device` what the domU calls
    it; `old_text` becomes `text` in `file`; memory in MiB and vcpus are for the domU that runs (0: as they are)."""

    name: str
    file: Path
    old_text: str
    text: str
    uuid: str = ""
    device: str = ""
    size: int = 0
    memory: int = 0
    vcpus: int = 0

    @property
    def words(self) -> str:
        """Return the options that say the same, however much of it is done already."""
        disk = f" --size {exact_size(self.size)} --disk {self.device}" if self.uuid else ""
        memory = f" --memory {exact_size(self.memory * MIB)}" if self.memory else ""
        return f"xen-legi resize {self.name}{disk}{memory}" + (f" --vcpus {self.vcpus}" if self.vcpus else "")


@contextlib.contextmanager
def noted(plan: Resizing) -> Iterator[None]:
    """Write it down, and strike it out when the context is left without a problem."""
    path = _place(plan.name)
    text = json.dumps(dataclasses.asdict(plan), indent=2, default=str) + "\n"
    files.replace(path, text, mode=0o600)  # a domU's file may hold a password for vnc
    named_point("resize:noted")
    yield
    _strike(path)


def pending(name: str) -> Resizing | None:
    """Return what a killed run has left to do with a domU, or None."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return _loaded(files.read(_place(name)))
    return None


def finish_killed() -> None:
    """End what was killed. Whoever is at work is left alone; what cannot be ended is warned of."""
    for path in sorted(DIRECTORY.glob("resizing-*.json")):
        try:
            name = _loaded(files.read(path)).name
            if not is_locked(leftovers.lock_name(name)):
                with lock(leftovers.lock_name(name), what=f"domU {name}"):
                    _finish(path)
        except (Problem, ValueError, KeyError, TypeError, OSError) as error:
            if path.exists():  # else another run has ended it
                warn(f"a change that was killed is not at its end: {error}; {path} tells what is left to do")


def _place(name: str) -> Path:
    return DIRECTORY / f"resizing-{name}.json"


def _strike(path: Path) -> None:
    path.unlink(missing_ok=True)
    files.sync(path.parent)


def _loaded(text: str) -> Resizing:
    facts: dict[str, Any] = json.loads(text)
    facts["file"] = Path(facts["file"])
    return Resizing(**facts)


def _finish(path: Path) -> None:
    """With the lock of the domU held, end what the note says: it is read again, since another run may have come first."""
    plan = _loaded(files.read(path))
    domain = _domain(plan.name)
    say(f"an earlier run was killed: {plan.words}")
    try:
        volume = _volume(plan) if plan.uuid else None
        if volume and volume.open and not domain:  # its resize2fs outlives a run that is killed
            return warn(f"{volume.full_name} is in use: the next command grows what is on it")
        if volume:
            _end_growth(plan, volume, domain)
        _end_shape(plan, domain)
    except Problem as problem:
        warn(f"an earlier run was killed and cannot be ended: {problem.message}; when it is mended: {plan.words}")
    _strike(path)


def which(one: Volume | Image) -> str:
    """Return what a volume or image is known by in a note."""
    return images.which(one.path) if isinstance(one, Image) else one.uuid


def _domain(name: str) -> Domain | None:
    """Return the domain of a domU that runs. Fail if it has just none: one that reboots is there again in two seconds."""
    if not xl.answers() or not xl.stays(name):
        return None
    return xl.domain(name) or fail(f"{name} is starting anew or has just ended")


def _volume(plan: Resizing) -> Volume | Image | None:
    """Return what was to grow, while it is a disk of the domU: else it is not ours to change any more."""
    volumes, domu = lvm.volumes(), config.find(plan.name)
    known = disks.devices([domu] if domu else [], volumes)
    files_of = disks.images_of(domu, known) if domu else disks.NO_IMAGES
    own = [disks.backing(disk.path, volumes, known, files_of) for disk in domu.disks if disk.access == "w"] if domu else []
    found = next((one for one in own if one and which(one) == plan.uuid), None)
    if not found:
        warn(f"{plan.device} of {plan.name} is another disk since, or none: it is left as it is")
    return found


def extend(volume: Volume | Image, size: int) -> None:
    """Make a volume or an image larger."""
    if isinstance(volume, Image):
        images.extend(volume.path, size)
    else:
        lvm.extend(volume.full_name, size)


def _end_growth(plan: Resizing, volume: Volume | Image, domain: Domain | None) -> None:
    if volume.size < plan.size:
        what = "image" if isinstance(volume, Image) else "volume"
        with step(f"{what} {volume.full_name}: {exact_size(volume.size)} to {exact_size(plan.size)}"):
            extend(volume, plan.size)
    if domain and isinstance(volume, Image) and (loop := backend.serves(domain.id, images.loops(volume.path))):
        images.tell(loop)
    if domain:
        command = grow.command(grow.kind(volume.path), plan.device)
        hint = f"; if df in it does not show it soon, there: {command}" if command else ""
        return say(f"{plan.name} sees it when it next uses the disk{hint}")
    if not volume.active:
        lvm.activate(volume.full_name)
    with step(f"the filesystem on {volume.full_name}"), private_mounts():
        grow.grow(volume.path)


def _end_shape(plan: Resizing, domain: Domain | None) -> None:
    """Write the file, unless a person has been there since."""
    now = files.read(plan.file)
    if plan.text in (now, plan.old_text):  # written already, or nothing to write
        return
    if now != plan.old_text:
        return warn(f"{plan.file} has changed since {plan.name} was given other memory or processors: it is left as it is")
    if domain:
        wanted, most = Shape(plan.memory, plan.vcpus), Shape(*xl.maxima(domain.id))
        shape.check_running(config.read(plan.file), wanted, most, domain.memory, xl.free_memory())
        give(domain, wanted)
    files.rewrite(plan.file, plan.text)


def give(domain: Domain, wanted: Shape) -> None:
    """Change memory and processors of a domU that runs."""
    if wanted.memory:
        xl.set_memory(domain.id, wanted.memory)
    if wanted.vcpus:
        xl.set_vcpus(domain.id, wanted.vcpus)
