"""What is shipped in /usr/share/doc is where the programs and the manual say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from xen_legi.backup import commit, generations
from xen_legi.backup.copies import Work
from xen_legi.backup.request import CopyRequest

TOP = Path(__file__).resolve().parents[2]
MANUAL = "/usr/share/doc/xen-legi-backup/manual-recovery.md"


def test_the_recipe_by_hand_is_shipped_where_each_copys_file_says() -> None:
    shipped = (TOP / "debian/xen-legi-backup.docs").read_text().split()
    assert [f"/usr/share/doc/xen-legi-backup/{Path(name).name}" for name in shipped] == [MANUAL]
    assert all((TOP / name).is_file() for name in shipped)
    work = Work("web1", "vg1", "dom0a")
    wanted = CopyRequest("web1", "r1", 1, "name = 'web1'\n", ())
    head = commit.startable(wanted, work, generations.Copy("web1", "vg1", "dom0a", {})).splitlines()[1]
    assert MANUAL in head and "xen-legi promote web1" in head


def test_the_recipe_by_hand_can_be_read_without_unpacking_it() -> None:
    assert "dh_compress -X.md" in (TOP / "debian/rules").read_text()


def test_the_manual_names_the_recipe_and_the_files_of_copies() -> None:
    page = (TOP / "xen-legi/man/backup-domu.8.scd").read_text()
    assert f"_{MANUAL}_" in page and "_/etc/xen/copies/GROUP/NAME.cfg_" in page


MOVES = TOP / "tests/lab/test_moves.py"


def followed(text: str) -> Iterator[str]:
    """Yield the commands that the lab's test of moves follows; of those that are put together, their parts."""
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "follow":
            yield from (str(one.value) for one in ast.walk(call.args[1]) if isinstance(one, ast.Constant))


@pytest.mark.skipif(not MOVES.exists(), reason="the packages are built without the lab")
def test_what_the_lab_does_as_the_texts_say_is_in_the_texts() -> None:
    texts = (TOP / "README.md").read_text() + (TOP / "docs/manual-recovery.md").read_text()
    lines = list(followed(MOVES.read_text()))
    assert len(lines) > 20
    for line in lines:
        start = "" if line.startswith(" ") else "(^    +|:~# |`)"  # else the end of one that is put together
        assert re.search(rf"{start}{re.escape(line)}(  |$|`)", texts, re.MULTILINE), line
