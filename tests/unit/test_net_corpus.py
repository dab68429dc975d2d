"""Interfaces files of many kinds, good and bad: what `net check` says of each, and the batch of its `ifup -a`.

tests/unit/interfaces holds each file, and beside it FILE.expected: the findings, then the lines of the batch and what is
missing, on a host with the cards eth0, eth1 and eth2.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xen_legi.net import bridge_vlans, files, stanzas
from xen_legi.net.check import check
from xen_legi.net.kernel import Device
from xen_legi.net.links import desired
from xen_legi.net.plan import plan

CORPUS = Path(__file__).parent / "interfaces"
CARDS = {f"eth{number}": Device(f"eth{number}", address=f"52:54:00:00:00:0{number}", permanent=f"52:54:00:00:00:0{number}")
         for number in range(3)}
NAMES = sorted(path.name for path in CORPUS.iterdir() if path.suffix != ".expected")


def told(name: str) -> Iterator[str]:
    """Yield the lines of FILE.expected for a file of the corpus, which is read as the current directory's."""
    interfaces = files.load(name)
    yield from (str(finding) for finding in check(interfaces, CARDS))
    links = desired(interfaces, stanzas.selected(interfaces, "auto", CARDS), CARDS)
    wanted = plan(links, CARDS)
    yield from (f"ip {step.do}" for step in wanted.steps)
    new = {port: {1: True} for port in bridge_vlans.wanted(links.links)}  # as the kernel makes it
    yield from (f"bridge {line}" for _, line in bridge_vlans.lines(links.links, new))
    yield from (f"{name} not made: {text}" for name, text in wanted.errors.items())
    yield from (f"{name} lacks: {text}" for name, text in wanted.missing.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_the_corpus_is_understood_as_expected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)
    assert list(told(name)) == (CORPUS / f"{name}.expected").read_text().splitlines()


def test_there_are_at_least_sixty_and_each_expectation_has_its_file() -> None:
    assert len(NAMES) >= 60
    assert sorted(path.stem for path in CORPUS.glob("*.expected")) == NAMES
