"""What is to be told of a place in the files."""

from collections.abc import Iterable
from dataclasses import dataclass

from xen_legi.columns import printable


@dataclass(frozen=True, order=True)
class Finding:
    """Something to tell about a place, FILE:LINE or FILE."""

    where: str
    level: str  # error, warning, difference
    text: str

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.level}: {self.text}")


def summary(found: Iterable[Finding]) -> str:
    """Return how many there are of each level, for people."""
    levels = [one.level for one in found]
    counts = [(levels.count(level), level) for level in ("error", "warning", "difference")]
    told = [f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count]
    return ", ".join(told) or "nothing to complain about"
