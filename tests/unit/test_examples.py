"""The examples of README, manuals and --help: each is what a shell and our parsers take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from xen_legi import cli
from xen_legi.cli import backup_domu

TOP = Path(__file__).resolve().parents[2]
# README.md is no part of the tree that the packages are built from: there the others are enough.
PAGES = [path for path in (TOP / "README.md", TOP / "docs/manual-recovery.md") if path.exists()]
TEXTS = [*PAGES, *sorted((TOP / "xen-legi/xen_legi/cli").glob("*.py"))]


def examples() -> Iterator[str]:
    """Yield every indented line that begins with one of our programs."""
    for path in TEXTS:
        for line in path.read_text().splitlines():
            if found := re.match(r"\s+(?:root@\w+:~# )?((?:xen-legi|backup-domu)(?: .*|$))", line):
                yield found[1].strip()


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_an_example_can_be_pasted(line: str) -> None:
    program, *words = shlex.split(line.partition(" | ")[0], comments=True)
    if program == "xen-legi":
        cli.parser().parse_args(words)
    else:
        backup_domu.parser().parse_args(backup_domu.verb_first(words))


def test_each_verb_has_an_example() -> None:
    shown = [line.split() for line in examples()]
    assert {words[1] for words in shown if words[0] == "xen-legi"} == set(cli.VERBS)
    assert {"plan", "status"} <= {words[1] for words in shown if words[0] == "backup-domu" and len(words) > 1}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_stands_behind_a_command_is_a_comment(page: Path) -> None:
    commands = [line for line in page.read_text().splitlines() if re.match(r" {4,}(xl|lv\w+|mount|mv|cp|rm|ln) ", line)]
    assert commands and [line for line in commands if "(" in line.partition("#")[0]] == []
