"""The administrator's programs that are told of a domU that comes, goes or gets another name: DHCP, DNS, an inventory.

/etc/xen-legi/hooks.d/VERB-pre.d is run before the first change and can forbid it, VERB-post.d after the last; VERB is
create, clone, delete or rename. run-parts(8) decides which files are run, in which order; a hook learns all from its
environment.
"""

from collections.abc import Iterable
from pathlib import Path

from xen_legi.domu.config import DomuConfig, Vif
from xen_legi.errors import CommandFailed, fail
from xen_legi.run import run
from xen_legi.steps import step, warn

DIRECTORY = Path("/etc/xen-legi/hooks.d")
_PATIENCE = 600  # seconds for all hooks of one moment


def before(verb: str, domu: DomuConfig, new_name: str = "") -> None:
    """Run the hooks that may forbid it. Fail if one does."""
    try:
        _run(f"{verb}-pre.d", environment(verb, domu, new_name))
    except CommandFailed as failed:
        fail(f"a hook in {DIRECTORY}/{verb}-pre.d forbids it: {_ended(failed)}", hint="nothing was changed")


def after(verb: str, domu: DomuConfig, new_name: str = "") -> None:
    """Run the hooks that are told of it. One that fails is warned of: what they are told of has happened."""
    try:
        _run(f"{verb}-post.d", environment(verb, domu, new_name))
    except CommandFailed as failed:
        warn(f"a hook in {DIRECTORY}/{verb}-post.d failed: {_ended(failed)}")


def environment(verb: str, domu: DomuConfig, new_name: str) -> dict[str, str]:
    """Return what a hook finds in its environment. VIFS has a line for each: MAC ("-": none), bridge ("-") and addresses."""
    known = {
        "VERB": verb, "NAME": domu.name, "NEW_NAME": new_name, "FILE": str(domu.file), "VIFS": "\n".join(_lines(domu.vifs)),
    }  # fmt: skip
    return {f"XEN_LEGI_{key}": value for key, value in known.items()}


def _lines(vifs: Iterable[Vif]) -> Iterable[str]:
    for one in vifs:
        addresses = [word.partition("/")[0] for word in one.options.get("ip", "").split()]
        yield " ".join([one.mac.lower() or "-", one.bridge or "-", *addresses])


def _run(directory: str, known: dict[str, str]) -> None:
    """What hooks print goes to the terminal as it comes; what they start in the background is not waited for."""
    place = DIRECTORY / directory
    if place.is_dir() and any(place.iterdir()):
        with step(f"hooks in {place}"):
            run(["run-parts", "--exit-on-error", place], env=known, capture=False, timeout=_PATIENCE)


def _ended(failed: CommandFailed) -> str:
    late = failed.command_status not in range(256)
    return f"not ended after {_PATIENCE} seconds" if late else "see above"
