"""What a Debian package holds of a kernel."""

from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.kernels import package
from xen_legi.kernels.store import Store


def tree(top: Path, *names: str) -> Path:
    """Return a tree with these files."""
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x")
    return top


@pytest.mark.parametrize("lib", ["lib", "usr/lib"])
def test_the_kernel_of_a_package_is_found(tmp_path: Path, lib: str) -> None:
    version = "6.1.0-9-amd64"
    top = tree(tmp_path, f"boot/vmlinuz-{version}", f"boot/config-{version}", f"{lib}/modules/{version}/modules.order")
    one = package.found(top, "linux-image")
    assert one.version == version and one.image == top / f"boot/vmlinuz-{version}"
    assert (one.modules / "modules.order").exists() and (top / "lib/modules" / version).is_dir()


@pytest.mark.parametrize(("names", "said"), [
    (["usr/share/doc/linux-image-amd64/copyright"], "linux-image holds no kernel"),
    (["boot/vmlinuz-1", "boot/vmlinuz-2"], "holds 2 kernels"),
    (["boot/vmlinuz-1", "lib/modules/2/x"], "holds no modules of its kernel 1"),
])
def test_a_package_without_one_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said) as raised:
        package.found(tree(tmp_path, *names), "linux-image")
    assert raised.value.status == 2 and raised.value.hint


@pytest.mark.parametrize(("word", "said"), [
    ("/nothing.deb", "there is no file /nothing.deb"), ("nothing.deb", "there is no file"), ("--help", "is no package"),
    ("Linux", "is no package"),
])
def test_what_is_no_package_is_told(tmp_path: Path, word: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        package._file(word, tmp_path)


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xen_legi.steps.LOCKS", tmp_path / "locks")
    tree(tmp_path / "xen", ".new-package-x/tree/boot/vmlinuz-1", "boot/vmlinuz-2", "new-package/x")
    package.clean(Store(tmp_path / "xen"))
    assert sorted(one.name for one in (tmp_path / "xen").iterdir()) == ["boot", "new-package"]
