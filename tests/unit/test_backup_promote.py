"""The files in /etc/xen when a copy is promoted and taken back: whatever is killed, none is lost, the right one returns."""

from collections.abc import Callable
from pathlib import Path

import pytest
from xen_legi.backup import commit, former, generations, promote, state
from xen_legi.backup.afterwards import at_boot, dangling, way_back
from xen_legi.backup.elsewhere import OwnHost
from xen_legi.backup.former import Kept
from xen_legi.backup.generations import Copy
from xen_legi.backup.promote import Plan
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume

OWN = "name = 'web1'\nmemory = 512\ndisk = ['phy:/dev/vg0/web1-disk,xvda2,w', 'phy:/dev/vg0/web1-swap,xvda1,w']\n"
COPIED = "# xen-legi: a copy of web1\n" + OWN.replace("vg0", "vg1").replace("-disk,", "-disk.copy,").replace("p,", "p.copy,")
PROMOTED = COPIED.replace(".copy", "")
OTHER = OWN.replace("web1", "db1")


class Host:
    """A host with its files in /etc/xen, and a copy of web1 in vg1."""

    def __init__(self, directory: Path) -> None:
        self.xen = directory
        self.renamed = False
        self.source = state.host()

    @property
    def copy(self) -> Copy:
        """The copy, promoted as far as its volumes go, or not yet."""
        suffix, tag = ("", "xen-legi.promoted") if self.renamed else (".copy", "xen-legi.copy")
        names = ("web1-disk", "web1-swap")
        found = [Volume("vg1", f"{name}{suffix}", 1, "-wi-a-----", frozenset({
            tag, "xen-legi.domu=web1", f"xen-legi.volume={name}", f"xen-legi.from={self.source}", "xen-legi.generation=3/2",
        }), "", "", name, True, False, False, None) for name in names]
        return generations.copies(found)["vg1", "web1"]

    def write(self, **texts: str) -> None:
        """Put files NAME.cfg there."""
        for name, text in texts.items():
            (self.xen / f"{name}.cfg").write_text(text)

    def promote(self, text: str = PROMOTED) -> Path:
        """Promote the copy: the plan is made before the volumes are renamed, the file comes after."""
        own = config.find("web1", self.xen)
        file = former.place("web1", own, self.xen)
        plan = Plan(self.copy, {"web1-disk": "web1-disk", "web1-swap": "web1-swap"}, text, file)
        self.renamed = True
        promote._write_config(plan)
        return file

    def undo(self) -> None:
        """Take the promotion back, files first."""
        promote._restore_config(self.copy, self.xen)

    @property
    def files(self) -> dict[str, str]:
        """All files with their text."""
        return {path.name: path.read_text() for path in sorted(self.xen.iterdir())}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host."""
    monkeypatch.setattr(commit, "CONFIGS", tmp_path / "copies")
    (tmp_path / "copies" / "vg1").mkdir(parents=True)
    (tmp_path / "copies" / "vg1" / "web1.cfg").write_text(COPIED)
    (tmp_path / "xen").mkdir()
    return Host(tmp_path / "xen")


def killed_at(monkeypatch: pytest.MonkeyPatch, point: str, what: Callable[[], object]) -> None:
    """Do something that is killed at a point."""
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    monkeypatch.setattr(promote, "named_point", kill)
    with pytest.raises(Killed):
        what()
    monkeypatch.setattr(promote, "named_point", lambda name: None)


def test_a_promotion_keeps_the_domus_own_file_and_its_undo_puts_it_back(host: Host) -> None:
    host.write(web1=OWN, db1=OTHER)
    host.promote()
    assert host.files == {"web1.cfg": PROMOTED, "web1.cfg.before-promote": OWN, "db1.cfg": OTHER}
    host.undo()
    assert host.files == {"web1.cfg": OWN, "db1.cfg": OTHER}


def test_the_undo_of_a_promotion_that_wrote_no_file_yet_leaves_the_domus_own(host: Host) -> None:
    host.write(web1=OWN)
    host.renamed = True
    host.undo()
    assert host.files == {"web1.cfg": OWN}


def test_the_undo_of_a_promotion_killed_before_it_wrote_its_file_leaves_the_domus_own(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.write(web1=OWN)
    killed_at(monkeypatch, "promote:room-made", host.promote)
    assert host.files == {"web1.cfg": OWN, "web1.cfg.before-promote": OWN}
    host.undo()
    assert host.files == {"web1.cfg": OWN}


def test_a_promoted_domu_that_nothing_starts_with_dom0_is_told_with_the_remedy(host: Host) -> None:
    file = host.promote()
    assert "ln -s ../web1.cfg /etc/xen/auto/" in "".join(at_boot(file, host.xen / "auto"))
    (host.xen / "auto").mkdir()
    (host.xen / "auto/web1.cfg").symlink_to("../web1.cfg")
    assert at_boot(file, host.xen / "auto") == []


def test_after_an_undo_the_link_that_leads_nowhere_is_told_and_no_other(host: Host) -> None:
    auto = host.xen / "auto"
    auto.mkdir()
    for name in ("web1", "db1"):
        (auto / f"{name}.cfg").symlink_to(f"../{name}.cfg")
    host.write(db1=OTHER)
    assert dangling([host.xen / "web1.cfg", host.xen / "db1.cfg"], auto)[1:] == [f"    rm {auto}/web1.cfg"]
    assert dangling([host.xen / "db1.cfg"], auto) == []


def told_after(host: Host, said: OwnHost) -> list[str]:
    """Return what is said after the promotion of a copy from dom0b, which has said this."""
    host.source = "dom0b"
    return list(way_back(Plan(host.copy, {}, PROMOTED, host.xen / "web1.cfg"), said))


def in_order(lines: list[str], *wanted: str) -> bool:
    """Tell whether some lines begin with these words, in this order."""
    left = iter(lines)
    return all(any(line.startswith(one) for line in left) for one in wanted)


HOME = (
    "To bring web1 home", "    backup-domu web1 --to dom0b", "    xl shutdown -w web1", "    backup-domu web1 --to dom0b",
    "    rm", "on dom0b:", "    xen-legi promote web1", "and here", "    xen-legi promote web1 --undo",
)


def test_what_must_be_done_before_the_lost_host_is_switched_on_is_said_first(host: Host) -> None:
    lines = told_after(host, OwnHost.SILENT)
    assert in_order(
        lines, "BEFORE dom0b IS SWITCHED ON AGAIN", "Unless you know", "  - unplug", "  - boot it with",
        "    xl shutdown -w web1", "    rm -f /etc/xen/auto/web1.cfg", "    mv /etc/xen/web1.cfg", "    reboot", *HOME,
    )
    assert lines[1].startswith("BEFORE") and "trial" not in "".join(lines)


def test_where_its_own_host_has_it_a_move_and_a_trial_are_told_apart(host: Host) -> None:
    lines = told_after(host, OwnHost.HAS_IT)
    assert in_order(
        lines, "If web1 is to stay here", "    rm -f /etc/xen/auto/web1.cfg", "    mv /etc/xen/web1.cfg /root/",
        "If this is a trial, dom0b must not start its web1", "    xl shutdown -w web1", "    xen-legi promote web1 --undo",
        "and on dom0b:", "    xen-legi start web1", "    backup-domu web1", *HOME,
    )
    assert "unplug" not in "".join(lines)


def test_where_what_it_has_was_promoted_from_here_nothing_is_moved_away_and_a_trial_is_possible(host: Host) -> None:
    lines = told_after(host, OwnHost.PROMOTED)  # the domU has come home, or is tried where it has been before
    stay = ("If web1 is to stay here: now on dom0b", "    rm -f /etc/xen/auto/web1.cfg", "    xen-legi promote web1 --undo")
    assert in_order(lines, *stay, "If this is a trial", "    xl shutdown -w web1", "    xen-legi promote web1 --undo", *HOME)
    assert not in_order(lines, "    mv")


def test_where_it_was_put_away_before_only_the_way_home_is_told(host: Host) -> None:
    lines = told_after(host, OwnHost.PUT_AWAY)
    assert in_order(lines, *HOME) and not in_order(lines, "    mv /etc/xen/web1.cfg") and "trial" not in "".join(lines)


def test_a_promotion_that_was_killed_can_be_ended_and_keeps_a_file_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(web1=OWN)
    killed_at(monkeypatch, "promote:room-made", host.promote)
    host.promote()
    host.promote()
    assert host.files == {"web1.cfg": PROMOTED, "web1.cfg.before-promote": OWN}


def test_an_undo_that_is_done_again_changes_nothing(host: Host) -> None:
    host.write(web1=OWN)
    host.promote()
    for renamed in (True, False):  # killed before the volumes had their names back, and after
        host.undo()
        host.renamed = renamed
        assert host.files == {"web1.cfg": OWN}


def test_a_domu_that_lives_in_a_file_of_another_name_returns_to_it(host: Host) -> None:
    host.write(www=OWN)
    assert host.promote().name == "www.cfg"
    assert host.files == {"www.cfg": PROMOTED, "www.cfg.before-promote": OWN}
    host.undo()
    assert host.files == {"www.cfg": OWN}


def test_a_file_that_was_kept_under_another_name_than_the_promoted_one_is_found(host: Host) -> None:
    host.write(web1=PROMOTED)
    host.renamed = True
    (host.xen / "www.cfg.before-promote").write_text(OWN)
    (host.xen / "db1.cfg.before-promote").write_text(OTHER)
    host.undo()
    assert host.files == {"www.cfg": OWN, "db1.cfg.before-promote": OTHER}


def test_a_file_that_was_kept_long_ago_is_neither_lost_nor_taken_for_the_former_one(host: Host) -> None:
    old = OWN.replace("512", "256")
    host.write(web1=OWN)
    (host.xen / "web1.cfg.before-promote").write_text(old)
    host.promote()
    kept = {"web1.cfg.before-promote": old, "web1.cfg.before-promote.2": OWN}
    assert host.files == {"web1.cfg": PROMOTED, **kept}
    host.undo()
    assert host.files == {"web1.cfg": OWN, "web1.cfg.before-promote": old}


def test_the_copy_of_a_lost_host_leaves_no_file_and_brings_no_old_one_back(host: Host) -> None:
    host.source = "dom0z"
    (host.xen / "web1.cfg.before-promote").write_text(OWN)
    assert host.promote() == host.xen / "web1.cfg"
    host.undo()
    assert host.files == {"web1.cfg.before-promote": OWN}


def test_a_promoted_file_that_somebody_changed_is_kept_apart(host: Host) -> None:
    host.write(web1=OWN)
    host.promote()
    changed = PROMOTED.replace("512", "1024")
    host.write(web1=changed)
    host.undo()
    assert host.files == {"web1.cfg": OWN, "web1.cfg.promoted": changed}
    host.promote()
    host.write(web1=changed.replace("1024", "2048"))
    host.promote()
    assert host.files["web1.cfg"] == PROMOTED and host.files["web1.cfg.promoted.2"] == changed.replace("1024", "2048")
    host.undo()
    assert host.files["web1.cfg"] == OWN


def test_a_domu_that_bears_our_header_from_an_earlier_promotion_is_its_own_all_the_same(host: Host) -> None:
    host.write(web1=f"# xen-legi: a copy of web1, generation 7\n{OWN}")
    host.renamed = True
    before = host.files
    host.undo()
    assert host.files == before


def test_a_file_that_is_none_of_a_domu_makes_room_and_is_kept(host: Host) -> None:
    host.write(web1="disk = [")
    host.promote()
    assert host.files == {"web1.cfg": PROMOTED, "web1.cfg.before-promote": "disk = ["}


def test_another_domu_in_the_place_of_the_file_stops_the_promotion(host: Host) -> None:
    host.write(web1=OTHER)
    with pytest.raises(Problem, match="web1.cfg is the file of 'db1'"):
        host.promote()
    assert host.files == {"web1.cfg": OTHER}


def test_a_file_that_has_come_to_the_former_place_since_is_not_overwritten(host: Host) -> None:
    host.write(web1=PROMOTED, www=OTHER)
    host.renamed = True
    (host.xen / "www.cfg.before-promote").write_text(OWN)
    host.undo()
    assert host.files == {"www.cfg": OTHER, "www.cfg.before-promote": OWN}


def test_a_kept_file_has_the_rights_and_the_bytes_of_the_original(host: Host) -> None:
    latin = OWN.encode() + b"# caf\xe9\n"
    (host.xen / "web1.cfg").write_bytes(latin)
    (host.xen / "web1.cfg").chmod(0o600)
    host.promote()
    kept = host.xen / "web1.cfg.before-promote"
    assert kept.read_bytes() == latin and kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before, after", [(0o600, 0o600), (0o644, 0o644), (None, 0o600)])
def test_a_promoted_file_can_be_read_by_those_who_could_read_the_one_before_or_by_root_alone(
    before: int | None, after: int, host: Host
) -> None:
    if before is not None:
        host.write(web1=OWN)
        (host.xen / "web1.cfg").chmod(before)
    assert host.promote().stat().st_mode & 0o777 == after


def test_the_names_of_kept_files_tell_where_they_stood_and_which_is_the_latest() -> None:
    first, tenth = (Kept(Path(f"/etc/xen/www.cfg.before-promote{end}"), "web1") for end in ("", ".10"))
    assert (first.place, first.number) == (tenth.place, 1) == (Path("/etc/xen/www.cfg"), 1) and tenth.number == 10
    assert Kept(Path("/etc/xen/www.cfg.before-promote~"), "web1").number == 0


def test_a_promotion_that_is_done_again_renames_no_volume_that_is_still_being_set_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"xen-legi.promoted", "xen-legi.domu=web1", "xen-legi.from=dom0z"}
    disk = Volume("vg1", "web1-disk.copy", 1, "Owi-a-----", frozenset({
        *said, "xen-legi.volume=web1-disk", "xen-legi.state=merging", "xen-legi.merging=3/2",
    }), "", "", "u1", True, False, False, None)
    swap = Volume("vg1", "web1-swap", 1, "-wi-a-----", frozenset({
        *said, "xen-legi.volume=web1-swap", "xen-legi.generation=3/2",
    }), "", "", "u2", True, False, False, None)
    monkeypatch.setattr(lvm, "volumes", lambda select="": [disk, swap])
    monkeypatch.setattr(config, "find", lambda name: None)
    plan = promote.plan(generations.copies([disk, swap])["vg1", "web1"])
    assert plan.names == {"web1-disk": "web1-disk.copy", "web1-swap": "web1-swap"}
    assert "/dev/vg1/web1-disk.copy," in plan.text and "/dev/vg1/web1-swap," in plan.text


def test_an_undo_takes_back_no_copy_that_was_not_named_where_several_are_promoted(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"xen-legi.promoted", "xen-legi.domu=web1", "xen-legi.from=dom0a", "xen-legi.volume=web1-disk"}
    both = [Volume(group, "web1-disk", 1, "-wi-a-----", frozenset(said), "", "", group, True, False, False, None)
            for group in ("vg2", "vg1")]
    monkeypatch.setattr(lvm, "volumes", lambda select="": both)
    with pytest.raises(Problem, match="promoted in several volume groups: vg1, vg2") as caught:
        promote.promoted("web1")
    assert "--group" in caught.value.hint
    assert promote.promoted("web1", "vg2").group == "vg2"


def test_a_copy_on_its_own_host_is_not_taken_back_while_the_domu_itself_is_gone(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[Volume] = []
    monkeypatch.setattr(lvm, "volumes", lambda select="": there)
    host.promote()
    with pytest.raises(Problem, match="no other file of web1") as caught:
        promote.need_former(host.copy, host.xen)
    assert "--force-dead" in caught.value.hint
    (host.xen / "web1.cfg.before-promote").write_text(OWN)
    with pytest.raises(Problem, match="names /dev/vg0/web1-disk, /dev/vg0/web1-swap, not there any more"):
        promote.need_former(host.copy, host.xen)
    there += [Volume("vg0", name, 1, "-wi-------", frozenset(), "", "", name, False, False, False, None)
              for name in ("web1-disk", "web1-swap")]
    promote.need_former(host.copy, host.xen)


def test_an_undo_that_was_begun_or_a_promotion_that_was_cut_off_has_the_domus_file_in_its_place(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lvm, "volumes", lambda select="": [])
    host.write(web1=OWN.replace("/dev/vg0/web1-disk", str(host.xen)).replace("/dev/vg0/web1-swap", str(host.xen)))
    host.renamed = True
    promote.need_former(host.copy, host.xen)


def test_a_copy_whose_bridge_is_not_there_is_not_touched(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (commit.CONFIGS / "vg1/web1.cfg").write_text(f"{COPIED}vif = ['bridge=xenbr72', 'bridge=lo']\n")
    monkeypatch.setattr(lvm, "volumes", lambda select="": host.copy.volumes)
    monkeypatch.setattr(config, "find", lambda name: None)
    monkeypatch.setattr(commit, "DEVICES", host.xen)
    (host.xen / "lo").touch()
    with pytest.raises(Problem, match="there is no bridge xenbr72 on this host") as caught:
        promote.plan(host.copy)
    assert f"{commit.CONFIGS}/vg1/web1.cfg" in caught.value.hint
    (host.xen / "xenbr72").touch()
    assert promote.plan(host.copy).names
