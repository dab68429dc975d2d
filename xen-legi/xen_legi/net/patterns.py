"""The names that a list of ports stands for: all, and the extended regular expressions of bridge-utils. Pure."""

import re
from collections.abc import Collection, Iterator, Sequence

_EVERYTHING = {"bond-slaves": ["eth.*"], "bridge-ports": ["eth.*", "em.*", "en.*", "p[0-9].*"]}
_BRACKETS = r"\[(\^?)(\]?(?:\[:\w*:\]|[^]])*)\]"  # compiled where it is needed: the hook must start fast
_CLASSES = {"digit": "0-9", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9", "lower": "a-z", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
            "punct": r"!-/:-@\[-`{-~", "space": r"\s", "blank": r" \t", "word": r"\w"}


def expand(name: str, words: Sequence[str], devices: Collection[str]) -> Iterator[str]:
    """Given the words of an option with ports, yield the names of these. Raise ValueError for what is no expression."""
    by_pattern = False
    for word in _with_all(name, words):
        if word in ("regex", "noregex"):
            by_pattern = word == "regex"
        elif by_pattern:
            pattern = _compiled(word)
            yield from sorted(device for device in devices if pattern.fullmatch(device))
        else:
            yield word


def _with_all(name: str, words: Sequence[str]) -> Iterator[str]:
    for word in words:
        yield from ["regex", *_EVERYTHING[name], "noregex"] if word == "all" else [word]


def _compiled(word: str) -> re.Pattern[str]:
    try:
        return re.compile(re.sub(_BRACKETS, _as_in_python, word))
    except re.error as error:
        raise ValueError(f"{word!r} is not a regular expression: {error}") from None


def _as_in_python(brackets: re.Match[str]) -> str:
    """Return a bracket expression with its classes written out, and nothing in it that Python warns of, as [[ and &&."""
    parts = re.split(r"\[:(\w*):\]", brackets[2])
    for number, part in enumerate(parts):
        if number % 2:
            if part not in _CLASSES:
                raise re.error(f"there is no class [:{part}:]")
            parts[number] = _CLASSES[part]
        else:
            parts[number] = re.sub(r"(?<!\\)([][&|~]|(?<=-)-)", r"\\\1", part)
    return f"[{brackets[1]}{''.join(parts)}]"
