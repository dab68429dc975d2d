"""A new domU comes into being: its file appears whole, by one link(2), after everything that it names. Then it may start."""

import os
from collections.abc import Collection, Set

from xen_legi import files
from xen_legi.backup import everywhere
from xen_legi.domu import claims, config, xl
from xen_legi.errors import CommandFailed, fail
from xen_legi.steps import lock, named_point, step
from xen_legi.storage import lvm


def commit(name: str, text: str, ips: Set[str], macs: Collection[str], mode: int = 0o644) -> None:
    """Write the file of domU NAME, which has these addresses. Those of others on this host are looked at again: they may
    have come meanwhile."""
    file = config.DIRECTORY / f"{name}.cfg"
    with step(f"write {file}"), lock("domus", what="the list of domUs", wait=60):
        _check_clashes(name, ips, macs)
        new = files.draft(file, text, mode, "making")  # leftovers.new_file(), which is removed after a kill
        named_point("create:before-commit")
        try:
            os.link(new, file)  # unlike a rename it does not put itself in the place of another file
        except FileExistsError:
            fail(f"{file} has come into being meanwhile", hint="another program made it; choose another name")
        finally:
            new.unlink()
        files.sync(config.DIRECTORY)  # lvm2's tags are on disk at once: they must not be gone before it is there


def start(name: str) -> None:
    """Start a domU that was made just now."""
    file = config.DIRECTORY / f"{name}.cfg"
    with step(f"xl create {file}"):
        try:
            xl.start(file)
        except CommandFailed as problem:
            fail(f"domU {name} is made, but does not start: {problem.message}", hint=f"xl -vvv create {file}")


def _check_clashes(name: str, ips: Set[str], macs: Collection[str]) -> None:
    if twice := {one for one in macs if list(macs).count(one) > 1}:
        fail(f"two interfaces of domU {name} have the same MAC {', '.join(sorted(twice))}")
    domus = config.all_domus()
    for other in [*map(claims.of_domu, domus), *everywhere.without_file(domus, lvm.volumes())]:
        same = (ips & other.addresses) | other.macs.intersection(macs)
        if same or other.name == name:
            fail(f"domU {other.name} has come into being with the same {', '.join(sorted(same)) or 'name'}: {other.where}")
