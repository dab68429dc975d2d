"""A change of the network that reverts by itself unless it is confirmed in time.

A service of systemd's waits for the end of the trial: it is there when the ssh connection is cut, and it is started again
when it is killed. Until the change is made the trial is over as soon as the process that makes it has ended.

/run/xen-legi/net-trial holds the trial (JSON: the process and when it began, until when, in seconds of the monotonic clock),
/run/xen-legi/net-before the stanzas that were in force.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xen_legi import files as small_files
from xen_legi.errors import die
from xen_legi.net import files, in_force, transition
from xen_legi.net.apply import TIMEOUT
from xen_legi.net.stanzas import Interfaces
from xen_legi.net.transition import Done
from xen_legi.run import run
from xen_legi.steps import named_point, say

FILE = in_force.FILE.with_name("net-trial")
BEFORE = in_force.FILE.with_name("net-before")
UNIT = "xen-legi-net-trial"  # and a number: a unit whose revert started a DHCP client stays as long as that runs
_WAITER = "/usr/libexec/xen-legi/net-trial"


@dataclass(frozen=True)
class Trial:
    """A trial. No deadline: its process is still making the change. reverted: it is over, and this was its end."""

    process: int
    began: str
    deadline: float = 0
    reverted: bool = False

    @property
    def unit(self) -> str:
        """Return the service that waits for its end."""
        return f"{UNIT}-{self.process}-{self.began}"

    def left(self) -> float:
        """Return how many seconds there are until it reverts."""
        if self.deadline:
            return self.deadline - time.monotonic()
        return 1 if self.began and start_of(self.process) == self.began else 0


def start_of(process: int) -> str:
    """Return when a process was started, in the kernel's ticks; nothing if there is none. A number is given out again."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def read() -> Trial | None:
    """Return the trial, also one that has reverted; None if there is none, or it was confirmed."""
    text = small_files.read(FILE)
    return Trial(**json.loads(text)) if text else None


def _write(trial: Trial) -> None:
    small_files.replace(FILE, json.dumps(asdict(trial)) + "\n")


def under_way() -> bool:
    """Tell whether there is a trial that is not over."""
    trial = read()
    return trial is not None and not trial.reverted


def refuse_while_under_way() -> None:
    """Die if a trial is under way. One whose process was killed before it had a service gets one now, and is taken back."""
    trial = read()
    if trial is None or trial.reverted:
        return
    if run(["systemctl", "is-active", "--quiet", trial.unit], ok=range(256), timeout=60).status != 0:
        _start_service(trial)
    die("a trial is under way", hint="end it by xen-legi net confirm or xen-legi net revert")


def begin(before: Interfaces) -> None:
    """Begin a trial: `before`, what is in force, is kept, and the service watches. Die if that cannot be."""
    if not before.stanzas:
        die("it is not known what is in force, so a trial could not be reverted", hint="it is after one xen-legi net apply")
    in_force.save(before, BEFORE)
    trial = Trial(os.getpid(), start_of(os.getpid()))
    _write(trial)
    named_point("trial:written")
    try:
        _start_service(trial)
    except BaseException:
        FILE.unlink()
        raise
    named_point("trial:begun")


def _start_service(trial: Trial) -> None:
    """Start what waits. It is started again however it was killed, and what it has brought up outlives it."""
    properties = ("Restart=on-failure", "RestartSec=1", "RestartForceExitStatus=SIGTERM SIGHUP SIGINT SIGPIPE",
                  "StartLimitIntervalSec=0", "KillMode=process")
    words = ["--quiet", "--collect", f"--unit={trial.unit}", *(f"--property={one}" for one in properties)]
    about = "--description=take a change of the network back unless it is confirmed"
    run(["systemd-run", *words, about, _WAITER], timeout=60)


def set_deadline(seconds: float) -> None:
    """The change is made: from now on that many seconds are left."""
    if (trial := read()) and not trial.reverted:
        _write(replace(trial, deadline=time.monotonic() + seconds))


def confirm() -> None:
    """End the trial and keep what it brought. Die if there is none."""
    with transition.alone(wait=TIMEOUT):
        trial = read()
        if trial is None or trial.reverted:
            die("no trial is under way" + (": it has reverted" if trial else ""), hint="xen-legi net try begins one")
        FILE.unlink()


def revert() -> Done:
    """End the trial and bring back what was in force before it. Die if there is none."""
    with transition.alone(wait=TIMEOUT):
        if not under_way():
            die("no trial is under way", hint="xen-legi net try begins one")
        done = transition.bring(files.load(str(BEFORE)), str(BEFORE))
        if trial := read():
            _write(replace(trial, reverted=True))
    return done


def main() -> int:
    """Wait for the end of the trial, and revert it if it was not confirmed. What the service runs."""
    while under_way():
        trial = read()
        left = trial.left() if trial else 0
        if left <= 0:
            say("the change of the network was not confirmed: it is taken back")
            done = revert()
            for name, why in done.errors.items():
                say(f"{name}: {why}")
            return 0
        time.sleep(min(left, 1))
    return 0
