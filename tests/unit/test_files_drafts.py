"""What a killed write leaves: the next command removes it, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xen_legi import files, steps
from xen_legi.domu import config, disks, xl
from xen_legi.install import leftovers
from xen_legi.kernels import prune
from xen_legi.storage import images, lvm

TOP = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from xen_legi import files
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
getattr(files, sys.argv[1])(Path(sys.argv[2]), "kernel = '/srv/xen/boot/vmlinuz-6.1.9'\\n")
"""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /etc/xen; nothing else was left anywhere."""
    (tmp_path / "etc/copies").mkdir(parents=True)
    monkeypatch.setattr(config, "DIRECTORY", tmp_path / "etc")
    monkeypatch.setattr(config, "AUTOSTART", tmp_path / "etc/auto")
    monkeypatch.setattr(prune, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(xl, "answers", lambda: False)
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(images, "notes", list)
    monkeypatch.setattr(disks, "devices", lambda configs, volumes: {})
    return tmp_path / "etc"


@pytest.mark.parametrize("how", ["replace", "make"])
@pytest.mark.parametrize("name", ["web1.cfg", "copies/web1.cfg"])
def test_a_write_that_was_killed_leaves_nothing_after_the_next_command(etc: Path, how: str, name: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, how, str(etc / name)], env={"PYTHONPATH": str(TOP / "xen-legi")})
    assert ended.returncode == -signal.SIGKILL
    (draft,) = (one for one in etc.rglob("*") if one.is_file())
    assert not any("vmlinuz" in text for text in prune.texts().values()), "a draft uses no kernel"
    leftovers.clean()
    assert not draft.exists()


@pytest.mark.parametrize("name", [".web1.cfg.new", ".web1.cfg", "web1.cfg.xen-legi-new", ".web1.cfg.xen-legi-new.mine"])
def test_a_file_of_somebody_else_stays(etc: Path, name: str) -> None:
    (etc / name).write_text("x")
    leftovers.clean()
    assert (etc / name).exists()


def test_a_link_and_a_directory_of_that_name_stay(etc: Path) -> None:
    (etc / "real").write_text("x")
    (etc / f".a.cfg.{files.DRAFT}").symlink_to("real")
    (etc / f".b.cfg.{files.DRAFT}").mkdir()
    leftovers.clean()
    assert {one.name for one in etc.iterdir()} == {"real", "copies", f".a.cfg.{files.DRAFT}", f".b.cfg.{files.DRAFT}"}


@pytest.mark.parametrize("how", ["replace", "make"])
def test_what_is_being_written_stays(etc: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def look(descriptor: int) -> None:
        leftovers.remove_drafts()
        seen.append((etc / f".web1.cfg.{files.DRAFT}").exists())

    monkeypatch.setattr(files, "sync", lambda path: None)
    monkeypatch.setattr(os, "fsync", look)
    getattr(files, how)(etc / "web1.cfg", "x")
    assert seen == [True] and [one.name for one in etc.iterdir() if one.is_file()] == ["web1.cfg"]


def test_a_draft_that_was_taken_for_a_leftover_is_written_again(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its making and its lock there is a moment in which it looks like one."""
    draft, lock = etc / f".web1.cfg.{files.DRAFT}", files.fcntl.flock
    taken: list[int] = []

    def late(descriptor: int, kind: int) -> None:
        if not taken:
            taken.append(descriptor)
            draft.unlink()
        lock(descriptor, kind)

    monkeypatch.setattr(files.fcntl, "flock", late)
    files.replace(etc / "web1.cfg", "whole")
    assert (etc / "web1.cfg").read_text() == "whole" and not draft.exists()
