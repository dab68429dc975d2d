"""What a killed command left of a domU is put right before another verb changes it."""

import importlib
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from test_domu_renaming import planned, volume
from xen_legi import steps
from xen_legi.cli import kernel as cli_kernel
from xen_legi.domu import config, renamed, xl
from xen_legi.domu.renaming import Moved, Renaming
from xen_legi.errors import CommandFailed, Problem
from xen_legi.install import rename, tidy
from xen_legi.storage import lvm

OPTIONS = {"name": "web1", "new": "www", "size": "", "memory": "1G", "vcpus": "", "disk": "", "wanted": "on", "wait": 1,
           "force": False, "dry_run": False, "stop": False, "yes": True, "json": False, "keep_hostname": False,
           "what": "pin", "version": "web1", "second": "", "keep": None, "all_modules": False, "address": "", "to": [],
           "package": None}


class Tidied(BaseException):
    """The verb has come to putting things right."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose /etc/xen, /etc/xen/auto, plans and locks are in a directory, without volumes."""
    for name in ("auto", "lock", "plans"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(config, "DIRECTORY", tmp_path)
    monkeypatch.setattr(config, "AUTOSTART", tmp_path / "auto")
    for function in (config.by_name, config.find, config.all_domus, config.all_files):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    monkeypatch.setattr(config.auto_links, "__defaults__", (tmp_path / "auto",))
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    monkeypatch.setattr(rename, "DIRECTORY", tmp_path / "plans")
    monkeypatch.setattr(renamed, "DIRECTORY", tmp_path / "none/renamed")
    monkeypatch.setattr(lvm, "volumes", lambda: [])
    monkeypatch.setattr(xl, "answers", lambda: False)
    return tmp_path


@pytest.mark.parametrize("verb", ["autostart", "clone", "delete", "info", "kernel", "list_domus", "rename", "resize",
                                  "restart", "start", "stop"])
def test_a_verb_puts_right_first_what_killed_runs_left(host: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen() -> None:
        raise Tidied

    module = importlib.import_module(f"xen_legi.cli.{verb}")
    monkeypatch.setattr(module, "need_root", lambda what: None)
    monkeypatch.setattr(xl, "need_xen", lambda: None)
    monkeypatch.setattr(rename, "finish_killed", seen)
    monkeypatch.setattr(cli_kernel, "_check_options", lambda options: None)
    with pytest.raises(Tidied):
        module.main(Namespace(**OPTIONS))
    assert not list((host / "lock").iterdir())


def half(host: Path) -> Renaming:
    """Return the plan of a renaming of web1 to www that was killed after it was written down."""
    one = planned(file=str(host / "web1.cfg"), volumes=None)
    plan = Renaming(one.old, one.new, (), None, one.file, one.new_file, one.old_text, one.text, ())
    plan.file.write_text(plan.old_text)
    (host / "plans/renaming-web1.json").write_text(rename.dumped(plan))
    return plan


@pytest.mark.parametrize("name", ["web1", "www"])
def test_a_domu_whose_renaming_could_not_be_ended_is_not_changed(
    host: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    half(host)
    monkeypatch.setattr(tidy, "tidy", lambda: None)
    with pytest.raises(Problem, match="an earlier renaming is not at its end") as caught, tidy.changing(name):
        pass
    assert caught.value.status == 2 and "renaming-web1.json" in caught.value.message
    with tidy.changing("other"):
        pass


def test_a_link_that_was_made_after_the_plan_leads_to_the_new_file(host: Path) -> None:
    half(host)
    (host / "auto/web1.cfg").symlink_to("../web1.cfg")
    (host / "auto/50-shop").symlink_to(host / "web1.cfg")
    (host / "auto/other").symlink_to("../other.cfg")
    rename.finish_killed()
    links = {one.name: str(one.readlink()) for one in (host / "auto").iterdir()}
    assert links == {"www.cfg": "../www.cfg", "50-shop": "../www.cfg", "other": "../other.cfg"}
    assert (host / "www.cfg").exists() and not (host / "web1.cfg").exists()


def test_a_plan_that_is_set_aside_tells_which_volumes_have_their_new_names(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(half(host), volumes=(Moved("vg0", "web1-disk", "www-disk"), Moved("vg0", "web1-swap", "www-swap")))
    (host / "plans/renaming-web1.json").write_text(rename.dumped(plan))
    monkeypatch.setattr(lvm, "volumes", lambda: [volume("www-disk"), volume("web1-swap")])
    plan.file.write_text(plan.old_text + "# mine\n")
    rename.finish_killed()
    said = capsys.readouterr().err
    assert "renaming-web1.stale; renamed already: vg0/web1-disk to www-disk (lvrename(8) renames them back)" in said
    assert plan.file.read_text().endswith("# mine\n") and (host / "plans/renaming-web1.stale").exists()


def test_who_only_shows_tells_of_a_renaming_that_was_killed(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half(host)
    (host / "plans/renaming-broken.json").write_text("{}")
    rename.tell_of_killed()
    assert "a renaming of web1 to www was killed: xen-legi list ends it" in capsys.readouterr().err
    with steps.lock("domu-web1", what="web1"):
        rename.tell_of_killed()
    assert capsys.readouterr().err == ""


def test_a_command_that_needs_no_volumes_is_not_ended_by_lvm_that_does_not_answer(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise CommandFailed(("lvs",), 5, "it hangs")

    monkeypatch.setattr(lvm, "volumes", broken)
    tidy.tidy()
    assert "what killed runs may have left is not put right" in capsys.readouterr().err
