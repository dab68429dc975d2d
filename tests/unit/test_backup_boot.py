"""Kernels that peers send: published whole, under their own name, and never in another's place."""

import hashlib
import io
import os
import time
from pathlib import Path

import pytest
from xen_legi import steps
from xen_legi.backup import boot
from xen_legi.errors import Problem
from xen_legi.kernels import foreign

NAME = "vmlinuz-6.12.1-amd64"
MARK = ".from-peer-6.12.1-amd64"
KERNEL = b"a kernel" * 1000
DIGEST = hashlib.sha256(KERNEL).hexdigest()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of domU kernels."""
    place = tmp_path / "xen/boot"
    place.mkdir(parents=True)
    monkeypatch.setattr(boot, "directory", lambda: place)
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(foreign, "ROOM", 0)
    monkeypatch.setattr(foreign, "INODES", 0)
    return place


class Slow(io.BytesIO):
    """A kernel in the middle of whose way another peer sends the same one."""

    def __init__(self, meanwhile: bytes) -> None:
        super().__init__(KERNEL)
        self.meanwhile = meanwhile

    def read(self, size: int | None = -1, /) -> bytes:
        """Give a part; before the last one the other peer is received whole."""
        part = super().read(3000)
        if not part and self.meanwhile:
            other, self.meanwhile = self.meanwhile, b""
            boot.receive(NAME, hashlib.sha256(other).hexdigest(), io.BytesIO(other))
        return part


def names(place: Path) -> list[str]:
    """Everything in a directory, but for the note that parts of the kernel came from a peer."""
    return sorted(path.name for path in place.iterdir() if path.name != MARK)


def test_a_kernel_arrives_whole_and_can_be_read_by_all(place: Path) -> None:
    assert boot.receive(NAME, DIGEST, io.BytesIO(KERNEL)) == place / NAME
    assert (place / NAME).read_bytes() == KERNEL and (place / NAME).stat().st_mode & 0o777 == 0o644
    assert names(place) == [NAME] and (place / MARK).exists()


def test_what_this_host_has_itself_is_not_taken_for_a_peers(place: Path) -> None:
    (place / NAME).write_bytes(KERNEL)
    boot.receive(NAME, DIGEST, io.BytesIO(KERNEL))
    assert not (place / MARK).exists()


def test_a_kernel_that_arrives_in_part_is_never_published(place: Path) -> None:
    with pytest.raises(Problem, match="damaged or cut off"):
        boot.receive(NAME, DIGEST, io.BytesIO(KERNEL[:-1]))
    assert names(place) == []


def test_two_peers_that_send_one_kernel_at_the_same_time_do_not_disturb_each_other(place: Path) -> None:
    boot.receive(NAME, DIGEST, Slow(KERNEL))
    assert (place / NAME).read_bytes() == KERNEL and names(place) == [NAME]


def test_a_kernel_that_came_first_is_not_replaced_by_another_of_its_name(place: Path) -> None:
    with pytest.raises(Problem, match="exists"):
        boot.receive(NAME, DIGEST, Slow(b"another"))
    assert (place / NAME).read_bytes() == b"another" and names(place) == [NAME]


def test_what_is_no_kernel_is_refused(place: Path) -> None:
    with pytest.raises(Problem, match="refused"):
        boot.receive("config-6.12", DIGEST, io.BytesIO(KERNEL))
    assert names(place) == []


def test_drafts_of_transfers_that_died_go_after_a_day_and_nothing_else_does(place: Path) -> None:
    old = time.time() - 25 * 3600
    for name in (f".{NAME}.received", f".{NAME}.x7.received", ".notes.received", f"{NAME}.received"):
        (place / name).touch()
        os.utime(place / name, (old, old))
    (place / f".{NAME}.x8.received").touch()
    boot.receive("initrd.img-6.12.1-amd64", DIGEST, io.BytesIO(KERNEL))
    assert names(place) == [".notes.received", f".{NAME}.x8.received", "initrd.img-6.12.1-amd64", f"{NAME}.received"]


def test_the_disk_of_dom0_is_not_filled(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "ROOM", 1 << 60)
    with pytest.raises(Problem, match="no room"):
        boot.receive(NAME, DIGEST, io.BytesIO(KERNEL))
    assert names(place) == []


def test_two_hosts_that_send_to_each_other_do_not_wait_for_each_other(place: Path) -> None:
    with steps.lock("kernels", what="a sender's", shared=True):
        assert boot.receive(NAME, DIGEST, io.BytesIO(KERNEL)) == place / NAME
