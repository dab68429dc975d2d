"""Image files on a disk: copied without their holes, enlarged, given another name. Files of the machine that tests."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.storage import image_copy, images, mounts, places
from xen_legi.storage.places import Mount
from xen_legi.units import MIB


def made(path: Path, *places: int, size: int = 8 * MIB) -> Path:
    """Make a file of this size with some bytes at these places, and holes elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.truncate(size)
        for place in places:
            stream.seek(place)
            stream.write(b"data" * 1000)
    return path


@pytest.mark.parametrize("places", [(), (0,), (3 * MIB, 8 * MIB - 4000), (5 * MIB,)])
def test_a_copy_has_every_byte_and_no_room_for_holes(tmp_path: Path, places: tuple[int, ...]) -> None:
    source, target = made(tmp_path / "a.img", *places), made(tmp_path / "b.img")
    image_copy.copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 64


def test_a_kernel_that_leaves_the_copying_to_us_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*words: int) -> int:
        raise OSError(errno.EXDEV, "another filesystem")

    monkeypatch.setattr(os, "copy_file_range", refuses)
    source, target = made(tmp_path / "a.img", 0, 5 * MIB), made(tmp_path / "b.img")
    image_copy.copy(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_what_is_written_while_it_is_copied_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = made(tmp_path / "a.img", 0), made(tmp_path / "b.img")
    os.utime(source, ns=(1, 1))

    def written(descriptor: int, size: int) -> list[tuple[int, int]]:
        os.utime(source)
        return [(0, size)]

    monkeypatch.setattr(image_copy, "stretches", written)
    with pytest.raises(Problem, match="was written while it was copied"):
        image_copy.copy(source, target)


def test_what_has_grown_since_its_copy_was_made_is_no_copy(tmp_path: Path) -> None:
    source, target = made(tmp_path / "a.img", 0), made(tmp_path / "b.img", size=4 * MIB)
    with pytest.raises(Problem, match="has another size"):
        image_copy.copy(source, target)


def test_a_stretch_is_never_longer_than_is_copied_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_copy, "_AT_ONCE", 1000)
    with made(tmp_path / "a.img", 0, size=2500).open("rb") as stream:
        assert list(image_copy.stretches(stream.fileno(), 2500)) == [(0, 1000), (1000, 1000), (2000, 500)]


def test_an_image_that_grows_keeps_its_bytes_and_has_room_for_the_new_ones(tmp_path: Path) -> None:
    image = made(tmp_path / "a.img", 0, size=MIB)
    before = image.read_bytes()
    images.extend(image, 3 * MIB)
    assert image.read_bytes() == before + bytes(2 * MIB) and image.stat().st_blocks * 512 >= 2 * MIB


def test_an_image_that_cannot_grow_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        os.ftruncate(descriptor, offset + 5)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    image = made(tmp_path / "a.img", 0, size=MIB)
    with pytest.raises(Problem, match="No space left"):
        images.extend(image, 3 * MIB)
    assert image.stat().st_size == MIB


def test_images_move_with_the_directory_of_their_domu_and_another_file_stays(tmp_path: Path) -> None:
    old, new = tmp_path / "web1", tmp_path / "www"
    for name in ("disk.img", "swap.img"):
        made(old / name, size=MIB)
    (old / "note").touch()
    old.chmod(0o750)
    for _ in range(2):  # a second time it is done already
        for name in ("disk.img", "swap.img"):
            images.move(old / name, new / name)
    assert sorted(one.name for one in new.iterdir()) == ["disk.img", "swap.img"]
    assert [one.name for one in old.iterdir()] == ["note"] and new.stat().st_mode & 0o777 == 0o750


def test_a_directory_that_is_empty_then_goes_also_when_the_run_before_was_killed(tmp_path: Path) -> None:
    old, new = tmp_path / "web1", tmp_path / "www"
    made(new / "disk.img", size=MIB)
    old.mkdir()
    images.move(old / "disk.img", new / "disk.img")
    assert not old.exists()


def test_an_image_is_never_put_in_the_place_of_another(tmp_path: Path) -> None:
    old, new = made(tmp_path / "web1.img", 0, size=MIB), made(tmp_path / "www.img", size=MIB)
    with pytest.raises(Problem, match="and an image"):
        images.move(old, new)
    with pytest.raises(Problem, match=r"www\.img exists already") as caught:
        images.check_free(old, new)
    assert caught.value.status == 2 and old.exists() and not any(new.read_bytes())
    with pytest.raises(Problem, match="there is no image"):
        images.move(tmp_path / "none.img", tmp_path / "nor.img")


def test_an_image_that_comes_in_the_last_moment_stays_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = made(tmp_path / "web1.img", 0, size=MIB), tmp_path / "www.img"
    look = Path.stat

    def comes(path: Path, **words: bool) -> os.stat_result:
        facts = look(path, **words)
        if path == tmp_path:  # looked at after all that could be in the way
            new.write_bytes(b"other")
        return facts

    monkeypatch.setattr(Path, "stat", comes)
    with pytest.raises(FileExistsError):
        images.move(old, new)
    assert old.read_bytes()[:4] == b"data" and new.read_bytes() == b"other"


def test_a_mount_of_the_same_filesystem_is_no_directory_that_can_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bind mount has the device number of the directory that it is in, and rename(2) refuses to leave it."""
    old = made(tmp_path / "web1/disk.img", size=MIB)
    mount = Mount("8:1", "/elsewhere", str(tmp_path / "web1"), "ext4")
    monkeypatch.setattr(places, "all_mounts", lambda: [mount])
    with pytest.raises(Problem, match="is a file system of its own"):
        images.check_free(old, tmp_path / "www/disk.img")
    images.check_free(old, tmp_path / "web1/www.img")


@pytest.mark.parametrize(("name", "said"), [(b"base.img", "needs 'base.img'"), (b"/srv/base.img", ""), (b"", "")])
def test_an_image_that_needs_another_one_beside_it_is_not_moved_away(tmp_path: Path, name: bytes, said: str) -> None:
    old = tmp_path / "web1/disk.img"
    old.parent.mkdir()
    place = 112 if name else 0
    head = b"QFI\xfb" + (3).to_bytes(4, "big") + place.to_bytes(8, "big") + len(name).to_bytes(4, "big")
    old.write_bytes(head.ljust(112, b"\0") + name + b"more")
    images.check_free(old, tmp_path / "web1/www.img")
    if not said:
        return images.check_free(old, tmp_path / "www/disk.img")
    with pytest.raises(Problem, match=said):
        images.check_free(old, tmp_path / "www/disk.img")


def test_a_directory_of_that_name_is_anothers_even_if_no_image_of_it_is_in_the_way(tmp_path: Path) -> None:
    old = made(tmp_path / "web1/disk.img", size=MIB)
    images.check_free(old, tmp_path / "www/disk.img")
    (tmp_path / "www").mkdir()
    with pytest.raises(Problem, match="www exists already"):
        images.check_free(old, tmp_path / "www/disk.img")


def test_what_was_made_for_a_renaming_that_is_given_up_goes(tmp_path: Path) -> None:
    old = made(tmp_path / "web1/disk.img", size=MIB)
    (tmp_path / "www").mkdir()
    images.take_back(old, tmp_path / "www/disk.img")
    assert old.exists() and not (tmp_path / "www").exists()


def test_room_is_that_of_the_filesystem_in_which_a_path_will_be(tmp_path: Path) -> None:
    filesystem, free = images.room(tmp_path / "not/there/yet.img")
    assert filesystem == tmp_path.stat().st_dev and free > 0


def test_a_filesystem_in_a_file_is_mounted_by_a_loop_device(tmp_path: Path) -> None:
    image = made(tmp_path / "a.img", size=MIB)
    assert mounts.of_image(image, "ext4") == ",loop,noinit_itable" and mounts.of_image(image, "xfs") == ",loop"
    assert mounts.of_image(Path("/dev/null"), "ext4") == ""


def test_an_image_that_a_program_writes_is_in_use_as_a_volume_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resize2fs of a killed run goes on, on no loop device: nobody starts the domU beside it."""
    monkeypatch.setattr(images, "loops", lambda path: [])
    image = made(tmp_path / "a.img", size=MIB)
    os.link(image, tmp_path / "b.img")
    with image.open("rb"):
        assert not images.used(image)
    other = subprocess.Popen(["sleep", "60"], stdout=(tmp_path / "b.img").open("r+b"))
    try:
        assert images.used(image) and not images.used(made(tmp_path / "c.img"))
    finally:
        other.kill()
        other.wait()
    assert not images.used(image) and not images.used(tmp_path / "none.img")
