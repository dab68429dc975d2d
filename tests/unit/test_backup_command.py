"""The programs backup-domu and xen-legi peer: the order of their words, their exit statuses, and what they say when."""

import json
from pathlib import Path
from typing import Any

import pytest
from xen_legi import cli, config, files
from xen_legi.backup import destination, ghost, job, nightly, plan, report, unreadable
from xen_legi.backup.destination import Destination
from xen_legi.cli import backup_domu
from xen_legi.domu import config as domu_config
from xen_legi.errors import Problem
from xen_legi.peers import book, trust
from xen_legi.peers.book import Peer
from xen_legi.storage import lvm, namespace
from xen_legi.storage.lvm import Group, Volume

NO_ROUTE = "ssh: connect to host 10.0.0.2 port 22: No route to host\n"
ANSWER = {"copies": [], "rsync": "3.5.0", "group": "vg0", "free": 5 << 30}
WEB1 = "name = 'web1'\nmemory = 512\ndisk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n"


class World:
    """A host with a directory of domUs and two peers, of which some answer."""

    def __init__(self, directory: Path) -> None:
        self.domus, self.last = directory / "xen", directory / "last.json"
        self.domus.mkdir()
        self.silent = {"dom0b", "dom0c"}
        self.exclude: tuple[str, ...] = ()
        self.promoted, self.running = "", ""  # the peer on which a copy was promoted, and on which it runs

    def call(self, where: Destination, verb: str, *words: str, **more: Any) -> dict[str, Any]:
        """What a peer answers."""
        if where.name in self.silent:
            raise destination.unreachable(where.name, NO_ROUTE)
        if verb == "domu":
            return {"running": where.name == self.running, "defined": where.name == self.promoted}
        held = [{"domu": "web1", "state": "promoted", "generation": 3}] if where.name == self.promoted else []
        return ANSWER | {"copies": held}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the report that was kept."""
        rows: list[dict[str, Any]] = json.loads(self.last.read_text())["rows"]
        return rows


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host, as far as these programs look at it; the copies themselves are made by nobody."""
    one = World(tmp_path)
    (one.domus / "web1.cfg").write_text(WEB1)
    all_domus, all_unreadable, save = domu_config.all_domus, unreadable.all_unreadable, report.save
    peers = [Peer(name, "10.0.0.2") for name in ("dom0b", "dom0c")]
    for module, name, instead in (
        (domu_config, "all_domus", lambda: all_domus(one.domus)),
        (unreadable, "all_unreadable", lambda: all_unreadable(one.domus)),
        (report, "save", lambda rows, host, began, took: save(rows, host, began, took, one.last)),
        (config, "load", lambda: config.Config(destinations=("dom0b",), exclude=one.exclude)),
        (book, "all_peers", lambda *directory: peers),
        (lvm, "groups", lambda: {"vg0": Group("vg0", 1, 1, 1)}),
        (lvm, "volumes", list),
        (ghost, "reap", list),
        (namespace, "enter", lambda: None),
        (plan, "examine", lambda domu, *what: plan.Domu(domu)),
        (job, "back_up", lambda domu, asked, options: [report.failed(domu.name, to.where.name, "tried") for to in asked]),
        (job, "PAUSE", 0),
        (nightly, "_old_rsync", lambda where, version: None),
    ):
        monkeypatch.setattr(module, name, instead)
    monkeypatch.setattr(Destination, "call", lambda where, *words, **more: one.call(where, *words, **more))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return one


@pytest.mark.parametrize("words, meant", [
    ("", "run"), ("web1", "run web1"), ("status", "status"), ("--debug status", "status --debug"),
    ("--debug --quiet plan web1", "plan --debug --quiet web1"), ("--json status", "status --json"),
    ("--debug web1 --to dom0b", "run --debug web1 --to dom0b"), ("--to dom0b plan", "plan --to dom0b"),
    ("--to plan", "run --to plan"), ("--to=dom0b status", "status --to=dom0b"), ("run status", "run status"),
    ("web1 status", "run web1 status"), ("-- status", "run -- status"), ("--cron", "run --cron"),
    ("--help", "--help"), ("--debug -h", "-h"), ("--version", "--version"), ("--debug --version", "--version"),
    ("--version status", "--version"), ("--help status", "status --help"), ("web1 --help", "run web1 --help"),
])
def test_the_verb_may_stand_after_options_and_may_be_left_out(words: str, meant: str) -> None:
    assert backup_domu.verb_first(words.split()) == meant.split()


def test_options_may_stand_between_the_names_of_domus() -> None:
    options = backup_domu.parser().parse_args("run web1 --to vg1 web2 --checksum web3 --to=dom0b".split())
    assert (options.names, options.to, options.checksum) == (["web1", "web2", "web3"], ["vg1", "dom0b"], True)


@pytest.mark.parametrize("words", ["--bogus", "--to", "status --bogus", "--dry web1", "--check", "plan --js", "--deb status",
                                   "status web1"])
def test_words_that_are_not_known_or_are_missing_are_wrong_use(words: str, world: World) -> None:
    with pytest.raises(SystemExit) as ended:
        backup_domu.main(words.split())
    assert ended.value.code == 2 and not world.last.exists()


@pytest.mark.parametrize("words", ["", "status", "plan nobody", "--to nowhere", "run --cron"])
def test_backup_domu_is_for_root_before_anything_else(
    words: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(config, "load", lambda: pytest.fail("the settings are read"))
    assert backup_domu.main(words.split()) == 2
    assert capsys.readouterr() == ("", "backup-domu: backup-domu must be run as root\n  hint: use sudo\n")


@pytest.mark.parametrize("words", ["list", "check", "check dom0b", "add /", "accept dom0b", "remove dom0b"])
def test_peer_is_for_root_before_anything_else(
    words: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["peer", *words.split()]) == 2
    assert capsys.readouterr() == ("", "xen-legi: xen-legi peer must be run as root\n  hint: use sudo\n")


@pytest.mark.parametrize("words", ["web1 --to dom0b", "", "run --cron", "--quiet"])
def test_where_nothing_can_be_reached_there_is_one_line_and_a_report_for_programs(
    words: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup_domu.main(words.split()) == 2
    out, said = capsys.readouterr()
    line, hint = said.splitlines()
    assert out == "" and line == "backup-domu: dom0b cannot be reached: connect to host 10.0.0.2 port 22: No route to host"
    assert "hint:" in hint and "xen-legi peer check dom0b" in hint
    (row,) = world.rows
    assert (row["domu"], row["destination"], row["state"]) == ("web1", "dom0b", "failed")
    assert "cannot be reached" in row["message"]


def test_where_none_of_two_can_be_reached_the_line_names_both(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup_domu.main(["web1", "--to", "dom0b", "--to", "dom0c", "--json"]) == 2
    out, said = capsys.readouterr()
    assert [row["destination"] for row in json.loads(out)] == ["dom0b", "dom0c"]
    assert json.loads(out) == world.rows
    assert len(said.splitlines()) == 2 and "dom0b cannot" in said and "dom0c cannot" in said


def test_where_one_of_two_can_be_reached_the_report_tells_of_both(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.silent = {"dom0b"}
    assert backup_domu.main(["web1", "--to", "dom0b", "--to", "dom0c"]) == 3
    out, said = capsys.readouterr()
    assert "FAILED: 2 of 2 copies" in out and said.count("dom0b cannot be reached") == 1
    assert [row["message"] for row in world.rows] == ["tried", "tried"]


def test_a_night_without_domus_says_nothing_even_if_nothing_can_be_reached(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (world.domus / "web1.cfg").unlink()
    assert backup_domu.main(["run", "--cron"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_peer_that_cannot_be_reached_is_no_failure_of_anything_begun(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["peer", "check", "dom0b"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and said[0].startswith("xen-legi: dom0b cannot be reached: ")
    world.silent = set()
    monkeypatch.setattr(world, "call", lambda *words, **more: {**ANSWER, "version": "1", "free": 1, "size": 1})
    assert cli.main(["peer", "check", "dom0b"]) == 0


@pytest.mark.parametrize("words", ["check dom0b", "check dom0b --json"])
@pytest.mark.parametrize(("host", "warnings"), [("dom0b", 0), ("rack7", 1)])
def test_a_peer_that_has_another_name_than_its_host_is_told(
    words: str, host: str, warnings: int, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {**ANSWER, "version": "1", "free": 1, "size": 1, "host": host}
    monkeypatch.setattr(world, "call", lambda *words, **more: answer)
    assert cli.main(["peer", *words.split()]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == warnings and all("xen-legi peer add rack7" in line for line in said)


BROKEN = "name = 'web2'\nmemory = 512\ndisk = [ 'phy:/dev/vg0/web2-disk,xvda2,w\n"


@pytest.mark.parametrize("text, said", [
    (BROKEN, "line 3"), (WEB1.replace("name", "title"), "it names no domU"), (WEB1.replace("512", "much"), "'much'"),
    (WEB1.replace("memory = 512\n", ""), "nothing that one could boot"),
])
def test_a_domu_whose_file_cannot_be_read_is_a_failed_row(
    text: str, said: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent = set()
    (world.domus / "web2.cfg").write_text(text)
    assert backup_domu.main([]) == 3
    assert {row["domu"]: row["state"] for row in world.rows} == {"web1": "failed", "web2": "failed"}
    row = world.rows[0]
    assert (row["domu"], row["destination"]) == ("web2", "dom0b") and "web2.cfg" in row["message"] and said in row["message"]
    assert backup_domu.main(["web2"]) == 3
    assert [row["domu"] for row in world.rows] == ["web2"]
    capsys.readouterr()
    assert backup_domu.main(["plan", "web2"]) == 0
    assert "web2 cannot be copied: " in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_left_out_by_name_only(world: World) -> None:
    world.silent = set()
    (world.domus / "web2.cfg").write_text(BROKEN)
    assert backup_domu.main(["web1"]) == 3
    assert [row["domu"] for row in world.rows] == ["web1"]
    world.exclude = ("web2",)
    assert backup_domu.main([]) == 3
    assert [row["domu"] for row in world.rows] == ["web1"]


def test_a_night_in_which_the_only_file_cannot_be_read_is_no_night_without_domus(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent = set()
    (world.domus / "web1.cfg").write_text(BROKEN)
    assert backup_domu.main(["run", "--cron"]) == 3
    assert "web1.cfg cannot be read" in capsys.readouterr().out


def test_files_that_are_no_domus_are_no_failures(tmp_path: Path) -> None:
    (tmp_path / ".#web1.cfg").symlink_to("root@dom0a.1")
    (tmp_path / "pool.cfg").write_text("name = 'pool'\ncpus = ['1', '2']\n")
    (tmp_path / "xl.conf").write_text("[")
    (tmp_path / "web1.cfg").write_text(WEB1)
    assert unreadable.all_unreadable(tmp_path) == []


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "web1.cfg").symlink_to("nowhere")
    (one,) = unreadable.all_unreadable(tmp_path)
    assert one.name == "web1" and one.message.endswith("web1.cfg cannot be read: No such file or directory")


def test_a_name_that_is_neither_a_domu_nor_a_file_is_wrong_use(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (world.domus / "web2.cfg").write_text(BROKEN)
    assert backup_domu.main(["web2", "web3"]) == 2
    assert "there is no domU 'web3'" in capsys.readouterr().err and not world.last.exists()


def test_a_report_that_quotes_bytes_that_are_no_text_can_be_printed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.silent = set()
    failing = [report.failed("web1", "dom0b", "its disk /srv/caf\udce9.img is no logical volume")]
    monkeypatch.setattr(job, "back_up", lambda domu, asked, options: failing)
    assert backup_domu.main([]) == 3


def test_an_answer_that_is_not_understood_is_that_receivers_problem(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "call", lambda *words, **more: {"copies": 3})
    asked = nightly.ask(destination.remote(Peer("dom0b", "10.0.0.2")))
    assert asked.problem and "dom0b answered" in asked.problem.message
    with pytest.raises(Problem, match="dom0b answered") as caught:
        nightly.need_one([asked])
    assert caught.value.status == 2


@pytest.mark.parametrize("words", ["", "web1", "web1 --json"])
def test_two_files_of_one_domu_are_one_failed_row_and_nothing_is_sent(words: str, world: World) -> None:
    world.silent = set()
    (world.domus / "db1.cfg").write_text(WEB1.replace("web1", "db1"))
    (world.domus / "web1-old.cfg").write_text(WEB1.replace("512", "256"))
    assert backup_domu.main(words.split()) == 3
    (row,) = (row for row in world.rows if row["domu"] == "web1")
    assert row["state"] == "failed" and "web1.cfg" in row["message"] and "web1-old.cfg" in row["message"]
    assert [row["message"] for row in world.rows if row["domu"] != "web1"] == ([] if words else ["tried"])
    world.exclude = ("web1",)
    assert backup_domu.main([]) == 3
    assert [row["domu"] for row in world.rows] == ["db1"]


def test_a_plan_names_the_two_files_of_one_domu(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (world.domus / "other.cfg").write_text(WEB1)
    assert backup_domu.main(["plan"]) == 0
    assert "web1 cannot be copied: " in (said := capsys.readouterr().out) and "other.cfg" in said


def test_a_link_to_the_file_of_a_domu_is_no_second_file(world: World) -> None:
    world.silent = set()
    (world.domus / "a.cfg").symlink_to("web1.cfg")
    assert backup_domu.main([]) == 3
    assert [row["message"] for row in world.rows] == ["tried"]


@pytest.mark.parametrize("words", ["", "--cron", "--json"])
@pytest.mark.parametrize("state", [report.GOOD, report.FAILED])
def test_a_report_that_cannot_be_kept_is_printed_all_the_same(
    words: str, state: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def save(*what: object) -> None:
        raise OSError(28, "No space left on device")

    world.silent = set()
    monkeypatch.setattr(report, "save", save)
    monkeypatch.setattr(job, "back_up", lambda domu, asked, options: [report.Row("web1", "dom0b", state)])
    assert backup_domu.main(words.split()) == 3
    out, said = capsys.readouterr()
    assert "web1" in out and "dom0b" in out
    assert [line for line in said.splitlines() if "No space left" in line and "last.json" in line]
    assert "Traceback" not in said


def test_a_domu_whose_counter_cannot_be_written_is_a_failed_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(*what: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", replace)
    with pytest.raises(Problem, match="cannot be written: "):
        job._generation("web1", [])


@pytest.fixture
def traces(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files in which a peer leaves something: three of its own, and two among lines of others; no newline ends those."""
    monkeypatch.setattr(book, "DIRECTORY", tmp_path)
    monkeypatch.setattr(book, "KNOWN_HOSTS", tmp_path / "known_hosts")
    monkeypatch.setattr(trust, "AUTHORIZED_KEYS", tmp_path / "authorized_keys")
    paths = [tmp_path / name for name in ("dom0z.conf", "dom0z.key", "dom0z.key.pub", "known_hosts", "authorized_keys")]
    paths[3].write_text("dom0b ssh-ed25519 AAAA")
    paths[4].write_text("ssh-ed25519 AAAA root@desk")
    return paths


def test_a_peer_that_nobody_knows_cannot_be_forgotten(traces: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["peer", "remove", "dom0z"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [
        "xen-legi: there is no peer 'dom0z'", "  hint: peers of this host: dom0b, dom0c"
    ]
    assert traces[4].read_text() == "ssh-ed25519 AAAA root@desk"


@pytest.mark.parametrize("place", range(5))
def test_a_peer_that_was_forgotten_by_half_can_be_forgotten_whole(place: int, traces: list[Path]) -> None:
    lines = {3: "\ndom0z ssh-ed25519 AAAA\n", 4: '\nrestrict,command="x" ssh-ed25519 AAAA xen-legi-peer=dom0z\n'}
    before = {path.name: path.read_text() for path in traces if path.exists()}
    traces[place].write_text(before.get(traces[place].name, "") + lines.get(place, "x"))
    assert cli.main(["peer", "remove", "dom0z"]) == 0
    assert {path.name: path.read_text().rstrip() for path in traces if path.exists()} == before
    assert cli.main(["peer", "remove", "dom0z"]) == 2


def test_a_misspelt_verb_is_not_only_taken_for_a_domu(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup_domu.main(["stauts"]) == 2
    first, hint = capsys.readouterr().err.splitlines()
    assert first.endswith("there is neither a verb nor a domU 'stauts'; is status meant?") and "web1" in hint
    assert not world.last.exists()


def test_the_help_shows_that_the_verb_may_be_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        backup_domu.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: backup-domu [run|plan|status|check|test] [OPTION...] [NAME...]\n")


def test_where_the_verb_is_given_a_name_is_a_name(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup_domu.main(["run", "stauts"]) == 2
    assert "there is no domU 'stauts'" in capsys.readouterr().err


OLD = "web1 runs on dom0c, where its copy was promoted: meanwhile it is not copied from here"


@pytest.mark.parametrize(("running", "here", "said"), [("dom0c", "", OLD), ("", "", "tried"), ("dom0c", "dom0c", "tried")])
def test_what_runs_where_its_copy_was_promoted_is_not_copied_unless_it_was_promoted_here_as_well(
    running: str, here: str, said: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent, world.promoted, world.running = set(), "dom0c", running
    tags = frozenset({"xen-legi.promoted", "xen-legi.domu=web1", "xen-legi.volume=web1-disk", f"xen-legi.from={here}"})
    mine = Volume("vg0", "web1-disk", 1, "-wi-a-----", tags, "", "", "web1-disk", True, False, False, None)
    monkeypatch.setattr(lvm, "volumes", lambda select="": [mine] if here else [])
    assert backup_domu.main("web1 --to dom0b --to dom0c".split()) == 3
    capsys.readouterr()
    assert {row["message"] for row in world.rows} == {said}
