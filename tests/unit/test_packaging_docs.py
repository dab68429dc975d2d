"""What is shipped in /usr/share/doc is where the programs and the manual say."""

from pathlib import Path

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
