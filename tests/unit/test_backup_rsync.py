"""The line of a transfer with the real rsync: its client speaks through our language to a server with our options."""

import os
import subprocess
import sys
import time
from pathlib import Path

import xen_legi
from xen_legi.backup import destination
from xen_legi.backup.send import limited
from xen_legi.peers import words
from xen_legi.peers.book import Peer

DOM0B = destination.remote(Peer("dom0b", "192.0.2.2"))
# Stands where ssh stands; as in backup/receive.py, the server's vector is ours.
SHELL = """
import os, sys
from xen_legi.peers import words
order = words.parse(" ".join(sys.argv[3:]))
argv = words.server(order.verb, words.transfer(order), sys.argv[1], None)
os.execvp(argv[0], argv)
"""


def sync(source: Path, copy: Path, shell: Path, *more: str, how: tuple[str, ...] = words.AFTER) -> None:
    """Bring `copy` to what `source` has, as a run of backup-domu does."""
    shell.write_text(SHELL)
    through = ["-e", f"{sys.executable} {shell} {copy}", "--rsync-path", "sync web1 web1-disk r1"]
    env = {**os.environ, "PYTHONPATH": str(Path(xen_legi.__file__).parents[1])}
    subprocess.run(["rsync", *words.CLIENT_OPTIONS, *how, "--stats", *more, *through, f"{source}/", f"peer:{words.PLACE}"],
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


def test_files_are_written_in_place_where_there_is_no_room_for_two(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir(), copy.mkdir()
    for name, content in (("file", b"a" * 9000), ("sparse", bytes(1 << 20)), ("gone", b"x")):
        (copy / name).write_bytes(content)
        (source / name).write_bytes(content[:-1] + b"b")
    os.link(source / "file", source / "same")
    (source / "gone").unlink()
    inode = (copy / "file").stat().st_ino
    sync(source, copy, tmp_path / "shell.py", how=words.TIGHT)
    assert {one.name: one.read_bytes() for one in copy.iterdir()} == {one.name: one.read_bytes() for one in source.iterdir()}
    assert (copy / "file").stat().st_ino == inode == (copy / "same").stat().st_ino


def test_a_limit_of_the_bandwidth_is_kept_and_understood(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir(), copy.mkdir()
    (source / "file").write_bytes(os.urandom(300 << 10))
    began = time.monotonic()
    sync(source, copy, tmp_path / "shell.py", *limited(DOM0B, 100 << 10))
    assert (copy / "file").stat().st_size == 300 << 10 and time.monotonic() - began > 1.5
    assert limited(destination.local("vg1"), 100 << 10) == limited(DOM0B, 0) == []
