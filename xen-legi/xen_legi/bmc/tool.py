"""ipmitool: this host's BMC through the kernel, another's over its LAN."""

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from xen_legi.bmc import lan
from xen_legi.bmc.lan import Difference, Lan, Wish
from xen_legi.errors import CommandFailed, die
from xen_legi.run import Result, run

_DEVICES = ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")
_CHANNELS = range(1, 12)
_PATIENCE = 5  # seconds for a setting; ipmitool itself reads one that is ignored ten times, for 33 seconds
_IMPATIENCE = 1  # seconds for each one after that: a BMC that ignores one often ignores all, and there are five
_SETTLING = 2  # seconds until a value that was taken must be seen
_ANSWER = 20  # seconds for a question


@dataclass(frozen=True)
class Bmc:
    """A BMC. `words` are the options of ipmitool that reach it; the password is in the environment of ipmitool alone."""

    words: tuple[str, ...]
    password: str = field(default="", repr=False)

    def ask(self, *words: str, timeout: float = _ANSWER, ok: range = range(1)) -> Result:
        """Run one command of ipmitool."""
        env = {"IPMI_PASSWORD": self.password} if self.password else None
        return run(["ipmitool", *self.words, *words], env=env, timeout=timeout, ok=ok)

    def find(self, channel: int = 0) -> tuple[int, Lan]:
        """Return a channel and its LAN settings; without one, the first that is a LAN. Die if there is none."""
        if channel:
            return channel, self.lan(channel)
        for number in _CHANNELS:  # of one that is no LAN, ipmitool says so and prints nothing
            told = self.ask("lan", "print", str(number), ok=range(256))
            if told.status == 0 and "IP Address Source" in told.stdout:
                return number, lan.parse(told.stdout)
        die("the BMC has no channel that is a LAN", hint="name it: ipmi-channel in the stanza; some vendors use 2")

    def lan(self, channel: int) -> Lan:
        """Return the LAN settings of a channel."""
        return lan.parse(self.ask("lan", "print", str(channel)).stdout)


def here() -> Bmc:
    """Return this host's BMC. Die if it has none, or the kernel does not know it."""
    if not _there():
        for module in ("ipmi_si", "ipmi_devintf"):
            run(["modprobe", module], ok=range(256), timeout=_ANSWER)
        deadline = time.monotonic() + 3
        while not _there() and time.monotonic() < deadline:
            time.sleep(0.1)
    if not _there():
        die("this host has no BMC that the kernel knows", hint="modprobe ipmi_si; dmesg | grep -i ipmi")
    return Bmc(("-I", "open"))


def _there() -> bool:
    return any(Path(one).exists() for one in _DEVICES)


def apply(bmc: Bmc, wish: Wish) -> tuple[list[Difference], list[Difference]]:
    """Set what differs, and read it back. Return what was set, and what the BMC has otherwise all the same."""
    channel, have = bmc.find(wish.channel)
    todo = list(lan.differences(wish.lan, have))
    willing = True
    for one in todo:
        willing &= _set(bmc, channel, one, _PATIENCE if willing else _IMPATIENCE)
    return todo, _left(bmc, channel, wish, _SETTLING if willing else 0) if todo else []


def _set(bmc: Bmc, channel: int, one: Difference, patience: float) -> bool:
    """Set one thing; return whether that ended in time.

    Whether the BMC has taken it is seen by reading it back: ipmitool's own word for it is worth little.
    """
    try:
        bmc.ask("lan", "set", str(channel), *one.words, timeout=patience, ok=range(256))
    except CommandFailed:  # not in time: it left the settings locked
        with contextlib.suppress(CommandFailed):
            bmc.ask("raw", "0x0c", "0x01", str(channel), "0x00", "0x00", ok=range(256))
        return False
    return True


def _left(bmc: Bmc, channel: int, wish: Wish, patience: float) -> list[Difference]:
    """Return what still differs, when it has had some time."""
    deadline = time.monotonic() + patience
    while True:
        left = list(lan.differences(wish.lan, bmc.lan(channel)))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def power(bmc: Bmc, action: str) -> str:
    """Ask for the power's state, or switch it; return the state: on or off. Die when what was asked for is not seen."""
    if action != "status":
        bmc.ask("chassis", "power", action)
    wanted = {"off": "off", "on": "on"}.get(action, "")
    deadline = time.monotonic() + 30
    while True:
        state = bmc.ask("chassis", "power", "status").stdout.strip().rpartition(" ")[2]
        if wanted in ("", state):
            return state
        if time.monotonic() > deadline:
            die(f"power {action}: the BMC took it, and says after 30 s that the power is {state}", hint="look at the host",
                status=1)
        time.sleep(1)
