"""The domUs' kernels follow dom0's as the settings say: in directories of the test."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from test_kernels_store import make, store
from xen_legi import config, steps
from xen_legi.cli import kernel as cli
from xen_legi.domu import config as domu_config
from xen_legi.domu import xl
from xen_legi.errors import Problem
from xen_legi.kernels import add, policy, prune
from xen_legi.kernels.store import Store

TOP = Path(__file__).resolve().parents[2]
OLD = ("6.12.1-amd64", "6.12.2-amd64", "6.12.3-amd64")
NEW = "6.12.10-amd64"
SETTINGS = config.Config(initramfs=())


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /etc/xen; no Xen, and locks of the test."""
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(domu_config, "DIRECTORY", tmp_path / "etc")
    monkeypatch.setattr(domu_config, "AUTOSTART", tmp_path / "etc/auto")
    monkeypatch.setattr(prune, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(xl, "answers", lambda: False)
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "locks")
    return tmp_path / "etc"


@pytest.fixture
def dom0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> add.Source:
    """Dom0 has the kernel NEW, which is taken without rsync."""
    def take(have: Store, version: str, modules: tuple[str, ...], source: add.Source) -> bool:
        assert source.kernel(version).complete
        make(have.kernel(version))
        return True

    monkeypatch.setattr(policy, "add", take)
    source = add.Source(tmp_path / "boot", tmp_path / "modules")
    make(source.kernel(NEW))
    return source


def versions(of: Store) -> list[str]:
    return [one.version for one in of.kernels()]


def test_a_kernel_that_comes_is_that_of_new_domus_and_the_oldest_goes(tmp_path: Path, dom0: add.Source) -> None:
    ours = store(tmp_path, *OLD)
    assert [one.version for one in policy.came(ours, NEW, SETTINGS, dom0)] == ["6.12.1-amd64"]
    assert versions(ours) == [*OLD[1:], NEW] and ours.default().version == NEW


def test_what_peers_have_sent_waits_for_who_needs_it(tmp_path: Path, dom0: add.Source) -> None:
    ours = store(tmp_path, *OLD)
    ours.kernel(OLD[0]).mark.touch()
    assert policy.came(ours, NEW, SETTINGS, dom0) == []


def test_what_something_uses_stays(tmp_path: Path, dom0: add.Source, etc: Path) -> None:
    ours = store(tmp_path, *OLD)
    (etc / "web1.cfg").write_text(f"kernel = '{ours.kernel(OLD[0]).image}'\n")
    assert policy.came(ours, NEW, SETTINGS, dom0) == []
    assert versions(ours) == [*OLD, NEW]


def test_new_domus_keep_their_kernel_where_the_settings_say_so(tmp_path: Path, dom0: add.Source) -> None:
    ours, settings = store(tmp_path, *OLD), replace(SETTINGS, follow="add", keep=0)
    assert policy.came(ours, NEW, settings, dom0) == []
    assert versions(ours) == [*OLD, NEW] and ours.default().version == OLD[-1]


def test_nothing_is_done_where_the_settings_say_so(tmp_path: Path, dom0: add.Source) -> None:
    ours, settings = store(tmp_path, *OLD), replace(SETTINGS, follow="no")
    assert policy.came(ours, NEW, settings, dom0) == [] and versions(ours) == [*OLD]
    assert policy.went(ours, OLD[0], settings, dom0) == [] and versions(ours) == [*OLD]


def test_what_forbids_to_remove_anything_does_not_forbid_to_add(
    tmp_path: Path, dom0: add.Source, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = store(tmp_path, *OLD)
    with (etc / "web1.cfg").open("w") as file:
        file.truncate(2 << 20)
    assert policy.came(ours, NEW, SETTINGS, dom0) == [] and versions(ours) == [*OLD, NEW]
    assert "web1.cfg is too large" in capsys.readouterr().err


def test_new_domus_keep_their_kernel_also_where_nobody_knows_what_is_in_use(
    tmp_path: Path, dom0: add.Source, etc: Path
) -> None:
    ours, settings = store(tmp_path, *OLD), replace(SETTINGS, follow="add")
    with (etc / "web1.cfg").open("w") as file:
        file.truncate(2 << 20)
    assert policy.came(ours, NEW, settings, dom0) == []
    assert versions(ours) == [*OLD, NEW] and ours.default().version == OLD[-1]


def test_a_kernel_that_dom0_has_no_more_goes_with_it(tmp_path: Path, dom0: add.Source) -> None:
    ours = store(tmp_path, *OLD, NEW)
    assert policy.went(ours, NEW, replace(SETTINGS, keep=0), dom0) == []  # it is there
    dom0.kernel(NEW).image.unlink()
    assert [one.version for one in policy.went(ours, NEW, replace(SETTINGS, keep=0), dom0)] == [NEW]
    assert ours.default().version == OLD[-1]


def test_of_two_that_nobody_needs_the_one_stays_that_dom0_has_not_given_up(tmp_path: Path, dom0: add.Source) -> None:
    ours = store(tmp_path, OLD[0], NEW)  # the older one was in use when the newer came
    dom0.kernel(NEW).image.unlink()
    assert [one.version for one in policy.went(ours, NEW, replace(SETTINGS, keep=1), dom0)] == [NEW]
    assert ours.default().version == OLD[0]


@pytest.mark.parametrize("why", ["used", "chosen", "peer", "last"])
def test_one_that_is_needed_stays_when_dom0_has_it_no_more(tmp_path: Path, dom0: add.Source, etc: Path, why: str) -> None:
    ours = store(tmp_path, *(() if why == "last" else OLD), NEW)
    dom0.kernel(NEW).image.unlink()
    if why == "used":
        (etc / "web1.cfg.off").write_text(f"kernel = '{ours.kernel(NEW).image}'\n")
    elif why == "chosen":
        ours.choose(NEW)
    elif why == "peer":
        ours.kernel(NEW).mark.touch()
    assert policy.went(ours, NEW, replace(SETTINGS, keep=0), dom0) == []
    assert NEW in versions(ours)


def test_the_link_that_a_domu_names_is_not_removed_under_it(tmp_path: Path, etc: Path) -> None:
    ours = store(tmp_path, *OLD)
    policy.choose(ours, OLD[0])
    (etc / "web1.cfg").write_text(f"kernel = '{ours.top}/boot/vmlinuz'\n")
    with pytest.raises(Problem, match="boot/vmlinuz is in use: .*web1.cfg"):
        policy.choose_newest(ours)
    assert ours.chosen() == OLD[0]
    (etc / "web1.cfg").unlink()
    policy.choose_newest(ours)
    assert not ours.chosen()


def test_who_follows_the_link_is_told_of_when_it_leads_elsewhere(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = store(tmp_path, *OLD)
    (etc / "web1.cfg").write_text(f"kernel = '{ours.top}/boot/vmlinuz'\n")
    policy.choose(ours, OLD[1])
    assert "web1.cfg names" in capsys.readouterr().err


def test_a_version_that_is_not_there_is_refused_in_one_line(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = store(tmp_path, *OLD)
    (etc / "web1.cfg").write_text(f"kernel = '{ours.top}/boot/vmlinuz'\n")
    with pytest.raises(Problem, match="no kernel '9.9'"):
        policy.choose(ours, "9.9")
    assert capsys.readouterr().err == ""


def test_a_kernel_is_not_chosen_while_another_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = store(tmp_path, *OLD)
    monkeypatch.setattr(policy, "_WAIT", 0)
    with steps.lock("kernels", what="the domUs' kernels"), pytest.raises(Problem, match="in use"):
        policy.choose(ours, OLD[0])
    assert not ours.chosen()


@pytest.mark.parametrize(("place", "version", "params", "called"), [
    ("postinst.d", "6.1", None, "kernel follow 6.1"), ("postinst.d", "6.1", "configure 6.0", "kernel follow 6.1"),
    ("postinst.d", "6.1", "abort-upgrade 6.0", ""), ("postinst.d", "", "configure", ""),
    ("postrm.d", "6.1", None, "kernel follow --removed 6.1"), ("postrm.d", "6.1", "remove", "kernel follow --removed 6.1"),
    ("postrm.d", "6.1", "purge", "kernel follow --removed 6.1"), ("postrm.d", "6.1", "upgrade 6.2", ""),
])
@pytest.mark.parametrize("status", [0, 1])
def test_the_hook_of_kernel_packages_calls_us_and_never_fails(
    tmp_path: Path, place: str, version: str, params: str | None, called: str, status: int
) -> None:
    program, said = tmp_path / "xen-legi", tmp_path / "said"
    program.write_text(f'#!/bin/sh\necho "$*" >>{said}\nexit {status}\n')
    program.chmod(0o755)
    text = (TOP / "hooks/kernel/zz-xen-legi").read_text().replace("/usr/sbin/xen-legi", str(program))
    hook = tmp_path / place / "zz-xen-legi"
    hook.parent.mkdir()
    hook.write_text(re.sub("/usr/share/xen-legi/grub.cfg", str(program), text))
    env = {key: value for key, value in os.environ.items() if key != "DEB_MAINT_PARAMS"}
    env |= {"DEB_MAINT_PARAMS": params} if params else {}
    done = subprocess.run(["sh", hook, version], env=env, text=True, capture_output=True, check=True)
    assert (said.read_text().strip() if said.exists() else "") == called
    assert ("W: xen-legi" in done.stderr) == bool(status and called)


def test_without_a_version_the_newest_of_the_flavour_is_added_and_nothing_goes(
    tmp_path: Path, dom0: add.Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import Namespace

    make(dom0.kernel("6.12.11-rt-amd64"))
    ours = store(tmp_path, *OLD)
    monkeypatch.setattr(cli, "Source", lambda: dom0)
    monkeypatch.setattr(policy.came, "__defaults__", (dom0,))
    assert cli._follow(ours, "", Namespace(removed=False), SETTINGS) == 0
    assert versions(ours) == [*OLD, NEW] and capsys.readouterr().out == ""


@pytest.mark.parametrize("line", [
    'follow = "newest"', "follow = true", "keep = 51", "keep = -1", 'flavour = "-amd64"', 'flavour = "a b"',
])
def test_what_is_no_policy_is_refused(line: str) -> None:
    with pytest.raises(Problem, match=r"\[kernels\]"):
        config.parse(f"[kernels]\n{line}\n")
