"""Mounts in a namespace of our own: what is left of it afterwards. Namespaces need root."""

import os
import subprocess
from pathlib import Path

import pytest

from xen_legi.storage import mounts

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
