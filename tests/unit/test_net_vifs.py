"""Vifs that have lost their bridge, and where they belong. A real one is attached again in tests/lab."""

from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.net import vifs
from xen_legi.run import Result

TOLD = """\
/local/domain/0/backend/vif = ""
/local/domain/0/backend/vif/3/0/frontend = "/local/domain/3/device/vif/0"
/local/domain/0/backend/vif/3/0/bridge = "xenbr72"
/local/domain/0/backend/vif/3/0/script = "/etc/xen/scripts/vif-bridge"
/local/domain/0/backend/vif/3/1/script = "/etc/xen/scripts/vif-xen-legi"
/local/domain/0/backend/vif/3/1/bridge = "xenbr73"
/local/domain/0/backend/vif/6/0/script = "/etc/xen/scripts/vif-route"
/local/domain/0/backend/vif/6/0/bridge = "xenbr0"
/local/domain/0/backend/vif/7/0/bridge = "xenbr0"
/local/domain/0/backend/vif/13/0/bridge = ""
/local/domain/0/backend/vif/13/0/script = "/etc/xen/scripts/vif-bridge"
""".splitlines()


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """A /sys/class/net with three vifs, one of them with a bridge, one with a name and an emulated card of its own."""
    devices = {"vif3.0": "xen-backend/vif-3-0", "web": "xen-backend/vif-3-1", "vif4.0": "xen-backend/vif-4-0",
               "web-emu": "virtual", "eth0": "pci0000:00"}
    (tmp_path / "net").mkdir()
    for name, where in devices.items():
        device = tmp_path / "devices" / where / "net" / name
        device.mkdir(parents=True)
        (tmp_path / "net" / name).symlink_to(device)
    (tmp_path / "net/vif4.0/master").mkdir()
    return tmp_path / "net"


def test_a_vif_is_known_by_its_device_whatever_its_name(sys: Path) -> None:
    assert vifs.without_bridge(sys) == {"vif3.0": ("3", "0"), "web": ("3", "1"), "web-emu": ("3", "1")}


def test_each_belongs_to_the_bridge_that_xenstore_tells() -> None:
    lost = {"vif3.0": ("3", "0"), "web": ("3", "1"), "odd": ("13", "0"), "gone": ("5", "0")}
    assert vifs.home(TOLD, lost) == {"vif3.0": "xenbr72", "web": "xenbr73"}


def test_one_that_is_routed_belongs_to_no_bridge_whatever_libxl_writes() -> None:
    assert vifs.home(TOLD, {"vif6.0": ("6", "0"), "vif7.0": ("7", "0")}) == {}


def test_where_no_vif_is_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vifs, "without_bridge", dict)
    monkeypatch.setattr(vifs, "run", lambda *words, **more: pytest.fail("xenstore is asked"))
    assert vifs.attach({"xenbr72"}) == []


def attached(sys: Path, monkeypatch: pytest.MonkeyPatch, *, joins: bool = True) -> list[str]:
    """Attach to xenbr72, where the kernel does as it is told, or does not."""
    (sys / "xenbr72").mkdir(exist_ok=True)

    def batch(lines: list[str], force: bool) -> None:
        for line in lines if joins else ():
            (sys / line.split()[3] / "master").mkdir()

    monkeypatch.setattr(vifs, "_SYS", sys)
    monkeypatch.setattr(vifs, "batch", batch)
    return vifs.attach({"xenbr72", "xenbr99"})


def test_it_is_attached_to_a_bridge_that_was_there_already(sys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vifs, "run", lambda *words, **more: Result((), 0, "\n".join(TOLD), ""))
    monkeypatch.setattr(vifs.without_bridge, "__defaults__", (sys,))
    assert attached(sys, monkeypatch) == ["vif3.0"]
    assert attached(sys, monkeypatch) == []  # once


def test_what_fails_is_told(sys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(vifs.without_bridge, "__defaults__", (sys,))
    monkeypatch.setattr(vifs, "run", lambda *words, **more: Result((), 0, "\n".join(TOLD), ""))
    assert attached(sys, monkeypatch, joins=False) == []
    assert "vif3.0 cannot be attached to xenbr72 again" in capsys.readouterr().err

    def silent(*words: object, **more: object) -> None:
        raise Problem("no answer within 10 seconds")

    monkeypatch.setattr(vifs, "run", silent)
    assert attached(sys, monkeypatch) == []
    assert "whether vif3.0, web, web-emu belong to a bridge is not known: no answer" in capsys.readouterr().err
