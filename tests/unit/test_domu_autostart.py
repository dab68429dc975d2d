"""Which domUs start with dom0."""

from pathlib import Path

import pytest
from xen_legi.domu import autostart, config
from xen_legi.errors import EXIT_USAGE, Problem


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "web1.cfg").write_text("name = 'web1'\nmemory = 1\n")
    return tmp_path / "web1.cfg"


def test_a_domu_is_started_by_a_relative_link_that_is_made_once_and_removed(file: Path) -> None:
    auto = file.parent / "auto"
    for _ in range(2):
        autostart.on(file, auto)
    assert [str(one.readlink()) for one in auto.iterdir()] == ["../web1.cfg"]
    for _ in range(2):
        autostart.off(file, auto)
    assert list(auto.iterdir()) == [] and file.exists()


def test_a_link_that_is_called_otherwise_is_enough_and_goes_too(file: Path) -> None:
    auto = file.parent / "auto"
    auto.mkdir()
    (auto / "10-web1").symlink_to(file)
    autostart.on(file, auto)
    assert len(config.auto_links(file, auto)) == 1
    autostart.off(file, auto)
    assert config.auto_links(file, auto) == []


@pytest.mark.parametrize("target", ["../web2.cfg", "../gone.cfg"])
def test_a_link_of_another_is_not_replaced(file: Path, target: str) -> None:
    auto = file.parent / "auto"
    auto.mkdir()
    (file.parent / "web2.cfg").touch()
    (auto / "web1.cfg").symlink_to(target)
    with pytest.raises(Problem, match=f"which leads to {target}") as caught:
        autostart.on(file, auto)
    assert caught.value.status == EXIT_USAGE and str((auto / "web1.cfg").readlink()) == target


def test_the_only_file_of_a_domu_is_not_removed(file: Path) -> None:
    auto = file.parent / "auto"
    auto.mkdir()
    file.rename(auto / "web1.cfg")
    file.symlink_to("auto/web1.cfg")
    (auto / "again").symlink_to("web1.cfg")
    with pytest.raises(Problem, match="is the file itself"):
        autostart.off(file, auto)
    assert sorted(one.name for one in auto.iterdir()) == ["again", "web1.cfg"]
