"""The line of a transfer with the real rsync: its client speaks through our language to a server with our options."""

import os
import subprocess
import sys
from pathlib import Path

import xen_legi
from xen_legi.peers import words

# Stands where ssh stands; as in backup/receive.py, the server's vector is ours.
SHELL = """
import os, sys
from xen_legi.peers import words
order = words.parse(" ".join(sys.argv[3:]))
argv = words.server(order.verb, words.transfer(order), sys.argv[1], None)
os.execvp(argv[0], argv)
"""


def sync(source: Path, copy: Path, shell: Path) -> None:
    """Bring `copy` to what `source` has, as a run of backup-domu does."""
    shell.write_text(SHELL)
    through = ["-e", f"{sys.executable} {shell} {copy}", "--rsync-path", "sync web1 web1-disk r1"]
    env = {**os.environ, "PYTHONPATH": str(Path(xen_legi.__file__).parents[1])}
    subprocess.run(["rsync", *words.CLIENT_OPTIONS, "--stats", *through, f"{source}/", f"peer:{words.PLACE}"],
                   check=True, env=env, timeout=60, stdout=subprocess.DEVNULL)


def test_a_file_written_again_within_the_second_and_with_the_same_size_is_copied(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir(), copy.mkdir()
    for moment, content in ((100, "first"), (200, "again")):
        (source / "file").write_text(content)
        os.utime(source / "file", ns=(0, 1_700_000_000_000_000_000 + moment))
        sync(source, copy, tmp_path / "shell.py")
        assert (copy / "file").read_text() == content
        assert (copy / "file").stat().st_mtime_ns == (source / "file").stat().st_mtime_ns
