"""A mount namespace of our own leaves this process as it was."""

import os
import subprocess
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


TRIED = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)


@pytest.mark.skipif(TRIED.returncode != 0, reason="no namespaces here: only root has them")
def test_after_private_mounts_we_are_where_we_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """setns(2) would leave us in /, and a final role would find the relative paths among its arguments there."""
    monkeypatch.setattr(mounts, "PLACE", tmp_path / "place")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with mounts.private_mounts():
            assert os.getcwd() == str(tmp_path) and mounts.mounts_below(tmp_path) == [str(mounts.PLACE)]
        assert os.getcwd() == str(tmp_path) and not mounts.mounts_below(tmp_path)
