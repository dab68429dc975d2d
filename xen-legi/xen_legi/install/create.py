"""Make a domU as it is planned. The order makes it safe to be killed at any moment.

Volumes carry our tags from the first moment; mounts live in a namespace that dies with us; the domU's file appears by
one link(2), last, and from then on the volumes are its own. What a killed run left is put right by leftovers.clean(). Only
final roles come later, as with xen-create-image: they want to see the file. If one fails, the file goes before the volumes.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from xen_legi import files
from xen_legi.domu import config
from xen_legi.install import log, own_kernel
from xen_legi.install.commit import commit
from xen_legi.install.copying import copy_tree
from xen_legi.install.guest import Guest
from xen_legi.install.leftovers import remove_dead_link
from xen_legi.install.methods import Method
from xen_legi.install.model import SWAP, Plan
from xen_legi.install.render import rendered
from xen_legi.install.roles import run_final_roles, run_roles
from xen_legi.install.settle import settle
from xen_legi.install.show import described
from xen_legi.install.volumes import fill_options, make_filesystems, volumes
from xen_legi.kernels.guest_modules import rsync_options
from xen_legi.kernels.prune import need_whole
from xen_legi.kernels.store import Kernel
from xen_legi.steps import lock, named_point, step
from xen_legi.storage.mounts import mounted, private_mounts


def create(plan: Plan, method: Method) -> None:
    """Make the domU. Whatever fails before it is whole is undone."""
    log.begin(plan.name, described(plan))
    with volumes(plan.name, plan.parts):
        make_filesystems(plan.parts)
        named_point("create:after-mkfs")
        with private_mounts(), _tree(plan) as root:
            _fill(plan, method, root)
        named_point("create:after-umount")
        with need_whole(plan.kernel) if plan.kernel else contextlib.nullcontext():
            commit(plan.name, rendered(plan), plan.ips, [one.mac for one in plan.nics])
        named_point("create:after-commit")
        if plan.final_roles:
            with _taken_back(plan.name), private_mounts(), _tree(plan) as root:
                run_final_roles(plan, root)


@contextlib.contextmanager
def _taken_back(name: str) -> Iterator[None]:
    """Remove the domU's file again if what is done here fails: from then on its volumes are nobody's, and go as well."""
    try:
        yield
    except BaseException:
        (config.DIRECTORY / f"{name}.cfg").unlink(missing_ok=True)
        files.sync(config.DIRECTORY)
        remove_dead_link(name)
        raise


@contextlib.contextmanager
def _tree(plan: Plan) -> Iterator[Path]:
    """Mount the domU's filesystems, each in its place, and yield the root."""
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(mounted(plan.root.path, plan.root.filesystem, fill_options(plan.root)))
        for part in sorted(plan.parts, key=lambda one: one.mount):
            if part.filesystem != SWAP and part.mount != "/":
                place = root / part.mount.lstrip("/")
                place.mkdir(parents=True, exist_ok=True)
                stack.enter_context(mounted(part.path, part.filesystem, fill_options(part), where=place))
        yield root


def _fill(plan: Plan, method: Method, root: Path) -> None:
    named_point("create:mounted")
    with step(f"files from {method.text}"):
        method.install(root)
    named_point("create:after-copy")
    guest = Guest(root)
    if plan.kernel:
        _give_modules(guest, plan.kernel, plan.modules)
        named_point("create:after-modules")
    with step("settle the guest: name, network, fstab, keys, console"):
        settle(guest, plan)
    named_point("create:after-settle")
    if not plan.kernel:
        own_kernel.install(guest, plan)  # its initramfs holds what its fstab needs
        named_point("create:after-own-kernel")
    run_roles(plan, root)


def _give_modules(guest: Guest, kernel: Kernel, choice: str) -> None:
    with step(f"modules of kernel {kernel.version}"):
        modules = guest.path(f"/lib/modules/{kernel.version}")
        guest.remove(f"/lib/modules/{kernel.version}")  # a link, which rsync would follow in dom0
        modules.mkdir(parents=True, exist_ok=True)
        with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
            copy_tree(kernel.modules, modules, what="copied", options=rsync_options(choice))
