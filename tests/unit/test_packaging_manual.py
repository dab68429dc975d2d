"""The manual pages tell of every verb, option and setting, because those parts are made from the programs."""

import argparse
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from xen_legi import config

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "debian/tools"))

import manual  # noqa: E402
from parsers import PARSERS  # noqa: E402


def page(program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a page as it goes to scdoc."""
    source = (TOP / f"xen-legi/man/{program}.8.scd").open()
    monkeypatch.setattr(sys, "argv", ["manual.py", program])
    monkeypatch.setattr(sys, "stdin", source)
    assert manual.main() == 0
    return capsys.readouterr().out


def options(one: argparse.ArgumentParser) -> set[str]:
    """Return all options of a parser and of those below it."""
    mine = {option for action in one._actions for option in action.option_strings}
    return mine.union(*(options(verb) for verb in manual.below(one).values())) - {"-h", "--help"}


@pytest.mark.parametrize("program", ["xen-legi", "backup-domu"])
def test_every_verb_and_every_option_is_in_the_manual(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page(program, capsys, monkeypatch)
    assert [verb for verb in manual.below(PARSERS[program]()) if f"## {program} {verb}" not in text] == []
    assert [option for option in sorted(options(PARSERS[program]())) if f"*{manual.text(option)}*" not in text] == []


@pytest.mark.parametrize("program", ["xen-legi", "backup-domu"])
def test_what_every_verb_understands_is_told_once(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page(program, capsys, monkeypatch).splitlines().count("*--debug*") == 1


@pytest.mark.parametrize("program", ["xen-legi", "backup-domu"])
def test_scdoc_takes_the_page(program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that begins with an option, for one, is a broken list to it."""
    made = subprocess.run(["scdoc"], input=page(program, capsys, monkeypatch), capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")


def test_every_setting_is_in_the_manual(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = page("xen-legi", capsys, monkeypatch)
    assert [one.name for one in fields(config.Config) if f"*{manual.text(one.name)}*" not in text] == []


def test_words_that_mean_something_to_scdoc_mean_themselves() -> None:
    assert manual.text("a_b *c*") == r"a\_b \*c\*"
    assert manual.prose("unless\n--keep is given\n# or not") == "unless\n\\--keep is given\n\\# or not"
    assert manual.prose("`get NAME` prints dom0_memory") == r"*get NAME* prints dom0\_memory"
