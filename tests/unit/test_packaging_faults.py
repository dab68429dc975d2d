"""docs/faults.md names tests that are there, and all faults."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "docs/faults.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the packages are built without this page")
def test_the_table_of_faults_names_each_fault_once_and_only_tests_that_are_there() -> None:
    text = PAGE.read_text()
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == list(range(1, 45))
    sources = {path.name: path.read_text() for path in (TOP / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", text))
    known = {name for source in sources.values() for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}
    assert len(named) > 25 and named <= known | set(sources), named - known - set(sources)
