"""The hook's pure parts: the guard's variables, the stamps, what a refused batch says."""

import contextlib
import math
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_net_links import REFERENCE, stanza, wanted
from test_net_stanzas import read
from xen_legi import steps
from xen_legi.errors import Problem
from xen_legi.net import apply, files, hook, kernel, stamps
from xen_legi.net.apply import Outcome, failed_line, reason
from xen_legi.net.environment import stanza_of
from xen_legi.net.options import TABLE, variables
from xen_legi.net.stamps import options_key, stamp
from xen_legi.net.stanzas import Option
from xen_legi.processes import start_of

TOP = Path(__file__).resolve().parents[2]
GUARD = TOP / "hooks/ifupdown/guard"


def test_the_guard_knows_the_options_of_the_table_in_its_order() -> None:
    joined = GUARD.read_text().replace("\\\n", "")
    assert 'ours="' + ":".join(f"${{{name}-}}" for name in variables()) + '"' in joined


def test_the_manual_tells_of_every_option() -> None:
    manual = (TOP / "xen-legi/man/xen-legi-interfaces.5.scd").read_text()
    assert [known.name for known in TABLE if f"*{known.name}*" not in manual] == []


def test_a_stamp_holds_the_options_and_the_links_below() -> None:
    found = read(REFERENCE)
    line = stamp(found.of("xenbr72")[0], wanted(REFERENCE, "xenbr72").links["xenbr72"])
    assert line.endswith("&& [ -e /sys/class/net/xenbr72 ] && [ -e /sys/class/net/xenbr72/lower_vlan72 ]\n")
    assert "vlan72:::0:off:0:" in line


def test_a_stamp_is_shell_whatever_the_options_hold() -> None:
    one = read(stanza("bridge_ports none", "bridge-hw '$(reboot)`\"")).stanzas[0]
    line = stamp(one, wanted(stanza("bridge_ports none"), "br0").links["br0"])
    shell = f"ours={line.split(' = ')[1].split(' ] ')[0]}; [ \"$ours\" = '{options_key(one)}' ]"
    assert subprocess.run(["dash", "-n", "-c", line]).returncode == 0
    said = subprocess.run(["dash", "-c", f"ours={line.split(' = ')[1].split(' ] ')[0]}; printf %s \"$ours\""],
                          capture_output=True, text=True)
    assert said.stdout == options_key(one), shell


def test_what_ifup_hands_over_is_the_stanza() -> None:
    found = stanza_of("xenbr72", {
        "IFACE": "xenbr72", "ADDRFAM": "inet6", "METHOD": "manual", "IF_BRIDGE_PORTS": "vlan72\nvlan73", "PATH": "/bin",
    })
    assert (found.name, found.family, found.options) == (
        "xenbr72", "inet6", (Option("bridge-ports", "vlan72\nvlan73"),),
    )


@pytest.mark.parametrize("stderr, index, text", [
    ("RTNETLINK answers: File exists\nCommand failed -:2\n", 1, "File exists"),
    ('Cannot find device "nix"\nCommand failed -:3\n', 2, 'Cannot find device "nix"'),
    ('Error: argument "xenbr72" is wrong: Device does not exist\n\n', 1,
     'argument "xenbr72" is wrong: Device does not exist'),
    ("Error: 8021q: VLAN device already exists.\nCommand failed -:1\n", 0, "8021q: VLAN device already exists."),
    ("", 0, "refused"),
])
def test_a_refused_line_is_found_and_its_reason_told(stderr: str, index: int, text: str) -> None:
    batch = ["link add name a type bridge", "link set dev b master xenbr72", "link set dev nix up"]
    assert failed_line(stderr, batch) == index
    assert reason(stderr) == text


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose bond has a hardware port; return its /sys/class/net. The kernel does nothing."""
    found = read("iface eth1 inet manual\n  bond-master bond0\niface bond0 inet manual\n  bond-slaves none\n")
    for name in ("eth1", "bond0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(hook, "_SYS", str(tmp_path))
    monkeypatch.setattr(steps, "LOCKS", tmp_path.parent / "lock")
    monkeypatch.setattr(files, "caller", lambda: files.Caller())
    monkeypatch.setattr(files, "load", lambda path: found)
    monkeypatch.setattr(files, "configured", lambda: {})
    monkeypatch.setattr(stamps, "taken_down", lambda: [])
    monkeypatch.setattr(stamps, "later_stanza", lambda *words: False)
    monkeypatch.setattr(kernel, "read", lambda: {})
    monkeypatch.setattr(hook, "batch", lambda lines, force, until: None)
    monkeypatch.setattr(hook, "_note", lambda *words: None)  # what this machine's own interfaces are up by is not ours
    return tmp_path


def test_hardware_that_goes_down_stays_and_is_no_failure(host: Path) -> None:
    hook.one_down("eth1", {"ADDRFAM": "inet", "METHOD": "manual", "IF_BOND_MASTER": "bond0"})


def test_a_link_of_ours_that_stays_is_a_failure(host: Path) -> None:
    with pytest.raises(Problem, match="its link cannot be removed"):
        hook.one_down("bond0", {"ADDRFAM": "inet", "METHOD": "manual", "IF_BOND_SLAVES": "none"})


def test_what_is_wrong_in_the_files_is_told_and_stops_nothing(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read("auto br0\niface br0 inet manual\n  bridge-ports none\niface eth1 inet nonsense\n")
    made: list[str] = []
    monkeypatch.setattr(files, "load", lambda path: found)
    monkeypatch.setattr(hook, "carry_out", lambda wanted, until: made.extend(wanted.links) or Outcome())
    monkeypatch.setattr(stamps, "write", lambda stanzas, links: None)
    assert hook.main({"IFACE": "--all", "PHASE": "pre-up", "ADDRFAM": "meta", "LOGICAL": "auto"}) == 0
    said = capsys.readouterr().err
    assert made == ["br0"] and "warning: " in said and "iface eth1: inet nonsense is not known to ifupdown" in said


def test_a_hook_waits_for_the_batch_of_another_to_its_end() -> None:
    assert hook._LOCK_SECONDS > apply.TIMEOUT


@pytest.mark.parametrize("ports, waits", [("bond0.72", False), ("eth1 bond0.72", False), ("tap0 bond0.72", True)])
def test_nobody_waits_for_ports_that_we_make_ourselves(
    ports: str, waits: bool, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"iface br0 inet manual\n  bridge-ports {ports}\n  bridge-waitport 30\n"
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(seconds) or (host / "tap0").mkdir())
    hook._wait_for_ports("br0", wanted(text, "br0"))
    assert bool(slept) is waits


DOWN = {"IFACE": "br0", "LOGICAL": "br0", "ADDRFAM": "inet", "METHOD": "manual", "PHASE": "post-down",
        "IF_BRIDGE_PORTS": "none"}
ALL = {"IFACE": "--all", "LOGICAL": "auto", "ADDRFAM": "meta", "METHOD": "none", "PHASE": "pre-down"}


def under_ifdown(run: Path, *calls: dict[str, str], name: str = "ifdown") -> list[int]:
    """Run the guard below a process of that name; return the exit statuses, 9 where it leaves the work to Python."""
    work = run / "work"
    work.write_text("#!/bin/sh\nexit 9\n")
    work.chmod(0o755)
    (run / "net").mkdir(exist_ok=True)
    text = GUARD.read_text().replace("/usr/libexec/xen-legi/ifupdown-links", str(work)).replace("/run/xen-legi", str(run))
    (run / "guard").write_text(text)
    lines = [f"{' '.join(f'{key}={value}' for key, value in call.items())} dash {run}/guard; echo $?" for call in calls]
    script = f"printf {name} >/proc/$$/comm\n" + "\n".join(lines) + "\n"
    ended = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    return [int(word) for word in ended.stdout.split()]


def test_during_ifdown_of_all_names_are_noted(tmp_path: Path) -> None:
    assert under_ifdown(tmp_path, ALL, DOWN, DOWN | {"IFACE": "br1", "LOGICAL": "br1"}) == [0, 0, 0]
    assert (tmp_path / "net/all-down").read_text().split("\n")[1:] == ["br0", "br1", ""]


def test_what_a_killed_ifdown_of_all_left_is_no_ifdown_of_all(tmp_path: Path) -> None:
    assert under_ifdown(tmp_path, ALL) == [0]
    assert under_ifdown(tmp_path, DOWN) == [9]  # that process has ended
    for noted in (f"{os.getpid()} {start_of(os.getpid())}", f"{os.getpid()}", "1 1", "0 0"):
        (tmp_path / "net/all-down").write_text(f"{noted}\n")
        assert under_ifdown(tmp_path, DOWN) == [9]  # its number is another's now
        assert (tmp_path / "net/all-down").read_text() == f"{noted}\n"


def test_names_that_ifdown_of_all_left_are_read_without_the_line_of_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "ALL_DOWN", tmp_path / "all-down")
    (tmp_path / "all-down").write_text("4711 815\nbr0\nbr1\nbr0\n")
    assert stamps.taken_down() == ["br0", "br1"] and stamps.taken_down() == []


def test_a_link_is_in_use_that_is_up_or_has_another_above_it(host: Path) -> None:
    for name in ("eth2", "eth3"):
        (host / name).mkdir()
    (host / "eth2/upper_bond0").touch()
    assert hook._in_use(["eth1", "eth2", "eth3", "nowhere"], {"eth1", "nowhere"}) == {"eth1", "eth2"}


def test_the_call_for_all_ends_before_systemd_ends_it(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "load", lambda path: read("auto br0\niface br0 inet manual\n  bridge-ports none\n"))
    monkeypatch.setattr(stamps, "write", lambda stanzas, links: None)
    began, ends, waits = time.monotonic(), [], []

    @contextlib.contextmanager
    def waited(name: str, *, what: str, wait: float) -> Iterator[None]:
        waits.append(wait)
        yield

    monkeypatch.setattr(hook, "lock", waited)
    monkeypatch.setattr(hook, "carry_out", lambda wanted, until: ends.append(until) or Outcome())
    monkeypatch.setattr(hook, "batch", lambda lines, force, until: ends.append(until))
    for phase in ("pre-up", "post-down"):
        assert hook.main({"IFACE": "--all", "PHASE": phase, "ADDRFAM": "meta"}) == 0
    assert len(ends) == len(waits) == 2 and max(ends) - began < 201 and max(waits) <= 200
    assert 1 <= apply._left(time.monotonic() - 9) <= apply._left(time.monotonic() + 50) <= 50 < apply._left(math.inf)


def test_a_bridge_without_a_stanza_is_told_of_what_it_lacks(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "load", lambda path: read("auto eth1\niface eth1 inet manual\n  xen-vlans 5\n"))
    monkeypatch.setattr(stamps, "write", lambda stanzas, links: None)
    lacking = Outcome(missing={"xenbr5": "port eth1.5 is missing: no", "eth1": "told by its own call"})
    monkeypatch.setattr(hook, "carry_out", lambda wanted, until: lacking)
    monkeypatch.setattr(hook, "attach", lambda names: [])  # the packages are built where there is no /sys
    hook.all_up("auto")
    assert capsys.readouterr().err == "xen-legi: xenbr5: port eth1.5 is missing: no\n"
