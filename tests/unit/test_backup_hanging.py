"""What hangs (a disk that does not answer, a child that cannot be killed) costs its own domU's copy and nothing more."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from xen_legi import run, steps
from xen_legi.backup import destination, ghost, job, nightly, plan, report
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Options, Receiver
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.backup.tasks import Task
from xen_legi.config import Config
from xen_legi.domu import config
from xen_legi.errors import CommandFailed, Problem
from xen_legi.peers.book import Peer
from xen_legi.storage import identity, lvm, namespace
from xen_legi.storage.identity import Identity

DOM0B = destination.remote(Peer("dom0b", "10.0.0.2"))
HANGS = CommandFailed(("blkid", "-p", "/dev/vg0/web1-disk"), -15, "no answer within 60 seconds")


class Undying:
    """A child that waits for a dead disk inside the kernel."""

    pid, args = 4711, ["blkid"]

    def __init__(self) -> None:
        self.told: list[str] = []

    def poll(self) -> None:
        """It never ends."""

    def terminate(self) -> None:
        """In vain."""
        self.told.append("terminate")

    def kill(self) -> None:
        """In vain, too."""
        self.told.append("kill")

    def wait(self, timeout: float) -> int:
        """Nobody may wait without a limit."""
        raise subprocess.TimeoutExpired("blkid", timeout)


def domu(name: str) -> config.DomuConfig:
    """A domU."""
    return config.parse(f"name = '{name}'\nmemory = 1\n", Path(f"{name}.cfg"))


def test_a_child_that_cannot_be_killed_is_left_behind_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    child = Undying()
    run._end(child)  # type: ignore[arg-type]
    assert child.told == ["terminate", "kill"]
    assert "process 4711" in capsys.readouterr().err


def test_a_child_that_is_deaf_to_the_first_word_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_PATIENCE", 0.5)
    with pytest.raises(CommandFailed, match="no answer within 0.5 seconds"):
        run.run(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], timeout=0.5)


def test_a_command_that_must_not_be_cut_off_is_left_running_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    child = Undying()
    run._leave(child, "blkid")  # type: ignore[arg-type]
    assert child.told == []
    assert "blkid, process 4711" in (said := capsys.readouterr().err) and len(said.splitlines()) == 1


def test_a_command_that_must_not_be_cut_off_gets_no_signal_when_it_is_late(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="not ended in time\n *no answer within 0.1 seconds"):
        run.run(["sh", "-c", "sleep 0.3; touch done"], timeout=0.1, cwd=tmp_path, outlives_us=True)
    assert (tmp_path / "done").exists()


def test_a_command_that_must_not_be_cut_off_gets_no_signal_when_we_are_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run.spawn(["sh", "-c", "sleep 0.3; touch done"], cwd=tmp_path, outlives_us=True):
        raise KeyboardInterrupt
    assert (tmp_path / "done").exists()


def test_a_disk_that_hangs_costs_only_its_own_domu(monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(one: config.DomuConfig, *how: object) -> plan.Domu:
        if one.name == "web1":
            raise HANGS
        return plan.Domu(one)

    monkeypatch.setattr(namespace, "enter", lambda: None)
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(plan, "examine", examine)
    monkeypatch.setattr(job, "back_up", lambda one, asked, options: [report.Row(one.name, "dom0b", report.GOOD)])
    work = [Task(domu(name), Config(), ("dom0b",)) for name in ("web1", "web2")]
    rows = nightly.run(work, [], [Receiver(DOM0B, {})], Options("r1", "20%"))
    assert [(row.domu, row.state) for row in rows] == [("web1", "failed"), ("web2", "good")]
    assert "no answer within 60 seconds" in rows[0].message


def test_ghosts_that_cannot_be_looked_for_do_not_stop_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reap() -> list[str]:
        raise HANGS

    monkeypatch.setattr(ghost, "reap", reap)
    nightly.reap()
    assert "no answer within 60 seconds" in capsys.readouterr().err


@pytest.mark.parametrize("volumes", [1, 3])
def test_a_sender_waits_longer_than_the_parts_of_its_order_may_take(volumes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: dict[str, float] = {}

    def call(where: Destination, verb: str, *words: str, timeout: float = 0, **more: object) -> dict[str, object]:
        waited[verb] = timeout
        return {"missing": [], "warnings": []}

    monkeypatch.setattr(Destination, "call", call)
    monkeypatch.setattr(job, "_prove", lambda made: 0.0)
    swap = [VolumeRequest(f"swap{one}", f"/dev/vg0/swap{one}", 1 << 20, Identity("swap", "", "")) for one in range(volumes)]
    wanted = CopyRequest("web1", "r1", 1, "", tuple(swap))
    assert job._to_one(Receiver(DOM0B, {}), job.Transfer(wanted, {}, [], 0, Options("r1", "20%"))).state == report.GOOD
    assert waited["begin"] > volumes * (lvm.MERGE_TIMEOUT + 2 * identity.MAKE_TIMEOUT)
    assert waited["begin"] > waited["commit"] > volumes * 10 * lvm.TIMEOUT


def test_a_peer_that_accepts_a_connection_and_says_nothing_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(argv: object, **more: object) -> run.Result:
        raise HANGS

    monkeypatch.setattr(destination, "run", hang)
    with pytest.raises(Problem) as caught:
        DOM0B.call("status", timeout=60)
    assert caught.value.message == "dom0b cannot be reached: no answer within 60 seconds"
    assert "xen-legi peer check dom0b" in caught.value.hint
    with pytest.raises(CommandFailed):
        destination.local("vg1").call("status", timeout=60)


def test_a_command_that_is_only_waited_for_is_ended_when_we_are() -> None:
    """A receiver waits for rsync's server: if that went on alone, it would hold the copy's volume."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(KeyboardInterrupt), steps.signals_unwind(), run.spawn(["sleep", "60"]) as process:
        pass
    assert process.poll() == -signal.SIGTERM
