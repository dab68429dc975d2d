"""What another host's configuration may not reach: the disks of this host, as xl itself would read their paths."""

from pathlib import Path

import pytest
from test_backup_request import CONFIG, REQUEST, refusals
from xen_legi import files
from xen_legi.backup import commit, copies, generations, promote
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import Copy
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Group, Volume

WORK = Work("web1", "vg1", "dom0z")


def wanted(text: str, path: str = "/dev/vg0/web1-disk") -> CopyRequest:
    """A request with this configuration, for a volume that is said to be at `path`."""
    one = REQUEST.volumes[0]
    volume = VolumeRequest(one.name, path, one.size, one.identity)
    return CopyRequest(REQUEST.domu, REQUEST.run, REQUEST.generation, text, (volume,))


def copy(source: str) -> Copy:
    """A good copy of web1 in vg1."""
    tags = {"xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=web1-disk", f"xen-legi.from={source}",
            "xen-legi.generation=3/1"}
    one = Volume("vg1", "web1-disk.copy", 1, "-wi-a-----", frozenset(tags), "", "", "u", True, False, False, None)
    return generations.copies([one])["vg1", "web1"]


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("line, path", [
    (r"disk = ['phy:\x2fdev/sda,xvdb,w']", "/dev/sda"), (r"disk = ['phy:/dev\/sda,xvdb,w']", "/dev/sda"),
    (r"disk += ['phy:/dev/s\144a,xvdb,w']", "/dev/sda"), ("disk += ['phy:/dev/sda,xvdb,w']", "/dev/vg0/web1-disk"),
])
def test_a_disk_that_would_not_become_the_copys_is_refused_before_anything_is_done(
    local: bool, line: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(lvm, "group", lambda name: Group(name, 1 << 40, 1 << 40, 4 << 20))
    monkeypatch.setattr(config, "find", lambda name: None)
    for module, name in ((files, "replace"), (copies, "perform"), (commit, "settle")):
        monkeypatch.setattr(module, name, lambda *words, **more: pytest.fail("it is done all the same"))
    text = f"{CONFIG}{line}\n" if path == "/dev/vg0/web1-disk" else CONFIG.replace("disk = ", "before = ") + f"{line}\n"
    with pytest.raises(Problem, match="refused.*(not a disk of its own|not sent|backslash|its own way)"):
        commit.begin(WORK, wanted(text, path), local=local)


def test_an_escape_is_taken_where_only_the_guest_reads_it() -> None:
    assert refusals(CONFIG + r"""extra = 'dyndbg=\"file x.c +p\"'""" + "\n") == []
    assert "ramdisk" in refusals(CONFIG.replace("initrd", r"\x69nitrd"))[0]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a copy on this host, as the last run has left it."""
    monkeypatch.setattr(commit, "CONFIGS", tmp_path)
    monkeypatch.setattr(lvm, "volumes", lambda select="": list(copy("dom0z").volumes))
    monkeypatch.setattr(config, "find", lambda name: None)
    (tmp_path / "vg1").mkdir()
    return tmp_path / "vg1" / "web1.cfg"


OWN = "phy:/dev/vg1/web1-disk.copy,xvda2,w"


def test_a_promotion_hands_no_other_disk_of_this_host_to_another_hosts_domu(start: Path) -> None:
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}', 'phy:\\x2fdev/sda,xvdb,w']\n")
    with pytest.raises(Problem, match="names '/dev/sda'"):
        promote.plan(copy("dom0z"))
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}']\n")
    assert "'phy:/dev/vg1/web1-disk,xvda2,w'" in promote.plan(copy("dom0z")).text


def test_a_domu_of_this_host_keeps_what_its_administrator_gave_its_copy(start: Path) -> None:
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}', 'file:/srv/rescue.iso,xvdc,r']\n")
    assert "/srv/rescue.iso" in promote.plan(copy(promote.state.host())).text
