"""A trial: when it is over, and what becomes of one that cannot be taken back. A real one is in tests/lab."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from test_net_plan import state
from test_net_stanzas import read
from xen_legi import steps
from xen_legi.errors import EXIT_FAILED, EXIT_OK, Problem
from xen_legi.net import in_force, transition, trial
from xen_legi.net.change import Now, change
from xen_legi.net.kernel import Device
from xen_legi.net.stanzas import Interfaces
from xen_legi.net.transition import Done
from xen_legi.net.trial import Trial
from xen_legi.processes import look, start_of
from xen_legi.run import Result

LATER = time.monotonic() + 3600


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of trials in a directory of the test's own."""
    monkeypatch.setattr(trial, "FILE", tmp_path / "net-trial")
    monkeypatch.setattr(trial, "BEFORE", tmp_path / "net-before")
    monkeypatch.setattr(steps, "LOCKS", tmp_path / "lock")
    trial.BEFORE.write_text("iface eth0 inet dhcp\n")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that makes a change, and takes its time."""
    with subprocess.Popen(["sleep", "1000"]) as found:
        yield found
        found.kill()


def of(process: subprocess.Popen[bytes], **more: float) -> Trial:
    return Trial(process.pid, start_of(process.pid), **{"limit": LATER, **more})


def state_of(process: subprocess.Popen[bytes]) -> str:
    found = look(process.pid)
    return found.state if found else ""


def wait_for(process: subprocess.Popen[bytes], state: str) -> None:
    while state_of(process) != state:
        time.sleep(0.01)


def brings(monkeypatch: pytest.MonkeyPatch, *outcomes: Done | Exception) -> None:
    """Have taking back come out so, one after the other."""
    left = list(outcomes)

    def bring(interfaces: Interfaces, path: str, leave: Collection[str]) -> Done:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(transition, "bring", bring)


def begun(text: str, up: dict[str, str], monkeypatch: pytest.MonkeyPatch, **more: frozenset[str]) -> Interfaces:
    """Begin a trial with two cards and these stanzas in force; return what is kept of them."""
    monkeypatch.setattr(trial, "_start_service", lambda one: None)
    trial.begin(Now(CARDS, up, read(text), **more))  # type: ignore[arg-type]
    return in_force.load_whole(trial.BEFORE)


CARDS = state(Device("eth0", up=True), Device("eth1", up=True))


def test_what_was_up_comes_up_again_however_it_had_come_up(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "allow-hotplug eth0\niface eth0 inet dhcp\nauto eth1 /eth*\niface eth1 inet manual\n"
    kept = begun(text, {"lo": "lo", "eth0": "eth0"}, monkeypatch)
    assert change(kept, Now(CARDS, {"lo": "lo"})).ups == ("eth0",)  # the trial has taken it down
    assert kept.listed("hotplug") == ("eth0",)


def test_what_was_up_by_a_stanza_of_another_name_comes_up_by_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = begun("auto eth0=home\niface home inet dhcp\niface eth0 inet manual\n", {"eth0": "home"}, monkeypatch)
    assert kept.listed("auto") == ("eth0=home",)
    assert change(kept, Now(CARDS, {})).ups == ("eth0=home",)
    assert change(kept, Now(CARDS, {"eth0": "home"})).ups == ()


def test_a_stanza_for_a_pattern_is_no_interface_when_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "auto /eth*=port\niface port inet manual\n    bond-master bond0\nauto bond0\niface bond0 inet manual\n"
    kept = begun(text + "    bond-mode 802.3ad\n", {"eth0": "port", "bond0": "bond0"}, monkeypatch)
    assert "port" in kept.templates()
    assert change(kept, Now(CARDS, {})).ups == ("bond0", "eth0=port")
    assert "port" not in change(kept, Now(CARDS, {})).errors


def test_what_could_not_be_before_is_no_failure_of_taking_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "auto bond0\niface bond0 inet manual\n    bond-slaves eth0 eth3\n"
    begun(text, {"bond0": "bond0"}, monkeypatch)
    brings(monkeypatch, Done({"eth3": "there is no such device", "eth0": "no"}), Done({"eth3": "there is no such device"}))
    assert [*trial.revert().errors] == ["eth0"]
    done = trial.revert()
    assert not done.errors and "eth3" in done.missing
    found = trial.read()
    assert found and found.reverted


def test_what_nobody_knew_how_it_came_up_is_left_alone_when_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = begun("auto eth1\niface eth1 inet manual\n", {"eth0": "eth0", "eth1": "eth1"}, monkeypatch,
                 uncertain=frozenset({"eth0"}))
    assert kept.listed("auto") == ("eth1",)
    left: list[Collection[str]] = []
    monkeypatch.setattr(transition, "bring", lambda interfaces, path, leave: left.append(leave) or Done())
    trial.revert()
    assert left == [("eth0",)]


def test_without_deadline_it_is_over_when_its_process_is() -> None:
    assert Trial(1, start_of(1), limit=LATER).left() > 0
    assert Trial(1, "another", limit=LATER).left() == 0
    assert Trial(2**22 + 1, "", limit=LATER).left() == 0  # there is no process of that number


def test_it_is_over_when_its_process_is_stopped_or_has_ended_unasked(process: subprocess.Popen[bytes]) -> None:
    assert of(process).left() > 0
    process.send_signal(signal.SIGSTOP)
    wait_for(process, "T")
    assert of(process).left() == 0
    process.kill()
    wait_for(process, "Z")
    assert of(process).left() == 0


def test_it_is_over_when_the_change_takes_too_long(process: subprocess.Popen[bytes]) -> None:
    assert of(process, limit=time.monotonic() - 1).left() <= 0


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGCONT])
def test_a_change_that_hangs_is_killed_and_taken_back(
    process: subprocess.Popen[bytes], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    brings(monkeypatch, Done())
    process.send_signal(number)
    trial._write(of(process, limit=time.monotonic() - 1))
    assert trial.main() == EXIT_OK
    assert process.wait(10) == -signal.SIGKILL
    found = trial.read()
    assert found and found.reverted


def test_another_process_of_the_same_number_is_left_alone(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    brings(monkeypatch, Done())
    trial._write(replace(of(process), began="another"))
    assert trial.main() == EXIT_OK and state_of(process) == "S"


@pytest.mark.parametrize("failure", [Done({"eth0": "ifup failed, see above"}), Problem("no answer")])
def test_where_taking_it_back_fails_it_is_tried_again_to_a_limit(
    failure: Done | Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "_PAUSE", 0)
    brings(monkeypatch, *[failure] * 5, Done())
    trial._write(Trial(os.getpid(), "another", limit=LATER))
    for number in range(2, 6):
        assert trial.main() == EXIT_FAILED and trial.under_way()
        assert f"could not be taken back: try {number} of 5" in capsys.readouterr().err
        with pytest.raises(Problem, match="too late"):
            trial.confirm()
    assert trial.main() == trial._GIVEN_UP and not trial.under_way()
    assert "not tried again" in capsys.readouterr().err
    with pytest.raises(Problem, match="could not be taken back"):
        trial.confirm()
    assert trial.revert().errors == {}  # who mends what was wrong may say so
    found = trial.read()
    assert found and found.reverted


def test_a_failure_of_ours_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    brings(monkeypatch, KeyError("eth0"))
    trial._write(Trial(os.getpid(), "another"))
    with pytest.raises(KeyError):
        trial.main()
    found = trial.read()
    assert found and found.open and found.tries == 1 and found.left() > 20


def test_one_that_was_confirmed_meanwhile_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    trial._write(Trial(os.getpid(), "another"))
    monkeypatch.setattr(trial, "_kill", lambda one: trial.FILE.unlink() or False)
    assert trial.main() == EXIT_OK


def test_stanzas_of_before_that_cannot_be_read_are_never_brought_about(monkeypatch: pytest.MonkeyPatch) -> None:
    brings(monkeypatch)
    trial._write(Trial(os.getpid(), "another"))
    for text in ("", "iface eth0 inet dhcp\niface eth1 inet6 static\n    preferred-lifetime\n"):
        trial.BEFORE.write_text(text)
        with pytest.raises(Problem, match="cannot be read, so nothing is changed"):
            trial.revert()
    found = trial.read()
    assert found and found.open and found.tries == 2


def test_a_command_that_fails_is_told_and_no_failure_of_taking_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brings(monkeypatch, Done(commands={"br0": "false: exit status 1"}))
    trial._write(Trial(os.getpid(), "another"))
    assert trial.main() == EXIT_OK and "br0: false: exit status 1" in capsys.readouterr().err
    found = trial.read()
    assert found and found.reverted


SERVICES = [("active", 0), ("activating", 0), ("deactivating", 0), ("inactive", 1), ("", 1)]


@pytest.mark.parametrize("state_, started", SERVICES)
def test_a_trial_whose_service_is_about_to_start_again_has_one(
    state_: str, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Trial] = []
    monkeypatch.setattr(trial, "_start_service", calls.append)
    monkeypatch.setattr(trial, "run", lambda words, **more: Result((), 0, f"{state_}\n", ""))
    trial._write(Trial(os.getpid(), "another"))
    with pytest.raises(Problem, match="a trial is under way"):
        trial.refuse_while_under_way()
    assert len(calls) == started


def test_a_trial_that_was_given_up_ends_when_another_change_succeeds() -> None:
    for one, left in ((Trial(1, "", tries=5), False), (Trial(1, "", tries=4), True), (Trial(1, "", reverted=True), True)):
        trial._write(one)
        trial.BEFORE.touch()
        trial.forget_given_up()
        assert (trial.FILE.exists(), trial.BEFORE.exists()) == (left, left)
    trial._write(Trial(1, "", tries=5))
    trial.forget_given_up()
    with pytest.raises(Problem, match="no trial is under way"):
        trial.revert()


HOLD = "import sys, time; from pathlib import Path; from xen_legi import steps; steps.LOCKS = Path(sys.argv[1])\n" \
       "with steps.lock('net-apply', what='it'): print('held', flush=True); time.sleep(1000)"


@pytest.fixture
def hand() -> Iterator[subprocess.Popen[str]]:
    """A revert by hand that has the lock, and does not end."""
    words = [sys.executable, "-c", HOLD, str(steps.LOCKS)]
    where = {**os.environ, "PYTHONPATH": str(Path(steps.__file__).parents[1])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=where) as found:
        assert found.stdout and found.stdout.readline() == "held\n"
        yield found
        found.kill()


@pytest.mark.parametrize("number, longest", [(signal.SIGSTOP, 300), (signal.SIGCONT, 0)])
def test_a_revert_by_hand_that_is_stopped_or_hangs_is_ended(
    hand: subprocess.Popen[str], number: signal.Signals, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    brings(monkeypatch, Done())
    monkeypatch.setattr(trial, "_LONGEST", longest)
    hand.send_signal(number)
    trial._write(Trial(os.getpid(), "another", deadline=1))
    assert trial.main() == EXIT_OK and hand.wait(10) == -signal.SIGKILL
    found = trial.read()
    assert found and found.reverted


def test_who_cannot_be_ended_costs_a_try(hand: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_LONGEST", 0)
    monkeypatch.setattr(trial, "TIMEOUT", 0)
    monkeypatch.setattr(trial, "kill", lambda process, began: None)
    trial._write(Trial(os.getpid(), "another", deadline=1))
    assert trial.main() == EXIT_FAILED and hand.poll() is None
    found = trial.read()
    assert found and found.tries == 1 and found.left() > 20


def test_who_was_killed_with_the_lock_holds_it_no_longer(hand: subprocess.Popen[str]) -> None:
    assert steps.is_held_by("net-apply", hand.pid) and not steps.is_held_by("net-apply", os.getpid())
    hand.kill()
    hand.wait()
    assert not steps.is_held_by("net-apply", hand.pid)
