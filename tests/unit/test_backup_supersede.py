"""A new run of a peer ends what its former one still does here, and nothing else: on real processes and locks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xen_legi
from xen_legi import steps
from xen_legi.backup import supersede

# holds a lock as a receiver does, until it is told to end
HOLDER = """
import sys, time
from pathlib import Path
from xen_legi import steps
steps.LOCKS = Path(sys.argv.pop())
with steps.signals_unwind(), steps.lock("copy-vg0-web1", what="web1"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with programs and locks."""
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    for name in ("receive", "backup-domu"):
        (tmp_path / name).write_text(HOLDER)
    yield tmp_path


@pytest.mark.parametrize("words, ended", [
    (["receive", "--peer", "dom0a"], True), (["receive", "--peer", "dom0c"], False), (["receive", "--local", "vg1"], False),
    (["backup-domu", "--peer", "dom0a"], False),
])
def test_only_what_works_for_the_same_peer_is_ended(words: list[str], ended: bool, place: Path) -> None:
    argv = [sys.executable, str(place / words[0]), *words[1:], str(place / "locks")]
    env = {"PYTHONPATH": str(Path(xen_legi.__file__).parents[1])}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"held\n"
            assert supersede.end_former("copy-vg0-web1", "dom0a") == ended
            if ended:
                process.wait(20)
            assert steps.is_locked("copy-vg0-web1") != ended
        finally:
            process.kill()
    assert not supersede.end_former("copy-vg0-web1", "dom0a") and not supersede.end_former("copy-vg0-none", "dom0a")


def test_a_holder_that_is_no_process_any_more_is_let_be(place: Path) -> None:
    with steps.lock("copy-vg0-web1", what="web1"):  # by us: another descriptor of this process finds it held
        (place / "locks" / "copy-vg0-web1.lock").write_text("999999999 1 receive --peer dom0a\n")
        assert not supersede.end_former("copy-vg0-web1", "dom0a")
