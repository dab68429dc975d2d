"""Several volumes for one domU, from a file in the form of xen-tools' partitions.d."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.errors import Problem
from xen_legi.install import partitions, volumes
from xen_legi.install.model import Partition
from xen_legi.install.plan import plan
from xen_legi.install.render import rendered
from xen_legi.install.roles import environment
from xen_legi.install.settle.fstab import fstab
from xen_legi.units import GIB, MIB

FILE = Path("/root/server")
TEXT = """\
# four volumes
[root]
size=2Gb
type=ext4
mountpoint=/
options=sync

[swap]
size = 512M
type = swap

[log]
size=300M        ; small
type=xfs
mountpoint=/var/log

[home]
size=1G
type=ext4
mountpoint=/home/
options=nodev,nosuid
"""
FOUND = (
    Partition("root", 2 * GIB, "ext4", "/", "sync"),
    Partition("swap", 512 * MIB, "swap"),
    Partition("log", 300 * MIB, "xfs", "/var/log"),
    Partition("home", GIB, "ext4", "/home", "nodev,nosuid"),
)


def test_each_section_is_a_volume() -> None:
    assert partitions.parse(TEXT, FILE) == FOUND


def test_swap_comes_first_then_the_root_then_the_others_by_the_length_of_their_places() -> None:
    made = plan(replace(WISH, partitions=FOUND), FACTS, SOURCE)
    assert [(one.device, one.name, one.size) for one in made.parts] == [
        ("xvda1", "web1-swap", 512 * MIB), ("xvda2", "web1-root", 2 * GIB),
        ("xvda3", "web1-home", GIB), ("xvda4", "web1-log", 300 * MIB),
    ]  # fmt: skip
    assert [line.split() for line in fstab(made.parts).splitlines()[1:]] == [
        ["/dev/xvda2", "/", "ext4", "sync", "0", "1"],
        ["/dev/xvda3", "/home", "ext4", "nodev,nosuid", "0", "2"],
        ["/dev/xvda4", "/var/log", "xfs", "noatime", "0", "2"],
        ["/dev/xvda1", "none", "swap", "sw", "0", "0"],
    ]
    assert "'phy:/dev/vg0/web1-log,xvda4,w',  # /var/log" in rendered(made) and 'root=/dev/xvda2' in rendered(made)
    known = environment(made)
    assert known["NUMPARTITIONS"] == "4"
    assert known["PARTITION3"] == "home:1024M:ext4:/home:nodev,nosuid:phy::/dev/vg0/web1-home"


EXAMPLE = """\
# in the form in which xen-tools 4.9.2 ships sample-server, but for its /usr
[root]
size=2G
type=ext3
mountpoint=/
options=sync,errors=remount-ro

[swap]
size=2G
type=swap

[boot-log]
size=200M
type=ext2
mountpoint=/var/log
"""


def test_the_filesystems_of_xen_tools_own_example_can_be_made() -> None:
    found = partitions.parse(EXAMPLE, FILE)
    made = plan(replace(WISH, partitions=found), FACTS, SOURCE)
    assert [(one.filesystem, one.options) for one in made.parts if one.mount] == [
        ("ext3", "sync,errors=remount-ro"), ("ext2", "noatime"),
    ]  # fmt: skip
    for part in made.parts[1:]:
        assert volumes.fill_options(replace(part, image=FILE)).startswith("noatime")
    assert "data=" not in volumes.fill_options(made.parts[2])  # ext2 has no journal


def test_a_domu_without_swap_and_one_with_two() -> None:
    root, swap, *_ = FOUND
    assert [one.device for one in plan(replace(WISH, partitions=(root,)), FACTS, SOURCE).parts] == ["xvda2"]
    two = plan(replace(WISH, partitions=(root, swap, replace(swap, name="more"))), FACTS, SOURCE)
    assert [(one.device, one.name) for one in two.parts] == [
        ("xvda1", "web1-swap"), ("xvda2", "web1-root"), ("xvda3", "web1-more"),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [
    ("", "/root/server has no partition for /"),
    ("size = 2G\n", "/root/server: File contains no section headers."),
    (TEXT.replace("[swap]", "[root]"), "section 'root' already exists"),
    (TEXT.replace("[log]", "[my_log]"), "section my_log cannot be the name of a volume"),
    (TEXT.replace("type=xfs", "type=reiserfs"), "section log: type 'reiserfs' cannot be made"),
    (TEXT.replace("type=xfs", "type=btrfs"), "type 'btrfs' cannot be made: a domU's initramfs cannot mount it"),
    (TEXT.replace("type=xfs\n", ""), "section log: type '' cannot be made"),
    (TEXT.replace("size=1G", "size=1"), "section home: size '1' is not a size"),
    (TEXT.replace("size=1G\n", ""), "section home: size '' is not a size"),
    (TEXT.replace("options=sync", "option=sync"), "section root: 'option' means nothing"),
    (TEXT.replace("options=sync", "options=sync, noatime"), "section root: options 'sync, noatime' hold a blank"),
    (TEXT.replace("/home/", "home"), "mountpoint 'home' is no place in the guest"),
    (TEXT.replace("/home/", "/home/../etc"), "mountpoint '/home/../etc' is no place in the guest"),
    (TEXT.replace("/home/", "/my home"), "mountpoint '/my home' is no place in the guest"),
    (TEXT.replace("/home/", "/usr"), "/usr has to be on the root: the programs that start the guest"),
    (TEXT.replace("/home/", "/etc/xen"), "/etc/xen has to be on the root"),
    (TEXT.replace("/home/", "/bin/x"), "/bin/x has to be on the root"),
    (TEXT.replace("/home/", "/var/log"), "two partitions for the same place"),
])
def test_what_describes_no_domu_is_told(text: str, said: str) -> None:
    with pytest.raises(Problem) as raised:
        partitions.parse(text, FILE)
    assert said in raised.value.message and raised.value.hint and raised.value.status == 2


@pytest.mark.parametrize("place", ["/boot", "/boot/efi"])
def test_what_grub_reads_can_be_on_a_volume_of_its_own(place: str) -> None:
    assert partitions.parse(TEXT.replace("/home/", place), FILE)[3].mount == place


@pytest.mark.parametrize(("changed", "said"), [
    (replace(FOUND[2], size=100 * MIB), "web1-log of 100M is too small for xfs"),
    (replace(FOUND[2], size=900 * GIB), "are needed"),
])
def test_sizes_that_cannot_be_are_told(changed: Partition, said: str) -> None:
    with pytest.raises(Problem, match=said):
        plan(replace(WISH, partitions=(*FOUND[:2], changed, FOUND[3])), FACTS, SOURCE)


def test_together_they_have_to_hold_what_is_copied() -> None:
    with pytest.raises(Problem, match="is too small for") as raised:
        plan(replace(WISH, partitions=FOUND), FACTS, replace(SOURCE, size=4 * GIB))
    assert raised.value.hint.startswith("all partitions together need ")


def test_a_file_is_looked_for_where_xen_tools_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "DIRECTORY", tmp_path)
    (tmp_path / "server").write_text(TEXT)
    assert partitions.read("server") == partitions.read(f"{tmp_path}/server") == FOUND
    for name in ("other", f"{tmp_path}/other", f"{tmp_path}/"):
        with pytest.raises(Problem, match=str(tmp_path)):
            partitions.read(name)
