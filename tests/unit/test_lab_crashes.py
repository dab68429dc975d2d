"""The lab tests' watch for a host whose kernel crashes, on consoles that a test writes itself (tests/lab/crashes.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
pytestmark = pytest.mark.skipif(not LAB.exists(), reason="the packages are built without the lab")
CONFTEST = f"""
import os, sys
from pathlib import Path
import pytest
sys.path.insert(0, {str(LAB)!r})
from crashes import Console, Watch, left
HERE = Path(__file__).parent

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Watch([Console("dom0z", HERE / "console")], HERE))

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group("store"))
    if "LAB_DONE" in os.environ:
        items[:], known = left(items, HERE / os.environ["LAB_DONE"])
        config.hook.pytest_deselected(items=known)
"""
TESTS = """
import os, time
from pathlib import Path
CONSOLE = Path(__file__).parent / "console"

def crash():
    CONSOLE.open("a").write("[ 12.3] BUG: kernel NULL pointer dereference, address: 3d\\n")

def test_before():
    assert "FAIL" not in os.environ

def test_that_the_crash_holds_up():
    if "CRASH" in os.environ:
        time.sleep(2)  # the result of the test before has been told by then
        crash()
        time.sleep(60)

def test_that_the_crash_fails():
    if "CRASH_AT_ONCE" in os.environ:
        crash()
        assert False

def test_after():
    pass
"""


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run the four tests above in a directory of their own, with settings in their environment."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "console").write_text("[ 1.0] BUG: of the boot before\n")

    def call(*settings: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-n", "1", "--dist", "loadgroup",
                 "--junit-xml=it.xml", "test_it.py"]
        in_background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
        return subprocess.run([*in_background, "env", "PYTHONDONTWRITEBYTECODE=1", *settings, *words],
                              cwd=tmp_path, capture_output=True, text=True, timeout=50)
    return call


def done(directory: Path) -> list[str]:
    """The tests that have their result, by the notes."""
    return (directory / "done").read_text().replace("test_it.py::test_", "").splitlines()


def test_a_run_on_sound_hosts_is_left_alone(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run().returncode == 0
    assert not (tmp_path / "crashed").exists()
    assert done(tmp_path) == [f"passed {name}" for name in
                              ("before", "that_the_crash_holds_up", "that_the_crash_fails", "after")]


def test_a_crash_ends_a_test_that_would_hang_and_the_rest_can_be_done_later(
        run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = run("CRASH=1")
    assert result.returncode == 2
    assert "dom0z: BUG: kernel NULL pointer dereference" in result.stdout
    assert "dom0z: BUG: kernel NULL" in (tmp_path / "crashed").read_text()
    assert done(tmp_path) == ["passed before"]
    (tmp_path / "done").rename(tmp_path / "before")
    assert run("LAB_DONE=before").returncode == 0
    assert done(tmp_path) == [f"passed {name}" for name in ("that_the_crash_holds_up", "that_the_crash_fails", "after")]


def test_a_test_that_fails_on_a_host_that_has_crashed_has_no_result(
        run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = run("CRASH_AT_ONCE=1")
    assert "failed" not in result.stdout.splitlines()[-1]
    assert "that_the_crash_fails" not in " ".join(done(tmp_path))
    assert "passed that_the_crash_holds_up" in done(tmp_path)


def test_a_failure_before_the_crash_stays_one(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("FAIL=1", "CRASH=1").returncode != 0
    assert done(tmp_path) == ["failed before"]
