"""The door to xl(1), Xen's own tool. Every start, stop and question about running domains goes through here.

`xl list` is read as the table it is: `xl list -l` prints JSON, but leaves out the state, and on Xen 4.17 it fails as a
whole while a domain is being made or taken down. The columns are read from the right, so that any name is right.
"""

import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import CommandFailed, die
from xen_legi.run import installed, run

CAPABILITIES = Path("/proc/xen/capabilities")
_TIMEOUT = 60
_ASK_AGAIN = 20  # seconds after which a domU is asked once more to shut down
_LINE = re.compile(r"(?P<name>.*?)\s+(?P<id>\d+)\s+(?P<memory>\d+)\s+(?P<vcpus>\d+)\s+(?P<state>\S{6})\s+(?P<time>[\d.]+)")
# seconds that a name must be away to be away for good: a domU that starts anew is destroyed, and made again two seconds
# later; longer, if its end was one after which it mostly starts anew (the memory of a large one is cleared first)
AWAY, _AWAY_ANEW = 5, 30
_REASONS = {"r": "reboot", "s": "suspend", "c": "crash", "w": "watchdog", "S": "soft reset"}  # nothing: it was switched off
_STATES = {"d": "dying", "c": "crashed", "s": "shutdown", "p": "paused"}  # the worst first; else it is running
_ENDING = ("shutdown", "dying")


@dataclass(frozen=True)
class Domain:
    """A domain that Xen knows. Memory in MiB, seconds of processor time; state: running paused shutdown crashed dying.

    `reason` tells why it ended: reboot suspend crash watchdog soft reset; nothing if it was switched off, or has not ended.
    """

    id: int
    name: str
    state: str
    memory: int
    vcpus: int
    seconds: float
    reason: str = ""


def answers() -> bool:
    """Tell whether this is a dom0: booted under Xen, with its tools installed."""
    try:
        return installed("xl") and "control_d" in CAPABILITIES.read_text()
    except OSError:
        return False


def need_xen() -> None:
    """Die unless this host runs under Xen."""
    if not answers():
        die("this host does not run under Xen", hint="boot the Xen entry of the boot menu; xl info must answer")


def domains() -> list[Domain]:
    """Return every domain, dom0 first. Asked twice if need be: xl fails when a domain goes while it lists."""
    need_xen()
    try:
        return parse_list(run(["xl", "list"], timeout=_TIMEOUT).stdout)
    except CommandFailed:
        time.sleep(1)
        return parse_list(run(["xl", "list"], timeout=_TIMEOUT).stdout)


def started_with() -> str:
    """Return all that Xen's tools know of how the domains were started, as JSON. Asked twice if need be, as domains()."""
    try:
        return run(["xl", "list", "-l"], timeout=_TIMEOUT).stdout
    except CommandFailed:
        time.sleep(1)
        return run(["xl", "list", "-l"], timeout=_TIMEOUT).stdout


def parse_list(text: str) -> list[Domain]:
    """Given what `xl list` printed, return its domains."""
    return [_domain(match) for line in text.splitlines() if (match := _LINE.fullmatch(line.strip()))]


def total_memory() -> int | None:
    """Return the MiB of the whole host, dom0's among them."""
    match = re.search(r"^total_memory\s*:\s*(\d+)$", run(["xl", "info"], timeout=_TIMEOUT).stdout, re.MULTILINE)
    return int(match[1]) if match else None


def domain(name: str) -> Domain | None:
    """Return the domain of that name, or None."""
    return next((one for one in domains() if one.name == name), None)


def running_number(name: str) -> int | None:
    """Return the number of a domU if it is running: xl takes a name that is made of digits for a number."""
    found = domain(name)
    return found.id if found and found.state == "running" else None


def is_running(name: str) -> bool:
    """Tell whether Xen has a domain of that name, in whatever state: its volumes are in use."""
    return domain(name) is not None


def is_off(name: str, wait: float = 30) -> bool:
    """Tell whether Xen has no domain of that name. One that was switched off is there for a moment more and is waited for,
    up to `wait` seconds (`xl shutdown -w` returns before it has gone); not one that starts anew, nor one kept after a crash.
    """
    deadline = time.monotonic() + wait
    while one := domain(name):
        if one.state not in _ENDING or one.reason or time.monotonic() >= deadline:
            return False
        time.sleep(1)
    return True


def stays(name: str, wait: float = 30) -> bool:
    """Tell whether a domU runs, or will run again by itself: the question to ask before another of its name is started.

    One that is on its way out is waited for (`xl shutdown -w` returns before it has gone), up to `wait` seconds. That a
    name is away proves nothing yet: a domU that reboots has none for two seconds. So the answer no takes five.
    """
    anew = False
    deadline = time.monotonic() + wait
    while one := domain(name):
        if one.state not in _ENDING or time.monotonic() >= deadline:
            return True
        anew = anew or bool(one.reason)
        time.sleep(1)
    return _returns(name, _AWAY_ANEW if anew else AWAY)


def free_memory() -> int:
    """Return the MiB that no domain has."""
    match = re.search(r"^free_memory\s*:\s*(\d+)$", run(["xl", "info"], timeout=_TIMEOUT).stdout, re.MULTILINE)
    return int(match[1]) if match else 0


def maxima(domain_id: int) -> tuple[int, int]:
    """Return the MiB and the virtual processors that a domain was started to have at most (xenstore-paths(7))."""
    place = f"/local/domain/{domain_id}"
    memory = run(["xenstore-read", f"{place}/memory/static-max"], timeout=_TIMEOUT).stdout
    return int(memory) // 1024, len(run(["xenstore-list", f"{place}/cpu"], timeout=_TIMEOUT).stdout.split())


def set_memory(domain_id: int, memory: int) -> None:
    """Have a domain come to so many MiB: its own balloon driver does it, in a moment or never."""
    run(["xl", "mem-set", str(domain_id), f"{memory}m"], timeout=_TIMEOUT, outlives_us=True)


def set_vcpus(domain_id: int, vcpus: int) -> None:
    """Give a domain so many virtual processors. Its kernel takes the others off line itself."""
    run(["xl", "vcpu-set", str(domain_id), str(vcpus)], timeout=_TIMEOUT, outlives_us=True)


def start(file: Path) -> None:
    """Start the domU of this configuration file."""
    run(["xl", "create", "--quiet", file], timeout=300, outlives_us=True)


def shutdown(name: str, wait: float = 120) -> bool:
    """Ask a domU to shut down; tell whether it was gone for good within `wait` seconds. It is asked again from time to time:
    a Linux that has not mounted its root yet takes the word, finds no poweroff(8), and boots on."""
    return _until_gone("shutdown", name, wait)


def destroyed(name: str, wait: float) -> bool:
    """Destroy a domU; tell whether it was gone for good within `wait` seconds."""
    return _until_gone("destroy", name, wait)


def _until_gone(verb: str, name: str, wait: float) -> bool:
    """Tell xl to end a domU until it stays away: with on_poweroff = 'restart', or when it reboots at that moment, it is
    there again seconds after it has gone."""
    deadline = time.monotonic() + wait
    _end(verb, name)
    while not _ended(name, min(_ASK_AGAIN, deadline - time.monotonic())):
        if time.monotonic() >= deadline:
            return False
        with contextlib.suppress(CommandFailed):  # one that is being made at this moment cannot be told yet
            _end(verb, name)
    return True


def _ended(name: str, wait: float) -> bool:
    """Wait up to `wait` seconds for a domain to go, and as long as it takes to see that it does not come back; tell whether
    it went."""
    anew = False
    deadline = time.monotonic() + wait
    while one := domain(name):
        anew = bool(one.reason)
        if time.monotonic() >= deadline:
            return False
        time.sleep(1)
    return not _returns(name, _AWAY_ANEW if anew else AWAY)


def gone(name: str, wait: float) -> bool:
    """Wait up to `wait` seconds for a domain to go; tell whether it went. It may come back: see shutdown(), destroyed()."""
    deadline = time.monotonic() + wait
    while is_running(name):
        if time.monotonic() >= deadline:
            return False
        time.sleep(1)
    return True


def _returns(name: str, seconds: int) -> bool:
    """Tell whether a domain that is away comes back within so many seconds."""
    for _ in range(seconds):
        time.sleep(1)
        if is_running(name):
            return True
    return False


def destroy(name: str) -> None:
    """End a domU at once, as by pulling its plug."""
    _end("destroy", name)


def _end(verb: str, name: str) -> None:
    """Tell xl to end a domU, by its number: a name of digits is a number for xl. One that has just ended is as good."""
    one = domain(name)
    try:
        if one:
            run(["xl", verb, str(one.id)], timeout=_TIMEOUT, outlives_us=True)
    except CommandFailed:
        if is_running(name):
            raise


def _domain(match: re.Match[str]) -> Domain:
    flags = match["state"]
    state = next((word for letter, word in _STATES.items() if letter in flags), "running")
    memory, vcpus = int(match["memory"]), int(match["vcpus"])
    reason = _REASONS.get(flags[4], "")  # running, blocked, paused, shutdown, its reason, dying
    return Domain(int(match["id"]), match["name"], state, memory, vcpus, float(match["time"]), reason)
