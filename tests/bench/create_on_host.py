#!/usr/bin/python3
"""Measure, on one plain Debian 12 host with LVM and xen-tools, how long a new domU takes in each way. None is started.

All ways use the same archive and the same list of packages (debootstrap gets ours through a wrapper), 1500 MiB of ext4 and
64 MiB of swap. Prints a table: seconds, of what takes seconds the least of three, and how that compares to what the way is
held against; for those that install Debian, how many packages there are then.
"""

import contextlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xen_legi.install.packages import packages

SUITE = "bookworm"
BENCH = Path("/root/bench")
WRAPPER = BENCH / "debootstrap"
TEMPLATE = Path("/srv/xen/templates") / SUITE
LOG = BENCH / "log"
NETWORK = "--bridge br-bench --ip 192.0.2.{number}/24"
OURS = "xen-legi create {name} --size 1500M --swap 64M --memory 256M --fs ext4 --no-start " + NETWORK
OTHERS = (
    "xen-create-image --hostname={name} --lvm=vg0 --size=1500Mb --swap=64Mb --memory=256Mb --fs=ext4 --nohosts "
    f"--dist={SUITE} --mirror={{mirror}} --install-method=debootstrap --debootstrap-cmd={WRAPPER} --cache=no --genpass=0 "
    "--bridge=br-bench --ip=192.0.2.{number} --netmask=255.255.255.0 --gateway=192.0.2.1"
)


@dataclass(frozen=True)
class Row:
    """One way: its name, the seconds that it took, the row it is held against, and packages in the guest if told."""

    name: str
    seconds: float
    against: str = ""
    packages: int = 0


def sh(line: str) -> str:
    """Run a shell line and return what it prints; fail with what it printed last."""
    ended = subprocess.run(["sh", "-ec", line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    with LOG.open("a") as log:
        log.write(f"$ {line}\n{ended.stdout}\n")
    if ended.returncode:
        sys.exit(f"{line}: {ended.stdout[-3000:]}")
    return ended.stdout


def timed(line: str) -> float:
    """Return how many seconds a shell line takes, until what it wrote is on the disk. Nothing is in memory before."""
    sh("sync; echo 3 > /proc/sys/vm/drop_caches")
    began = time.monotonic()
    sh(f"{line}; sync")
    return time.monotonic() - began


def mirror() -> str:
    """Return where this host's apt has its own Debian."""
    rows = [row.split("|") for row in sh("apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)'").splitlines()]
    return next(uri for origin, suite, uri in rows if origin == "Debian" and suite == SUITE)


@contextlib.contextmanager
def mounted(device: str) -> Iterator[Path]:
    """Inside the context, a volume is mounted."""
    place = BENCH / "root"
    place.mkdir(exist_ok=True)
    sh(f"mount {device} {place}")
    try:
        yield place
    finally:
        sh(f"umount {place}")


def counted(device: str) -> int:
    """Return how many packages a guest has."""
    with mounted(device) as place:
        return len(sh(f"dpkg-query --root={place} -W -f '${{Package}}\\n'").splitlines())


def installed(name: str, line: str, against: str = "") -> Row:
    """Measure a way that installs Debian anew, once: it takes minutes."""
    seconds = timed(line)
    row = Row(name, seconds, against, counted("/dev/vg0/b1-disk"))
    sh("lvremove -qq -y vg0/b1-disk vg0/b1-swap; rm -f /etc/xen/b1.cfg")
    return row


def least(name: str, line: str, undo: str, against: str = "") -> Row:
    """Measure a way three times."""
    found = []
    for _ in range(3):
        found.append(timed(line))
        sh(undo)
    return Row(name, min(found), against)


def rows() -> Iterator[Row]:
    """Measure each way, in an order in which each finds what it needs."""
    sh("modprobe bridge; ip link add br-bench type bridge; xen-legi kernel add")
    WRAPPER.write_text(f'#!/bin/sh\nexec debootstrap --variant=minbase --include={",".join(packages(SUITE))} "$@"\n')
    WRAPPER.chmod(WRAPPER.stat().st_mode | stat.S_IXUSR)
    yield installed("xen-create-image, debootstrap", OTHERS.format(name="b1", number=11, mirror=mirror()))
    ours = f"{OURS.format(name='b1', number=11)} --method debootstrap --dist {SUITE}"
    yield installed("create, debootstrap", ours, "xen-create-image, debootstrap")
    sh(f"xen-legi template make {SUITE}")
    sh("lvcreate -qq -y -W y -L 1500M -n bare vg0 && mkfs.ext4 -q /dev/vg0/bare")
    with mounted("/dev/vg0/bare") as place:
        yield least("rsync of the template", f"rsync -aHAX {TEMPLATE}/ {place}/", f"rm -rf {place}/*")
    sh("lvremove -qq -y vg0/bare")
    ours = f"{OURS.format(name='b1', number=11)} --method template --dist {SUITE}"
    yield least("create, template", ours, "xen-legi delete b1 --yes", "rsync of the template")
    sh("lvcreate -qq -y -L 3G -T vg1/pool")
    sh(f"{OURS.format(name='base', number=12)} --method template --dist {SUITE} --lvm vg1 --thin pool")
    yield least("lvcreate -s", "lvcreate -qq -y -s -n snap vg1/base-disk", "lvremove -qq -y vg1/snap")
    clone = "xen-legi clone base b2 --ip 192.0.2.13 --no-start"
    yield least("clone, thin", clone, "xen-legi delete b2 --yes", "lvcreate -s")


def main() -> None:
    """Print the table as it grows, and how the goals were met."""
    print(f"{'way':<32}{'seconds':>9}{'packages':>10}  compared")
    found: dict[str, Row] = {}
    for one in rows():
        found[one.name] = one
        other = found.get(one.against)
        told = f"{one.seconds / other.seconds:.2f} x {other.name}, {one.seconds - other.seconds:+.1f} s" if other else ""
        print(f"{one.name:<32}{one.seconds:>9.1f}{one.packages or '':>10}  {told}", flush=True)
    print("goals: create by debootstrap at most 0.5 x, by template at most 1.2 x, clone at most +5 s")


if __name__ == "__main__":
    main()
