"""Which kernels nobody needs, and how one goes: in directories of the test."""

from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.kernels import prune
from xen_legi.kernels.store import Store

VERSIONS = ("6.1.9", "6.1.10", "6.12.1", "6.12.1-2")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four whole kernels."""
    made = Store(tmp_path / "xen")
    for version in VERSIONS:
        one = made.kernel(version)
        one.image.parent.mkdir(parents=True, exist_ok=True)
        one.modules.mkdir(parents=True)
        for path in (one.image, one.ramdisk, one.note, one.modules / "modules.dep"):
            path.write_text("x")
    return made


def files(tmp_path: Path, **named: str) -> dict[Path, str]:
    """Return the texts of files that name these kernels."""
    (tmp_path / "etc/copies/vg0").mkdir(parents=True, exist_ok=True)
    for name, text in named.items():
        (tmp_path / "etc" / f"{name.replace('__', '/')}.cfg").write_text(text)
    return prune.texts(tmp_path / "etc")


def going(store: Store, said: dict[Path, str], keep: int = 2) -> list[str]:
    """Return the versions that are superfluous."""
    return [one.version for one in prune.superfluous(store, said, keep)]


def test_the_newest_the_default_and_those_in_use_stay(store: Store, tmp_path: Path) -> None:
    assert going(store, {}) == ["6.1.9", "6.1.10"]
    assert going(store, {}, keep=1) == ["6.1.9", "6.1.10", "6.12.1"]
    assert going(store, {}, keep=9) == []
    store.choose("6.1.9")
    assert going(store, {}) == ["6.1.10"]
    used = files(tmp_path, web1="kernel = '/srv/xen/boot/vmlinuz-6.1.10'")
    assert going(store, used) == []


@pytest.mark.parametrize("text", [
    "kernel = '/srv/xen/boot/vmlinuz-6.1.9'", 'ramdisk="/srv/xen/boot/initrd.img-6.1.9"', "kernel = '/other/vmlinuz-6.1.9\n",
])
def test_a_file_that_names_it_keeps_it_whatever_file_that_is(store: Store, tmp_path: Path, text: str) -> None:
    for name in ("web1", "copies__vg0__web1"):
        assert going(store, files(tmp_path, **{name: text})) == ["6.1.10"]
    (tmp_path / "etc/web1.cfg").rename(tmp_path / "etc/web1.cfg.before-promote")
    (tmp_path / "etc/copies/vg0/web1.cfg").unlink()
    assert going(store, prune.texts(tmp_path / "etc")) == ["6.1.10"]


def test_a_longer_version_is_another_one(store: Store, tmp_path: Path) -> None:
    said = files(tmp_path, web1="kernel = '/srv/xen/boot/vmlinuz-6.12.1-2'")
    assert going(store, said, keep=1) == ["6.1.9", "6.1.10", "6.12.1"]
    with pytest.raises(Problem, match="kernel 6.12.1-2 is in use: .*web1.cfg"):
        prune.check(store, "6.12.1-2", said)
    assert prune.check(store, "6.12.1", said).version == "6.12.1"


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
