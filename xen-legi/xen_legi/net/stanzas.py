"""The stanzas of interfaces(5), read as ifupdown reads them; pure, and never an exception for what a file holds.

ifupdown drops the rest of a file at its first error (and refuses to run when that file is the first one); so do we,
and keep the error as a Message, which the hook tells. Option names are kept with `-` and in lower case, because
that is all that a hook sees of them: IF_BRIDGE_PORTS is bridge-ports, bridge_ports and Bridge-Ports alike.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

METHODS = {
    "inet": "loopback static manual dhcp bootp tunnel ppp wvdial ipv4ll",
    "inet6": "loopback auto dhcp static manual v4tunnel 6to4",
    "ipx": "static dynamic",
    "can": "static",
}
COMMANDS = frozenset({"pre-up", "up", "post-up", "down", "pre-down", "post-down"})
_BLANKS = " \t\n\v\f\r"  # of the C locale: to ifup, a no-break space is part of a word
_BLANK = re.compile(f"[{_BLANKS}]+")
_KEYWORD = re.compile("iface|mapping|auto|source(-directory|-dir)?|no-scripts|no-auto-down|rename|.*[?]")
_EXPANDED = re.compile(  # what wordexp(3) expands or refuses, brackets that glob() reads otherwise, and patterns in quotes
    r"""[$`{}()|&;<>\0]|(^|[\s"'=:])~|\[(\^|[^]]*\[:)|\\[*?[]|"[^"]*[*?[][^"]*"|'[^']*[*?[][^']*'"""
)


@dataclass(frozen=True)
class Message:
    """Something to tell about a place (file:line, or the interface when there is no file)."""

    where: str
    text: str
    level: str = "error"  # or warning, as in a Finding

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True)
class Option:
    """One line of a stanza."""

    name: str
    value: str
    where: str = ""
    written: str = field(default="", compare=False)  # its name as the file has it


@dataclass(frozen=True)
class Stanza:
    """One `iface`, with the options that it inherits in front of its own."""

    name: str
    family: str
    method: str
    options: tuple[Option, ...] = ()
    where: str = ""

    def has(self, name: str) -> bool:
        """Tell whether an option is set."""
        return any(option.name == name for option in self.options)


@dataclass(frozen=True)
class Listed:
    """One word of an auto or allow- line: an interface or a pattern, perhaps with =LOGICAL."""

    class_: str
    name: str
    where: str


@dataclass(frozen=True)
class Interfaces:
    """All that the files say. `classes` keeps the order of its lines: ifup goes by it. auto is a class like others."""

    stanzas: tuple[Stanza, ...] = ()
    classes: tuple[Listed, ...] = ()
    no_scripts: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    problems: tuple[Message, ...] = ()
    vlan_names: Mapping[str, str] = field(default_factory=dict)  # by VLAN ID, see names.py
    parents: frozenset[str] = frozenset()  # from which others inherit

    def of(self, name: str) -> tuple[Stanza, ...]:
        """Return the stanzas of an interface, in the order of the files."""
        return tuple(stanza for stanza in self.stanzas if stanza.name == name)

    def listed(self, class_: str) -> tuple[str, ...]:
        """Return what the lines of a class name, patterns as they are written."""
        return tuple(one.name for one in self.classes if one.class_ == class_)

    def templates(self) -> set[str]:
        """Return the logical names that are no interfaces: only lines like auto /eth*=port use them."""
        return {one.name.partition("=")[2] for one in self.classes} - {one.name for one in self.classes} - {""}

    def by_name(self) -> dict[str, list[Stanza]]:
        """Return the stanzas of each interface, in the order of the files."""
        found: dict[str, list[Stanza]] = {}
        for stanza in self.stanzas:
            found.setdefault(stanza.name, []).append(stanza)
        return found


class Source(Protocol):
    """Where the parser gets files from: the disk, or a test's dictionary."""

    def read(self, path: str) -> str:
        """Return a file's text; raise OSError if that cannot be."""

    def expand(self, pattern: str, beside: str, directory: bool) -> Sequence[str]:
        """Return the files that `source` (or `source-directory`) PATTERN in the file `beside` stands for, sorted."""


class _Stop(Exception):
    """The rest of this file is not read."""


def canonical(name: str) -> str:
    """Return an option's name as this program writes it."""
    return name.lower().replace("_", "-")


def parse(path: str, source: Source) -> Interfaces:
    """Read a file and what it sources. Never raises for what they hold: see Interfaces.problems."""
    reader = _Reader(source)
    reader.file(path)
    return reader.result()


def with_stanza(interfaces: Interfaces, stanza: Stanza) -> Interfaces:
    """Return the same with the interface's stanzas of that family replaced by one (what ifup handed to a hook)."""
    same = [one for one in interfaces.stanzas if (one.name, one.family) == (stanza.name, stanza.family)]
    if not same:
        return replace(interfaces, stanzas=(*interfaces.stanzas, stanza))
    kept = (stanza if one is same[0] else one for one in interfaces.stanzas if one is same[0] or one not in same)
    return replace(interfaces, stanzas=tuple(kept))


def selected(interfaces: Interfaces, class_: str, devices: Iterable[str], exclude: Collection[str] = ()) -> tuple[str, ...]:
    """Return the interfaces that `ifup -a` (class auto) brings up as their own stanza, and for which it runs hooks.

    What a mapping script, a logical name or a sysfs pattern decides is left out: the call for that interface knows.
    """
    known = sorted(devices)
    names: dict[str, None] = {}
    for word in interfaces.listed(class_):
        names |= dict.fromkeys(() if "=" in word else meant(word, known))
    unwanted = (*interfaces.no_scripts, *interfaces.mappings, *exclude)
    return tuple(name for name in names if not any_matches(name, unwanted))


def any_matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns of a mapping or no-scripts line is for this interface."""
    return any(fnmatch.fnmatchcase(name, one.strip("/")) for one in patterns)


def meant(word: str, devices: Sequence[str]) -> Sequence[str]:
    """Given NAME or /PATTERN or /PATTERN/N, perhaps with =LOGICAL, return names; nothing for what has a variable."""
    device = word.partition("=")[0]
    variable, slash, pattern = device.partition("/")
    if not slash:
        return (device,)
    value, _, number = pattern.partition("/")
    matches = [] if variable else [name for name in devices if fnmatch.fnmatchcase(name, value)]
    digits = re.match("[0-9]{0,9}", number)  # ifup reads it by atoi(3), and 0 as if it were not there
    index = int(digits[0] or 0) if digits else 0
    return matches[index - 1:index] if index else matches


def logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Yield (number of its first line, line) with continuations joined, without comments and empty lines."""
    begun, joined = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not begun and line.lstrip(_BLANKS)[:1] in ("", "#"):
            continue
        begun = begun or number
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        yield begun, (joined + line).strip(_BLANKS)
        begun, joined = 0, ""
    if begun and joined.strip(_BLANKS):
        yield begun, joined.strip(_BLANKS)


def source_words(rest: str) -> tuple[list[str], list[str]]:
    """Given the rest of a source line, return its words, paths and patterns, and those that are not read. Raise ValueError
    for what we read otherwise.

    ifup puts the directory of the file in front of a line that does not begin with /, and has wordexp(3) expand the whole.
    It skips words that are no files: so the words of a comment at the end of the line, which it knows not to be one.
    """
    if _EXPANDED.search(rest):
        raise ValueError("ifup would expand this as a shell does, which we do not: name the file, or use plain * and ?")
    words = _split(rest) if set("\\\"'") & set(rest) else _BLANK.split(rest) if rest else []
    if not rest.startswith("/"):
        words[:1] = [word.lstrip("/") for word in words[:1]]
    more = words[1:]
    return words[:1] + [word for word in more if word.startswith("/")], [word for word in more if not word.startswith("/")]


def _unread(words: Sequence[str]) -> str:
    if any(word.startswith("#") for word in words):
        return "a comment has a line of its own: # and what follows it are names of files here, and are not read"
    return f"{words[0]} is not read: ifup looks for it in its working directory, not beside this file; give it its own line"


def _split(text: str) -> list[str]:
    import shlex  # here, because the hook must start fast and hardly a file has quotes

    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quote is not closed, so that ifup reads nothing") from None


class _Reader:
    """The parser's state over all files."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stanzas: list[Stanza] = []
        self.classes: list[Listed] = []
        self.no_scripts: list[str] = []
        self.mappings: list[str] = []
        self.problems: list[Message] = []
        self.parents: set[str] = set()
        self.open: list[str] = []  # files being read, against a file that sources itself
        self.seen: set[str] = set()  # files that were read: ifup reads none again by the same path
        self.block = ""  # what takes the next lines: iface, mapping, or nothing

    def result(self) -> Interfaces:
        return Interfaces(
            tuple(self.stanzas), tuple(self.classes), tuple(self.no_scripts), tuple(self.mappings), tuple(self.problems),
            parents=frozenset(self.parents),
        )

    def file(self, path: str) -> None:
        if path in self.open:
            return self.problem(path, "the file sources itself", "warning")  # which ifup skips
        if path in self.seen:
            return
        self.seen.add(path)
        try:
            text = self.source.read(path)
        except OSError as error:
            dangling = isinstance(error, FileNotFoundError) and bool(self.open)  # a link to nowhere, which ifup skips
            return self.problem(path, f"cannot be read: {error.strerror}", "warning" if dangling else "error")
        self.open.append(path)
        self.block = ""
        if "\\\r\n" in text:
            number = text[:text.index("\\\r\n")].count("\n") + 1
            self.problem(f"{path}:{number}", "a \\ before a line end of DOS (CR LF) joins no lines: take the CRs out")
        try:
            for number, line in logical_lines(text):
                self.line(line, f"{path}:{number}", path)
        except _Stop:
            pass
        self.block = ""
        self.open.pop()

    def problem(self, where: str, text: str, level: str = "error") -> None:
        self.problems.append(Message(where, text, level))

    def stop(self, where: str, text: str) -> None:
        self.problem(where, f"{text}; the rest of the file is not read")
        raise _Stop

    def line(self, line: str, where: str, path: str) -> None:
        word, rest = (*_BLANK.split(line, 1), "")[:2]
        words = _BLANK.split(rest) if rest else []
        if word in ("source", "source-directory", "source-dir"):
            self.block = ""
            self.sourced(rest, where, path, directory=word != "source")
        elif word == "iface":
            self.iface(words, where)
        elif word == "mapping":
            self.block = "mapping"
            self.mappings += words
        elif word == "auto" or word.startswith("allow-"):
            self.block = ""
            self.classes += [Listed(word.removeprefix("allow-"), name, where) for name in words]
        elif word in ("no-scripts", "no-auto-down", "rename"):
            self.block = ""
            self.no_scripts += words if word == "no-scripts" else []
        elif self.block == "iface":
            self.option(word, rest, where)
        elif not self.block:
            self.stop(where, f"{word} stands outside of a stanza")

    def sourced(self, rest: str, where: str, path: str, directory: bool) -> None:
        line = f"source{'-directory' if directory else ''} {rest}"
        try:
            patterns, unread = source_words(rest)
        except ValueError as error:
            return self.problem(where, f"{line}: {error}")
        if unread:
            self.problem(where, f"{line}: {_unread(unread)}", "warning")
        for pattern in patterns:
            try:
                found = self.source.expand(pattern, path, directory)
            except OSError as error:
                self.problem(where, f"source {pattern}: cannot be read: {error.strerror}")
                continue
            if not found and not directory and not set("*?[") & set(pattern):  # a directory may well be empty
                self.problem(where, f"source {pattern}: there is no such file", "warning")
            for file in found:
                self.file(file)

    def iface(self, words: list[str], where: str) -> None:
        name, *rest = words or [""]
        stanza = Stanza(name, "", "", (), where)
        if rest[:1] != ["inherits"]:
            family, method = (*rest[:2], "", "")[:2]
            if not method:
                named = f"iface {name or 'NAME'}"
                self.stop(where, f"{named} lacks its address family and method, as in {named} inet manual")
            if method not in METHODS.get(family, "").split():
                self.stop(where, f"iface {name}: {family} {method} is not known to ifupdown")
            stanza, rest = replace(stanza, family=family, method=method), rest[2:]
        if rest[:1] == ["inherits"]:
            stanza = self.inherit(stanza, (rest[1:] or [""])[0], where)
        elif rest:
            self.problem(where, f"iface {name}: {' '.join(rest)} is not understood and ignored")
        self.stanzas.append(stanza)
        self.block = "iface"

    def inherit(self, stanza: Stanza, parent: str, where: str) -> Stanza:
        for one in self.stanzas:
            if one.name == parent and stanza.family in ("", one.family):
                self.parents.add(parent)
                return replace(
                    stanza, family=stanza.family or one.family, method=stanza.method or one.method, options=one.options
                )
        self.stop(where, f"iface {stanza.name} inherits from {parent}, which is not defined before it")
        raise AssertionError

    def option(self, word: str, value: str, where: str) -> None:
        stanza = self.stanzas[-1]
        name = canonical(word.removesuffix("?"))
        if not value:
            self.stop(where, f"{word} has no value")
        if word.endswith("?") and (not name or _KEYWORD.fullmatch(word.removesuffix("?"))):
            return self.problem(where, f"{word} is not understood as an option, and ignored")  # kept, it would be a keyword
        if word.endswith("?") and stanza.has(name):
            return
        self.stanzas[-1] = replace(stanza, options=(*stanza.options, Option(name, value, where, word.removesuffix("?"))))
