"""vlan= of a vif, as the hook of vif-bridge reads it, and the bridge= of our script for Xen before 4.19."""

import subprocess
from pathlib import Path

import pytest

VIF = Path(__file__).resolve().parents[2] / "hooks/vif"
HOOK = VIF / "50-xen-legi-vlans.hook"


def read(spec: str) -> "subprocess.CompletedProcess[str]":
    """What the hook's reader prints of a vlan=."""
    words = ["bash", "-euc", f"command=offline; . {HOOK}; xen_legi_vlans '{spec}'"]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.parametrize("spec, vlans", [
    ("10", ["10 pvid untagged"]),
    ("10p", ["10 pvid untagged"]),
    ("10p/20", ["10 pvid untagged", "20"]),
    ("10p/20u/30-40", ["10 pvid untagged", "20 untagged", "30-40"]),
    ("10/20", ["10", "20"]),
    ("10-20", ["10-20"]),
    ("10p/100+10x4", ["10 pvid untagged", "100", "110", "120", "130", "140"]),
    ("10+1x0", ["10"]),
])
def test_a_vlan_is_read_as_the_manual_of_xl_writes_it(spec: str, vlans: list[str]) -> None:
    ended = read(spec)
    assert [line.strip() for line in ended.stdout.splitlines()] == vlans and ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("spec", ["x", "10/", "10p/", "-5", "10-", "10+5", "10;reboot", "$(reboot)", "pvid"])
def test_nonsense_is_refused(spec: str) -> None:
    assert read(spec).returncode != 0


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A directory of scripts with ours, a vif-bridge that only tells how it was called, and a xenstore in files."""
    (tmp_path / "vif-xen-legi").write_text((VIF / "vif-xen-legi").read_text())
    (tmp_path / "vif-bridge").write_text('#!/bin/sh\necho "vif-bridge $*"\n')
    (tmp_path / "xenstore-read").write_text(f'#!/bin/sh\ncat "{tmp_path}/${{1##*/}}"\n')
    (tmp_path / "xenstore-write").write_text(
        f'#!/bin/sh\nwhile [ $# -gt 0 ]; do printf %s "$2" >"{tmp_path}/${{1##*/}}"; shift 2; done\n')
    for script in tmp_path.iterdir():
        script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("told, bridge, vlan", [
    ("br0.72", "br0", "72p"), ("br0:10:20", "br0", "10/20"), ("br0:75", "br0", "75+1x0"),
    ("br0.72:10:20", "br0", "72p/10/20"), ("br0", "br0", ""),
])
def test_the_script_for_old_xen_takes_the_vlans_from_the_bridge(scripts: Path, told: str, bridge: str, vlan: str) -> None:
    (scripts / "bridge").write_text(told)
    environment = {"PATH": f"{scripts}:/usr/bin:/bin", "XENBUS_PATH": "/x/vif/1/0"}
    words = [scripts / "vif-xen-legi", "online", "type_if=vif"]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("vif-bridge online type_if=vif\n", 0), ended.stderr
    assert ((scripts / "bridge").read_text(), (scripts / "vlan").read_text() if vlan else "") == (bridge, vlan)
