"""Under what name a domU is found whose copies bear an older one, and whether its volumes are free."""

from pathlib import Path

import pytest

from xen_legi.backup import state
from xen_legi.domu import config, renamed, startable, xl
from xen_legi.domu.disks import NO_DEVICES
from xen_legi.storage import lvm
from xen_legi.storage.images import Image
from xen_legi.storage.lvm import Volume


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of domUs' files on a host that makes copies."""
    (tmp_path / "backup").mkdir()
    monkeypatch.setattr(renamed, "DIRECTORY", tmp_path / "backup/renamed")
    return tmp_path


def write(directory: Path, *names: str) -> None:
    """Let these be the domUs."""
    for file in directory.glob("*.cfg"):
        file.unlink()
    for name in names:
        (directory / f"{name}.cfg").write_text(f"name = '{name}'\nmemory = 32\n")


def test_a_domu_is_known_by_its_former_names_until_another_has_them(here: Path) -> None:
    write(here, "web1")
    assert renamed.now("web1", here) == "web1"
    for old, new in (("web1", "www"), ("www", "shop")):
        renamed.note(old, new)
    write(here, "shop")
    assert [renamed.now(name, here) for name in ("web1", "www", "shop", "other")] == ["shop", "shop", "shop", "other"]
    write(here, "shop", "web1")
    assert renamed.now("web1", here) == "web1"


def test_a_domu_that_is_renamed_there_and_back_and_deleted_ends_the_search(here: Path) -> None:
    for old, new in (("web1", "www"), ("www", "web1")):
        renamed.note(old, new)
    write(here, "web1")
    assert renamed.now("www", here) == "web1"
    write(here)
    assert renamed.now("www", here) in ("web1", "www")


def test_a_host_that_makes_no_copies_remembers_nothing(here: Path) -> None:
    (here / "backup").rmdir()
    renamed.note("web1", "www")
    assert not (here / "backup").exists()


def test_a_peer_that_asks_for_the_former_name_is_told_of_the_domu_that_runs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, "www")
    renamed.note("web1", "www")
    known = {one.name: one for one in config.all_domus(here)}
    monkeypatch.setattr(config, "find", known.get)
    monkeypatch.setattr(xl, "answers", lambda: True)
    running = {"www"}
    monkeypatch.setattr(xl, "stays", lambda name: name in running)
    tags = frozenset({"xen-legi.promoted", "xen-legi.domu=www", "xen-legi.volume=www-disk", "xen-legi.from=dom0b"})
    found = [Volume("vg0", "www-disk", 1, "-wi-a-----", tags, "", "", "www-disk", True, False, False, None)]
    monkeypatch.setattr(lvm, "volumes", lambda select="": found)
    assert state.domu("web1") == {"domu": "web1", "defined": True, "running": True, "promoted": ""}
    running.clear()
    assert state.domu("web1") == {"domu": "web1", "defined": True, "running": False, "promoted": "dom0b"}
    found.clear()
    assert state.domu("web1") == {"domu": "web1", "defined": True, "running": False, "promoted": ""}
    assert state.domu("other") == {"domu": "other", "defined": False, "running": False, "promoted": ""}


def volume(name: str, *, is_open: bool) -> Volume:
    """Return a volume of vg0."""
    return Volume("vg0", name, 1 << 30, "-wi-ao----", frozenset(), "", "", name, True, is_open, False, None)


def test_a_volume_that_is_open_keeps_its_domu_from_starting_unless_another_domu_has_it_too() -> None:
    text = "name = '{}'\ndisk = ['phy:/dev/vg0/root,xvda,w', 'phy:/dev/vg0/shared,xvdb,{}', 'phy:/dev/vg0/media,xvdc,r']\n"
    one = config.parse(text.format("one", "w"), Path("/etc/xen/one.cfg"))
    other = config.parse(text.format("other", "w").replace("vg0/root", "vg0/else"), Path("/etc/xen/other.cfg"))
    volumes = [volume("root", is_open=True), volume("shared", is_open=True), volume("media", is_open=True)]
    assert [used.name for used in startable.in_use(one, [one, other], volumes, NO_DEVICES)] == ["root"]
    assert [used.name for used in startable.in_use(one, [one], volumes, NO_DEVICES)] == ["root", "shared"]
    assert startable.in_use(one, [one], [volume("root", is_open=False)], NO_DEVICES) == []


def test_an_image_on_a_loop_device_keeps_its_domu_from_starting_too() -> None:
    text = "name = '{}'\ndisk = ['file:/srv/one.img,xvda,w', '/srv/shared.img,raw,xvdb,w', '/srv/dvd.iso,raw,xvdc,r']\n"
    one = config.parse(text.format("one"), Path("/etc/xen/one.cfg"))
    other = config.parse(text.format("other").replace("one.img", "other.img"), Path("/etc/xen/other.cfg"))
    known = {disk.path: disk.path for disk in one.disks}
    files = {path: Image(Path(path), 1, 1, open=True) for path in known}
    assert [str(used.path) for used in startable.in_use(one, [one, other], [], known, files)] == ["/srv/one.img"]
    assert startable.in_use(one, [one, other], [], known, {"/srv/one.img": Image(Path("/srv/one.img"), 1, 1, False)}) == []
