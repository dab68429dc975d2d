"""A change from its beginning to its end, on a kernel that stands still. Real ones are in tests/lab."""

import signal
import subprocess
from pathlib import Path

import pytest

from test_net_apply import BEFORE, plain
from test_net_environment import GIVEN, guard
from test_net_plan import state
from test_net_stanzas import read
from xen_legi import steps
from xen_legi.errors import Problem
from xen_legi.net import apply, came_up, commands, files, in_force, kernel, transition
from xen_legi.net.apply import Outcome
from xen_legi.net.change import change
from xen_legi.net.environment import notes
from xen_legi.net.kernel import Device
from xen_legi.net.transition import Done
from xen_legi.processes import start_of
from xen_legi.run import Result

LO = "auto lo\niface lo inet loopback\n"
ROUTE = {"dst": "10.0.0.0/8", "gateway": "192.0.2.9", "dev": "eth0"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory for the guard's notes."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def said(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `ip` is told. eth0 is up, with a link above it."""
    lines: list[str] = []
    devices = state(Device("eth0", up=True), Device("eth0.5", "vlan", lower="eth0"))

    def batch(told: list[str], **more: object) -> Result:
        lines.extend(told)
        return Result((), 0, "", "")

    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    for module in (commands, transition):
        monkeypatch.setattr(module, "SESSION", tmp_path / "session")
    for name in ("FILE", "OTHERS", "PERHAPS"):
        monkeypatch.setattr(in_force, name, tmp_path / name.lower())
    monkeypatch.setattr(in_force.save, "__defaults__", (in_force.FILE, None))
    monkeypatch.setattr(in_force.load, "__defaults__", (in_force.FILE,))
    monkeypatch.setattr(in_force.load_seen, "__defaults__", (in_force.FILE,))
    monkeypatch.setattr(kernel, "read", lambda: devices)
    monkeypatch.setattr(kernel, "addresses", lambda: {"eth0": ("192.0.2.1/24", "192.0.2.9/24")})
    monkeypatch.setattr(kernel, "routes", lambda: [] if any("address del" in line for line in lines) else [ROUTE])
    monkeypatch.setattr(kernel, "vlans", lambda: {})
    monkeypatch.setattr(files, "up", lambda: {"lo": "lo", "eth0": "eth0"})
    monkeypatch.setattr(came_up, "notes", lambda: notes(run))
    monkeypatch.setattr(transition, "batch", batch)
    monkeypatch.setattr(apply, "batch", batch)
    monkeypatch.setattr(transition, "carry_out", lambda wanted: Outcome())
    monkeypatch.setattr(transition, "attach", lambda bridges: [])
    monkeypatch.setattr(transition.stamps, "write", lambda stanzas, links: None)
    return lines


def brought(text: str) -> Done:
    return transition.bring(read(text), files.INTERFACES)


def test_commands_that_changed_are_run_though_one_fails_and_are_in_force_then(said: list[str], tmp_path: Path) -> None:
    told = tmp_path / "told"
    before = BEFORE + f"    up echo one >>{told}\n    down echo down >>{told}\n"
    now = BEFORE.replace("2.1/", "2.7/") + f"    up false\n    up echo $IF_ADDRESS >>{told}\n    up echo one >>{told}\n"
    in_force.note(read(LO + before), read(LO + before), {})
    done = brought(LO + now)
    assert not done.errors and "false: " in done.commands["eth0"]
    assert told.read_text() == "down\n192.0.2.7\n"
    assert said.index("address del 192.0.2.1/24 dev eth0") < said.index("route add 10.0.0.0/8 via 192.0.2.9 dev eth0")
    assert plain(in_force.load()) == plain(read(LO + now)) and not in_force.PERHAPS.exists()


ROUTED = BEFORE + "    up test -e {0}/via-{1} || mkdir {0}/route\n    down rmdir {0}/route\n"


def test_what_an_edited_command_finds_in_the_way_is_told_where_no_line_for_down_went(
    said: list[str], tmp_path: Path,
) -> None:
    before, now = ROUTED.format(tmp_path, "a"), ROUTED.format(tmp_path, "b")
    in_force.note(read(LO + before), read(LO + before), {})
    (tmp_path / "route").mkdir()  # what the first line did: the second finds "File exists"
    todo = change(read(LO + now), transition.look(read(LO + now)))
    went = f"No line for down went with test -e {tmp_path}/via-a || mkdir {tmp_path}/route"
    (line,) = (text for action, _, text in todo.lines() if action == "commands")
    assert line.endswith(f"its link stays up; {went.replace('No', 'no')}: what that did stays")
    why = brought(LO + now).commands["eth0"]
    assert why.endswith(f"(is what an earlier line did in the way? {went})") and (tmp_path / "route").exists()
    assert plain(in_force.load()) == plain(read(LO + now))


def test_after_a_killed_run_what_that_may_have_done_is_told_too(said: list[str]) -> None:
    one, other = BEFORE + "    up true\n    down true\n", BEFORE + "    up true two\n    down true\n"
    in_force.note(read(LO + one), read(LO + one), {})
    in_force.save(read(LO + other), in_force.PERHAPS)
    todo = change(read(LO + one), transition.look(read(LO + one)))
    assert todo.left_behind == {"eth0": ["true two"]} and brought(LO + one).commands == {}


def test_what_nobody_knows_is_left_alone_and_stays_unknown(said: list[str], run: Path) -> None:
    in_force.note(read(LO + BEFORE), read(LO + BEFORE), {})
    assert guard(run, **{**GIVEN, "IF_ADDRESS": "192.0.2.9"}) == 0
    for _ in range(2):
        done = brought(LO + BEFORE.replace("2.1/", "2.7/"))
        assert not done.errors and said == []
        assert plain(in_force.load()) == plain(read(LO)) and in_force.load(in_force.OTHERS).of("eth0") == ()


def test_what_is_to_be_left_is_left(said: list[str]) -> None:
    in_force.note(read(LO + BEFORE), read(LO + BEFORE), {})
    transition.bring(read(LO), files.INTERFACES, ["eth0"])
    assert said == []


def test_nothing_is_begun_with_what_could_not_be_kept(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    in_force.note(read(LO + BEFORE), read(LO + BEFORE), {})
    monkeypatch.setattr(in_force, "render", lambda interfaces: "iface eth0 inet static\n    preferred-lifetime\n")
    with pytest.raises(Problem, match="cannot be written"):
        brought(LO + BEFORE.replace("2.1/", "2.7/"))
    assert said == [] and plain(in_force.load()) == plain(read(LO + BEFORE))


def test_what_a_killed_run_left_working_is_ended_before_anything_is_looked_at(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force.note(read(LO + BEFORE), read(LO + BEFORE), {})
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as left:
        transition.SESSION.write_text(f"{left.pid} {start_of(left.pid)}\n")
        monkeypatch.setattr(kernel, "addresses", lambda: {"eth0": ("192.0.2.1/24",)} if left.poll() is not None else {})
        assert not brought(LO + BEFORE).errors
        assert left.wait() == -signal.SIGTERM and not transition.SESSION.exists()
