"""Which lab tests are done when the time is too short for all (tests/lab/budget.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
pytestmark = pytest.mark.skipif(not LAB.exists(), reason="the packages are built without the lab")
CONFTEST = f"""
import sys
import pytest
sys.path.insert(0, {str(LAB)!r})
import budget

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items[:] = budget.in_order(items)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    budget.keep(item)
"""
FILES = {
    "conftest.py": CONFTEST,
    "test_backup.py": "import pytest\n@pytest.fixture\ndef costly(): raise RuntimeError\ndef test_long(costly): pass\n",
    "test_network.py": "def test_short(): pass\n",
}


WITH_LINES = """
def pytest_terminal_summary(terminalreporter):
    budget.tell_lines(terminalreporter)

def pytest_itemcollected(item):
    item.add_marker(pytest.mark.xdist_group("store" if "short" in item.name else "dom0s"))
"""


def ended(tmp_path: Path, end: str) -> list[str]:
    """Return how the tests of FILES ended, in their order, with this TESTS_END."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", str(tmp_path)]
    said = subprocess.run(argv, env={"TESTS_END": end, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path, capture_output=True,
                          text=True, check=False).stdout
    return [line.split("[")[0].strip() for line in said.splitlines() if "::" in line and "%]" in line]


def test_the_basic_tests_are_first_and_always_done(tmp_path: Path) -> None:
    first, second = ended(tmp_path, "1")
    assert first == "test_network.py::test_short PASSED"
    assert second.startswith("test_backup.py::test_long SKIPPED")


@pytest.mark.parametrize("end", ["", "4102444800"])  # 2100: each worker must collect the same names
def test_with_time_left_all_are_done(tmp_path: Path, end: str) -> None:
    assert ended(tmp_path, end) == ["test_network.py::test_short PASSED", "test_backup.py::test_long ERROR"]


def test_the_summary_tells_how_long_each_line_of_work_took_the_longest_first(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST + WITH_LINES)
    (tmp_path / "test_lines.py").write_text("import time\ndef test_short(): pass\ndef test_long(): time.sleep(3.2)\n")
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", str(tmp_path)]
    said = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in said if line.endswith(" min")] == ["dom0s: 0.1 min", "store: 0.0 min"], said
