"""By which stanzas interfaces are up that came up without a start of ours.

The guard's notes answer one question for each: does what was noted still hold, do the files of now, or neither? They are no
stanzas: where neither does, the interface is left alone, until ifdown and ifup make it known again.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from xen_legi.net import files, in_force
from xen_legi.net.environment import Note, may_be_among, notes, tell_of
from xen_legi.net.stanzas import COMMANDS, Interfaces, Stanza

Changed = Callable[[Collection[Stanza]], int]


@dataclass(frozen=True)
class Known:
    """What is in force, of which interfaces that is not known, and up to which versions of the guard's notes this holds."""

    in_force: Interfaces = Interfaces()
    uncertain: frozenset[str] = frozenset()
    seen: Mapping[str, str] | None = None


def look(interfaces: Interfaces, up: Mapping[str, str]) -> Known:
    """Return what is in force. These are the files; `up`: what ifupdown holds for up, and by which stanza."""
    noted, seen = in_force.load_seen()
    others, perhaps = in_force.load(in_force.OTHERS), in_force.load(in_force.PERHAPS)
    known = judged(noted, (others, interfaces, perhaps), of_up(notes(), up), seen, changed)
    completed = in_force.completed(known.in_force, (others, interfaces), {*up.values()} - known.uncertain)
    return replace(known, in_force=completed)


def files_now(interfaces: Interfaces, path: str) -> Interfaces:
    """Return the files by which a start without us goes, also where others (of before a trial) are being brought about; the
    first are what stands in `path`."""
    return interfaces if path == files.INTERFACES else files.load()


def of_up(found: Mapping[str, Note], up: Mapping[str, str]) -> dict[str, Note]:
    """Return the notes of what is up by the stanza of its name."""
    return {name: note for name, note in found.items() if up.get(name) == name}


def judged(
    noted: Interfaces, others: tuple[Interfaces, Interfaces, Interfaces], found: Mapping[str, Note],
    seen: Mapping[str, str], changed_: Changed,
) -> Known:
    """Return what was noted, but of an interface that came up since without a start of ours the files' stanzas where these
    are the ones that ifup read. `others`: what stood in the files beside when that was noted; the files; and what a killed
    run may have brought into force: what came up by that is known to be in doubt. Where nothing was ever noted, nothing is
    known.
    """
    if not noted.stanzas:
        return Known(noted, seen={})
    before, beside, now, perhaps = (one.by_name() for one in (noted, *others))
    uncertain, stanzas = set(), {**before}
    for name, note in found.items():
        if note.version == seen.get(name):
            continue
        right = _right(note, before.get(name, beside.get(name, [])), now.get(name, []), changed_)
        if right is not None:
            stanzas[name] = right
        elif not may_be_among(note.stanzas, perhaps.get(name, ())):
            stanzas[name] = []
            uncertain.add(name)
    same = stanzas == before
    noted = noted if same else replace(noted, stanzas=tuple(one for some in stanzas.values() for one in some))
    return Known(noted, frozenset(uncertain), {name: one.version for name, one in found.items() if name not in uncertain})


def _right(note: Note, then: list[Stanza], now: list[Stanza], changed_: Changed) -> list[Stanza] | None:
    """Return the stanzas that ifup has read: those of then, or the files'. None: neither, or nobody knows which commands."""
    old, new = tell_of(note.stanzas, then), tell_of(note.stanzas, now)
    if new and note.changed > changed_(now):
        return now
    if old:
        return then
    return now if new and not any(one.name in COMMANDS for stanza in now for one in stanza.options) else None


def changed(stanzas: Collection[Stanza]) -> int:
    """Return when the last of the files in which these stanzas stand was changed (or put in its place, or restored)."""
    places = {stanza.where for stanza in stanzas} | {one.where for stanza in stanzas for one in stanza.options}
    found = [0]
    for path in {where.rpartition(":")[0] for where in places}:
        with contextlib.suppress(OSError):
            found.append(os.stat(path).st_ctime_ns)
    return max(found)


def note(
    known: Known, interfaces: Interfaces, coming: Collection[str], staying: Collection[str], there: Collection[str]
) -> None:
    """Note what is in force after a change: the files' stanzas of what is `there`, those of before of what is `staying`, and
    nothing of what was not known and is not among what was `coming` by the files. Who calls has the lock of the hooks.

    Of an interface that came up again meanwhile, by another hand, the next look tells whether this is right.
    """
    left = known.uncertain - {*coming}
    merged = in_force.merged(known.in_force, interfaces, staying, {*there} - left)
    before, stanzas = known.seen or {}, merged.by_name()
    seen = {name: one.version for name, one in of_up(notes(), files.up()).items() if name not in left and (
        name in coming or one.version == before.get(name) or tell_of(one.stanzas, stanzas.get(name, ())))}
    in_force.note(merged, interfaces, seen, left)
