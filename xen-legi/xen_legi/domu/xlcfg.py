"""The syntax of xl.cfg(5) files, with the place of every value, so that one can be changed and the rest kept.

KEY = VALUE, ended by a newline or ";"; a value is a string in '..' or "..", a number, or a list of values in [..], which
may go over several lines and end with a comma; "+=" adds to a list; "#" begins a comment. It is not Python.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\\\n)
    |   (?P<comment>\#[^\n]*)
    |   (?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |   (?P<number>[0-9][0-9a-zA-Z]*)
    |   (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |   (?P<end>[;\n])
    |   (?P<mark>\+=|[=\[\],])""",
    re.VERBOSE,
)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Atom:
    """A string (what stands between its quotes) or a number, and where it stands in the text: text[start:end]."""

    value: str
    start: int
    end: int


Value = Atom | tuple["Value", ...]  # a list within a list is rare, but legal


@dataclass(frozen=True)
class Assignment:
    """KEY = VALUE, or KEY += VALUE, and where all of it stands: text[start:end]."""

    key: str
    value: Value
    adds: bool
    start: int
    end: int


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def assignments(text: str) -> list[Assignment]:
    """Given the text of an xl.cfg file, return its assignments in order. Raise ValueError naming the line if it is none."""
    return list(_Reader(text).assignments())


def values(text: str) -> dict[str, Value]:
    """Return what holds in the end for every key: the last assignment, with what was added to it."""
    result: dict[str, Value] = {}
    for one in assignments(text):
        if one.adds and one.key in result:
            result[one.key] = (*_as_tuple(result[one.key]), *_as_tuple(one.value))
        else:
            result[one.key] = one.value
    return result


def atoms(value: Value) -> Iterator[Atom]:
    """Yield every atom of a value, whatever its nesting."""
    if isinstance(value, Atom):
        yield value
    else:
        for one in value:
            yield from atoms(one)


def replaced(text: str, changes: list[tuple[int, int, str]]) -> str:
    """Given (start, end, new text) of parts that do not overlap, return the text with them replaced."""
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _as_tuple(value: Value) -> tuple[Value, ...]:
    return (value,) if isinstance(value, Atom) else value


class _Reader:
    """One pass over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.position = 0

    def assignments(self) -> Iterator[Assignment]:
        while self.position < len(self.tokens):
            if self._peek().kind == "end":
                self.position += 1
            else:
                yield self._assignment()

    def _tokens(self) -> Iterator[_Token]:
        place = 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if not match:
                raise self._wrong(place)
            kind = str(match.lastgroup)
            if kind not in ("space", "comment"):
                yield _Token(kind, match[0], place)
            place = match.end()

    def _assignment(self) -> Assignment:
        key = self._take("word")
        mark = self._take("mark", "=", "+=")
        value = self._value()
        last = self.tokens[self.position - 1]
        if self.position < len(self.tokens):
            self._take("end")
        return Assignment(key.text, value, mark.text == "+=", key.start, last.start + len(last.text))

    def _value(self) -> Value:
        token = self._peek()
        if token.kind == "mark" and token.text == "[":
            return self._list()
        token = self._take("string", "number") if token.kind != "mark" else self._take("string")
        if token.kind == "number":
            return Atom(token.text, token.start, token.start + len(token.text))
        return Atom(_unquoted(token.text[1:-1]), token.start + 1, token.start + len(token.text) - 1)

    def _list(self) -> tuple[Value, ...]:
        self._take("mark", "[")
        found: list[Value] = []
        while True:
            self._skip_newlines()
            if self._peek().text == "]":
                self.position += 1
                return tuple(found)
            found.append(self._value())
            self._skip_newlines()
            if self._peek().text != "]":
                self._take("mark", ",")

    def _skip_newlines(self) -> None:
        while self._peek().text == "\n":
            self.position += 1

    def _peek(self) -> _Token:
        if self.position < len(self.tokens):
            return self.tokens[self.position]
        return _Token("nothing", "", len(self.text))

    def _take(self, *wanted: str) -> _Token:
        """Return the next token if its kind or, for a mark, its text is wanted."""
        token = self._peek()
        if token.kind not in wanted or (token.kind == "mark" and len(wanted) > 1 and token.text not in wanted):
            raise self._wrong(token.start)
        self.position += 1
        return token

    def _wrong(self, place: int) -> ValueError:
        line = self.text.count("\n", 0, place) + 1
        words = self.text[place:].split("\n", 1)[0].strip()[:30]
        return ValueError(f"line {line}: unexpected {words!r}" if words else f"line {line}: unexpected end")


def _unquoted(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code.isdigit():
            return chr(int(code, 8))
        return _ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", plain, text)
