"""`xen-legi lint` as a command: which files are looked at, and what is told of them."""

import json
from pathlib import Path

import pytest

from xen_legi import cli
from xen_legi.backup import everywhere
from xen_legi.cli import lint as verb
from xen_legi.domu import config, xl
from xen_legi.storage import lvm

BROKEN = "name = 'web1'\nmemory = 512\ndisk = [\n"
NAMELESS = "title = 'db1'\nmemory = 512\nkernel = '/nothing/vmlinuz'\n"
POOL = "name = 'pool1'\ncpus = ['0']\n"


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of domUs' files, on a host without Xen and without volumes."""
    read = config.all_files
    monkeypatch.setattr(config, "all_files", lambda directory=tmp_path: read(directory))
    monkeypatch.setattr(config, "all_domus", lambda directory=tmp_path: [one for one in read(directory)[0] if one.name])
    monkeypatch.setattr(verb, "need_root", lambda what: None)
    monkeypatch.setattr(xl, "answers", lambda: False)
    monkeypatch.setattr(lvm, "volumes", lambda: [])
    monkeypatch.setattr(everywhere, "here", lambda domus, volumes: [])
    for name, text in (("web1", BROKEN), ("db1", NAMELESS), ("pool", POOL), ("mail-new", BROKEN.replace("web1", "mail"))):
        (tmp_path / f"{name}.cfg").write_text(text)
    return tmp_path


def lint(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[tuple[str, str, str]]]:
    """Return the exit status, and what is told as JSON: file, level, text."""
    status = cli.main(["lint", *words, "--json"])
    printed = capsys.readouterr().out
    told = json.loads(printed) if printed else []
    return status, [(Path(one["where"]).name, one["level"], one["text"]) for one in told]


def test_all_files_that_are_meant_for_domus_are_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = lint(capsys)
    assert status == 1 and {where for where, level, _ in told if level == "error"} == {"web1.cfg", "db1.cfg", "mail-new.cfg"}


@pytest.mark.parametrize("name, file, said", [
    ("web1", "web1.cfg", "cannot be read: line 4: unexpected end"),
    ("mail", "mail-new.cfg", "cannot be read: line 4: unexpected end"),
    ("db1", "db1.cfg", "it has no name: xl refuses it"),
])
def test_a_file_that_cannot_be_read_or_has_no_name_is_found_by_the_name_that_it_should_have(
    name: str, file: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = lint(capsys, name)
    assert status == 1 and (file, "error", said) in told and {where for where, _, _ in told} == {file}


@pytest.mark.parametrize("name", ["nobody", "pool1"])
def test_of_what_is_no_domu_nothing_is_looked_at(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(capsys, name) == (2, [])
