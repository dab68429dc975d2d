"""A domU stands still while its ghosts are made: that one, whatever it is called."""

import contextlib
import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from xen_legi.backup import pause
from xen_legi.domu import xl
from xen_legi.domu.xl import Domain


@pytest.mark.parametrize("state, paused", [("running", ["7"]), ("paused", []), (None, [])])
def test_a_domu_whose_name_is_a_number_is_paused_by_its_own(
    state: str | None, paused: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[str] = []

    @contextlib.contextmanager
    def spawn(argv: list[str], **more: object) -> Iterator[object]:
        numbers.append(argv[-2])
        yield SimpleNamespace(stdin=io.StringIO(), stdout=io.StringIO("paused\n"), wait=lambda: 0)

    monkeypatch.setattr(pause, "spawn", spawn)
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "domain", lambda name: Domain(7, name, state, 512, 1, 1.0) if state else None)
    with pause.paused("12", True):
        pass
    assert numbers == paused
