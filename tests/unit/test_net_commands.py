"""The commands of stanzas, run without ifup and ifdown."""

from pathlib import Path

import pytest

from test_net_apply import BEFORE
from test_net_stanzas import read
from xen_legi.net import commands

COMMANDS = """
    bridge_ports a
    bridge_ports b
    pre-up first
    up third
    down fifth
    pre-up second
    post-up fourth
    post-down sixth
"""


def test_commands_get_what_ifup_gives_them() -> None:
    one = read(BEFORE.replace("eth0", "bond0.72") + COMMANDS).stanzas[0]
    assert list(commands.commands(one, "start")) == [
        ("first", "pre-up"), ("second", "pre-up"), ("third", "post-up"), ("fourth", "post-up")]
    assert list(commands.commands(one, "stop")) == [("fifth", "pre-down"), ("sixth", "post-down")]
    assert commands.environment(one, "start", "post-up") == {
        "IFACE": "bond0.72", "LOGICAL": "bond0.72", "ADDRFAM": "inet", "METHOD": "static", "MODE": "start",
        "PHASE": "post-up", "VERBOSITY": "0", "IFUPDOWN_bond0_72": "post-up", "IF_ADDRESS": "192.0.2.1",
        "IF_NETMASK": "255.255.255.0", "IF_BROADCAST": "192.0.2.255", "IF_GATEWAY": "192.0.2.254", "IF_BRIDGE_PORTS": "a\nb"}


def test_a_command_that_fails_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SESSION", tmp_path / "session")
    file = tmp_path / "said"
    text = f"iface br0 inet manual\n    up false\n    up echo up >>{file}\n    down false\n    down echo $IFACE >>{file}\n"
    stanzas = read(text).stanzas
    assert "false: " in commands.run_lines(commands.come((), (), stanzas), "start") and file.read_text() == "up\n"
    assert "false: " in commands.run_lines(commands.gone(stanzas, ()), "stop") and file.read_text() == "up\nbr0\n"


ROUTE = "iface br0 inet manual\n    up ip route add 10.0.0.0/8 via 192.0.2.9\n    up echo two\n    down echo down\n"


def come(before: str, now: str, perhaps: str = "") -> list[str]:
    return [one.command for one in commands.come(read(before).stanzas, read(perhaps).stanzas, read(now).stanzas)]


def gone(before: str, now: str) -> list[str]:
    return [one.command for one in commands.gone(read(before).stanzas, read(now).stanzas)]


def test_only_what_came_and_what_went_is_run() -> None:
    new = ROUTE.replace("echo two", "echo three") + "    down echo more\n"
    assert come(ROUTE, new) == ["echo three"] and gone(ROUTE, new) == []
    assert come(new, ROUTE) == ["echo two"] and gone(new, ROUTE) == ["echo more"]
    assert come(ROUTE, ROUTE.replace("up echo", "pre-up echo")) == ["echo two"]
    assert len(come("", ROUTE)) == 2 and gone(ROUTE + ROUTE, "") == ["echo down"]
    assert len(come(ROUTE.replace("inet", "inet6"), ROUTE)) == 2


def test_what_a_killed_run_may_have_undone_is_run_again() -> None:
    new = ROUTE.replace("echo two", "echo three")
    assert come(ROUTE, ROUTE, new) == ["echo two"]
    assert come(ROUTE, new, new) == ["echo three"] and come(ROUTE, ROUTE, ROUTE) == []
    assert len(come(ROUTE, ROUTE, "iface br0 inet6 manual\n")) == 2


@pytest.mark.parametrize("now, left", [
    (ROUTE, []),
    (ROUTE.replace("2.9", "2.8"), ["ip route add 10.0.0.0/8 via 192.0.2.9"]),  # `ip route del` has not changed
    (ROUTE.replace("2.9", "2.8").replace("down echo down", "down echo other"), []),
    ("iface br0 inet manual\n    down echo down\n", ["ip route add 10.0.0.0/8 via 192.0.2.9", "echo two"]),
    ("iface br0 inet manual\n", []),
    (ROUTE + "    up echo more\n    down echo more\n", []),
])
def test_a_command_for_up_that_goes_without_one_for_down_leaves_something_behind(now: str, left: list[str]) -> None:
    assert commands.left_behind(read(ROUTE).stanzas, read(now).stanzas) == left
    assert commands.left_behind(read(ROUTE + ROUTE).stanzas, read(now).stanzas) == left
