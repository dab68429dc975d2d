"""Interfaces files against the kernel. What is said of files alone: test_net_corpus.py."""

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from test_net_stanzas import read
from xen_legi import cli
from xen_legi.cli import net as cli_net
from xen_legi.finding import Finding
from xen_legi.net import files
from xen_legi.net.change import Now, change
from xen_legi.net.check import check, differences, idle, with_errors
from xen_legi.net.files import Disk
from xen_legi.net.kernel import GROUP, Device
from xen_legi.net.links import Desired

PACKAGE = Path(__file__).resolve().parents[2] / "xen-legi"

FILE = """\
auto br0
iface br0 inet manual
    bridge_ports eth1 eth7
"""
ETH1 = Device("eth1", address="52:54:00:00:00:01", up=True, master="br0", silent=True)
BR0 = Device("br0", "bridge", up=True, group=GROUP, attributes={"stp_state": "0", "forward_delay": "0"})


def told(*devices: Device) -> list[str]:
    return [str(one) for one in differences(read(FILE), ["br0"], {one.name: one for one in devices})]


MISSING = ["i:2: error: br0: port eth7 is missing: there is no such device, and no stanza that makes it"]


def test_a_device_that_is_missing_is_an_error_with_the_place_of_its_stanza() -> None:
    assert told(ETH1, BR0) == MISSING


def test_what_is_not_there_is_a_difference_with_the_command_that_makes_it() -> None:
    made = f"link add name br0 address 52:54:00:00:00:01 group {GROUP} type bridge stp_state 0 forward_delay 0"
    assert told(replace(ETH1, master="")) == [
        *MISSING,
        f"i:2: difference: br0: needs: ip {made}",
        "i:2: difference: eth1: needs: ip link set dev eth1 master br0",
    ]


def test_an_attribute_that_differs_is_told_alone() -> None:
    changed = replace(BR0, attributes={"stp_state": "1", "forward_delay": "0"})
    assert told(ETH1, changed)[1:] == ["i:2: difference: br0: needs: ip link set dev br0 type bridge stp_state 0"]


def test_a_missing_raw_device_is_told_once_and_by_the_vlan_that_needs_it() -> None:
    vlan = "auto vlan5\niface vlan5 inet manual\n    vlan-raw-device eth7\n"
    (one,) = differences(read(vlan), ["vlan5"], {})
    assert str(one).startswith("i:2: error: vlan5: raw device eth7 is missing: ")


LATER = """\
auto br0
iface br0 inet manual
    bridge_ports eth1
allow-hotplug vlan8
iface vlan8 inet manual
    vlan-raw-device eth7
iface vlan9 inet manual
    vlan-raw-device bond9
iface usb0 inet manual
"""


def test_what_could_not_come_up_now_is_a_warning_where_it_is_not_to_come_up_by_itself() -> None:
    (one,) = idle(read(LATER), ["br0"], {one.name: one for one in (ETH1, BR0)})
    assert str(one).startswith("i:7: warning: vlan9: ifup could not bring it up now: raw device bond9 is missing: ")


def test_what_an_interface_lacks_that_comes_up_by_itself_is_not_told_again_of_what_is_idle() -> None:
    text = "auto br0\niface br0 inet manual\n    bridge_ports vlan9\niface vlan9 inet manual\n    vlan-raw-device bond9\n"
    assert idle(read(text), ["br0"], {}) == []


BROKEN = """\
auto vlan5
iface vlan5 inet static
    vlan-raw-device eth1
auto vlan6
iface vlan6 inet manual
    vlan-raw-device eth7
garbage
    mtu
"""


def test_a_plan_tells_each_error_of_the_files_once_and_no_ifup_of_what_ifup_refuses() -> None:
    files = read(BROKEN)
    lines = with_errors(check(files), change(files, Now({"eth1": replace(ETH1, master="")})))
    assert [(action, name) for action, name, _ in lines if action != "ip"] == [
        ("cannot", "i:2"), ("cannot", "i:7"), ("cannot", "vlan6"),
    ]


def test_an_option_that_nobody_knows_keeps_no_ifup_out_of_the_plan() -> None:
    """ifup takes it without a word; that it is an error keeps `net apply` from what was not meant."""
    files = read("auto vlan5\niface vlan5 inet manual\n    vlan-raw-device eth1\n    ipmi-adress 192.0.2.5/24\n")
    lines = with_errors(check(files), change(files, Now({"eth1": replace(ETH1, master="")})))
    assert [(action, name) for action, name, _ in lines if action != "ip"] == [("cannot", "i:4"), ("ifup", "vlan5")]


@pytest.mark.parametrize(("levels", "told"), [
    (("difference",), True), (("warning",), False), (("difference", "error"), False),
])
def test_what_does_the_differences_is_told_unless_an_error_keeps_it_from_being_done(
    levels: tuple[str, ...], told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_net, "_of_host", lambda: [Finding("interfaces:1", level, "needs: ip link") for level in levels])
    assert cli.main(["net", "check"]) == ("error" in levels)
    assert ("by the next boot or by xen-legi net apply" in capsys.readouterr().err) == told


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interfaces file, read by nobody, that sources one that only root may read."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    (tmp_path / "secret").write_text("auto br0\n")
    (tmp_path / "interfaces").write_text("source secret\nauto br1\n")
    read_it = Disk.read

    def read_by_nobody(self: Disk, path: str) -> str:
        if path.endswith("secret"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read_it(self, path)

    monkeypatch.setattr(Disk, "read", read_by_nobody)
    return tmp_path / "interfaces"


def test_a_sourced_file_that_one_may_not_read_is_a_finding_among_others(
    hidden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["net", "check", str(hidden)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{hidden}:2: error: auto br1: there is no stanza iface br1",
        f"{hidden.with_name('secret')}: error: cannot be read: Permission denied",
    ]


def test_nobody_checks_a_file_that_itself_is_hidden_nor_plans_without_one(
    hidden: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["net", "check", str(hidden.with_name("secret"))]) == 2
    monkeypatch.setattr(files, "INTERFACES", str(hidden))
    monkeypatch.setattr(files.load, "__defaults__", (str(hidden),))
    assert cli.main(["net", "plan"]) == 2
    assert capsys.readouterr().err.count("secret: cannot be read: Permission denied\n  hint: use sudo\n") == 2


def test_a_directory_that_one_may_not_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interfaces.d").mkdir()
    (tmp_path / "i").write_text("source interfaces.d/*\nsource interfaces.d/x\nauto br1\n")
    assert [one.level for one in files.load(str(tmp_path / "i")).problems] == ["warning"]
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith(".d"))
    found = [str(one) for one in files.load(str(tmp_path / "i")).problems]
    assert found == [f"{tmp_path}/i:{line}: source interfaces.d/{name}: cannot be read: Permission denied"
                     for line, name in ((1, "*"), (2, "x"))]


def test_what_comes_through_a_pipe_may_be_checked(tmp_path: Path) -> None:
    program = "from xen_legi import cli; raise SystemExit(cli.main(['net', 'check', '/dev/stdin']))"
    done = subprocess.run(["/usr/bin/python3", "-c", program], input="auto br1\n", capture_output=True, text=True,
                          env={"PYTHONPATH": str(PACKAGE)})
    assert done.stdout == "/dev/stdin:1: error: auto br1: there is no stanza iface br1\n"
    assert (done.returncode, cli.main(["net", "check", str(tmp_path)])) == (1, 2)


def test_no_place_is_looked_for_before_there_is_something_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of thousands of VLANs, that takes a check half a minute."""
    monkeypatch.delattr(Desired, "stanza_of")
    assert check(read("auto eth1\niface eth1 inet manual\n    xen-vlans 5-9\n"), ["eth1"]) == []


def test_what_stands_on_a_link_is_found_without_a_look_at_all_links() -> None:
    files_ = read("auto eth1\niface eth1 inet manual\n    xen-vlans 1-4094\n")
    found = differences(files_, ["eth1"], {"eth1": replace(ETH1, master="")})
    assert len(found) > 3 * 4094 and {one.where for one in found} == {"i:2"}
