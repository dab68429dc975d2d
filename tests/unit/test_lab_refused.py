"""What the lab's tests take for a refusal (tests/lab/domus.py)."""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
pytestmark = pytest.mark.skipif(not LAB.exists(), reason="the packages are built without the lab")
SAID = "xen-legi: there is a domU 'web1' already: on dom0b\n  hint: choose another name\n"
WAITED = "ask dom0b about its domUs: 0 of 1 answered so far\n"


@pytest.fixture
def domus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which lies with the lab's tests."""
    pytest.importorskip("testinfra")
    monkeypatch.syspath_prepend(str(LAB))
    return importlib.import_module("domus")


@pytest.mark.parametrize("before", ["", WAITED, 2 * WAITED])
def test_a_peer_that_is_waited_for_before_a_refusal_may_be_told(domus: ModuleType, before: str) -> None:
    domus.refused(SimpleNamespace(rc=2, stderr=before + SAID))


@pytest.mark.parametrize("stderr", ["", WAITED, SAID + SAID, "Traceback\n" + SAID, SAID.splitlines()[0]])
def test_nothing_else_may(domus: ModuleType, stderr: str) -> None:
    with pytest.raises(AssertionError):
        domus.refused(SimpleNamespace(rc=2, stderr=stderr))
