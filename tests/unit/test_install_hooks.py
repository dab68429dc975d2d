"""The administrator's programs that are told of domUs: real ones, in a directory of the test."""

import os
import signal
import time
from pathlib import Path

import pytest

from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.install import hooks

TEXT = "name = 'web1'\nvif = ['mac=00:16:3E:48:12:34,bridge=xenbr72,ip=192.168.72.11/24 2001:db8::1', '']\n"
DOMU = config.parse(TEXT, Path("/etc/xen/web1.cfg"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hooks' directory."""
    monkeypatch.setattr(hooks, "DIRECTORY", tmp_path)
    return tmp_path


def put(place: Path, name: str, script: str, mode: int = 0o755) -> None:
    """Write a hook."""
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text(f"#!/bin/sh\n{script}\n")
    (place / name).chmod(mode)


def test_without_hooks_nothing_is_run_or_said(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "create-pre.d").mkdir()
    hooks.before("create", DOMU)
    hooks.after("create", DOMU)
    assert capfd.readouterr() == ("", "")


def test_a_hook_is_told_all_of_the_domu(place: Path) -> None:
    put(place, "rename-post.d/note", f"env | sed -n '/^XEN_LEGI/,$p' | sort > {place}/said")
    hooks.after("rename", DOMU, "www")
    said = (place / "said").read_text().splitlines()
    told = {"VERB": "rename", "NAME": "web1", "NEW_NAME": "www", "FILE": "/etc/xen/web1.cfg"}
    assert {f"XEN_LEGI_{key}={value}" for key, value in told.items()} <= set(said)
    assert "XEN_LEGI_VIFS=00:16:3e:48:12:34 xenbr72 192.168.72.11 2001:db8::1" in said and "- -" in said


def test_hooks_are_run_in_order_and_what_is_not_executable_is_not(place: Path) -> None:
    for name, mode in (("20-two", 0o755), ("10-one", 0o755), ("15-no", 0o644), ("README.old", 0o755)):
        put(place, f"delete-post.d/{name}", f"echo {name} >> {place}/said", mode)
    hooks.after("delete", DOMU)
    assert (place / "said").read_text().split() == ["10-one", "20-two"]


def test_one_that_fails_before_forbids_it_and_is_named(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    put(place, "create-pre.d/10-names", "echo 'web1 is not in the DNS' >&2; exit 3")
    put(place, "create-pre.d/20-later", f"touch {place}/later")
    with pytest.raises(Problem, match=f"a hook in {place}/create-pre.d forbids it: see above") as raised:
        hooks.before("create", DOMU)
    assert (raised.value.hint, raised.value.status) == ("nothing was changed", 1)
    said = capfd.readouterr().err
    assert "web1 is not in the DNS" in said and "10-names exited with return code 3" in said
    assert not (place / "later").exists()


def test_one_that_fails_afterwards_is_warned_of(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    put(place, "create-post.d/dns", "exit 1")
    hooks.after("create", DOMU)
    assert "warning: a hook in" in (said := capfd.readouterr().err) and "dns exited with return code 1" in said


def test_what_a_hook_starts_in_the_background_is_not_waited_for(place: Path) -> None:
    put(place, "create-post.d/daemon", f"(sleep 60; touch {place}/late) & echo $! > {place}/process")
    began = time.monotonic()
    hooks.after("create", DOMU)
    assert time.monotonic() - began < 30
    os.kill(int((place / "process").read_text()), signal.SIGTERM)


def test_one_that_does_not_end_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_PATIENCE", 1)
    put(place, "create-pre.d/hangs", "exec sleep 60")
    with pytest.raises(Problem, match="not ended after 1 seconds"):
        hooks.before("create", DOMU)
