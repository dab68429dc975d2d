"""Make a domU like another one, as it is planned, while that one goes on running.

All its volumes are caught at one moment, by ghosts, as a backup does it; so are image files, in the ghosts of the volumes
that they are on. Those of a domU that is off are copied as they are, while it is kept from starting. Volumes and images of
the clone carry our marks until its file is there: what a killed run left is put right by the next xen-legi command.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from xen_legi.backup import ghost
from xen_legi.backup.ghost import Ghost
from xen_legi.backup.nightly import run_name
from xen_legi.backup.plan import Image as Caught
from xen_legi.backup.plan import need_same
from xen_legi.domu import xl
from xen_legi.domu.cloning import Cloning, Twin, check_networks, replaced
from xen_legi.domu.renaming import label
from xen_legi.errors import fail
from xen_legi.install import editing, leftovers, network_files
from xen_legi.install.commit import commit
from xen_legi.install.copying import copy_tree
from xen_legi.install.guest import Guest
from xen_legi.install.model import Part
from xen_legi.install.settle import identity as own_identity
from xen_legi.install.volumes import volumes
from xen_legi.steps import lock, named_point, step
from xen_legi.storage import identity, image_copy, images, lvm, namespace
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume
from xen_legi.storage.mounts import mounted, private_mounts


On = Mapping[Path, tuple[Volume, Caught]]  # the image -> the volume that it is on, and where in that


def clone(plan: Cloning, ghost_size: str, on: On = MappingProxyType({})) -> list[str]:
    """Make the clone. Return what in it may still have an address of the domU: addresses, and files of its network that
    could not be changed. What fails before its file is there is undone. `on`: the images that are copied from ghosts."""
    caught = [one.origin for one in plan.twins if isinstance(one.origin, Volume) and (one.thin or one.copied)]
    caught += [volume for volume, _ in on.values() if volume not in caught]
    with lock(ghost.lock_name(plan.old), what=f"the backup of {plan.old}"):
        with ghost.ghosts(plan.old, list(dict.fromkeys(caught)), ghost_size, run_name()) as (made, _):
            ghosts = {one.origin.uuid: one for one in made}
            if plan.ips:
                _check_networks(plan, ghosts, on)
            with volumes(plan.new, tuple(_part(one) for one in plan.twins), partial(_make, plan, ghosts)):
                with private_mounts():
                    for one in (one for one in plan.twins if not one.thin):
                        _fill(one, one.origin, ghosts)
                    _fill_images(plan, ghosts, on)
                    named_point("clone:filled")
                    doubts = _settled(plan)
                named_point("clone:settled")
                commit(plan.new, plan.text, plan.ips, plan.macs, plan.mode)
                named_point("clone:committed")
    return doubts


def _part(one: Twin) -> Part:
    part = Part(one.origin.group, one.name, one.origin.size, one.disk.device, one.kind)
    return replace(part, image=one.path, sparse=one.origin.sparse) if isinstance(one.origin, Image) else part


def _make(plan: Cloning, ghosts: Mapping[str, Ghost], part: Part, tags: tuple[str, ...]) -> None:
    """Make one volume: of a thin one a snapshot of its ghost, which is as good when the ghost has gone."""
    twin = next(one for one in plan.twins if (one.origin.group, one.name) == (part.group, part.name))
    if isinstance(twin.origin, Image) or not twin.thin:  # who makes the parts makes the images
        lvm.create(part.group, part.name, part.size, tags=tags)
        return
    caught = lvm.find(part.group, ghosts[twin.origin.uuid].name)
    if caught is None:
        fail(f"the ghost of {twin.origin.full_name} has vanished", hint="was it removed by hand? try again")
    lvm.thin_snapshot(caught, part.name, tags=tags)


def _fill(one: Twin, origin: Volume | Image, ghosts: Mapping[str, Ghost]) -> None:
    """Give a volume what is on its like: the same filesystem, with the same UUID, which the clone's fstab may name."""
    if not one.copied:
        identity.make(identity.probe(origin.path), one.path)
    if not one.copied or isinstance(origin, Image):
        return
    seen = ghosts[origin.uuid]
    with step(f"filesystem on {one.path.parent.name}/{one.name}"):
        identity.make(identity.probe(seen.device), one.path)
    named_point("clone:filesystem")
    writing = namespace.options(one.kind, writable=True)
    with mounted(seen.device, one.kind, _reading(one.kind)) as source, mounted(one.path, one.kind, writing) as target:
        with step(f"files of {origin.full_name}"):
            try:
                copy_tree(source, target, what="copied", total=_used(source), options=["--sparse"])
            finally:
                seen.percent()  # it fails if the ghost has overflowed: then this is what went wrong


def _fill_images(plan: Cloning, ghosts: Mapping[str, Ghost], on: On) -> None:
    """Give the images what is in their likes, byte for byte: in the ghost of what these are on, or in themselves."""
    files = [one for one in plan.twins if isinstance(one.origin, Image) and one.copied]
    for one in (one for one in files if one.origin.path in on):
        _from_ghost(one, *on[one.origin.path], ghosts)
    if own := [one for one in files if one.origin.path not in on]:
        with _kept_off(plan.old, [one.origin.path for one in own]):
            for one in own:
                _copy(one, one.origin.path)


def _from_ghost(one: Twin, volume: Volume, caught: Caught, ghosts: Mapping[str, Ghost]) -> None:
    seen = ghosts[volume.uuid]
    with mounted(seen.device, caught.filesystem, _reading(caught.filesystem)) as place:
        need_same(caught, place / caught.within)
        try:
            _copy(one, place / caught.within)
        finally:
            seen.percent()  # as for files


def _copy(one: Twin, source: Path) -> None:
    with step(f"image {one.path}, from {one.origin.full_name}"):
        image_copy.copy(source, one.path)
    named_point("clone:image")


@contextlib.contextmanager
def _kept_off(name: str, files: Sequence[Path]) -> Iterator[None]:
    """Keep a domU from being started, by us. Fail if it was meanwhile, or if one of these images of it is in use: what is
    mounted may be written only when all is copied."""
    with lock(leftovers.lock_name(name), what=f"domU {name}", wait=10):
        if xl.answers() and xl.is_running(name):
            fail(f"domU {name} was started meanwhile", hint=f"its images are copied while it is off: xen-legi stop {name}")
        if held := [one for one in files if images.used(one)]:
            fail(f"{held[0]} is in use, though {name} is off", hint="is it mounted here? mount, lsof, losetup -a")
        yield


def _reading(kind: str) -> str:
    return namespace.options(kind, writable=False)


def _used(place: Path) -> int:
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def _settled(plan: Cloning) -> list[str]:
    """Make the clone a machine of its own. Return what may still have an address of the domU."""
    root = plan.root
    try:
        with step("settle the guest: name, network, keys"):
            with mounted(root.path, root.kind, namespace.options(root.kind, writable=True)) as place:
                return sorted(_settle(plan, Guest(place)) | plan.doubts)
    except OSError as error:
        fail(f"the clone cannot be settled: {error.filename or root.path}: {error.strerror}",
             hint=f"what is that in {plan.old}?")


def _settle(plan: Cloning, guest: Guest) -> set[str]:
    files = network_files.present(guest)
    editing.edit(guest, [*files, "/etc/hosts"], lambda _, text: replaced(text, plan.words))
    _name(plan, guest)
    own_identity.renew(guest, label(plan.new), own_identity.kinds_of_keys(guest))
    doubts = {file for file in [*files, "/etc/hosts"] if editing.is_doubtful(guest, file)}
    return network_files.fixed(guest, files) - plan.ips | doubts


def _check_networks(plan: Cloning, ghosts: Mapping[str, Ghost], on: On) -> None:
    """Look into the root of the domU, before anything is made. Die if an address of the clone is in none of its networks."""
    kind = plan.root.kind
    with private_mounts(), _old_root(plan, ghosts, on) as device, mounted(device, kind, _reading(kind)) as place:
        guest = Guest(place)
        check_networks(plan.words, [editing.text(guest, file) for file in network_files.present(guest)])


@contextlib.contextmanager
def _old_root(plan: Cloning, ghosts: Mapping[str, Ghost], on: On) -> Iterator[Path]:
    """Yield where the root of the domU can be read: its ghost, its image in one, or itself."""
    origin = plan.root.origin
    if not isinstance(origin, Image):
        yield ghosts[origin.uuid].device
    elif origin.path in on:
        volume, caught = on[origin.path]
        with mounted(ghosts[volume.uuid].device, caught.filesystem, _reading(caught.filesystem)) as place:
            need_same(caught, place / caught.within)
            yield place / caught.within
    else:
        with _kept_off(plan.old, [origin.path]):
            yield origin.path


def _name(plan: Cloning, guest: Guest) -> None:
    """Let the guest call itself by its own name, whatever it called itself before."""
    own = editing.text(guest, "/etc/hostname").strip()
    for name in {plan.old, own} - {"", "localhost"}:
        editing.host_name(guest, name, plan.new)
    if editing.text(guest, "/etc/hostname").strip() not in (plan.new, label(plan.new)):
        guest.write("/etc/hostname", f"{label(plan.new)}\n")
