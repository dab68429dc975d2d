"""The tree is the same for everybody: where this computer has its Debian packages from stands in none of its files."""

import shutil
import subprocess

import pytest

from test_linters import TOP, tracked


def mirrors() -> set[str]:
    """Return the addresses of this computer's package sources, without the slash at their end."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return {line.rstrip("/") for line in said.splitlines() if "://" in line}


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this computer has no apt")
def test_no_file_names_the_mirror_of_this_computer() -> None:
    known = mirrors()
    found = [(name, one) for name in tracked("*") for one in known if one.encode() in (TOP / name).read_bytes()]
    assert found == []
