"""The lists of templates, kernels and peers, as people read them."""

from argparse import Namespace
from pathlib import Path

import pytest

from xen_legi.cli import kernel, peer, template
from xen_legi.domu import config as domu_config
from xen_legi.errors import CommandFailed
from xen_legi.install.templates import Template
from xen_legi.kernels import prune
from xen_legi.kernels.store import Store


def test_templates_have_a_heading_and_what_is_unknown_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    templates = [Template("db", Path("/srv/xen/templates/db")),
                 Template("trixie", Path("/srv/xen/templates/trixie"), "trixie", "2026-11-28", 300 << 20, 190)]
    assert template._list(templates, as_json=False) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAME", "DIST", "MADE", "SIZE", "PACKAGES"],
        ["db", "?", "?", "?", "?"],
        ["trixie", "trixie", "2026-11-28", "300M", "190"],
    ]


def test_the_default_kernel_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(domu_config, "all_domus", list)
    monkeypatch.setattr(prune, "texts", lambda: {"/etc/xen/copies/vg0/web1.cfg": "vmlinuz-6.1.0-1", "domU web2, which runs":
                                                 f'"{tmp_path}/boot/mine"'})
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/mine").symlink_to("vmlinuz-6.12.0-2")
    for version in ("6.1.0-1", "6.12.0-2"):
        for file in (f"boot/vmlinuz-{version}", f"boot/initrd.img-{version}", f"lib/modules/{version}/modules.dep"):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
    assert kernel._list(Store(tmp_path), as_json=False) == 0
    assert capsys.readouterr().out == (
        "   VERSION   DOMUS\n   6.1.0-1   /etc/xen/copies/vg0/web1.cfg\n*  6.12.0-2  domU web2, which runs\n")


def test_kernels_are_listed_while_xl_does_not_tell_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    """xl of Xen 4.17 fails while a domain is made or taken down."""
    def fails() -> dict[str, str]:
        raise CommandFailed(("xl", "list", "-l"), 1, "no domain")

    text = f"name = 'web1'\nkernel = '{tmp_path}/boot/vmlinuz-6.1.0-1'\n"
    monkeypatch.setattr(domu_config, "all_domus", lambda: [domu_config.parse(text, Path("/etc/xen/web1.cfg"))])
    monkeypatch.setattr(prune, "texts", fails)
    for file in ("boot/vmlinuz-6.1.0-1", "boot/initrd.img-6.1.0-1", "lib/modules/6.1.0-1/modules.dep"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert kernel._list(Store(tmp_path), as_json=False) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["*", "6.1.0-1", "web1"]
    assert "warning: not all that may use a kernel is known: " in said.err


def test_a_peer_that_only_sends_has_no_address(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "dom0b", "address": "192.0.2.2", "sends": True, "receives": True},
            {"name": "dom0c", "address": "", "sends": True, "receives": False}]
    monkeypatch.setattr(peer, "_known", lambda: rows)
    assert peer._list(Namespace(json=False)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "ADDRESS", "COPIES"]
    assert lines[1].split()[1] == "192.0.2.2" and lines[1].endswith("we send to it, it sends to us")
    assert lines[2].split()[:2] == ["dom0c", "-"] and lines[2].endswith("it sends to us")
