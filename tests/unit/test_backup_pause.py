"""A domU stands still while its ghosts are made: that one, whatever it is called."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from xen_legi import run
from xen_legi.backup import pause, quiesce
from xen_legi.domu import xl
from xen_legi.domu.xl import Domain
from xen_legi.errors import Problem

XL = """\
#!/bin/sh
cd {directory}
echo "$*" >>said
[ "$1" = pause ] || [ "$(grep -c unpause said)" -gt {failures} ]
"""


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


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a program xl, whose words go to the file `said`; the shell that pauses is the real one."""
    path = f"{tmp_path}:{run.environment()['PATH']}"
    monkeypatch.setattr(run, "environment", lambda extra=None: {"PATH": path})
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "domain", lambda name: Domain(7, name, "running", 512, 1, 1.0))
    (tmp_path / "sleep").symlink_to("/bin/true")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return tmp_path / "said"


def xl_that_cannot_unpause(failures: int, said: Path) -> None:
    """Write a program xl that fails so many times to unpause."""
    program = said.with_name("xl")
    program.write_text(XL.format(directory=said.parent, failures=failures))
    program.chmod(0o755)


@pytest.mark.parametrize("failures", [0, 2])
def test_a_domu_is_let_go_though_the_first_attempts_fail(
    failures: int, said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xl_that_cannot_unpause(failures, said)
    with pause.paused("web1", True):
        assert said.read_text() == "pause 7\n"
    assert said.read_text().splitlines() == ["pause 7", *["unpause 7"] * (failures + 1)]
    assert "web1" not in capsys.readouterr().err


@pytest.mark.parametrize("failures, words", [(6, "web1 was not let go"), (99, "web1 may still be paused: xl unpause 7")])
def test_a_domu_that_its_shell_cannot_let_go_is_told_whatever_else_went_wrong(
    failures: int, words: str, said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xl_that_cannot_unpause(failures, said)
    with pytest.raises(ZeroDivisionError), pause.paused("web1", True):
        raise ZeroDivisionError
    assert words in capsys.readouterr().err


def test_a_domu_that_was_not_let_go_by_its_shell_is_not_copied(said: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xl_that_cannot_unpause(5, said)
    with pytest.raises(Problem, match="web1 did not stand still"), pause.paused("web1", True):
        pass
    assert "web1 was not let go" in capsys.readouterr().err


def test_a_domu_that_is_gone_when_it_is_to_be_paused_is_no_paused_one(
    said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said.with_name("xl").symlink_to("/bin/false")
    with pytest.raises(Problem, match="web1 could not be paused"), pause.paused("web1", True):
        pass
    assert "web1" not in capsys.readouterr().err


@pytest.mark.parametrize("state, seconds, asked", [("running", 5, ["sysrq 7 s"]), ("running", 0, []), ("paused", 5, [])])
def test_a_domu_that_runs_is_asked_to_write_what_it_holds_and_gets_its_time(
    state: str, seconds: int, asked: list[str], said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(quiesce, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(xl, "domain", lambda name: Domain(7, name, state, 512, 1, 1.0))
    said.with_name("xl").write_text(f'#!/bin/sh\necho "$*" >>{said}\n')
    said.with_name("xl").chmod(0o755)
    quiesce.ask("web1", seconds)
    assert (said.read_text().splitlines() if said.exists() else []) == asked and waited == [seconds] * len(asked)


def test_a_domu_that_cannot_be_asked_is_copied_as_it_is(said: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said.with_name("xl").write_text("#!/bin/sh\nexit 1\n")
    said.with_name("xl").chmod(0o755)
    quiesce.ask("web1", 5)
    assert "web1 could not be asked to write" in capsys.readouterr().err
