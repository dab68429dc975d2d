"""What a killed making or removal of a template left: at every moment there is the former template or the new one."""

from datetime import date
from pathlib import Path

import pytest

from xen_legi import steps
from xen_legi.errors import Problem
from xen_legi.install import mirror, template_make
from xen_legi.install.templates import Template, all_templates, check_template_name, lock_name, read, written

POINTS = ("template:begun", "template:after-bootstrap", "template:between", "template:after-rename", "template:end")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of templates."""
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    monkeypatch.setattr(mirror, "find", lambda dist, uri, keyring: mirror.Suite(dist, (f"deb {uri} {dist} main",), dist))
    monkeypatch.setattr(template_make, "debian", debian)
    monkeypatch.setattr(template_make, "_check_space", lambda directory: None)
    (tmp_path / "templates").mkdir()
    return tmp_path / "templates"


def debian(suite: mirror.Suite, tree: Path, include: object) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/suite").write_text(suite.dist)


def put(directory: Path, name: str, dist: str) -> None:
    """Make a tree and, if it has the name of a template, the facts beside it."""
    (directory / name / "etc").mkdir(parents=True)
    (directory / name / "etc/suite").write_text(dist)
    (directory / f"{name}.toml").write_text(written(Template(name, directory / name, dist, "2026-01-01", 1, 1)))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def make(directory: Path) -> Template:
    return template_make.make(directory, "web", "sid", uri="file:///srv/debian", include=(), replace=True)


def kill_at(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Be killed at a named point: what would undo something on the way out does nothing."""

    def passing(name: str) -> None:
        if name == point:
            monkeypatch.setattr(template_make, "remove_tree", lambda path: None)
            raise Killed

    monkeypatch.setattr(template_make, "named_point", passing)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("former", [True, False])
def test_a_template_that_is_made_anew_is_never_lost(
    here: Path, monkeypatch: pytest.MonkeyPatch, point: str, former: bool
) -> None:
    if former:
        put(here, "web", "bookworm")
    with monkeypatch.context() as patch:
        kill_at(patch, point)
        if point == "template:end":
            make(here)
        else:
            with pytest.raises(Killed):
                make(here)
    template_make.clean(here)
    new = point in ("template:after-rename", "template:end")
    if not new and not former:
        assert names(here) == []
        return
    assert names(here) == ["web", "web.toml"]
    dist = "sid" if new else "bookworm"
    assert (here / "web/etc/suite").read_text() == dist == read(here / "web").dist
    assert read(here / "web").made == (date.today().isoformat() if new else "2026-01-01")


@pytest.mark.parametrize("left", [".making-web", ".making-web.toml"])
def test_a_clean_up_that_is_killed_itself_leaves_the_former_template(here: Path, left: str) -> None:
    put(here, "web", "bookworm")
    put(here, ".making-web", "sid")
    if left == ".making-web":  # the facts go first
        (here / ".making-web.toml").unlink()
    template_make.clean(here)
    assert names(here) == ["web", "web.toml"] and read(here / "web").dist == "bookworm"


def test_a_template_that_was_being_removed_is_not_put_back(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(here, "web", "bookworm")
    with monkeypatch.context() as patch:
        kill_at(patch, "template:after-aside")
        with pytest.raises(Killed):
            template_make.delete(read(here / "web"))
    assert all_templates(here) == []
    template_make.clean(here)
    assert not (here / "web").exists() and not (here / ".gone-web").exists()


def test_what_somebody_is_at_work_on_is_left_alone(here: Path) -> None:
    put(here, ".old-web", "bookworm")
    put(here, ".making-db", "sid")
    before = names(here)
    with steps.lock(lock_name("web"), what="web"), steps.lock(lock_name("db"), what="db"):
        template_make.clean(here)
        assert names(here) == before


def test_the_lock_is_held_while_it_is_put_right(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []
    put(here, ".making-web", "sid")
    monkeypatch.setattr(template_make, "_put_right", lambda *words: held.append(steps.is_locked("template-web")))
    template_make.clean(here)
    assert held == [True]


def test_what_cannot_be_removed_is_warned_of_and_stops_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(here, ".old-web", "bookworm")
    put(here, "web", "sid")
    monkeypatch.setattr(template_make, "mounts_below", lambda path: [f"{path}/proc"])
    template_make.clean(here)
    assert "left of template web is still there" in capsys.readouterr().err
    with pytest.raises(Problem, match="something is mounted in"):
        make(here)


@pytest.mark.parametrize("dist", ["", "a b", "-o", 'a"b'])
def test_a_suite_that_mmdebstrap_would_take_for_something_else_is_refused(here: Path, dist: str) -> None:
    with pytest.raises(Problem, match="cannot be the name of a Debian suite"):
        template_make.make(here, "web", dist, uri="", include=(), replace=False)


@pytest.mark.parametrize("name", ["", ".web", "../web", "web.toml", "a b"])
def test_a_name_that_would_be_anothers_file_is_refused(name: str) -> None:
    with pytest.raises(Problem, match="cannot be the name of a template"):
        check_template_name(name)
