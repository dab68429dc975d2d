"""The settings of one domU: its own file over those of the host, and what is wrong in it."""

import time
from pathlib import Path

import pytest
from xen_legi import config, window
from xen_legi.backup import destination, tasks, wishes
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Receiver
from xen_legi.config import Config
from xen_legi.domu import config as domu_config
from xen_legi.errors import Problem
from xen_legi.peers.book import Peer
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume

HOST = Config(destinations=("vg1", "dom0b"), exclude=("old1",), bandwidth="20M")
WEB1 = domu_config.parse("name = 'web1'\nmemory = 1\ndisk = ['phy:/dev/vg0/web1-disk,xvda,w']\n", Path("web1.cfg"))
DISK = Volume("vg0", "web1-disk", 4 << 30, "-wi-ao----", frozenset(), "", "", "u", True, True, False, None)


def own(directory: Path, text: str, name: str = "web1") -> Config:
    (directory / f"{name}.toml").write_text(text)
    return wishes.of(name, HOST, directory)


def test_without_a_file_the_settings_of_the_host_hold(tmp_path: Path) -> None:
    assert all(wishes.of(name, HOST, tmp_path) == HOST for name in ("web1", "a/../b", "\0"))


def test_no_destinations_are_those_of_the_host_and_none_counts_twice(tmp_path: Path) -> None:
    assert own(tmp_path, "destinations = []").destinations == HOST.destinations
    assert own(tmp_path, 'destinations = ["vg1", "dom0b", "vg1"]').destinations == ("vg1", "dom0b")


def test_a_file_goes_before_them_where_it_says_something(tmp_path: Path) -> None:
    mine = own(tmp_path, 'destinations = ["dom0c"]\nwindow = "22:00-6:00"\nretries = 3\n')
    assert (mine.destinations, mine.window, mine.retries, mine.bandwidth) == (("dom0c",), "22:00-6:00", 3, "20M")


@pytest.mark.parametrize("name, text, out", [
    ("web1", "exclude = true", True), ("web1", "exclude = false", False), ("old1", "", True),
    ("old1", "exclude = false", False), ("old1", "exclude = 1", True), ("web1", "nonsense", False),
])
def test_a_domu_is_excluded_by_its_own_file_before_that_of_the_host(tmp_path: Path, name: str, text: str, out: bool) -> None:
    (tmp_path / f"{name}.toml").write_text(text)
    assert wishes.excluded([name], HOST, tmp_path) == ({name} if out else set())


@pytest.mark.parametrize("text, said", [
    ("exclude = 1", "exclude must be true or false, not 1"), ("volume_group = 'vg1'", "volume_group is unknown here"),
    ("copies = 'two'", "copies must be a whole number, not 'two'"), ("copies = 99", "copies: 99 is not a number of copies"),
    ("window = '25:00-3:00'", "window: '25:00-3:00' is no part of the day"), ("bandwidth = '5'", "'5' is not a size"),
    ("retries = 11", "retries: 11 is not a number of retries"), ("[backup]\ncopies = 2", "backup is unknown here"),
    ("copies = ", "web1.toml: Invalid value"), (f"copies = {'1' * 5000}", "web1.toml: "),
    (f"x = {'[' * 9999}", "web1.toml: "),
    ("ghost_size = '101%'", "is not between"), ("at_once = 1", "at_once is unknown"),
])
def test_what_is_wrong_in_it_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Problem, match="web1.toml") as caught:
        own(tmp_path, text)
    assert said in caught.value.message and caught.value.hint


def test_files_of_no_domu_are_found(tmp_path: Path) -> None:
    for name in ("web1.toml", "wbe1.toml", "README"):
        (tmp_path / name).touch()
    assert wishes.strays(["web1", "db1"], tmp_path) == [tmp_path / "wbe1.toml"]


@pytest.mark.parametrize("text, moments", [
    ("22:00-06:00",
     {"21:59": False, "22:00": True, "23:59": True, "0:00": True, "5:59": True, "6:00": False, "12:00": False}),
    ("1:30 - 4:00", {"1:29": False, "1:30": True, "3:59": True, "4:00": False, "22:00": False}), ("", {"12:00": True}),
])
def test_a_window_is_open_from_its_first_minute_to_its_last(text: str, moments: dict[str, bool]) -> None:
    assert {moment: window.is_open(text, time.strptime(moment, "%H:%M")) for moment in moments} == moments


@pytest.mark.parametrize("text", ["22", "22:00", "22:00-24:00", "1:60-2:00", "3:00-3:00", "22:00-06:00 daily", "-1:00-2:00"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match="is no part of the day"):
        window.minutes(text)


@pytest.mark.parametrize("how, days", [("", ""), ("weekly", "2026-12-06 2026-12-13 2026-11-29"), ("monthly", "2026-12-06")])
def test_copies_are_compared_by_content_on_sundays(how: str, days: str) -> None:
    month = ["2026-11-29", *(f"2026-12-{day:02}" for day in range(1, 20))]
    assert {one for one in month if window.is_sunday_for(how, time.strptime(one, "%Y-%m-%d"))} == set(days.split())


def resolve(name: str) -> Destination:
    return destination.resolve(name, {"vg0", "vg1"}, [Peer(one, "10.0.0.2") for one in ("dom0b", "dom0c", "dom0d")])


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with settings of its domUs, and what it remembers."""
    monkeypatch.setattr(wishes, "DIRECTORY", tmp_path)
    monkeypatch.setattr(tasks, "PLACES", tmp_path / "places")
    monkeypatch.setattr(lvm, "volumes", lambda: [DISK])
    return tmp_path


def receiver(name: str, free: int, *held: str, problem: Problem | None = None) -> Receiver:
    copies: dict[str, dict[str, object]] = {one: {"generation": 3} for one in held}
    return Receiver(resolve(name), copies, problem, free << 30)


def test_a_wrong_file_is_the_problem_of_its_domu_alone(directory: Path) -> None:
    (directory / "web1.toml").write_text('destinations = ["dom0x"]')
    (one,) = tasks.tasks([WEB1], HOST, [], resolve)
    assert one.to == HOST.destinations and one.problem
    assert one.problem.message == f"{directory}/web1.toml: 'dom0x' is neither a volume group of this host nor a peer"
    assert not tasks.undecided([one])


def test_who_names_destinations_gets_them_all(directory: Path) -> None:
    (directory / "web1.toml").write_text('destinations = ["dom0b"]\ncopies = 1')
    (one,) = tasks.tasks([WEB1], HOST, ["vg1", "dom0c", "dom0d"], resolve)
    assert one.to == ("vg1", "dom0c", "dom0d") and not tasks.undecided([one])


def test_a_host_that_does_not_answer_is_remembered_as_the_place_of_its_domus(directory: Path) -> None:
    (directory / "web1.toml").write_text('destinations = ["dom0b", "dom0c", "dom0d"]\ncopies = 1')
    work = tasks.tasks([WEB1], HOST, [], resolve)
    assert tasks.destinations(work) == ["dom0b", "dom0c", "dom0d"]
    asked = [receiver("dom0b", 3), receiver("dom0c", 9), receiver("dom0d", 5)]
    first = tasks.placed(work, asked)
    assert [one.to for one in first] == [("dom0c",)]
    tasks.remember(first, asked)
    silent = Problem("dom0c cannot be reached")
    again = tasks.placed(work, [receiver("dom0b", 90), receiver("dom0c", 0, problem=silent), receiver("dom0d", 5)])
    assert [one.to for one in again] == [("dom0c",)]
    held = tasks.placed(work, [receiver("dom0b", 1, "web1"), receiver("dom0c", 99), receiver("dom0d", 99)])
    assert [(one.to, one.left) for one in held] == [(("dom0b",), ())]
    both = tasks.placed(work, [receiver("dom0b", 1, "web1"), receiver("dom0c", 9, "web1"), receiver("dom0d", 99)])
    assert [(one.to, one.left) for one in both] == [(("dom0c",), ("dom0b",))]


def test_a_host_that_cannot_be_used_becomes_nobodys_place(directory: Path) -> None:
    (directory / "web1.toml").write_text('destinations = ["dom0b", "dom0c"]\ncopies = 1')
    work = tasks.tasks([WEB1], HOST, [], resolve)
    asked = [receiver("dom0b", 90, problem=Problem("rsync 3.1.0 of dom0b is old")), receiver("dom0c", 9)]
    assert [one.to for one in tasks.placed(work, asked)] == [("dom0c",)]
    none = [receiver(name, 90, problem=Problem("down")) for name in ("dom0b", "dom0c")]
    tasks.remember(tasks.placed(work, none), none)
    assert (directory / "places" / "web1").read_text() == ""


def test_settings_follow_a_new_name_and_replace_no_others(directory: Path) -> None:
    assert wishes.renamed("web1", "www") == ""
    (directory / "web1.toml").write_text("copies = 1")
    assert "was web1.toml" in wishes.renamed("web1", "www") and (directory / "www.toml").read_text() == "copies = 1"
    (directory / "web1.toml").write_text("copies = 2")
    assert "could not become" in wishes.renamed("web1", "www") and (directory / "www.toml").read_text() == "copies = 1"


def test_the_settings_of_a_domu_are_some_of_those_of_the_host() -> None:
    assert set(wishes.OWN) < {one.name for one in config.fields(Config)}
