#!/usr/bin/python3
"""Fill the generated parts of a manual page: manual.py xen-legi|backup-domu < page.scd (scdoc's form) > page.scd.

A line @VERBS@, @OPTIONS@, @EXAMPLES@, @SETTINGS@ or @STATUS@ in the page is replaced by what the program's parser, its table
of settings and its exit statuses say, so that the manual cannot forget one. See scdoc(5) for the form.
"""

import argparse
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import fields

from parsers import PARSERS
from xen_legi import config
from xen_legi.errors import EXIT_STATUS_HELP


def text(words: str) -> str:
    """Return words that mean themselves in scdoc."""
    return re.sub(r"([\\*_])", r"\\\1", words)


def prose(words: str) -> str:
    """Return words in which `this` is typed as it is; a line of them may begin with anything."""
    marked = "*".join(text(part) for part in words.split("`"))
    return "\n".join(map(text_begins, marked.split("\n")))


def text_begins(words: str) -> str:
    """Return a line in scdoc's form whose first character means nothing but itself."""
    return re.sub(r"^([-.#|\[])", r"\\\1", words)


def bold(words: str) -> str:
    """Return words that are typed as they are."""
    return f"*{text(words)}*"


def below(one: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the verbs of a program, by verb."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def placeholder(action: argparse.Action) -> str:
    """Return the word for an argument's value: its choices or its name in capitals."""
    if action.choices:
        return "|".join(str(choice) for choice in action.choices)
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    return f"_{text(name.upper())}_"


def value_of(action: argparse.Action) -> str:
    """Return how the words of an argument are written: in brackets what may be left out, with dots what may be repeated."""
    word = placeholder(action)
    return {"?": f" [{word}]", "*": f" [{word} ...]", "+": f" {word} ..."}.get(action.nargs or "", f" {word}")


def argument(action: argparse.Action) -> Iterator[str]:
    """Yield the lines for one option or argument: how it is written, what it means."""
    value = "" if action.nargs == 0 else value_of(action)
    options = ", ".join(bold(option) for option in action.option_strings)
    yield options + value if options else text_begins(value.strip())
    yield "\t" + text((action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%"))
    yield ""


def arguments(one: argparse.ArgumentParser, told: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines for all options and arguments of a parser, --help and those that are told already excepted."""
    for action in one._actions:
        known = {*action.option_strings} & {*told}
        if not known and not isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            yield from argument(action)


def verbs(program: str, whole: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a subsection for each verb: what it does, its own arguments, its examples."""
    common = {option for action in whole._actions for option in action.option_strings}
    for verb, one in below(whole).items():
        yield f"## {program} {verb}"
        yield ""
        yield prose(one.description or "")
        yield ""
        yield from arguments(one, common)
        yield from examples(one)


def examples(one: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the examples of a parser's help, as they stand there."""
    if match := re.search(r"^examples:\n((?:[ ]+.*\n|\n)+)", one.epilog or "", re.M):
        yield from ("```", match[1].rstrip(), "```", "")


def settings() -> Iterator[str]:
    """Yield each setting by section: its meaning and its default."""
    section = ""
    for one in fields(config.Config):
        if section != one.metadata["section"]:
            section = one.metadata["section"]
            yield from (f"## [{section}]", "")
        yield f"{bold(one.name)} = {text(config.as_toml(one.default))}"
        yield "\t" + text(one.metadata["help"])
        yield ""


def status() -> Iterator[str]:
    """Yield the exit statuses."""
    for line in EXIT_STATUS_HELP.splitlines()[1:]:
        number, meaning = line.split(None, 1)
        yield from (bold(number), "\t" + text(meaning), "")


def main() -> int:
    """Copy the page, with its generated parts."""
    program = sys.argv[1]
    for line in sys.stdin.read().splitlines():
        parts = {"@VERBS@": lambda: verbs(program, PARSERS[program]()), "@OPTIONS@": lambda: arguments(PARSERS[program]()),
                 "@EXAMPLES@": lambda: examples(PARSERS[program]()), "@SETTINGS@": settings, "@STATUS@": status}
        print("\n".join(parts[line]()) if line in parts else line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
