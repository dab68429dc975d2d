"""What `backup-domu plan` says: which volumes of which domU would be copied how, and where. Pure."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from xen_legi.backup.plan import Domu
from xen_legi.backup.tasks import Task
from xen_legi.backup.unreadable import NotCopied
from xen_legi.columns import aligned
from xen_legi.units import format_size

Foreseen = Iterable[tuple[Task, Domu]]


def text(domus: Foreseen, unread: Iterable[NotCopied], strays: Iterable[Path]) -> str:
    """Return the plan for people; `strays` are settings of domUs that are not there."""
    rows = [("domU", "volume", "size", "method", "to")]
    notes = []
    for task, one in domus:
        where = ", ".join(task.to)
        rows += [(one.name, part.shown, format_size(part.size), part.method, where) for part in one.parts]
        if task.settings.window:
            notes.append(f"{one.name} is copied between {task.settings.window} only, unless it is named")
        notes += [f"an older copy of {one.name} is left at {place}: manual-recovery.md tells how it is removed"
                  for place in task.left]
        notes += [f"{one.name} cannot be copied: {said}" for said in _problems(task, one)]
        if not task.to:
            notes.append(f"{one.name} cannot be copied: no destination is set for it")
        if 0 < len(task.to) < min(task.settings.copies, len(task.settings.destinations)):
            notes.append(f"{one.name} has fewer copies than {task.settings.copies}: its destinations are on fewer hosts")
    notes += [f"{one.name} cannot be copied: {one.message}" for one in unread]
    notes += [f"{one} is not the file of a domU of this host" for one in strays]
    return "\n".join([*aligned(rows), *notes]) + "\n"


def facts(domus: Foreseen, unread: Iterable[NotCopied], where: Sequence[str]) -> list[dict[str, object]]:
    """Return the plan for programs; `where` are the destinations of what cannot be read."""
    return [*(_facts(*one) for one in domus), *(_unread(one, where) for one in unread)]


def _facts(task: Task, one: Domu) -> dict[str, object]:
    parts = [{"volume": part.shown, "size": part.size, "method": part.method} for part in one.parts]
    problem = "; ".join(_problems(task, one))
    return {"domu": one.name, "volumes": parts, "destinations": list(task.to), "window": task.settings.window,
            "problem": problem}


def _unread(one: NotCopied, where: Sequence[str]) -> dict[str, object]:
    return {"domu": one.name, "volumes": [], "destinations": list(where), "window": "", "problem": one.message}


def _problems(task: Task, one: Domu) -> list[str]:
    return [said for said in (task.problem.message if task.problem else "", one.problem) if said]
