"""Remove a domU as it is planned. Killed before its file is gone nothing is lost; later the next run ends the work."""

import contextlib
from pathlib import Path

from xen_legi import files
from xen_legi.domu.removal import Removal
from xen_legi.errors import fail
from xen_legi.install import deleting
from xen_legi.install.leftovers import DELETING, remove_dead_link
from xen_legi.steps import named_point, step
from xen_legi.storage import images, lvm


def delete(plan: Removal) -> None:
    """Note the links and tag the volumes, remove the file, then the links and the volumes."""
    deleting.note(plan)
    named_point("delete:noted")
    tags = (lvm.TAG, f"{DELETING}={plan.domu.name}")
    for one in plan.volumes:
        lvm.change_tags(one.full_name, add=tags)
    _mark(plan)
    named_point("delete:tagged")
    _unlink(plan.domu.file)
    named_point("delete:after-file")
    for link in plan.links:
        link.unlink(missing_ok=True)
    remove_dead_link(plan.domu.name)
    for one in plan.volumes:
        with step(f"remove volume {one.full_name}"):
            lvm.remove(one.group, one.name)
        named_point("delete:after-lvremove")
    for base in plan.bases:
        if any(one.uuid == base.uuid and one.name == base.name for one in lvm.volumes(base.group)):  # a run may have
            lvm.remove(base.group, base.name)
    for image in plan.images:
        with step(f"remove image {image}"):
            images.remove(image, plan.domu.name)
        named_point("delete:after-image")
    images.forget(plan.domu.name, plan.images)
    deleting.strike(plan.domu.name)


def _mark(plan: Removal) -> None:
    """Mark the images, so that the next run ends what is killed; where no file can be marked, it leaves them."""
    if plan.images:
        images.note(plan.domu.name, plan.images)
    for image in plan.images:
        with contextlib.suppress(OSError):
            images.mark(image, plan.domu.name)


def _unlink(file: Path) -> None:
    """Remove the domU's file, for good before its volumes go: what lvm2 does is on disk at once."""
    try:
        file.unlink()
    except OSError as error:
        fail(f"{file} cannot be removed: {error.strerror}", hint="nothing else was removed; lsattr(1) shows a file's locks")
    files.sync(file.parent)
