"""What ssh-keygen makes is a key to us."""

import subprocess
from pathlib import Path

import pytest

from xen_legi.install import keys


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_ssh_keygen_are_keys(tmp_path: Path, kind: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "anna of the desk", "-f", tmp_path / "key"]
    subprocess.run(argv, check=True)
    text = (tmp_path / "key.pub").read_text()
    assert keys.comments(text) == keys.comments(f'from="10.0.0.1",command="a b" {text}') == ["anna of the desk"]
