"""domUs of the lab's tests: how web1 is made and reached, and what a host must still have after a command that failed."""

import json
import re
import shlex
import time
from typing import Any

from testinfra.backend.base import CommandResult
from testinfra.host import Host

from speed import patience

WEB1 = "192.168.72.11"
CREATE = "xen-legi create {} --vlan 72 --ip {}/24 --memory 512M --size 2G --method template --ssh-key /root/lab.pub"
SMALL = "--vlan 72 --ip 192.168.72.99/24 --dist tiny --kernel 0-tiny --size 64M --swap 16M --memory 32M --no-start"
SSH = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    " -o ConnectTimeout=20"
)
_WAITS = re.compile(r"ask \S.* about .*: \d+ of \d+ answered so far")


def known(host: Host, name: str) -> dict[str, Any] | None:
    """Return what `xen-legi list --json` says of a domU, or None."""
    entries = json.loads(host.check_output("xen-legi list --json"))
    return next((one for one in entries if one["name"] == name), None)


def make_keys(dom0a: Host, dom0b: Host) -> None:
    """Let root of both dom0s log in to what is made with --ssh-key /root/lab.pub."""
    keys = []
    for host in (dom0a, dom0b):
        host.check_output("test -e /root/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")
        keys.append(host.check_output("cat /root/.ssh/id_ed25519.pub"))
    dom0a.check_output(f"echo {shlex.quote(chr(10).join(keys))} > /root/lab.pub")


def make_web1(dom0a: Host, dom0b: Host) -> None:
    """Make web1 by the real command if it is not there, and start it if it does not run.

    It is PV: where processors are emulated such a domU starts in half the time of one of the default kind, PVH; those are
    started in test_kinds.py.
    """
    there = known(dom0a, "web1")
    if there is None:
        make_keys(dom0a, dom0b)
        dom0a.check_output(f"{CREATE.format('web1', WEB1)} --type pv")
    elif there["state"] == "stopped":
        dom0a.check_output("xen-legi start web1")


def banner(host: Host, address: str, *, seconds: int = 30) -> str:
    """Return the line with which an ssh server greets, read over TCP from `host`; nothing if none comes in time."""
    reader = f"read -r line </dev/tcp/{address}/22 && echo \"$line\""
    return str(host.run(f"timeout {seconds} bash -c {shlex.quote(reader)}").stdout).strip()


def wait_for_ssh(host: Host, address: str, *, seconds: int = 300) -> str:
    """Wait until an ssh server answers at the address as seen from `host`; return its greeting. `seconds` are those of a
    usual computer."""
    seconds = round(seconds * patience())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if line := banner(host, address):
            return line
        time.sleep(2)
    raise AssertionError(f"{address} does not answer within {seconds} s")


def guest(host: Host, command: str, address: str = WEB1) -> str:
    """Run a command in a guest, logging in from `host`, and return what it prints."""
    return str(host.check_output(f"{SSH} root@{address} {shlex.quote(command)}"))


def run_killed(host: Host, point: str, command: str) -> CommandResult:
    """Run a command on a host that kills itself at a named point; its exit status is 137 then, as in a shell.

    Without the shell that stays, sshd would tell of a signal, and ssh ends with 255 as if the connection had broken.
    """
    return host.run(f"XEN_LEGI_KILL_AT={point} {command}; exit $?")


def state(host: Host) -> str:
    """Return what must be the same after a command that changed nothing: volumes, their tags, files, mounts, domains.

    systemd mounts the credentials of a service while it runs: systemd-tmpfiles-clean comes 15 minutes after the boot.
    """
    return str(host.check_output(
        "lvs --noheadings -o vg_name,lv_name,lv_size,lv_tags --sort lv_name; "
        "find /etc/xen -type f -printf '%p %s %t\\n' -o -printf '%p %l\\n' | sort; "
        "grep -vc ' /run/credentials/' /proc/mounts; ls -A /srv/xen/templates /srv/xen/boot; xl list | awk '{print $1}'"
    ))


def refused(result: CommandResult) -> None:
    """Assert that a command was refused as people can use it: exit status 2, one line, one hint, no traceback. Before them
    it may have said that it waits for a peer: an emulated ssh can take more than the ten seconds after which it does."""
    lines = [line for line in result.stderr.splitlines() if line.strip() and not _WAITS.fullmatch(line)]
    assert result.rc == 2, f"{result.rc}: {result.stderr}"
    assert len(lines) == 2 and lines[0].startswith("xen-legi: ") and lines[1].startswith("  hint: "), result.stderr
