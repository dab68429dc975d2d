"""What would keep the domUs of this host from starting, or set them against each other: files and facts in, text out."""

from collections.abc import Iterable, Iterator, Sequence

from xen_legi.domu import claims
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import AUTOSTART, DomuConfig, Unreadable
from xen_legi.domu.lint_alone import alone
from xen_legi.domu.lint_here import Here
from xen_legi.domu.lint_shared import shared
from xen_legi.finding import Finding


def lint(domus: Sequence[DomuConfig], broken: Iterable[Unreadable], here: Here) -> list[Finding]:
    """Return what is wrong with these files, in their order."""
    found = [Finding(str(one.file), "error", f"cannot be read: {one.reason}") for one in broken]
    for one in domus:
        found += [Finding(str(one.file), level, text) for level, text in alone(one, here)]
    return sorted([*found, *shared(domus, here), *_together(domus, here)])


def clashes(domus: Iterable[DomuConfig], others: Sequence[Claim]) -> list[Finding]:
    """Return what domUs of this host have that dom0 has, or domUs elsewhere, in the order of the files."""
    return sorted(Finding(str(one.file), level, text) for one in domus for level, text in _clashes(one, others))


def _clashes(domu: DomuConfig, others: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    own = claims.of_domu(domu)
    for other in others:
        if own.name == other.name:  # it may be the same domU: then all else is the same, too
            yield "error", f"there is a domU {own.name} elsewhere, too: {other.where}"
            continue
        for mac in sorted(own.macs & other.macs):
            yield "error", f"the MAC address {mac} is, too, that of {other.told}"
        for address in sorted(own.addresses & other.addresses):  # they may be in networks that do not meet
            yield "warning", f"the address {address} is, too, that of {other.told}"


def _together(domus: Sequence[DomuConfig], here: Here) -> Iterator[Finding]:
    """Tell if the domUs that start with dom0 want more memory than it leaves."""
    wanted = sum(one.memory for one in domus if one.name in here.autostarted)
    if here.memory is not None and wanted > here.memory - here.of_dom0:
        left = f"dom0 leaves {here.memory - here.of_dom0}"
        yield Finding(str(AUTOSTART), "warning", f"the domUs that start with dom0 want {wanted} MiB, {left}")
