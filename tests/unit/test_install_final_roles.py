"""Roles that are run after the domU's file is written: what they see, and what is left when one of them fails."""

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from test_install_order import said  # noqa: F401
from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.cli import create as cli_create
from xen_legi.config import Config
from xen_legi.domu import config
from xen_legi.errors import fail
from xen_legi.install import create, log, show, wish
from xen_legi.install.model import Plan
from xen_legi.install.plan import plan

PLAN = replace(plan(WISH, FACTS, SOURCE), final_roles=(Path("/srv/roles/last"),))


@pytest.fixture
def host(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: F811
    """A host on which nothing is mounted and copied; /etc/xen is in tmp_path. Return what is done to it."""

    @contextlib.contextmanager
    def tree(plan: Plan) -> Iterator[Path]:
        said.append("mount")
        yield tmp_path

    monkeypatch.setattr(log, "DIRECTORY", tmp_path / "log")
    monkeypatch.setattr(config, "all_domus", lambda: [])
    monkeypatch.setattr(create, "make_filesystems", lambda parts: None)
    monkeypatch.setattr(create, "private_mounts", contextlib.nullcontext)
    monkeypatch.setattr(create, "need_whole", lambda kernel: contextlib.nullcontext())
    monkeypatch.setattr(create, "_tree", tree)
    monkeypatch.setattr(create, "_fill", lambda plan, method, root: said.append("fill"))
    return said


def test_a_final_role_finds_the_file_and_the_guest(host: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def role(plan: Plan, root: Path) -> None:
        (tmp_path / "web1.cfg").write_text((tmp_path / "web1.cfg").read_text() + "# hers\n")
        host.append("role")

    monkeypatch.setattr(create, "run_final_roles", role)
    create.create(PLAN, SOURCE)  # type: ignore[arg-type]
    steps = [one for one in host if one in ("mount", "fill", "role", "sync web1.cfg", "tag vg0/web1-disk")]
    assert steps == ["mount", "fill", "sync web1.cfg", "mount", "role", "tag vg0/web1-disk"]
    assert (tmp_path / "web1.cfg").read_text().endswith("# hers\n")


@pytest.mark.parametrize("end", [KeyboardInterrupt, None])
def test_a_final_role_that_fails_takes_the_domu_back(
    host: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException] | None
) -> None:
    def role(plan: Plan, root: Path) -> None:
        (tmp_path / "auto").mkdir()
        (tmp_path / "auto/web1.cfg").symlink_to("../web1.cfg")
        if end:
            raise end
        fail("role last failed")

    monkeypatch.setattr(create, "run_final_roles", role)
    with pytest.raises(BaseException):
        create.create(PLAN, SOURCE)  # type: ignore[arg-type]
    assert not (tmp_path / "web1.cfg").exists() and not (tmp_path / "auto/web1.cfg").is_symlink()
    assert host[-3:] == ["sync ", "remove web1-swap", "remove web1-disk"]


def test_the_plan_names_final_roles_after_the_file_and_the_summary_the_log() -> None:
    lines = show.described(PLAN).splitlines()
    assert lines.index("  final role /srv/roles/last") == lines.index("  write /etc/xen/web1.cfg") + 1
    assert "\n  log       /var/log/xen-legi/web1.log\n" in show.summary(PLAN, "1 s")


def test_roles_are_lists_and_their_directory_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    cli_create.arguments(parser)
    monkeypatch.chdir(tmp_path)
    words = ["web1", "--bridge", "br0", "--role", "a, b,", "--finalrole", "c", "--roledir", "roles"]
    found = wish.from_options(parser.parse_args(words), Config())
    assert (found.roles, found.final_roles, found.role_directory) == (("a", "b"), ("c",), f"{tmp_path}/roles")
