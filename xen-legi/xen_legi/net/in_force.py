"""By which stanzas the interfaces are up: the files may have been edited since.

Kept as one interfaces file, which ifdown and ifup can be given (-i): what an edit took out of the files is still told there.
It is in /run, like ifupdown's own state, for root alone: a stanza may hold a key. A comment in it tells, for each interface
of which the guard has kept how it came up, up to which version of that all this holds: what is newer is looked at.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from xen_legi import files as small_files
from xen_legi.errors import fail
from xen_legi.net import files
from xen_legi.net.options import ours
from xen_legi.net.stanzas import Interfaces, Listed, Option, Stanza, parse

FILE = Path("/run/xen-legi/in-force")
OTHERS = FILE.with_name("not-in-force")  # the rest of the files then: by that, others may come up without a start of ours
PERHAPS = FILE.with_name("perhaps-in-force")  # what a change that was begun wants; gone when it is made

_SEEN = "# seen: "
_WAS_AUTO = "was-auto"


class _Text:
    """A text that sources nothing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> str:
        return self.text

    def expand(self, pattern: str, beside: str, directory: bool) -> Sequence[str]:
        return ()


def load(path: Path = FILE) -> Interfaces:
    """Return what is in force; nothing where it was never noted (before the first boot or ifup with our hooks), and where
    that cannot be read to its end: some stanzas alone would be taken for all."""
    return load_seen(path)[0]


def load_seen(path: Path = FILE) -> tuple[Interfaces, dict[str, str]]:
    """Return the same, and which versions of the guard's notes have been taken into account, by interface."""
    try:
        text = small_files.read(path)
    except PermissionError:  # who is not root may ask for a plan all the same
        text = ""
    found = parse(str(path), _Text(text))
    words = (line.removeprefix(_SEEN).split() for line in text.split("\n") if line.startswith(_SEEN))
    seen = {one[0]: one[1] for one in words if len(one) == 2}
    return (Interfaces(), {}) if found.problems else (files.named(found), seen)


def load_whole(path: Path) -> Interfaces:
    """Return what is kept in a file. Raise Problem if there is nothing, or if something of it cannot be read."""
    found = parse(str(path), _Text(small_files.read(path)))
    if found.problems or not found.stanzas:
        why = found.problems[0] if found.problems else f"{path}: there is no stanza"
        fail(f"what is kept of the stanzas of before cannot be read, so nothing is changed: {why}",
             hint=f"mend {path}, or the interfaces files, then xen-legi net revert or apply")
    return files.named(found)


def note(interfaces: Interfaces, files_: Interfaces, seen: Mapping[str, str], uncertain: Collection[str] = ()) -> None:
    """Note what is in force, up to which of the guard's notes that holds, and what else stood in the files at this time."""
    names = {*(stanza.name for stanza in interfaces.stanzas), *uncertain}
    save(replace(files_, stanzas=tuple(one for one in files_.stanzas if one.name not in names), classes=()), OTHERS)
    save(interfaces, FILE, seen)


def save(interfaces: Interfaces, path: Path = FILE, seen: Mapping[str, str] | None = None) -> None:
    """Note it, in whole or not at all. Raise Problem if who reads it would find anything else: ifup ends at the first line
    that it does not understand, and what it does not find is gone."""
    text = render(interfaces) + "".join(f"{_SEEN}{name} {version}\n" for name, version in (seen or {}).items())
    again = parse(str(path), _Text(text))
    if again.problems or _said(again) != _said(interfaces):
        why = f": {again.problems[0].text}" if again.problems else ""
        fail(f"the stanzas in force cannot be written into {path} so that they are read again{why}")
    small_files.replace(path, text, mode=0o600)


def merged(before: Interfaces, now: Interfaces, staying: Collection[str], there: Collection[str]) -> Interfaces:
    """Return the files' stanzas of what is `there` (up, or made for what is), but those of before for interfaces that stay
    up by them. Of what only stands in the files nothing is in force."""
    known = {stanza.name for stanza in before.stanzas}
    kept = [one for one in before.stanzas if one.name in staying]
    new = [one for one in now.stanzas if one.name in there and (one.name not in staying or one.name not in known)]
    names = {one.name for one in (*kept, *new)}
    classes = tuple(one for one in now.classes if "/" in one.name or one.name.partition("=")[0] in names | {*there})
    return replace(now, stanzas=(*kept, *new), classes=classes, problems=())


def as_up(interfaces: Interfaces, up: Mapping[str, str]) -> Interfaces:
    """Return the same stanzas, with auto for what is up, and by which stanza, and for nothing else. The other lines stay,
    of another class: a stanza that only auto /eth*=NAME uses would else be an interface."""
    words = [name if name == logical else f"{name}={logical}" for name, logical in up.items()]
    kept = [one if one.class_ != "auto" or one.name in words else replace(one, class_=_WAS_AUTO)
            for one in interfaces.classes]
    listed = {one.name for one in kept if one.class_ == "auto"}
    return replace(interfaces, classes=(*kept, *(Listed("auto", word, "") for word in words if word not in listed)))


def joined(one: Interfaces, other: Interfaces) -> Interfaces:
    """Return the stanzas of both, each once."""
    known = [_bare(stanza) for stanza in one.stanzas]
    return replace(other, stanzas=(*one.stanzas, *(stanza for stanza in other.stanzas if _bare(stanza) not in known)))


def _said(interfaces: Interfaces) -> tuple[object, ...]:
    """Return all that interfaces files say, without places."""
    listed = [(one.class_, one.name) for one in interfaces.classes]
    return [*map(_plain, interfaces.stanzas)], listed, interfaces.no_scripts


def _plain(stanza: Stanza) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Return all that a stanza says, without its place, each line by itself."""
    lines = [(one.name, line) for one in stanza.options for line in one.value.split("\n")]
    return stanza.name, stanza.family, stanza.method, lines


def _bare(stanza: Stanza) -> Stanza:
    return replace(stanza, where="", options=tuple(replace(option, where="") for option in stanza.options))


def completed(noted: Interfaces, files_: Iterable[Interfaces], up: Collection[str]) -> Interfaces:
    """Return what was noted, and the files' stanzas of what is up and was not noted: it came up without any hook."""
    for one in files_ if noted.stanzas else ():
        known = {stanza.name for stanza in noted.stanzas}
        more = (stanza for stanza in one.stanzas if stanza.name in up and stanza.name not in known)
        noted = replace(noted, stanzas=(*noted.stanzas, *more))
    return noted


def corrected(noted: Interfaces, now: Interfaces, have: Mapping[str, Collection[str]]) -> Interfaces:
    """Return what was noted, but the files' stanzas of an interface that was brought up anew since.

    One without hooks (no-scripts) comes up without our knowing. The kernel then has the addresses of the files, not those
    of before.
    """
    before, files_ = noted.by_name(), now.by_name()
    wrong = {name for name in {*before} & {*files_} if not _missing(files_[name], have.get(name, ()))
             and _missing(before[name], have.get(name, ()))}
    return replace(noted, stanzas=tuple(one for name in before for one in (files_ if name in wrong else before)[name]))


def _missing(stanzas: Collection[Stanza], have: Collection[str]) -> bool:
    """Tell whether an address of these stanzas of a link that is not ours is not there."""
    options = [option for stanza in stanzas for option in stanza.options]
    if ours(option.name for option in options):
        return False
    there = {address.partition("/")[0] for address in have}
    static = {option.value.partition("/")[0] for option in options if option.name == "address"}
    return bool(static - there)


def render(interfaces: Interfaces) -> str:
    """Return an interfaces file that means the same. A stanza has what it inherits among its own lines."""
    return "".join(f"{line}\n" for line in _lines(interfaces))


def _lines(interfaces: Interfaces) -> Iterator[str]:
    yield "# The stanzas by which the interfaces are up, noted by xen-legi; /etc/network/interfaces is the file to edit."
    for one in interfaces.classes:
        yield f"{'auto' if one.class_ == 'auto' else f'allow-{one.class_}'} {one.name}"
    if interfaces.no_scripts:
        yield f"no-scripts {' '.join(interfaces.no_scripts)}"
    for stanza in interfaces.stanzas:
        yield f"iface {stanza.name} {stanza.family} {stanza.method}"
        for option in stanza.options:
            yield from _option(option)


def _option(option: Option) -> Iterator[str]:
    """Yield the lines of an option, with its name as it was written: ifup knows accept_ra, and no accept-ra."""
    for line in option.value.split("\n"):
        yield f"    {option.written or option.name} {line}{' ' if line.endswith(chr(92)) else ''}"
