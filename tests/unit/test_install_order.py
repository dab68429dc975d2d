"""The order in which a domU comes and goes: what is on disk at once must never be ahead of what is not yet."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, VOLUME, WISH
from xen_legi import files, steps
from xen_legi.backup import everywhere
from xen_legi.cli import delete as cli_delete
from xen_legi.domu import config
from xen_legi.domu.claims import Claim
from xen_legi.domu.removal import Removal
from xen_legi.errors import Problem, die
from xen_legi.install import create, deleting, leftovers, template_make, volumes
from xen_legi.install.commit import commit
from xen_legi.install.delete import delete
from xen_legi.install.methods import template
from xen_legi.install.plan import plan
from xen_legi.install.render import rendered
from xen_legi.install.templates import Template
from xen_legi.storage import lvm

PLAN = plan(WISH, FACTS, SOURCE)
TREE = "template-tree-trixie"


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of what is done to the host, in its order; /etc/xen and the locks are in tmp_path."""
    done: list[str] = []
    there: list[lvm.Volume] = []

    def make(group: str, name: str, size: int, pool: str, tags: tuple[str, ...]) -> None:
        there.append(replace(VOLUME, group=group, name=name, tags=frozenset(tags)))
        done.append(f"create {name}")

    monkeypatch.setattr(config, "DIRECTORY", tmp_path)
    monkeypatch.setattr(config, "AUTOSTART", tmp_path / "auto")
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    monkeypatch.setattr(deleting, "note", lambda plan: None)
    monkeypatch.setattr(deleting, "strike", lambda name: None)
    monkeypatch.setattr(files, "sync", lambda path: done.append(f"sync {names(path)}"))
    monkeypatch.setattr(lvm, "create", make)
    monkeypatch.setattr(lvm, "volumes", lambda: there)
    monkeypatch.setattr(lvm, "remove", lambda group, name: done.append(f"remove {name}"))
    monkeypatch.setattr(lvm, "change_tags", lambda name, add=(), remove=(): done.append(f"tag {name}"))
    return done


def names(directory: Path) -> str:
    return ", ".join(sorted(one.name for one in directory.iterdir() if one.is_file()))


def test_a_new_file_is_on_disk_before_its_volumes_lose_their_tags(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "all_domus", lambda: [])
    with volumes.volumes("web1", PLAN.parts):
        commit("web1", rendered(PLAN), set(), set())
    assert said == ["create web1-swap", "create web1-disk", "sync web1.cfg", "tag vg0/web1-swap", "tag vg0/web1-disk"]


def test_what_would_clash_with_another_is_not_written(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac = "00:16:3E:48:00:01"
    with pytest.raises(Problem, match="two interfaces of domU web1 have the same MAC 00:16:3E:48:00:01"):
        commit("web1", rendered(PLAN), set(), [mac, mac])
    others = [Claim("db", frozenset({mac}), where="on dom0b, and its copy is here, in vg0"), Claim("web2", where="it runs")]
    monkeypatch.setattr(everywhere, "without_file", lambda domus, volumes: others)
    with pytest.raises(Problem, match=f"domU db has come into being with the same {mac}: on dom0b"):
        commit("web1", rendered(PLAN), set(), [mac])
    with pytest.raises(Problem, match="domU web2 has come into being with the same name: it runs"):
        commit("web2", rendered(PLAN), set(), [])
    assert said == [] and names(tmp_path) == ""


def test_a_files_removal_is_on_disk_before_its_volumes_go(said: list[str], tmp_path: Path) -> None:
    file = tmp_path / "web1.cfg"
    file.write_text(rendered(PLAN))
    delete(Removal(config.read(file), (replace(VOLUME, name="web1-disk"),), (), ()))
    assert said == ["tag vg0/web1-disk", "sync ", "remove web1-disk"]


def test_a_file_that_cannot_be_removed_keeps_the_volumes(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "web1.cfg").mkdir()
    one = config.parse(rendered(PLAN), tmp_path / "web1.cfg")
    with pytest.raises(Problem, match="web1.cfg cannot be removed") as raised:
        delete(Removal(one, (replace(VOLUME, name="web1-disk"),), (), ()))
    assert raised.value.status == 1 and said == ["tag vg0/web1-disk"]


@pytest.mark.parametrize("there", [True, False])
def test_what_a_kill_left_is_put_right_after_the_file_is_on_disk(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if there:
        (tmp_path / "web1.cfg").write_text(rendered(PLAN))
    left = replace(VOLUME, name="web1-disk", tags=frozenset({"xen-legi", "xen-legi.creating=web1"}))
    monkeypatch.setattr(lvm, "volumes", lambda: [left])
    leftovers.clean()
    assert said == (["sync web1.cfg", "tag vg0/web1-disk"] if there else ["sync ", "remove web1-disk"])


@pytest.mark.parametrize("spelling", ["/dev/vg0/web1-disk", "/dev/mapper/vg0-web1--disk", "vg0/web1-disk"])
def test_a_signal_right_after_the_file_came_leaves_the_domu_whole(said: list[str], tmp_path: Path, spelling: str) -> None:
    with pytest.raises(KeyboardInterrupt), volumes.volumes("web1", PLAN.parts):
        text = rendered(PLAN).replace("/dev/vg0/web1-disk", spelling) + "# caf\udce9\n"
        (tmp_path / "web1.cfg").write_text(text, errors="surrogateescape")
        raise KeyboardInterrupt
    assert said == ["create web1-swap", "create web1-disk"]


def test_a_failure_before_the_file_is_there_removes_the_volumes(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "web1.cfg").write_text("name = 'web1'\nmemory = 1\ndisk = ['phy:/dev/vg0/other,xvda,w']\n")
    with pytest.raises(KeyboardInterrupt), volumes.volumes("web1", PLAN.parts):
        raise KeyboardInterrupt
    assert said[2:] == ["remove web1-swap", "remove web1-disk"]


def test_a_volume_whose_making_was_cut_off_is_removed_and_one_of_that_name_without_our_tag_is_not(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(VOLUME, name="web1-swap", tags=frozenset({"xen-legi", "xen-legi.creating=web1"}))

    def interrupted(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lvm, "create", interrupted)
    monkeypatch.setattr(lvm, "volumes", lambda: [mine, replace(VOLUME, name="web1-disk", tags=frozenset())])
    with pytest.raises(KeyboardInterrupt), volumes.volumes("web1", PLAN.parts):
        pass
    assert said == ["remove web1-swap"]


def test_a_filesystem_that_cannot_be_made_here_is_refused_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xen_legi.run.installed", lambda program: program != "mkfs.xfs")
    volumes.need_programs(PLAN.parts)
    with pytest.raises(Problem, match="mkfs.xfs is not installed") as raised:
        volumes.need_programs(plan(replace(WISH, filesystem="xfs"), FACTS, SOURCE).parts)
    assert (raised.value.hint, raised.value.status) == ("apt install xfsprogs", 2)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_domu_that_was_stopped_and_cannot_be_removed_is_no_wrong_use(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    file = tmp_path / "web1.cfg"
    file.write_text(rendered(PLAN))
    going = Removal(config.read(file), (), (), ())
    answers = iter([going])
    monkeypatch.setattr(cli_delete, "need_root", lambda what: None)
    monkeypatch.setattr(cli_delete, "_runs", lambda name, options, surely=False: stopped)
    monkeypatch.setattr(cli_delete, "_stop", lambda options, plan: None)
    monkeypatch.setattr(cli_delete, "_plan", lambda options, stopped: next(answers, None) or die("vg0/web1-disk is in use"))
    with pytest.raises(Problem, match="vg0/web1-disk is in use") as raised:
        cli_delete.main(Namespace(name="web1", yes=True, dry_run=False))
    assert raised.value.status == (1 if stopped else 2)


def test_what_a_domu_is_copied_from_cannot_be_removed_meanwhile(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    def copied(source: Path, *words: object, **more: object) -> None:
        held.extend(one for one in ("template-tree-trixie", "kernels") if steps.is_locked(one))

    monkeypatch.setattr(create, "copy_tree", copied)
    monkeypatch.setattr(template, "copy_tree", copied)
    monkeypatch.setattr(create, "settle", lambda guest, plan: None)
    create._fill(PLAN, template.FromTemplate(Template("trixie", tmp_path)), tmp_path)
    assert held == ["template-tree-trixie", "kernels"]


def test_a_template_that_is_made_anew_hinders_a_copy_for_its_renames_only(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    monkeypatch.setattr(template_make, "named_point", lambda point: held.append(f"{point} {steps.is_locked(TREE)}"))
    made = tmp_path / ".making-trixie"
    made.mkdir()
    template_make._put(Template("trixie", made), tmp_path / "trixie")
    template_make.delete(Template("trixie", tmp_path / "trixie"))
    assert held == ["template:between True", "template:after-rename True", "template:after-aside True"]
    assert not steps.is_locked(TREE)
