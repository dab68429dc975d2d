"""The modules of a kernel on their way to a peer: what is packed comes out, and nothing else ever does."""

import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from xen_legi import config, steps
from xen_legi.backup import boot, kernels, modules
from xen_legi.backup.kernels import Has
from xen_legi.errors import Problem
from xen_legi.kernels import foreign, prune
from xen_legi.kernels.store import Store

VERSION = "6.12.1-amd64"


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the receiver has the modules of its kernels."""
    monkeypatch.setattr(config, "load", lambda: config.Config(srv=str(tmp_path / "there")))
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(foreign, "ROOM", 0)
    monkeypatch.setattr(foreign, "INODES", 0)
    return tmp_path / "there/lib/modules"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The modules of a kernel of dom0, with the links that its headers have, and one of dkms."""
    tree = tmp_path / "here" / VERSION
    for name in ("kernel/fs/ext4.ko", "modules.dep", "-odd"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    os.utime(tree / "modules.dep", (1000, 1000))
    os.link(tree / "-odd", tree / "kernel/linked")
    (tree / "updates").mkdir()
    (tree / "updates/zfs.ko").symlink_to("../kernel/fs/ext4.ko")
    (tree / "build").symlink_to("/usr/src/linux-headers")
    return tree


def content(place: Path) -> dict[str, str]:
    """Return the files below a directory, with what is in them."""
    return {str(path.relative_to(place)): path.read_text() for path in sorted(place.rglob("*")) if not path.is_dir()}


def archive(*members: tarfile.TarInfo) -> bytes:
    """Return an archive with modules.dep and these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for one in (tarfile.TarInfo("modules.dep"), *members):
            tar.addfile(one)
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, target
    return one


def receive(data: bytes, digest: str = "") -> Path:
    return modules.receive(VERSION, digest or hashlib.sha256(data).hexdigest(), io.BytesIO(data))


def test_what_is_packed_comes_out_without_the_links_of_headers(tree: Path, there: Path) -> None:
    with modules.packed(tree) as (path, digest):
        assert modules.receive(VERSION, digest, path.open("rb")) == there / VERSION
    assert content(there / VERSION) == {
        "-odd": "-odd", "kernel/fs/ext4.ko": "kernel/fs/ext4.ko", "kernel/linked": "-odd", "modules.dep": "modules.dep",
        "updates/zfs.ko": "kernel/fs/ext4.ko",
    }  # fmt: skip
    assert not any(path.is_symlink() for path in there.rglob("*"))
    assert (there / VERSION / "modules.dep").stat().st_mtime == 1000
    assert (there / VERSION).stat().st_mode & 0o777 == 0o755
    assert os.listdir(there) == [VERSION] and os.listdir(tree.parent) == [VERSION]


@pytest.mark.parametrize("one", [
    member("../out"), member("kernel/../../out"), member("/out"), member("link", tarfile.SYMTYPE, "/etc"),
    member("link", tarfile.LNKTYPE, "modules.dep"), member("null", tarfile.CHRTYPE), member("pipe", tarfile.FIFOTYPE),
    member("headers", tarfile.XHDTYPE), member("all", tarfile.XGLTYPE), member("name", tarfile.GNUTYPE_LONGNAME),
    member("holes", tarfile.GNUTYPE_SPARSE), member("tape", tarfile.CONTTYPE), member("odd", b"Z"),
], ids=lambda one: f"{one.name}-{one.type.decode()}")
def test_nothing_but_files_and_directories_below_its_own_is_taken(there: Path, one: tarfile.TarInfo) -> None:
    with pytest.raises(Problem, match="refused"):
        receive(archive(one))
    assert os.listdir(there) == [] and not (there.parent / "out").exists() and not Path("/out").exists()


def test_more_than_any_kernel_has_is_refused(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "ENTRIES", 2)
    with pytest.raises(Problem, match="so many"):
        receive(archive(member("one"), member("two")))
    monkeypatch.setattr(modules, "LIMIT", 5000)
    with pytest.raises(Problem, match="so large"):
        receive(archive())
    assert os.listdir(there) == []


@pytest.mark.parametrize("data", [b"", b"no archive at all", archive()[:700], archive()[:-1], archive() + b"x"])
def test_what_is_cut_off_or_damaged_is_not_taken(there: Path, data: bytes) -> None:
    with pytest.raises(Problem, match="damaged"):
        receive(data, hashlib.sha256(archive()).hexdigest())
    assert os.listdir(there) == []


def test_a_size_or_time_that_is_none_is_refused(there: Path) -> None:
    for name, value in (("size", 1 << 60), ("mtime", 1 << 40)):
        one = member("file")
        setattr(one, name, value)
        header = one.tobuf(tarfile.GNU_FORMAT)
        with pytest.raises(Problem, match="refused|so large"):
            receive(archive()[:512] + header + bytes(1024))
    assert os.listdir(there) == []


def test_a_full_disk_and_a_name_twice_are_told_in_one_line(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="were not taken: File exists"):
        receive(archive(member("modules.dep")))
    monkeypatch.setattr(foreign, "ROOM", 1 << 60)
    with pytest.raises(Problem, match="no room"):
        receive(archive())
    assert os.listdir(there) == []


def test_a_kernel_of_a_peer_is_not_that_of_new_domus_until_somebody_says_so(there: Path) -> None:
    store = Store(there.parent.parent)
    for version in ("6.1", "99.9"):
        one = store.kernel(version)
        one.image.parent.mkdir(parents=True, exist_ok=True)
        one.image.write_text("x")
        one.ramdisk.write_text("x")
        if version == "6.1":
            one.modules.mkdir(parents=True)
            (one.modules / "modules.dep").touch()
    modules.receive("99.9", hashlib.sha256(archive()).hexdigest(), io.BytesIO(archive()))
    assert [(one.version, one.foreign) for one in store.kernels()] == [("6.1", False), ("99.9", True)]
    assert store.default().version == "6.1"
    assert [one.version for one in prune.superfluous(store, {}, 1)] == ["99.9"]
    modules.receive("6.1", hashlib.sha256(archive()).hexdigest(), io.BytesIO(archive()))
    assert not store.kernel("6.1").foreign, "what was there is this host's own"
    store.choose("99.9")
    assert store.default().version == "99.9" and prune.superfluous(store, {}, 1) == []


def test_a_tree_that_is_there_is_never_replaced(there: Path) -> None:
    (there / VERSION).mkdir(parents=True)
    (there / VERSION / "modules.dep").write_text("its own")
    assert receive(archive()) == there / VERSION
    assert content(there) == {f"{VERSION}/modules.dep": "its own"}
    (there / VERSION / "modules.dep").rename(there / VERSION / "something")
    with pytest.raises(Problem, match="is no tree of modules"):
        receive(archive())
    assert content(there) == {f"{VERSION}/something": "its own"}


def test_what_a_killed_transfer_left_goes_after_a_day(there: Path) -> None:
    for name, age in (("old", 90_000), ("young", 60)):
        draft = there / f".6.1-{name}.abc.received"
        draft.mkdir(parents=True)
        os.utime(draft, (time.time() - age,) * 2)
    receive(archive())
    assert sorted(os.listdir(there)) == [".6.1-young.abc.received", VERSION]


def test_a_host_gets_what_it_lacks_the_image_last(tmp_path: Path) -> None:
    one = Store(tmp_path).kernel(VERSION)
    names = one.image.name, one.ramdisk.name
    assert kernels.lacking(one, Has({}, frozenset())) == ("modules", "initramfs", "image")
    assert kernels.lacking(one, Has({names[1]: "x"}, frozenset(["6.1"]))) == ("modules", "image")
    assert kernels.lacking(one, Has(dict.fromkeys(names, "x"), frozenset([VERSION]))) == ()


def test_another_kernel_of_the_same_name_is_told(tmp_path: Path) -> None:
    one = Store(tmp_path).kernel(VERSION)
    one.image.parent.mkdir(parents=True)
    one.image.write_text("image")
    one.ramdisk.write_text("initramfs")
    same = boot.digest(one.image)
    kernels.check_same(one, Has({one.image.name: same}, frozenset()), "dom0b")
    with pytest.raises(Problem, match=f"dom0b has another {one.ramdisk.name}"):
        kernels.check_same(one, Has({one.image.name: same, one.ramdisk.name: same}, frozenset()), "dom0b")


def test_what_this_host_holds_is_told_with_digests(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = there.parent.parent / "boot"
    monkeypatch.setattr(boot, "directory", lambda: place)
    assert boot.held() == {"files": {}, "modules": []}
    place.mkdir(parents=True)
    for name in ("vmlinuz-{}", "initrd.img-{}", "initrd.img-{}.modules", ".vmlinuz-{}.received"):
        (place / name.format(VERSION)).write_text("x")
    (place / "vmlinuz").symlink_to(f"vmlinuz-{VERSION}")
    receive(archive())
    digest = hashlib.sha256(b"x").hexdigest()
    assert boot.held() == {"files": {f"vmlinuz-{VERSION}": digest, f"initrd.img-{VERSION}": digest}, "modules": [VERSION]}
