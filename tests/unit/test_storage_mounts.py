"""A mount namespace of our own leaves this process as it was."""

import os
import subprocess
from pathlib import Path

import pytest

from xen_legi.storage import mounts

TRY = f"unshare --mount mount -t tmpfs none /mnt && nsenter --mount=/proc/self/ns/mnt test -e {__file__}"
TRIED = subprocess.run(["sh", "-c", TRY], capture_output=True, check=False)


@pytest.mark.skipif(TRIED.returncode != 0, reason="only root has namespaces, and setns(2) leads out of a chroot")
def test_after_private_mounts_we_are_where_we_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """setns(2) would leave us in /, where no file is found that a person named from here, nor the words of a final role."""
    monkeypatch.setattr(mounts, "PLACE", tmp_path / "place")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with mounts.private_mounts():
            assert os.getcwd() == str(tmp_path) and mounts.mounts_below(tmp_path) == [str(mounts.PLACE)]
        assert os.getcwd() == str(tmp_path) and not mounts.mounts_below(tmp_path)
