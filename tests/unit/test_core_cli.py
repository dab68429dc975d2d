"""The command line of xen-legi: names, abbreviations, common options, and what nobody is there to answer."""

import argparse
import errno
import getpass
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xen_legi import cli, config, run, steps
from xen_legi.domu import names, xl
from xen_legi.errors import CommandFailed, Problem
from xen_legi.install import facts, templates, wish


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let a verb believe that root called it, with nobody at the terminal."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = run.debug, steps.quiet
    yield
    run.debug, steps.quiet = before


def all_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    top = cli.parser()
    yield "xen-legi", top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


# options


def test_no_option_may_be_abbreviated() -> None:
    assert [name for name, one in all_parsers() if one.allow_abbrev] == []
    with pytest.raises(SystemExit) as raised:
        cli.parser(["promote"]).parse_args(["promote", "web1", "--force"])
    assert raised.value.code == 2


@pytest.mark.parametrize(
    ("words", "debug", "quiet"),
    [(["list"], False, False), (["--debug", "list"], True, False), (["list", "--debug"], True, False),
     (["--quiet", "list", "--debug"], True, True), (["--debug", "--quiet", "list", "--json"], True, True)],
)
def test_common_options_stand_before_or_after_the_verb(words: list[str], debug: bool, quiet: bool) -> None:
    options = cli.parser(["list"]).parse_args(words)
    assert (options.debug, options.quiet) == (debug, quiet)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_knows_the_common_options(verb: str) -> None:
    one = dict(all_parsers())[verb]
    assert {"--debug", "--quiet"} <= {option for action in one._actions for option in action.option_strings}


@pytest.mark.parametrize(("words", "meant"), [
    ("peer add dom0b --root-ssh", "add dom0b"), ("peer add --root-ssh dom0b", "add dom0b"),
    ("peer --root-ssh add dom0b", "add dom0b"), ("peer add --address=10.0.0.2 dom0b", "add dom0b"),
    ("peer --quiet add --address 10.0.0.2 dom0b", "add dom0b"), ("peer check --json dom0b", "check dom0b"),
    ("peer accept dom0a --debug KEY", "accept dom0a KEY"), ("peer add -- dom0b", "add dom0b"),
    ("template make --dist bookworm web", "make web"), ("template --dist bookworm make web", "make web"),
    ("template delete --yes web", "delete web"), ("kernel add --debug 6.12.1", "add 6.12.1"), ("kernel --json", "list"),
    ("config get --json srv", "get srv"), ("create --vlan 72 web1 --ip dhcp", "web1"),
])
def test_options_may_stand_between_the_words_of_a_verb(words: str, meant: str) -> None:
    options = cli.parser([words.split()[0]]).parse_args(words.split())
    said = (getattr(options, name, "") for name in ("what", "name", "key", "version"))
    assert [word for word in said if word] == meant.split()


@pytest.mark.parametrize(("words", "said"), [
    ("creat web1", "there is no 'creat'; is create meant?"),
    ("net applyy", "there is no 'applyy'; is apply meant?"),
    ("create web1 --memroy 1G", "there is no option --memroy; is --memory meant?"),
    ("create web1 --memroy=1G --memory 1G", "there is no option --memroy; is --memory meant?"),
    ("create web1 --fs xfss", "--fs: there is no 'xfss'; is xfs meant?"),
    ("create web1 --dest vg1", "there is no option --dest; is --dist meant?"),
    ("list --dest vg1", "there is no option --dest"),
    ("create web1 --memory 1G --zzz 1G", "there is no option --zzz"),
    ("create a b", "unrecognized arguments: b"),
])
def test_of_a_misspelt_word_it_is_told_what_was_probably_meant(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(words.split())
    assert raised.value.code == 2 and capsys.readouterr().err.splitlines()[0] == f"xen-legi: {said}"


@pytest.mark.parametrize("words", [
    "create web1 --fs btrfs", "create web1 --siz 2G", "create a b", "create web1 --size -1G", "stop web1 --wait nan",
    "stop web1 --wait=-1", "stop web1 --wait inf", "nonsense", "", "list --nonsense",
    "template make web --dist", "template make --dist --yes web", "peer add dom0b key more",
])
def test_wrong_options_are_wrong_use(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(words.split())
    verb = next((word for word in words.split()[:1] if word in cli.VERBS), "")
    told = capsys.readouterr().err.splitlines()
    assert raised.value.code == 2 and len(told) == 2 and told[0].startswith("xen-legi: ")
    assert told[1] == f"  hint: {f'xen-legi {verb}'.strip()} --help"


@pytest.mark.parametrize("name", ["swap", "domu.swap"])
def test_a_setting_is_told_by_its_name_or_as_config_show_writes_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "get", name]) == 0 and capsys.readouterr().out == "512M\n"


def test_a_setting_of_another_section_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "get", "backup.swap"]) == 2
    assert "there is no setting 'backup.swap'" in capsys.readouterr().err


# names


@pytest.mark.parametrize("verb", ["start", "stop", "delete", "console"])
@pytest.mark.parametrize("name", ["/etc/xen/web1.cfg", "./web1.cfg", "web1.cfg"])
def test_a_path_is_no_name_and_the_hint_tells_the_name(
    as_root: None, verb: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([verb, name]) == 2
    said = capsys.readouterr().err
    assert f"xen-legi: {name!r} is the path of a file" in said and "hint: use the name: web1\n" in said


@pytest.mark.parametrize("name", ["", "a\nb", "web\udcff", "x" * 300, "/", "/etc/xen/", "../.cfg", "Domain-0", "domain-0"])
def test_what_can_be_no_domus_name_is_refused(name: str) -> None:
    with pytest.raises(Problem) as raised:
        names.check(name)
    assert raised.value.hint and raised.value.status == 2


@pytest.mark.parametrize("name", ["web1", "web_1", "two words", "Fenster-XP", "größe", "5", "a.example.org"])
def test_what_others_made_may_have_any_name_that_can_be_used(name: str) -> None:
    names.check(name)


def test_xl_is_told_the_number_because_a_name_of_digits_is_one_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    known = [xl.Domain(3, "5", "running", 1, 1, 1.0), xl.Domain(5, "web1", "running", 1, 1, 1.0)]
    monkeypatch.setattr(xl, "domains", lambda: known)
    monkeypatch.setattr(xl, "run", lambda argv, **more: told.append(argv))
    xl.destroy("5")
    assert told == [["xl", "destroy", "3"]]


@pytest.mark.parametrize("stays", [True, False])
def test_a_domu_that_ended_by_itself_is_as_good_as_stopped(monkeypatch: pytest.MonkeyPatch, stays: bool) -> None:
    web1 = xl.Domain(3, "web1", "running", 1, 1, 1.0)
    answers = iter([[web1], [web1] if stays else []])

    def failing(argv: list[str], **more: object) -> None:
        raise CommandFailed(tuple(argv), 1, "3 is an invalid domain identifier")

    monkeypatch.setattr(xl, "domains", lambda: next(answers))
    monkeypatch.setattr(xl, "run", failing)
    if stays:
        with pytest.raises(CommandFailed):
            xl.destroy("web1")
    else:
        xl.destroy("web1")


# nobody at the terminal


def test_a_question_without_a_terminal_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO("y\n"), None):
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(Problem, match="nobody is there to be asked whether x may go") as raised:
            cli.agreed("Remove x?", "whether x may go")
        assert (raised.value.hint, raised.value.status) == ("add --yes", 2)


def test_a_template_is_not_removed_when_nobody_can_be_asked(
    as_root: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "templates/web").mkdir(parents=True)
    monkeypatch.setattr(config, "load", lambda: config.Config(srv=str(tmp_path)))
    assert cli.main(["template", "delete", "web"]) == 2
    assert "hint: add --yes" in capsys.readouterr().err and (tmp_path / "templates/web").is_dir()
    assert cli.main(["template", "delete", "web", "--yes"]) == 0
    assert not (tmp_path / "templates/web").exists()


def test_what_another_command_is_at_work_on_is_left_alone_and_nothing_was_begun(
    as_root: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "templates/web").mkdir(parents=True)
    monkeypatch.setattr(config, "load", lambda: config.Config(srv=str(tmp_path)))
    with steps.lock(templates.lock_name("web"), what="template web"):
        assert cli.main(["template", "delete", "web", "--yes"]) == 2
    assert "template web is in use by process" in capsys.readouterr().err and (tmp_path / "templates/web").is_dir()


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str) -> argparse.Namespace:
    """Return the options of --passwd, with these answers from the terminal (none: there is none)."""
    left = iter(answers)

    def answer(prompt: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(getpass, "getpass", answer)
    return argparse.Namespace(passwd=True, password="", dry_run=False)


@pytest.mark.parametrize(
    ("answers", "message"),
    [((), "nobody is there"), (("a",), "nobody is there"), (("a", "b"), "differ"), (("", ""), "no password")],
)
def test_a_password_that_cannot_be_asked_for_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...], message: str
) -> None:
    with pytest.raises(Problem, match=message) as raised:
        wish.password(asked(monkeypatch, *answers))
    assert raised.value.status == 2 and raised.value.hint


def test_a_password_is_not_read_from_where_no_person_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: getpass.fallback_getpass(prompt, io.StringIO()))
    with pytest.raises(Problem, match="nobody is there"):
        wish.password(argparse.Namespace(passwd=True, password="", dry_run=False))


@pytest.mark.parametrize(("passwd", "password", "wanted"), [(True, "", True), (False, "x", True), (False, "", False)])
def test_a_dry_run_asks_for_no_password_and_hashes_none(
    monkeypatch: pytest.MonkeyPatch, passwd: bool, password: str, wanted: bool
) -> None:
    monkeypatch.setattr(wish, "run", None)
    monkeypatch.setattr(getpass, "getpass", None)
    assert bool(wish.password(argparse.Namespace(passwd=passwd, password=password, dry_run=True))) is wanted


@pytest.mark.parametrize("password", ["a\nb", "a\0", "\udcff"])
def test_a_password_that_would_break_the_shadow_file_is_refused(password: str) -> None:
    with pytest.raises(Problem, match="cannot be typed"):
        wish.password(argparse.Namespace(passwd=False, password=password, dry_run=False))


# settings


@pytest.mark.parametrize(("name", "printed"), [
    ("destinations", '["vg1", "dom0b"]\n'), ("nameserver", "[]\n"), ("dom0_memory", "1G+5%\n"), ("vcpus", "1\n"),
])
def test_a_list_is_printed_as_it_is_written_in_the_file_and_a_text_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, printed: str
) -> None:
    monkeypatch.setattr(config, "load", lambda: config.Config(destinations=("vg1", "dom0b")))
    assert cli.main(["config", "get", name]) == 0 and capsys.readouterr().out == printed


# what is wrong on the host


def test_what_only_root_may_read_is_no_traceback_for_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*words: object) -> list[str]:
        raise PermissionError(13, "Permission denied", "/srv/xen/templates")

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["template", "list"]) == 2
    assert capsys.readouterr().err == "xen-legi: /srv/xen/templates: Permission denied\n  hint: use sudo\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PermissionError):
        cli.guarded("xen-legi", lambda: len(refuse()))


@pytest.mark.parametrize("names, said", [(["/run/x"], "/run/x: "), ([], "")])
def test_a_full_disk_is_a_line_and_any_other_error_of_the_system_a_bug(
    names: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(number: int) -> int:
        raise OSError(number, os.strerror(number), *names)

    assert cli.guarded("xen-legi", lambda: fill(errno.ENOSPC)) == 1
    line = f"xen-legi: {said}No space left on device\n  hint: make room: see df, df -i\n"
    assert capsys.readouterr().err == line
    with pytest.raises(OSError):
        cli.guarded("xen-legi", lambda: fill(errno.EIO))


def test_templates_are_none_where_there_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert templates.all_templates(tmp_path / "nothing") == templates.all_templates(tmp_path / "file") == []


def test_a_resolver_file_that_is_no_text_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_bytes(b"# caf\xe9\nnameserver 10.0.0.1\n")
    assert facts.nameservers(facts._text(tmp_path / "resolv.conf")) == ("10.0.0.1",)
    assert facts._text(tmp_path) == facts._text(tmp_path / "nothing") == ""


def test_bytes_that_are_no_text_can_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.guarded("xen-legi", lambda: print("web\udcff") or 0) == 0
    assert stream.buffer.getvalue() == b"web\\udcff\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", ["net show x", "config show x", "config sample x", "kernel list x", "template list x",
                                   "peer list x"])
def test_a_word_that_a_verb_has_no_use_for_is_wrong_use(
    words: str, capsys: pytest.CaptureFixture[str], as_root: None
) -> None:
    assert cli.main(words.split()) == 2
    assert capsys.readouterr().err.startswith(f"xen-legi: xen-legi {' '.join(words.split()[:2])} takes no 'x'\n  hint: ")
