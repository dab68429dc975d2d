"""A mount namespace of our own leaves this process as it was. The kernel is not asked."""

import os
from pathlib import Path

import pytest

from xen_legi.storage import mounts


class Kernel:
    """setns(2) leads to the root of the namespace."""

    def unshare(self, flags: int) -> int:
        """Succeed."""
        return 0

    def setns(self, descriptor: int, flags: int) -> int:
        """Succeed as the kernel does."""
        os.chdir("/")
        return 0


def test_files_that_a_person_named_from_here_are_found_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mounts, "_LIBC", Kernel())
    monkeypatch.setattr(mounts, "PLACE", tmp_path / "place")
    monkeypatch.setattr(mounts, "run", lambda argv: None)
    with mounts.private_mounts():
        pass
    assert Path.cwd() == tmp_path
