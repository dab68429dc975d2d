"""The commands of stanzas, run without ifup and ifdown."""

from pathlib import Path

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


def test_a_command_that_fails_ends_what_is_run_for_up_and_not_what_is_run_for_down(tmp_path: Path) -> None:
    file = tmp_path / "said"
    text = f"iface br0 inet manual\n    up false\n    up echo up >>{file}\n    down false\n    down echo $IFACE >>{file}\n"
    assert "false" in commands.run_all(read(text).stanzas, "start") and not file.exists()
    assert "false" in commands.run_all(read(text).stanzas, "stop") and file.read_text() == "br0\n"
