"""The sending side: which volumes, how large a ghost, what rsync and ssh said, and the report."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from xen_legi import steps
from xen_legi.backup import destination, ghost, job, nightly, overview, plan, report, send, serve
from xen_legi.backup.job import Options, Receiver
from xen_legi.backup.overview import Place
from xen_legi.backup.report import Row
from xen_legi.backup.send import Sent
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.peers.book import Peer
from xen_legi.storage.lvm import Volume

MIB = 1 << 20
STATS = """\
Number of files: 27903 (reg: 21,000, dir: 3,000, link: 3,903)
Number of created files: 2 (reg: 2)
Number of deleted files: 3
Number of regular files transferred: 280
Total file size: 756000000 bytes
Total bytes sent: 7,912,345
Total bytes received: 5,678
"""


def volume(group: str, name: str, *, active: bool = True) -> Volume:
    """A plain volume."""
    return Volume(group, name, 100 * MIB, "-wi-ao----", frozenset(), "", "", f"{group}{name}", active, True, False, None)


def domu(*paths: str) -> config.DomuConfig:
    """A domU with these disks."""
    disks = ", ".join(f"'phy:{path},xvd{letter},w'" for path, letter in zip(paths, "abcdef"))
    return config.parse(f"name = 'web1'\nmemory = 1\ndisk = [{disks}]\n", Path("web1.cfg"))


VOLUMES = [volume("vg0", "web1-disk"), volume("vg0", "web1-swap"), volume("vg1", "web1-disk")]
OTHERS = [volume("vg0", "odd"), volume("vg-a", "off", active=False)]


def kind(device: Path) -> str:
    """swap for what is named so, blocks for what is named odd, else files."""
    return "swap" if "swap" in device.name else "blocks" if "odd" in device.name else "files"


def test_the_volumes_of_a_domu_are_found_by_either_path() -> None:
    one = plan.examine(domu("/dev/vg0/web1-disk", "/dev/mapper/vg0-web1--swap"), VOLUMES, kind)
    assert [(part.name, part.method) for part in one.parts] == [("web1-disk", "files"), ("web1-swap", "swap")]
    assert one.problem == ""


def test_what_holds_no_filesystem_that_we_know_is_copied_block_by_block() -> None:
    one = plan.examine(domu("/dev/vg0/odd", "/dev/vg0/web1-disk"), [*VOLUMES, *OTHERS], kind)
    assert [part.method for part in one.parts] == ["blocks", "files"] and not one.problem


def test_volumes_of_one_name_in_two_groups_get_two_names() -> None:
    one = plan.examine(domu("/dev/vg0/web1-disk", "/dev/vg1/web1-disk"), VOLUMES, kind)
    assert [part.name for part in one.parts] == ["vg0.web1-disk", "vg1.web1-disk"]


def test_the_volumes_of_a_promoted_copy_keep_the_names_of_the_domu() -> None:
    one = plan.examine(domu("/dev/vg0/web1-disk.copy"), [volume("vg0", "web1-disk.copy")], kind)
    assert [part.name for part in one.parts] == ["web1-disk"]


def an_image(path: Path, volumes: Sequence[Volume]) -> plan.Found | None:
    """An image is on vg0/odd; one in /root is on nothing that helps, and what is not called so is none."""
    if path.suffix != ".img":
        return None
    if path.is_relative_to("/root"):
        return "is a file, but on no logical volume"
    return OTHERS[0], plan.Image(str(path).lstrip("/"), "ext4", path, 512)


def test_images_are_copied_block_by_block_and_bear_the_domus_name() -> None:
    images = domu("/srv/web1-swap.img", "/srv/web1/disk.img", "/srv/web1.img", "/srv/a+b.img", "/dev/vg0/web1-disk")
    one = plan.examine(images, [*VOLUMES, *OTHERS], kind, image_of=an_image)
    assert not one.problem
    assert [(part.name, part.method) for part in one.parts] == [
        ("web1-swap", "swap"), ("vg0.web1-disk-2", "blocks"), ("vg0.web1-disk-3", "blocks"), ("web1-a+b", "blocks"),
        ("vg0.web1-disk-5", "files"),
    ]
    assert (one.parts[1].size, one.parts[1].shown) == (512, "vg0/odd:srv/web1/disk.img")


def test_an_image_that_no_snapshot_shows_or_that_is_not_raw_says_so() -> None:
    assert "but on no logical volume" in plan.examine(domu("/root/x.img"), OTHERS, kind, image_of=an_image).problem
    assert "other characters in its path" in plan.examine(domu("/srv/a b.img"), OTHERS, kind, image_of=an_image).problem
    text = "name = 'web1'\ndisk = ['format=qcow2,vdev=xvda,access=rw,target=/srv/x.img']\n"
    one = plan.examine(config.parse(text, Path("x.cfg")), OTHERS, kind, image_of=an_image)
    assert one.problem == "its disk /srv/x.img is an image in the format qcow2 and cannot be copied yet"


def test_an_image_in_the_snapshot_must_be_the_one_that_was_planned(tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(bytes(1024))
    image = plan.Image("disk.img", "ext4", file, 1024, file.stat().st_ino)
    plan.need_same(image, file)
    for wrong, said in ((replace(image, size=512), "of another size"), (replace(image, inode=1), "another file")):
        with pytest.raises(Problem, match=said):
            plan.need_same(wrong, file)
    with pytest.raises(Problem, match="is not in the snapshot"):
        plan.need_same(image, tmp_path / "gone.img")
    (tmp_path / "link.img").symlink_to(file)
    with pytest.raises(Problem, match="another file"):
        plan.need_same(image, tmp_path / "link.img")


def test_what_is_no_file_or_on_no_volume_is_no_image_that_can_be_copied(tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(bytes(1024))
    assert plan.image_of(tmp_path, []) is None and plan.image_of(Path("/x\0y"), []) is None
    assert "but on no logical volume" in str(plan.image_of(file, [volume("vg0", "nothing")]))


@pytest.mark.parametrize("paths, said", [
    (("/srv/web1.img",), "no logical volume"), (("/dev/vg0/web1-swap",), "no disk but swap"), ((), "no disk"),
    (("/dev/vg-a/off",), "not active"),
])
def test_a_domu_that_cannot_be_copied_says_why(paths: tuple[str, ...], said: str) -> None:
    assert said in plan.examine(domu(*paths), [*VOLUMES, *OTHERS], kind).problem


@pytest.mark.parametrize("name", ["a/b", "my domU", "../web1", "-web1", "w" * 65])
def test_a_domu_whose_name_can_name_no_copy_says_so_before_anything_is_begun(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = domu("/dev/vg0/web1-disk").text.replace("'web1'", f"'{name}'")
    one = plan.examine(config.parse(text, Path("x.cfg")), VOLUMES, kind)
    assert repr(name) in one.problem
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    with pytest.raises(Problem, match="is not copied"):
        list(job.back_up(one, [Receiver(destination.local("vg1"), {})], Options("r1", "20%")))
    assert not list(tmp_path.iterdir())


def test_domus_are_chosen_by_name_or_all_but_the_excluded() -> None:
    two = [domu(), config.parse("name = 'db1'\nmemory = 1\n", Path("db1.cfg"))]
    assert [one.name for one in plan.choose(two, [], ["db1"])] == ["web1"]
    assert [one.name for one in plan.choose(two, ["db1", "db1"], ["db1"])] == ["db1"]
    with pytest.raises(Problem, match="no domU 'db2'"):
        plan.choose(two, ["db2"], [])


def test_the_size_of_a_ghost_is_a_share_or_an_amount() -> None:
    assert ghost.size_of("20%", 1000 * MIB) == 200 * MIB
    assert ghost.size_of("20%", 4 * MIB) == 8 * MIB
    assert ghost.size_of("500M", 4000 * MIB) == 500 * MIB
    assert ghost.size_of("500M", 100 * MIB) < 120 * MIB
    for wrong in ("0%", "120%", "much"):
        with pytest.raises(Problem):
            ghost.size_of(wrong, 1000 * MIB)


def test_what_the_kernel_says_of_a_ghost_is_a_number_or_the_end_of_it() -> None:
    assert ghost.fullness("0 409600 snapshot 16/81920 16\n") == pytest.approx(0.0195, abs=0.001)
    assert ghost.fullness("0 409600 snapshot 81920/81920 160\n") == 100
    assert ghost.fullness("0 409600 thin 8192 409599\n") == 0
    for dead in ("0 409600 snapshot Invalid", "0 409600 snapshot Overflow", "0 409600 thin Fail", "", "0 409600 linear 1 2"):
        assert ghost.fullness(dead) is None


def test_the_progress_of_rsync_is_read_and_nothing_else() -> None:
    assert send.transferred("      7,912,345  45%    1.23MB/s    0:00:10 (xfr#5, to-chk=10/200)") == 7912345
    assert send.transferred("         32768   0%    0.00kB/s    0:00:00") == 32768
    assert send.transferred("Number of files: 27903 (reg: 21000)") is None


def test_the_statistics_of_rsync_are_read() -> None:
    assert send.statistics(STATS.splitlines()) == Sent(27903, 280, 3, 7912345, created=2)
    assert Sent(1, 2, 3, 4) + Sent(1, 1, 1, 1) == Sent(2, 3, 4, 5)


def test_a_run_may_delete_half_of_the_files_but_always_a_thousand() -> None:
    assert (serve.max_delete(0), serve.max_delete(300), serve.max_delete(30000)) == (1000, 1000, 15000)


def test_destinations_are_groups_of_this_host_or_peers() -> None:
    peers = [Peer("dom0b", "10.0.0.2")]
    assert destination.resolve("vg1", {"vg0", "vg1"}, peers).shell == "/usr/libexec/xen-legi/receive --local"
    assert destination.resolve("dom0b", {"vg0"}, peers).shell == "ssh -F /etc/xen-legi/peers/dom0b.conf"
    for name, groups in (("dom0c", {"vg0"}), ("dom0b", {"dom0b"})):
        with pytest.raises(Problem):
            destination.resolve(name, groups, peers)


@pytest.mark.parametrize("said, words", [
    ("ssh: connect to host 10.0.0.2 port 22: No route to host\r\n", "No route to host"),
    ("ssh: Could not resolve hostname dom0b: Name or service not known\r\n", "Could not resolve"),
    ("", "no answer"),
])
def test_a_peer_that_cannot_be_reached_is_one_line_with_a_hint(said: str, words: str) -> None:
    problem = destination.unreachable("dom0b", said)
    assert words in problem.message and "\n" not in problem.message and "xen-legi peer check dom0b" in problem.hint


def test_the_hint_knows_a_changed_host_key_and_a_refused_key() -> None:
    assert "host key" in destination.unreachable("dom0b", "x\nHost key verification failed.\n").hint
    refused = destination.unreachable("dom0b", "root@10.0.0.2: Permission denied (publickey).\n").hint
    assert "peer accept" in refused and "PermitRootLogin prohibit-password" in refused and "\n" not in refused


@pytest.mark.parametrize("said", ['"hello"', "5", "[1]", "null"])
def test_an_answer_that_is_json_but_no_facts_is_told_as_one_line(said: str) -> None:
    with pytest.raises(Problem, match="vg1: ") as caught:
        destination.local("vg1").understand(0, said, "")
    assert "is xen-legi-backup installed there?" in caught.value.hint


def test_an_answer_is_json_on_the_last_line_and_a_refusal_keeps_its_words() -> None:
    where = destination.local("vg1")
    assert where.understand(0, 'noise\n{"a": 1}\n', "") == {"a": 1}
    with pytest.raises(Problem, match="vg1: no room") as caught:
        where.understand(2, json.dumps({"problem": "no room", "hint": "make some"}), "")
    assert (caught.value.hint, caught.value.status) == ("make some", 2)
    with pytest.raises(Problem, match="vg1: boom"):
        where.understand(1, "", "Traceback\nboom\n")


ROWS = [
    report.good("web1", "vg1", 4, Sent(27903, 280, 3, 7 * MIB), 12.3, ghost=1.6, pause=0.123),
    report.failed("web1", "dom0b", "dom0b cannot be reached: no route", "try it", 3.0),
]


def test_the_report_is_a_table_with_the_problems_below() -> None:
    text = report.text(ROWS, "dom0a", 75)
    lines = text.splitlines()
    assert lines[0] == "backup-domu on dom0a: FAILED: 1 of 2 copies: web1 to dom0b, in 1 min 15 s"
    assert lines[3].split() == ["web1", "vg1", "good", "4", "27903", "280", "3", "7M", "12", "s", "2", "%", "123", "ms"]
    assert lines[-2:] == ["web1 to dom0b: dom0b cannot be reached: no route", "  hint: try it"]
    assert report.subject(ROWS[:1]) == "OK: 1 of 1 copies are good"
    assert report.subject([]) == "nothing to copy"


def test_the_report_is_kept_whole_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "backup" / "last.json"
    report.save(ROWS, "dom0a", 1700000000.5, 75, path)
    facts = json.loads(path.read_text())
    assert (facts["format"], facts["host"], facts["began"]) == (1, "dom0a", 1700000000)
    assert Row(**{**facts["rows"][1], "warnings": ()}) == ROWS[1]
    assert [one.name for one in path.parent.iterdir()] == ["last.json"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_overview_names_domus_without_a_copy() -> None:
    place = Place("web1", overview.state.host(), "vg1", "good", 4, 1, 100 * MIB)
    text = overview.text([place], {"web1": ["vg1"], "db1": ["vg1"]})
    assert "db1 of this host has no good copy\n" in text and "web1 of this host" not in text


def test_the_overview_says_nothing_of_a_host_that_cannot_be_asked_but_that() -> None:
    here = overview.state.host()
    silent = Place("-", here, "dom0b", "unreachable", problem="dom0b cannot be asked", hint="see xen-legi peer check dom0b")
    kept = Place("db1", "dom0z", "vg0", "good", 3, 1, 100 * MIB)
    lines = overview.text([silent, kept], {"web1": ["dom0b", "vg1"], "web2": ["vg1"]}).splitlines()
    assert lines[1].split() == ["-", here, "dom0b", "unreachable", "-", "-", "-"]
    assert lines[2].split()[:5] == ["db1", "dom0z", f"{here}:vg0", "good", "3"]
    assert lines[3] == "web1 of this host has no good copy but perhaps at dom0b, which cannot be asked"
    assert lines[4] == "web2 of this host has no good copy"
    assert lines[5:] == ["dom0b cannot be asked", "  hint: see xen-legi peer check dom0b"]


def test_ages_are_written_for_people() -> None:
    assert [report.age(then, 1000000) for then in (0, 999990, 999990 - 7200, 500000, 1000100)] == [
        "never", "10 s", "2 h 00 min", "5 days", "0.0 s"]


def test_versions_are_compared_as_numbers() -> None:
    assert nightly.numbers("3.10.0") > nightly.numbers("3.2.7")
