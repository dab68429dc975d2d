"""How long the lab's tests wait for a guest on a slow computer (tests/lab/speed.py)."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
pytestmark = pytest.mark.skipif(not LAB.exists(), reason="the packages are built without the lab")


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which lies with the lab's tests."""
    monkeypatch.syspath_prepend(str(LAB))
    sys.modules.pop("speed", None)
    return importlib.import_module("speed")


@pytest.mark.parametrize(("seconds", "times"), [(0.03, 1), (0.065, 1), (0.13, 2), (0.26, 4), (9.0, 4)])
def test_a_wait_is_longer_on_a_slower_computer_and_never_shorter(speed: ModuleType, seconds: float, times: float) -> None:
    assert speed.factor(seconds) == times


def test_this_computer_is_measured_once(speed: ModuleType) -> None:
    assert 1 <= speed.patience() <= 4 and speed.patience() == speed.patience()
