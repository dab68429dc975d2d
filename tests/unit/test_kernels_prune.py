"""Which kernels nobody needs, and how one goes: in directories of the test."""

import os
from pathlib import Path

import pytest

from xen_legi import steps
from xen_legi.domu import config, xl
from xen_legi.errors import Problem
from xen_legi.kernels import prune
from xen_legi.kernels.store import Store

VERSIONS = ("6.1.9", "6.1.10", "6.12.1", "6.12.1-2")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four whole kernels."""
    made = Store(tmp_path / "xen")
    for version in VERSIONS:
        make(made, version)
    return made


def make(store: Store, version: str) -> None:
    """Make a kernel whole."""
    one = store.kernel(version)
    one.image.parent.mkdir(parents=True, exist_ok=True)
    one.modules.mkdir(parents=True)
    for path in (one.image, one.ramdisk, one.note, one.modules / "modules.dep"):
        path.write_text("x")


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /etc/xen, with a link to another directory as auto; no Xen."""
    for name in ("etc/copies/vg0", "elsewhere", "copies/dom0b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/auto").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(config, "DIRECTORY", tmp_path / "etc")
    monkeypatch.setattr(config, "AUTOSTART", tmp_path / "etc/auto")
    monkeypatch.setattr(prune, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(xl, "answers", lambda: False)
    return tmp_path / "etc"


def going(store: Store, said: dict[str, str], keep: int = 2) -> list[str]:
    """Return the versions that are superfluous."""
    return [one.version for one in prune.superfluous(store, said, keep)]


def test_the_newest_the_default_and_those_in_use_stay(store: Store) -> None:
    assert going(store, {}) == ["6.1.9", "6.1.10"]
    assert going(store, {}, keep=1) == ["6.1.9", "6.1.10", "6.12.1"]
    assert going(store, {}, keep=9) == []
    store.choose("6.1.9")
    assert going(store, {}) == ["6.1.10"]
    assert going(store, {"web1": "kernel = '/srv/xen/boot/vmlinuz-6.1.10'"}) == []


@pytest.mark.parametrize("text", [
    "kernel = '/srv/xen/boot/vmlinuz-6.1.9'", 'ramdisk="/srv/xen/boot/initrd.img-6.1.9"', "kernel = '/vmlinuz-6.1.9\n",
])
@pytest.mark.parametrize("name", [
    "etc/web1.cfg", "etc/web1", "etc/web1.conf", "etc/web1.cfg.before-promote", "etc/copies/vg0/web1.cfg",
    "elsewhere/10-web1", "copies/dom0b/web1.json",
])
def test_a_file_that_names_it_keeps_it_whatever_file_that_is(store: Store, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert going(store, prune.texts()) == ["6.1.10"]


@pytest.mark.parametrize("part", ["vmlinuz", "initrd.img"])
def test_a_link_that_leads_to_it_keeps_it(store: Store, etc: Path, part: str) -> None:
    (store.top / "boot/current").symlink_to(f"{part}-6.1.9")
    (store.top / "boot/other").symlink_to("current")
    (etc / "web1.cfg").write_text(f"kernel = '{store.top}/boot/other'\n")
    assert going(store, prune.texts()) == ["6.1.10"]
    with pytest.raises(Problem, match="kernel 6.1.9 is in use: .*web1.cfg"):
        prune.check(store, "6.1.9", prune.texts())


def test_another_name_of_the_same_file_keeps_it(store: Store, etc: Path) -> None:
    os.link(store.kernel("6.1.9").image, etc.parent / "mine")
    assert going(store, {"web1": f"kernel=\"{etc.parent}/mine\""}) == ["6.1.10"]
    assert going(store, {"web1": f'{{"kernel":"{etc.parent}\\/mine"}}'}) == ["6.1.10"]


def test_what_runs_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = '[{"domid": 3, "config": {"c_info": {"name": "web1"}, "b_info": {"kernel": "/srv/xen/boot/vmlinuz-6.1.9"}}}]'
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "started_with", lambda: known)
    assert "vmlinuz-6.1.9" in prune.texts()["domU web1, which runs"]
    monkeypatch.setattr(xl, "started_with", lambda: "vmlinuz-6.1.9 and no JSON")
    assert "vmlinuz-6.1.9" in prune.texts()["a domU that runs"]


def test_each_flavour_keeps_its_newest(store: Store) -> None:
    for version in ("6.12.2-rt-amd64", "6.12.3-rt-amd64", "6.12.4-rt-amd64"):
        make(store, version)
    assert going(store, {}) == ["6.1.9", "6.1.10", "6.12.2-rt-amd64"]


def test_of_a_file_too_large_to_be_read_nobody_knows_what_it_names(etc: Path) -> None:
    with (etc / "web1.cfg").open("w") as file:
        file.truncate(2 << 20)
    with pytest.raises(Problem, match="web1.cfg is too large"):
        prune.texts()


def test_a_longer_version_is_another_one(store: Store) -> None:
    said = {"/etc/xen/web1.cfg": "kernel = '/srv/xen/boot/vmlinuz-6.12.1-2'"}
    assert going(store, said, keep=1) == ["6.1.9", "6.1.10", "6.12.1"]
    with pytest.raises(Problem, match="kernel 6.12.1-2 is in use: /etc/xen/web1.cfg"):
        prune.check(store, "6.12.1-2", said)
    assert prune.check(store, "6.12.1", said).version == "6.12.1"


def test_a_domu_whose_kernel_went_while_it_was_made_is_not_finished(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    kernel = store.kernel("6.1.9")
    with prune.need_whole(kernel):
        pass
    gone = prune.remove(store, lambda: prune.superfluous(store, prune.texts(), 2))
    assert [one.version for one in gone] == ["6.1.9", "6.1.10"]
    with pytest.raises(Problem, match="kernel 6.1.9 was removed meanwhile") as raised, prune.need_whole(kernel):
        pass
    assert raised.value.status == 1


def test_the_kernel_of_new_domus_is_not_removed(store: Store) -> None:
    with pytest.raises(Problem, match="is that of new domUs"):
        prune.check(store, "6.12.1-2", {})


def test_every_part_goes_and_nothing_of_another(store: Store) -> None:
    one = store.kernel("6.12.1")
    one.image.rename(one.image.with_name(prune.GONE + one.image.name))  # as a run that was killed leaves it
    assert [one.version for one in store.kernels()] == ["6.1.9", "6.1.10", "6.12.1-2"]
    prune.finish(store)
    assert not [path for path in store.top.rglob("*") if path.name.endswith(("6.12.1", "6.12.1.modules"))]
    assert [one.version for one in store.kernels()] == ["6.1.9", "6.1.10", "6.12.1-2"]


def test_one_that_was_added_again_is_left_alone(store: Store) -> None:
    one = store.kernel("6.1.9")
    one.image.with_name(prune.GONE + one.image.name).write_text("x")
    prune.finish(store)
    assert one.complete and not list(store.top.rglob(f"{prune.GONE}*"))
