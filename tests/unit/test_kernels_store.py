"""The kernels of domUs: order of versions, the default, and adding a kernel of dom0."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.kernels import add, initramfs
from xen_legi.kernels.store import Kernel, Store, in_order

TICK = 0.02  # seconds: more than the step of the kernel's clock for files


def make(kernel: Kernel) -> None:
    for path in (kernel.image, kernel.ramdisk, kernel.modules / "modules.dep"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.name} of {kernel.version}")


def store(tmp_path: Path, *versions: str) -> Store:
    one = Store(tmp_path / "srv")
    for version in versions:
        make(one.kernel(version))
    return one


def test_versions_are_ordered_by_their_numbers() -> None:
    names = ["6.12.48+deb13-amd64", "6.1.0-18-amd64", "6.9.2-amd64", "6.12.5-amd64", "6.13~rc1-amd64", "6.13-amd64"]
    assert in_order(names) == ["6.1.0-18-amd64", "6.9.2-amd64", "6.12.5-amd64", "6.12.48+deb13-amd64", "6.13~rc1-amd64",
                               "6.13-amd64"]


@pytest.mark.parametrize(("older", "newer"), [
    ("6.12.9-amd64", "6.12.10-amd64"), ("6.12.9-rt-amd64", "6.12.10-amd64"), ("6.12.9-cloud-amd64", "6.12.10-amd64"),
    ("6.13-rc7-amd64", "6.13-amd64"), ("6.13~rc1-amd64", "6.13~rc2-amd64"), ("6.1.0-9-amd64", "6.1.0-10-amd64"),
    ("6.12.48-amd64", "6.12.48+deb13-amd64"), ("6.12.1", "6.12.1-2"), ("5.10.0-0.deb10.16-amd64", "5.10.0-1-amd64"),
])
def test_versions_are_compared_as_debian_does(older: str, newer: str) -> None:
    assert in_order([newer, older]) == [older, newer]


@pytest.mark.parametrize(("flavour", "default"), [
    ("amd64", "6.12.48+deb13-amd64"), ("cloud-amd64", "6.12.49+deb13-cloud-amd64"), ("rt-amd64", "6.12.48+deb13-rt-amd64"),
    ("other", "6.12.49+deb13-cloud-amd64"),
])
def test_the_default_is_the_newest_of_its_flavour(tmp_path: Path, flavour: str, default: str) -> None:
    names = ("6.12.47+deb13-amd64", "6.12.48+deb13-amd64", "6.12.49+deb13-cloud-amd64", "6.12.48+deb13-rt-amd64")
    one = Store(store(tmp_path, *names).top, flavour)
    assert one.default().version == default
    assert one.kernel("6.12.49+deb13-cloud-amd64").flavour == "cloud-amd64"


def test_the_newest_is_the_default_until_one_is_chosen(tmp_path: Path) -> None:
    one = store(tmp_path, "6.9.1", "6.12.1")
    assert one.default().version == "6.12.1"
    one.choose("6.9.1")
    assert os.readlink(one.link) == "vmlinuz-6.9.1"
    make(one.kernel("6.13.0"))
    assert one.default().version == "6.9.1"
    one.choose_newest()
    assert one.default().version == "6.13.0"


def test_what_a_choice_leaves_that_was_killed_goes_with_the_next_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = store(tmp_path, "6.9.1")
    before = os.listdir(one.top / "boot")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda path, target: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            one.choose("6.9.1")
    add._clean(one)
    assert os.listdir(one.top / "boot") == before and not one.chosen()


def test_a_name_over_two_lines_is_a_version_like_any(tmp_path: Path) -> None:
    one = store(tmp_path, "6.9.1-amd64", "6.9\n2-amd64")
    assert one.default().version == "6.9.1-amd64" and len(one.kernels()) == 2


def test_a_kernel_that_is_not_whole_is_not_listed(tmp_path: Path) -> None:
    one = store(tmp_path, "6.9.1", "6.12.1")
    one.kernel("6.12.1").ramdisk.unlink()
    assert [kernel.version for kernel in one.kernels()] == ["6.9.1"]
    with pytest.raises(Problem, match="no kernel '6.12.1'"):
        one.find("6.12.1")


def test_without_any_kernel_the_hint_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        Store(tmp_path).default()
    assert "kernel add" in raised.value.hint


def test_a_copy_of_the_same_size_and_time_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("y")
    os.utime(tmp_path / "a", (1, 1))
    os.utime(tmp_path / "b", (1, 1))
    os.link(tmp_path / "a", tmp_path / "c")
    assert add.same(tmp_path / "a", tmp_path / "b") and add.same(tmp_path / "a", tmp_path / "c")
    os.utime(tmp_path / "b", (1, 2))
    assert not add.same(tmp_path / "a", tmp_path / "b")
    assert not add.same(tmp_path / "nothing", tmp_path / "a")


MODULES = ("ext4",)


def has_its_own_initramfs(kernel: Kernel, modules: tuple[str, ...] = MODULES) -> None:
    """Leave what `kernel add` leaves: an initramfs that is younger than what it was made from, and the note beside it."""
    time.sleep(TICK)
    os.utime(kernel.ramdisk)
    kernel.note.write_text("".join(f"{module}\n" for module in modules))


def test_only_what_dom0_has_anew_is_taken(tmp_path: Path) -> None:
    one = store(tmp_path, "6.12.1")
    source = add.Source(tmp_path / "boot", tmp_path / "modules")
    theirs, ours = source.kernel("6.12.1"), one.kernel("6.12.1")
    make(theirs)
    assert add.missing(one.kernel("6.12.2"), source.kernel("6.12.2"), MODULES) == ["modules", "initramfs", "image"]
    ours.image.unlink()
    os.link(theirs.image, ours.image)
    has_its_own_initramfs(ours)
    os.utime(ours.modules / "modules.dep", (1, 1))
    assert add.missing(ours, theirs, MODULES) == ["modules"]


def test_domus_have_an_initramfs_of_their_own_or_dom0s_as_the_settings_say(tmp_path: Path) -> None:
    one = store(tmp_path, "6.12.1")
    source = add.Source(tmp_path / "boot", tmp_path / "modules")
    theirs, ours = source.kernel("6.12.1"), one.kernel("6.12.1")
    make(theirs)
    assert "initramfs" in add.missing(ours, theirs, MODULES)  # nobody knows what it holds: a peer has sent it
    has_its_own_initramfs(ours)
    assert "initramfs" not in add.missing(ours, theirs, MODULES)
    assert "initramfs" in add.missing(ours, theirs, (*MODULES, "xfs"))
    assert "initramfs" in add.missing(ours, theirs, ())
    ours.note.unlink()
    for place in (os.link, shutil.copy2):
        ours.ramdisk.unlink()
        place(theirs.ramdisk, ours.ramdisk)
        assert "initramfs" in add.missing(ours, theirs, MODULES)
        assert "initramfs" not in add.missing(ours, theirs, ())


@pytest.mark.parametrize("change", [Path.touch, lambda path: os.utime(path, (1, 1))], ids=["new", "new, with an old time"])
def test_an_initramfs_is_made_anew_when_what_it_is_made_of_changed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    ours, source = store(tmp_path, "6.12.1").kernel("6.12.1"), tmp_path / "modules.dep"
    source.touch()
    has_its_own_initramfs(ours)
    assert initramfs.current(ours, MODULES, source, tmp_path / "nothing")
    time.sleep(TICK)
    change(source)
    assert not initramfs.current(ours, MODULES, source)


def archive(top: Path, *, age: int) -> bytes:
    """Return a cpio archive of a tree as mktirfs makes it, in a directory and at a time of its own."""
    top.mkdir()
    (top / "dev").mkdir()
    (top / "init").write_text("a program")
    (top / "modules").write_text("/ext4.ko \n")
    for path in (top / "dev", top / "init", top / "modules"):
        os.utime(path, (age, age))
    words = "find . ! -name . -print0 | sort -z | cpio --null -o --quiet -R 0:0 -H newc"
    return subprocess.run(["sh", "-c", words], cwd=top, check=True, capture_output=True).stdout


@pytest.mark.skipif(not shutil.which("cpio"), reason="this computer has no cpio")
def test_two_hosts_make_the_same_initramfs_at_different_times(tmp_path: Path) -> None:
    one, other = archive(tmp_path / "one", age=1_000_000), archive(tmp_path / "other", age=2_000_000)
    assert one != other and initramfs.lasting(one) == initramfs.lasting(other)
    (tmp_path / "out").mkdir()
    subprocess.run(["cpio", "-i", "--quiet"], cwd=tmp_path / "out", input=initramfs.lasting(one), check=True)
    assert (tmp_path / "out/init").read_text() == "a program" and (tmp_path / "out/dev").is_dir()


def test_a_kernel_that_dom0_does_not_have_is_refused(tmp_path: Path) -> None:
    source = add.Source(tmp_path / "boot", tmp_path / "modules")
    with pytest.raises(Problem, match="no whole kernel 6.6.6"):
        add.add(Store(tmp_path), "6.6.6", MODULES, source)
    with pytest.raises(Problem, match="no kernel version"):
        add.add(Store(tmp_path), "../etc", MODULES, source)
