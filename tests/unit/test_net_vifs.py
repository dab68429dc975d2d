"""Vifs that have lost their bridge, and where they belong. A real one is attached again in tests/lab."""

from pathlib import Path

import pytest

from xen_legi.net import vifs

TOLD = """\
/local/domain/0/backend/vif = ""
/local/domain/0/backend/vif/3/0/frontend = "/local/domain/3/device/vif/0"
/local/domain/0/backend/vif/3/0/bridge = "xenbr72"
/local/domain/0/backend/vif/3/1/bridge = "xenbr73"
/local/domain/0/backend/vif/13/0/bridge = ""
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


def test_where_no_vif_is_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vifs, "without_bridge", dict)
    monkeypatch.setattr(vifs, "run", lambda *words, **more: pytest.fail("xenstore is asked"))
    assert vifs.attach({"xenbr72"}) == []
