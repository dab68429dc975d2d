"""The BMC's settings and power, by ipmitool over loopback against ipmi_sim, OpenIPMI's simulated BMC."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xen_legi.bmc import hosts, tool
from xen_legi.bmc.lan import Lan, Wish
from xen_legi.bmc.tool import Bmc
from xen_legi.errors import CommandFailed, Problem

LAN = """
name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
    {program}
  endlan
  {power}
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "admin" "geheim" admin 10 none md2 md5 straight
"""
EMU = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"
FILE = 'address = "127.0.0.1"\nuser = "admin"\npassword = "{password}"\nport = {port}\ncipher = 3\n'
WANTED = Lan("static", "192.0.2.9", "255.255.255.0", "192.0.2.1", "83")
# A program that owns the address of the simulated BMC and keeps to one, whatever it is told.
STUBBORN = """#!/bin/sh
[ "$1" = get ] || exit 0
shift
for name; do
    case $name in
        ip_addr_src) echo $name:static ;;
        *mac_addr) echo $name:00:16:3e:00:00:01 ;;
        subnet_mask) echo $name:255.255.255.0 ;;
        *) echo $name:192.0.2.77 ;;
    esac
done
"""
# What the simulated BMC calls for the power: the state is a file.
POWER = """#!/bin/sh
state={directory}/power
case $1 in
    get) [ -e $state ] && echo power:1 || echo power:0 ;;
    set) [ "$3" = 1 ] && touch $state || rm -f $state ;;
esac
"""
Start = Callable[..., Bmc]


def free_port() -> int:
    """Return a UDP port of the loopback that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def script(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a simulated BMC, and return it as a host's file tells of it."""
    running = []

    def run(*, stubborn: bool = False, password: str = "geheim") -> Bmc:
        port = free_port()
        program = f'lan_config_program "{script(tmp_path / "stubborn", STUBBORN)}"' if stubborn else ""
        power = f'chassis_control "{script(tmp_path / "chassis", POWER.format(directory=tmp_path))}"'
        (tmp_path / "lan.conf").write_text(LAN.format(port=port, program=program, power=power))
        (tmp_path / "sim.emu").write_text(EMU)
        words = ["ipmi_sim", "-c", tmp_path / "lan.conf", "-f", tmp_path / "sim.emu", "-s", tmp_path, "-n"]
        running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        file = tmp_path / "dom0z"
        file.write_text(FILE.format(port=port, password=password))
        file.chmod(0o600)
        return hosts.find("dom0z", tmp_path)

    yield run
    for one in running:
        one.terminate()
        one.wait(10)


def test_what_differs_is_set_and_seen_and_a_second_time_nothing_is_written(start: Start) -> None:
    bmc = start()
    done, left = tool.apply(bmc, Wish(WANTED))
    assert {one.name for one in done} == {"source", "address", "netmask", "gateway", "vlan"} and left == []
    assert bmc.find() == (1, WANTED)
    assert tool.apply(bmc, Wish(WANTED, channel=1)) == ([], [])
    done, left = tool.apply(bmc, Wish(Lan(vlan="off")))
    assert [(one.name, one.have, one.want) for one in done] == [("vlan", "83", "off")] and left == []
    assert bmc.lan(1).address == "192.0.2.9"


def test_a_bmc_that_ignores_a_value_is_told_within_ten_seconds(start: Start) -> None:
    bmc = start(stubborn=True)
    began = time.monotonic()
    done, left = tool.apply(bmc, Wish(Lan(address="192.0.2.9"), channel=1))
    assert time.monotonic() - began < 10
    assert [(one.name, one.have) for one in left] == [("address", "192.0.2.77")] == [(one.name, one.have) for one in done]


def test_the_power_is_switched_and_seen_to_be_so(start: Start) -> None:
    bmc = start()
    assert tool.power(bmc, "status") == "off"
    assert tool.power(bmc, "on") == "on" and tool.power(bmc, "status") == "on"
    assert tool.power(bmc, "off") == "off"


def test_a_wrong_password_is_told_and_appears_nowhere(start: Start) -> None:
    bmc = start(password="falsch")
    with pytest.raises(CommandFailed) as raised:
        tool.power(bmc, "status")
    assert "falsch" not in raised.value.message and "falsch" not in repr(bmc)


def test_a_channel_that_is_none_is_told(start: Start) -> None:
    with pytest.raises(Problem):
        tool.apply(start(), Wish(WANTED, channel=2))
