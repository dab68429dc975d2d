"""What is printed as JSON: facts, and plans that are not carried out."""

import argparse
import contextlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from test_domu_cloning import VOLUMES, planned
from test_install_plan import FACTS, SOURCE, WISH
from xen_legi import as_json, cli
from xen_legi.cli import autostart, clone, create, delete, kernel, rename, resize
from xen_legi.domu import config, growth, renaming, xl
from xen_legi.domu.removal import removal
from xen_legi.errors import Problem
from xen_legi.install.plan import plan
from xen_legi.install import tidy
from xen_legi.kernels.store import Store

DOMU = config.parse("name = 'web1'\nmemory = 512\ndisk = ['phy:vg0/web1-disk,xvda2,w']\n", Path("/etc/xen/web1.cfg"))


@dataclass(frozen=True)
class Made:
    path: Path
    names: frozenset[str]
    pairs: tuple[tuple[str, int], ...]
    why: Problem | None = None
    secret: str = field(default="", repr=False)


def test_what_json_lacks_is_text_and_what_is_not_shown_is_no_fact() -> None:
    made = Made(Path("/dev/vg0/x"), frozenset({"b", "a"}), (("one", 1),), Problem("no room"), "password")
    assert json.loads(as_json.text({"made": [made]})) == {
        "made": [{"path": "/dev/vg0/x", "names": ["a", "b"], "pairs": [["one", 1]], "why": "no room"}],
    }
    assert json.loads(as_json.text(made, without=("names", "pairs", "why"))) == {"path": "/dev/vg0/x"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what `xen-legi WORDS --json` prints, read, and how it ends; nobody is root and nothing is locked."""
    for verb in (autostart, clone, create, delete, kernel, rename, resize):
        monkeypatch.setattr(verb, "need_root", lambda what: None)
        monkeypatch.setattr(verb, "lock", lambda *words, **more: contextlib.nullcontext(), raising=False)
    monkeypatch.setattr(tidy, "lock", lambda *words, **more: contextlib.nullcontext())
    monkeypatch.setattr(config, "by_name", lambda name: DOMU)
    monkeypatch.setattr(xl, "answers", lambda: False)

    def run(words: str) -> Any:
        assert cli.main([*words.split(), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("words", ["create web1", "clone web1 web2", "rename web1 www", "delete web1",
                                   "resize web1 --memory 1G", "kernel pin web1", "kernel push web1"])
def test_json_of_what_is_done_and_not_planned_is_wrong_use(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words.split(), "--json"]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_the_plan_of_a_creation_has_no_password(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(plan(WISH, FACTS, SOURCE), password="$6$secret", ssh_keys="ssh-ed25519 AAAA me")
    monkeypatch.setattr(create, "_planned", lambda *words: (made, None))
    found = told("create web1 --vlan 72 --ip dhcp --dry-run")
    assert (found["name"], found["memory"]) == ("web1", 512) and found["nics"][0]["bridge"] == "xenbr72"
    assert found["nics"][0]["addresses"] == ["192.168.72.11/24"] and "secret" not in str(found)


def test_the_plan_of_a_clone(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "_plan", lambda *words: (planned(), {}))
    found = told("clone web1 web2 --ip 192.168.72.12 --dry-run")
    assert (found["old"], found["new"], found["words"]["192.168.72.11"]) == ("web1", "web2", "192.168.72.12")
    assert [one["name"] for one in found["twins"]] == ["web2-swap", "web2-disk", "web2-data"] and "text" not in found


def test_the_plan_of_a_new_name(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = renaming.Place([DOMU], frozenset({"web1.cfg"}), frozenset(), VOLUMES, {})
    made = renaming.plan(removal(DOMU, [DOMU], VOLUMES, []), "www", place, None)
    monkeypatch.setattr(rename, "_plan", lambda options: made)
    found = told("rename web1 www --dry-run")
    assert found["volumes"] == [{"group": "vg0", "old": "web1-disk", "new": "www-disk"}]
    assert found["new_file"] == "/etc/xen/www.cfg" and not {"text", "old_text"} & found.keys()


def test_the_plan_of_a_deletion(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete, "_plan", lambda name, stopped: removal(DOMU, [DOMU], VOLUMES, []))
    found = told("delete web1 --dry-run")
    assert [one["name"] for one in found["volumes"]] == ["web1-disk"] and found["domu"]["file"] == "/etc/xen/web1.cfg"


def test_the_plan_of_another_size(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = growth.Growth(DOMU.disks[0], VOLUMES[1], 2 << 30)
    monkeypatch.setattr(resize, "_growth", lambda *words: one)
    found = told("resize web1 --size 2G --memory 1G --dry-run")
    assert (found["name"], found["disk"]["size"], found["settings"]) == ("web1", 2 << 30, {"memory": 1024})
    assert found["disk"]["volume"]["name"] == "web1-disk"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with two kernels, of which the newer one is the default."""
    made = Store(tmp_path)
    for one in (made.kernel("6.1"), made.kernel("6.12")):
        for path in (one.image, one.ramdisk, one.modules / "modules.dep"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    monkeypatch.setattr(kernel.policy, "store_of", lambda settings: made)
    return made


def test_facts_of_kernels(told: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("kernel default") == {"version": "6.12"}
    monkeypatch.setattr(kernel.prune, "texts", lambda: [])
    monkeypatch.setattr(kernel.prune, "superfluous", lambda *words: [store.kernel("6.1")])
    assert [one["version"] for one in told("kernel prune --keep 1 --dry-run")] == ["6.1"]
    monkeypatch.setattr(kernel, "target", lambda *words: ("", VOLUMES[1]))
    monkeypatch.setattr(kernel, "pinned", lambda *words: "")
    assert told("kernel pin web1 6.1 --dry-run") == {
        "name": "web1", "kernel": "6.1", "address": "", "volume": "/dev/vg0/web1-disk", "file": "/etc/xen/web1.cfg"}
    assert told("kernel push web1 6.1 --dry-run")["file"] is None


def test_what_the_peers_lack_of_kernels(told: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from xen_legi.backup import kernels
    from xen_legi.peers import book
    monkeypatch.setattr(book, "all_peers", lambda: ["b", "c"])
    done = [kernels.Synced("b", "6.1", ("modules", "image")), kernels.Synced("c", "6.1")]
    monkeypatch.setattr(kernels, "sync", lambda *words, dry_run: iter(done))
    assert told("kernel sync 6.1 --dry-run") == [
        {"host": "b", "kernel": "6.1", "sent": ["modules", "image"], "problem": None},
        {"host": "c", "kernel": "6.1", "sent": [], "problem": None}]


def test_whether_a_domu_starts_with_dom0(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("autostart web1") == {"name": "web1", "autostart": False}


def test_a_parser_has_it_for_plans_alone() -> None:
    parser = argparse.ArgumentParser()
    cli.json_of_plan(parser)
    assert parser.parse_args(["--json"]).json_of_plan and not parser.parse_args([]).json_of_plan
