"""Small files that belong to the administrator are changed in their content only."""

import errno
import os
from pathlib import Path

import pytest

from xen_legi import files


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A file with a mode of its own, an attribute, and a link to it in another directory."""
    for name in ("etc", "srv"):
        (tmp_path / name).mkdir()
    file = tmp_path / "srv/web1.cfg"
    file.write_text("old\n")
    file.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(file, 12, 34)
    os.setxattr(file, "user.note", b"mine")
    (tmp_path / "etc/web1.cfg").symlink_to("../srv/web1.cfg")
    return file


def test_a_file_is_changed_where_a_link_leads_and_keeps_what_else_it_has(real: Path, tmp_path: Path) -> None:
    link, before, umask = tmp_path / "etc/web1.cfg", real.stat(), os.umask(0o077)
    try:
        files.rewrite(link, "new\n")
    finally:
        os.umask(umask)
    after = real.stat()
    assert link.is_symlink() and real.read_text() == "new\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(real, "user.note") == b"mine"
    assert [one.name for one in tmp_path.rglob(".*")] == []


def test_a_file_that_would_not_change_is_left_alone(real: Path, tmp_path: Path) -> None:
    before = real.stat()
    files.rewrite(tmp_path / "etc/web1.cfg", "old\n")
    assert real.stat().st_ino == before.st_ino


def test_a_file_that_cannot_be_written_is_what_it_was(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(path: Path, like: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "give_access", no_room)
    with pytest.raises(OSError, match="No space"):
        files.rewrite(real, "new\n")
    assert real.read_text() == "old\n"


def test_a_file_on_a_filesystem_without_attributes_can_be_changed(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(path: Path) -> list[str]:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "listxattr", none)
    files.rewrite(real, "new\n")
    assert real.read_text() == "new\n"
