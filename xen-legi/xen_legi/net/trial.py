"""A change of the network that reverts by itself unless it is confirmed in time.

A service of systemd's waits for the end of the trial: it is there when the ssh connection is cut, and it is started again
when it is killed. Until the change is made the trial is over as soon as the process that makes it has ended, or is stopped;
one that takes too long for it is killed. Where taking it back fails, it is tried again, a few times.

/run/xen-legi/net-trial holds the trial (JSON: the process and when it began, until when, in seconds of the monotonic clock),
/run/xen-legi/net-before the stanzas that were in force.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace

from xen_legi import files as small_files
from xen_legi.errors import EXIT_FAILED, EXIT_OK, Problem, die
from xen_legi.net import in_force, transition
from xen_legi.net.apply import TIMEOUT
from xen_legi.net.change import Now, change
from xen_legi.net.transition import Done
from xen_legi.processes import at_work, kill, start_of
from xen_legi.run import run
from xen_legi.steps import holder, is_held_by, is_locked, named_point, say

FILE = in_force.FILE.with_name("net-trial")
BEFORE = in_force.FILE.with_name("net-before")
UNIT = "xen-legi-net-trial"  # and a number: a unit whose revert started a DHCP client stays as long as that runs
_WAITER = "/usr/libexec/xen-legi/net-trial"
_LONGEST = 300  # seconds that a change may take
_TRIES = 5
_PAUSE = 30  # seconds between two of them
_GIVEN_UP = 3  # exit status after which systemd does not start it again


@dataclass(frozen=True)
class Trial:
    """A trial. No deadline: its process is still making the change, until `limit` at the latest. reverted: it is over, and
    this was its end. tries: how often taking it back has failed; then `deadline` is when that is tried again. lacking: what
    could not be before it began; leave: of which interfaces it was not known then how they had come up."""

    process: int
    began: str
    deadline: float = 0
    reverted: bool = False
    limit: float = 0
    tries: int = 0
    lacking: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Return the service that waits for its end."""
        return f"{UNIT}-{self.process}-{self.began}"

    def left(self) -> float:
        """Return how many seconds there are until it reverts."""
        if self.deadline:
            return self.deadline - time.monotonic()
        return self.limit - time.monotonic() if self.began and at_work(self.process) == self.began else 0

    @property
    def open(self) -> bool:
        """Tell whether it is still to be confirmed or taken back."""
        return not self.reverted and not self.failed

    @property
    def failed(self) -> bool:
        """Tell whether it could not be taken back, and is not tried again."""
        return self.tries >= _TRIES and not self.reverted


def read() -> Trial | None:
    """Return the trial, also one that is over; None if there is none, or it was confirmed."""
    text = small_files.read(FILE)
    if not text:
        return None
    told = json.loads(text)
    return Trial(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})


def _write(trial: Trial) -> None:
    small_files.replace(FILE, json.dumps(asdict(trial)) + "\n")


def under_way() -> bool:
    """Tell whether there is a trial that is not over."""
    trial = read()
    return trial is not None and trial.open


def refuse_while_under_way() -> None:
    """Die if a trial is under way. One whose process was killed before it had a service gets one now, and is taken back."""
    trial = read()
    if trial is None or not trial.open:
        return
    # Between a failure and the next start it is "activating", and there can be no second one of its name.
    words = ["systemctl", "show", "--property=ActiveState", "--value", trial.unit]
    if run(words, ok=range(256), timeout=60).stdout.strip() in ("", "inactive", "failed"):
        _start_service(trial)
    die("a trial is under way", hint="end it by xen-legi net confirm or xen-legi net revert")


def begin(now: Now) -> None:
    """Begin a trial: what is in force is kept, and the service watches. Die if that cannot be.

    What is up is to be up again, however it came up (allow-hotplug, by hand, by a stanza of another name), and what is not
    is not. What cannot be already, as a card that is dead, will be no failure.
    """
    if not now.in_force.stanzas:
        die("it is not known what is in force, so a trial could not be reverted", hint="it is after one xen-legi net apply")
    before = in_force.as_up(now.in_force, {name: by for name, by in now.up.items() if name not in now.uncertain})
    in_force.save(before, BEFORE)
    limit = time.monotonic() + _LONGEST
    lacking, leave = tuple(change(before, now).errors), tuple(sorted(now.uncertain))
    trial = Trial(os.getpid(), start_of(os.getpid()), limit=limit, lacking=lacking, leave=leave)
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
                  "StartLimitIntervalSec=0", "KillMode=process", f"RestartPreventExitStatus={_GIVEN_UP}")
    words = ["--quiet", "--collect", f"--unit={trial.unit}", *(f"--property={one}" for one in properties)]
    about = "--description=take a change of the network back unless it is confirmed"
    run(["systemd-run", *words, about, _WAITER], timeout=60)


def set_deadline(seconds: float) -> None:
    """The change is made: from now on that many seconds are left."""
    if (trial := read()) and trial.open:
        _write(replace(trial, deadline=time.monotonic() + seconds))


def confirm() -> None:
    """End the trial and keep what it brought. Die if there is none."""
    with transition.alone(wait=TIMEOUT):
        trial = read()
        if trial is None or not trial.open:
            die(f"no trial is under way{_end(trial)}", hint="xen-legi net try begins one")
        if trial.tries:
            die(f"too late: taking it back has begun, and failed; {_again(trial)}", hint="xen-legi net revert tries now")
        FILE.unlink()


def _end(trial: Trial | None) -> str:
    """Return how a trial has ended, as a part of a sentence."""
    if trial is None:
        return ""
    return ": it could not be taken back, and is not tried again" if trial.failed else ": it has reverted"


def _again(trial: Trial) -> str:
    return f"try {trial.tries + 1} of {_TRIES} is in {max(0, trial.deadline - time.monotonic()):.0f} s"


def revert() -> Done:
    """End the trial and bring back what was in force before it. Die if there is none. While that fails, the trial stays open
    and its service tries again; after the last time, only who says so does."""
    with transition.alone(wait=TIMEOUT):
        trial = read()
        if trial is None or trial.reverted:
            die("no trial is under way", hint="xen-legi net try begins one")
        try:
            done = transition.bring(in_force.load_whole(BEFORE), str(BEFORE), trial.leave)
            done.excuse(trial.lacking)
        except Exception:
            _write(_failed(trial))
            raise
        _write(_failed(trial) if done.errors else replace(trial, reverted=True))
    return done


def _failed(trial: Trial) -> Trial:
    return replace(trial, tries=trial.tries + 1, deadline=time.monotonic() + _PAUSE)


def forget_given_up() -> None:
    """Forget a trial that could not be taken back: another change has succeeded, and what was before that trial is nothing
    to go back to any more. The caller is alone()."""
    if (trial := read()) and trial.failed:
        FILE.unlink()
        BEFORE.unlink(missing_ok=True)


def main() -> int:
    """Wait for the end of the trial, and revert it if it was not confirmed. What the service runs: it is started again after
    a failure."""
    while (trial := read()) and trial.open:
        if trial.left() > 0:
            time.sleep(min(trial.left(), 1))
        elif trial.deadline or not _kill(trial):
            return _take_back()
    return EXIT_OK


def _take_back() -> int:
    say("the change of the network was not confirmed: it is taken back")
    before = read()
    try:
        _make_way()
        done = revert()
    except Problem as problem:
        done = Done({"the network": problem.message})
        if (trial := read()) and trial == before:  # it came to no try: this was one all the same
            _write(_failed(trial))
    trial = read()
    ended = trial is None or trial.reverted
    for name, why in (*done.commands.items(), *(done.errors.items() if not ended else ())):
        say(f"{name}: {why}")
    if trial is None or ended:
        return EXIT_OK
    say(outlook(trial))
    return _GIVEN_UP if trial.failed else EXIT_FAILED


def _make_way() -> None:
    """Wait for who changes the network (a revert by hand); end who has been stopped meanwhile, or takes longer than a change
    may."""
    until = time.monotonic() + _LONGEST
    while is_locked(transition.LOCK):
        found = holder(transition.LOCK)
        late = time.monotonic() > until
        if found and (late or not at_work(found[0])) and is_held_by(transition.LOCK, found[0]):
            say(f"process {found[0]} ({found[2]}) is stopped, or takes too long: it is ended")
            kill(found[0], start_of(found[0]))
        if late:
            return
        time.sleep(0.5)


def outlook(trial: Trial) -> str:
    """Tell what becomes of a trial that could not be taken back."""
    if trial.failed:
        return "it could not be taken back, and is not tried again: see above, then xen-legi net revert"
    return f"it could not be taken back: {_again(trial)}"


def _kill(trial: Trial) -> bool:
    """End the process that makes the change: it has taken too long, or was stopped, and it holds the lock. Tell whether it
    has, meanwhile, come to its end."""
    kill(trial.process, trial.began)
    return read() != trial
