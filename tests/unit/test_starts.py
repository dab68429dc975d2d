"""What a start loads: a receiver starts four times for each copy, a hook once for each interface and phase."""

import subprocess
import sys

import pytest

SELDOM = {"datetime", "decimal", "hashlib", "random", "shutil", "socket", "tempfile", "tomllib"}


@pytest.mark.parametrize("module", ["xen_legi.backup.receive", "xen_legi.cli", "xen_legi.net.hook"])
def test_a_start_does_not_load_what_is_seldom_needed(module: str) -> None:
    command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded and SELDOM & set(loaded) == set()
