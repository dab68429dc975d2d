"""What a killed `resize` left is ended by the next command, once, and only while it is still the domU's."""

import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from test_domu_growth import volume
from test_domu_killed import host
from xen_legi import steps
from xen_legi.cli import resize
from xen_legi.domu import growth, xl
from xen_legi.domu.growth import Growth
from xen_legi.domu.xl import Domain
from xen_legi.errors import Problem, fail
from xen_legi.install import resizing
from xen_legi.install.resizing import Resizing
from xen_legi.storage import grow, images, lvm
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Group, Volume
from xen_legi.units import GIB, MIB

__all__ = ["host"]
TEXT = "name = 'web1'\nmemory = 512\nroot = '/dev/xvda2 ro'\ndisk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n"
LARGER = TEXT.replace("512", "768") + "maxmem = 768\n"


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture
def done(host: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list of what is done to a host with web1, a disk of 2 GiB and look-alikes; notes and locks are in a directory."""
    said: list[str] = []
    there = {one.name: one for one in (volume("web1-disk"), volume("web1-disk2"), volume("web1"))}

    def extend(name: str, size: int) -> None:
        one = there[name.partition("/")[2]]
        there[one.name] = replace(one, size=size)
        said.append(f"extend {name} {size // GIB}G")

    monkeypatch.setattr(resizing, "DIRECTORY", host / "plans")
    monkeypatch.setattr(resize, "need_root", lambda what: None)
    monkeypatch.setattr("xen_legi.backup.ghost.reap", lambda: None)
    monkeypatch.setattr("xen_legi.storage.images.NOTES", host / "plans")
    monkeypatch.setattr(resizing, "private_mounts", lambda: steps.step("mounts"))
    monkeypatch.setattr(lvm, "volumes", lambda *group: list(there.values()))
    monkeypatch.setattr(lvm, "groups", lambda: {"vg0": Group("vg0", 99 * GIB, 9 * GIB, 4 * MIB)})
    monkeypatch.setattr(lvm, "extend", extend)
    monkeypatch.setattr(grow, "grow", lambda path: said.append(f"grow {path}") or "ext4")
    monkeypatch.setattr(grow, "kind", lambda path: "ext4")
    (host / "web1.cfg").write_text(TEXT)
    monkeypatch.setattr(resizing, "there", there, raising=False)
    return said


def run(**words: Any) -> int:
    """Run the command with these words."""
    none = {"size": "", "disk": "", "memory": "", "vcpus": "", "dry_run": False, "json_of_plan": False}
    return resize.main(Namespace(**{"name": "web1", **none, **words}))


def killed(point: str, monkeypatch: pytest.MonkeyPatch, **words: Any) -> None:
    """Run it, killed at a named point."""
    def at(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(resize, "named_point", at)
        patched.setattr(resizing, "named_point", at)
        run(**words)


def left(host: Path) -> list[str]:
    """Return the notes."""
    return [one.name for one in (host / "plans").iterdir()]


def runs(monkeypatch: pytest.MonkeyPatch, done: list[str], most: int = 1024) -> None:
    """Let web1 run."""
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "stays", lambda name: name == "web1")
    monkeypatch.setattr(xl, "domain", lambda name: Domain(3, "web1", "running", 512, 1, 1.0))
    monkeypatch.setattr(xl, "maxima", lambda number: (most, 4))
    monkeypatch.setattr(xl, "free_memory", lambda: 4096)
    monkeypatch.setattr(xl, "set_memory", lambda number, memory: done.append(f"memory {memory}"))


def test_nothing_is_left_of_one_that_ended(host: Path, done: list[str]) -> None:
    assert run(size="+1G", memory="768M") == 0
    assert done == ["extend vg0/web1-disk 3G", "grow /dev/vg0/web1-disk"] and left(host) == []
    assert (host / "web1.cfg").read_text() == LARGER.replace("maxmem = 768\n", "")


@pytest.mark.parametrize(("point", "before"), [
    ("resize:noted", []), ("resize:extended", ["extend vg0/web1-disk 3G"]),
    ("resize:grown", ["extend vg0/web1-disk 3G", "grow /dev/vg0/web1-disk"]),
])
def test_a_killed_growth_is_ended_once(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, point: str, before: list[str],
    capsys: pytest.CaptureFixture[str]
) -> None:
    killed(point, monkeypatch, size="+1G", memory="768M")
    assert done == before and left(host) == ["resizing-web1.json"]
    assert (host / "plans/resizing-web1.json").stat().st_mode & 0o777 == 0o600
    resizing.finish_killed()
    assert done[:1] == ["extend vg0/web1-disk 3G"] and done[-1] == "grow /dev/vg0/web1-disk"
    assert "memory = 768" in (host / "web1.cfg").read_text() and left(host) == []
    assert "xen-legi resize web1 --size 3G --disk xvda2 --memory 768M" in capsys.readouterr().err
    resizing.finish_killed()
    assert done.count("extend vg0/web1-disk 3G") == 1


def test_the_same_words_do_not_grow_it_twice(host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    killed("resize:extended", monkeypatch, size="+1G")
    with pytest.raises(Problem, match="has just been ended: xvda2 of web1 was to have 3G"):
        run(size="+1G")
    assert done == ["extend vg0/web1-disk 3G", "grow /dev/vg0/web1-disk"] and left(host) == []
    assert run(size="3G") == 0 and done.count("extend vg0/web1-disk 3G") == 1


def test_memory_that_only_the_running_domu_has_comes_into_its_file(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, done)
    killed("resize:set", monkeypatch, memory="768M")
    assert (host / "web1.cfg").read_text() == TEXT
    resizing.finish_killed()
    assert "memory = 768" in (host / "web1.cfg").read_text() and left(host) == [] and done == ["memory 768"] * 2


def test_what_a_running_domu_cannot_have_any_more_is_told(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(monkeypatch, done)
    killed("resize:set", monkeypatch, memory="768M")
    runs(monkeypatch, done, most=640)
    resizing.finish_killed()
    told = "memory 640M at most while it runs; when it is mended: xen-legi resize web1 --memory 768M"
    assert told in capsys.readouterr().err
    assert (host / "web1.cfg").read_text() == TEXT and left(host) == []


def test_the_filesystem_of_a_running_domu_is_its_own(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    runs(monkeypatch, done)
    resizing.finish_killed()
    assert done == ["extend vg0/web1-disk 3G"] and left(host) == []
    assert "there: resize2fs /dev/xvda2" in capsys.readouterr().err


def test_what_a_person_changed_since_is_left_alone(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed("resize:noted", monkeypatch, size="3G", memory="768M")
    other = TEXT.replace("web1-disk", "web1-disk2")
    (host / "web1.cfg").write_text(other)
    disks: dict[str, Volume] = vars(resizing)["there"]
    disks["web1-disk2"] = replace(disks["web1-disk2"], uuid="another")
    resizing.finish_killed()
    assert done == [] and (host / "web1.cfg").read_text() == other and left(host) == []
    said = capsys.readouterr().err
    assert "xvda2 of web1 is another disk since" in said and "web1.cfg has changed since" in said


def test_a_file_that_was_changed_since_hinders_no_growth(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    (host / "web1.cfg").write_text(TEXT + "# mine\n")
    resizing.finish_killed()
    assert done[1:] == ["grow /dev/vg0/web1-disk"] and "has changed since" not in capsys.readouterr().err


def test_a_volume_that_is_in_use_is_grown_later(host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    disks: dict[str, Volume] = vars(resizing)["there"]
    disks["web1-disk"] = replace(disks["web1-disk"], open=True)
    resizing.finish_killed()
    assert done == ["extend vg0/web1-disk 3G"] and left(host) == ["resizing-web1.json"]
    disks["web1-disk"] = replace(disks["web1-disk"], open=False)
    resizing.finish_killed()
    assert done[1:] == ["grow /dev/vg0/web1-disk"] and left(host) == []


def test_what_cannot_be_ended_is_tried_once_more_and_told(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grow, "grow", lambda path: fail("the filesystem has errors"))
    with pytest.raises(Problem, match="has errors"):
        run(size="3G")
    resizing.finish_killed()
    assert "has errors; when it is mended: xen-legi resize web1 --size 3G --disk xvda2" in capsys.readouterr().err
    assert left(host) == []


def test_a_note_that_is_none_is_told_and_left(
    host: Path, done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "plans/resizing-x.json").write_text("{}")
    resizing.finish_killed()
    assert "resizing-x.json tells what is left to do" in capsys.readouterr().err and left(host) == ["resizing-x.json"]
    assert resizing.pending("x") is None and resizing.pending("y") is None


def test_who_is_at_work_is_left_alone(host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    with steps.lock("domu-web1", what="web1"):
        resizing.finish_killed()
    assert done == ["extend vg0/web1-disk 3G"] and left(host) == ["resizing-web1.json"]


@pytest.mark.parametrize(("seen", "said"), [
    ([512, 640, 767], "domU web1: memory 768M\n"),
    ([512] * 40, "domU web1: memory 768M; it has memory 512M so far: its kernel has not followed in 30 s"),
])
def test_a_running_domu_is_looked_at_until_it_has_its_memory(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, seen: list[int], said: str,
    capsys: pytest.CaptureFixture[str]
) -> None:
    runs(monkeypatch, done)
    shown = iter([512, *seen])
    monkeypatch.setattr(resize.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(xl, "domain", lambda name: Domain(3, "web1", "running", next(shown), 1, 1.0))
    assert run(memory="768M") == 0
    assert capsys.readouterr().out.startswith(said) and "memory = 768" in (host / "web1.cfg").read_text()


def test_more_than_the_host_has_is_not_written_for_a_domu_that_is_off(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "domain", lambda name: None)
    monkeypatch.setattr(xl, "total_memory", lambda: 4096)
    with pytest.raises(Problem, match="this host has 4G of memory in all"):
        run(memory="900G")
    assert (host / "web1.cfg").read_text() == TEXT and left(host) == []


def test_the_words_say_all_that_was_wanted() -> None:
    plan = Resizing("web1", Path("/etc/xen/web1.cfg"), "", "", "u", "xvda2", 3 * GIB, 768, 2)
    assert plan.words == "xen-legi resize web1 --size 3G --disk xvda2 --memory 768M --vcpus 2"


def with_image(host: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the disk of web1 be an image file of 2 GiB, on a filesystem with room."""
    image = host / "web1.img"
    with image.open("wb") as stream:
        stream.truncate(2 * GIB)
    (host / "web1.cfg").write_text(TEXT.replace("phy:/dev/vg0/web1-disk", f"file:{image}"))
    monkeypatch.setattr(images, "used", lambda path: False)
    monkeypatch.setattr(images, "extend", lambda path, size: os.truncate(path, size))
    monkeypatch.setattr(growth, "plan", lambda domu, *words: Growth(domu.disks[0], Image(image, 2 * GIB, 0, False), 3 * GIB))
    return image


@pytest.mark.parametrize("point", ["resize:noted", "resize:extended"])
def test_a_killed_growth_of_an_image_is_ended(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    image = with_image(host, monkeypatch)
    killed(point, monkeypatch, size="+1G")
    resizing.finish_killed()
    assert image.stat().st_size == 3 * GIB and done == [f"grow {image}"] and left(host) == []


def test_an_image_in_the_place_of_another_one_does_not_grow(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = with_image(host, monkeypatch)
    killed("resize:noted", monkeypatch, size="+1G")
    image.rename(host / "former.img")
    with_image(host, monkeypatch)
    resizing.finish_killed()
    assert image.stat().st_size == 2 * GIB and done == [] and left(host) == []


def test_what_waits_for_its_end_is_not_forgotten_for_another_change(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    disks: dict[str, Volume] = vars(resizing)["there"]
    disks["web1-disk"] = replace(disks["web1-disk"], open=True)
    note = (host / "plans/resizing-web1.json").read_text()
    with pytest.raises(Problem, match="an earlier resize of web1 is not at its end") as caught:
        run(memory="768M")
    assert caught.value.status == 2 and (host / "plans/resizing-web1.json").read_text() == note
    assert (host / "web1.cfg").read_text() == TEXT
    assert run(memory="768M", dry_run=True) == 0


def test_the_disk_of_a_domu_that_ends_while_it_is_looked_at_waits(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed("resize:extended", monkeypatch, size="3G")
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "stays", lambda name: True)
    monkeypatch.setattr(xl, "domain", lambda name: None)  # it reboots, and is there again in two seconds
    resizing.finish_killed()
    assert done == ["extend vg0/web1-disk 3G"] and left(host) == ["resizing-web1.json"]


def test_what_a_person_writes_into_the_file_while_the_disk_grows_stays(
    host: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path) -> str:
        (host / "web1.cfg").write_text(TEXT + "# mine\n")
        return "ext4"

    monkeypatch.setattr(grow, "grow", slow)
    assert run(size="3G", memory="768M") == 0
    text = (host / "web1.cfg").read_text()
    assert "# mine\n" in text and "memory = 768" in text
