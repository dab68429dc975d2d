"""What a run says at its end: one row for each domU and destination, as a table for people and as JSON for programs."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.backup.send import Sent
from xen_legi.columns import aligned
from xen_legi.units import format_seconds, format_size

LAST = Path("/var/lib/xen-legi/backup/last.json")
FORMAT = 1
GOOD, FAILED, LATER = "good", "failed", "later"


@dataclass(frozen=True)
class Row:
    """How the copy of one domU to one destination went. Seconds are those of this destination; `pause` of the guest."""

    domu: str
    destination: str
    state: str
    generation: int = 0
    files: int = 0
    changed: int = 0
    deleted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    ghost: float = 0.0
    pause: float = 0.0
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()


def good(domu: str, destination: str, generation: int, sent: Sent, seconds: float, **more: object) -> Row:
    """Return the row of a copy that is complete."""
    numbers = {"files": sent.files, "changed": sent.changed, "deleted": sent.deleted, "bytes": sent.bytes}
    return Row(domu, destination, GOOD, generation, **numbers, seconds=round(seconds, 1), **more)  # type: ignore[arg-type]


def failed(domu: str, destination: str, message: str, hint: str = "", seconds: float = 0.0) -> Row:
    """Return the row of a copy that could not be made."""
    return Row(domu, destination, FAILED, message=message, hint=hint, seconds=round(seconds, 1))


def later(domu: str, destination: str, message: str) -> Row:
    """Return the row of a copy that this run does not make, as the settings want it."""
    return Row(domu, destination, LATER, message=message, hint="a run must begin within it: see /etc/cron.d/xen-legi-backup")


def subject(rows: Sequence[Row]) -> str:
    """Return the run in one line."""
    bad, waiting = ([row for row in rows if row.state == state] for state in (FAILED, LATER))
    if not rows:
        return "nothing to copy"
    if bad:
        return f"FAILED: {len(bad)} of {len(rows)} copies: {_names(bad)}"
    good = f"OK: {len(rows) - len(waiting)} of {len(rows)} copies are good"
    return f"{good}, later: {_names(waiting)}" if waiting else good


def _names(rows: Iterable[Row]) -> str:
    return ", ".join(f"{row.domu} to {row.destination}" for row in rows)


def text(rows: Sequence[Row], host: str, seconds: float) -> str:
    """Return the report for people."""
    lines = [f"backup-domu on {host}: {subject(rows)}, in {format_seconds(seconds)}"]
    if rows:
        lines += ["", *aligned(_cells(rows))]
    for row in rows:
        lines += [f"{row.domu} to {row.destination}: warning: {warning}" for warning in row.warnings]
        if row.message:
            lines.append(f"{row.domu} to {row.destination}: {row.message}")
        if row.hint:
            lines.append(f"  hint: {row.hint}")
    return "\n".join(lines) + "\n"


def save(rows: Iterable[Row], host: str, began: float, seconds: float, path: Path = LAST) -> None:
    """Keep the report of this run for programs that look after it."""
    facts: dict[str, object] = {"format": FORMAT, "host": host, "began": int(began), "seconds": round(seconds, 1)}
    text = as_json(facts | {"rows": [asdict(row) for row in rows]})
    files.replace(path, text, mode=0o640)  # a problem may quote another program's command line


def as_json(facts: object) -> str:
    """Return facts as JSON text."""
    return json.dumps(facts, indent=2) + "\n"


def age(then: int, now: float | None = None) -> str:
    """Return how long ago a moment was, for people; a clock that was set back shows as no age."""
    if not then:
        return "never"
    seconds = max(0, int((time.time() if now is None else now) - then))
    if seconds < 48 * 3600:
        return format_seconds(seconds)
    return f"{seconds // 86400} days"


def _cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    head = ("domU", "to", "state", "generation", "files", "changed", "deleted", "sent", "time", "ghost", "pause")
    return [head, *(_line(row) for row in rows)]


def _line(row: Row) -> tuple[str, ...]:
    if row.state != GOOD:
        state = row.state.upper() if row.state == FAILED else row.state
        return (row.domu, row.destination, state, *("-",) * 5, format_seconds(row.seconds), "-", "-")
    numbers = (str(row.generation), str(row.files), str(row.changed), str(row.deleted), format_size(row.bytes))
    pause = f"{1000 * row.pause:.0f} ms" if row.pause else "none"
    return (row.domu, row.destination, row.state, *numbers, format_seconds(row.seconds), f"{row.ghost:.0f} %", pause)
