#!/usr/bin/python3
"""Measure, on one plain Debian host with LVM, what a copy of a domU costs in each way. No domU runs.

A guest is a number of small files on ext4, as it would be after a debootstrap and some life: `plain` has them on a thick
volume in vg0, `whole` on the only partition of a thin one, which our `blocks` copies. All ways begin with nothing in memory,
and copy to another disk; borg and restic, whose stores are smaller, to another volume of the same.

Prints a table: seconds, those compared with the reference's script, the bytes that each would send over a line, what was
read from and written to the disks, and the memory of the largest process.
"""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BENCH = Path("/root/bench")
SOURCE, TARGET, REPOSITORIES = (BENCH / name for name in ("source", "target", "repositories"))
LOG = BENCH / "log"
LAST = Path("/var/lib/xen-legi/backup/last.json")
DISK = "1200M"
LARGEST = 560 << 20  # bytes of the files of a guest, together
START = 1 << 20  # bytes before the partition
PHASES = ("first", "unchanged", "1 % changed")
DISKS = ("vdb", "vdc")
BORG = "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes borg"
RESTIC = f"RESTIC_PASSWORD=bench restic -r {REPOSITORIES}/restic"


@dataclass(frozen=True)
class Way:
    """One way to make a copy: a shell line, and what tells from its output how many bytes it sent."""

    name: str
    line: str
    sent: Callable[[str], int]
    prepare: str = ""


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds, and bytes."""

    seconds: float
    sent: int
    read: int
    written: int
    memory: int


def sh(line: str) -> str:
    """Run a shell line and return what it prints; fail with what it printed last."""
    return _run(line)[0]


def _run(line: str) -> tuple[str, int]:
    """Return what a shell line prints, and the bytes of its largest process."""
    with (BENCH / "out").open("w+") as out:
        child = subprocess.Popen(["sh", "-ec", line], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        status, usage = os.wait4(child.pid, 0)[1:]
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read()
    with LOG.open("a") as log:
        log.write(f"$ {line}\n{told[-3000:]}\n")
    if child.returncode:
        sys.exit(f"{line}: {told[-3000:]}")
    return told, usage.ru_maxrss << 10


def sectors() -> tuple[int, int]:
    """Return how many bytes have been read from and written to the disks of the volume groups."""
    rows = [row.split() for row in Path("/proc/diskstats").read_text().splitlines()]
    mine = [row for row in rows if row[2] in DISKS]
    return sum(int(row[5]) for row in mine) * 512, sum(int(row[9]) for row in mine) * 512


def measured(way: Way) -> Cost:
    """Run a way, until what it wrote is on the disk."""
    sh("sync; echo 3 > /proc/sys/vm/drop_caches")
    read, written = sectors()
    began = time.monotonic()
    told, memory = _run(f"{way.line}; sync")
    seconds = time.monotonic() - began
    now = sectors()
    return Cost(seconds, way.sent(told), now[0] - read, now[1] - written, memory)


# the ways


def _rsync_sent(told: str) -> int:
    found = re.search(r"^sent ([\d,]+) bytes", told, re.M)
    return int(found[1].replace(",", "")) if found else 0


def _ours_sent(_: str) -> int:
    (row,) = json.loads(LAST.read_text())["rows"]
    return int(row["bytes"])


def _borg_sent(told: str) -> int:
    return int(json.loads(told[told.index("{"):])["archive"]["stats"]["deduplicated_size"])


def _restic_sent(told: str) -> int:
    return int(next(one["data_added"] for one in map(json.loads, told.splitlines()) if one.get("message_type") == "summary"))


def of_ghost(line: str, mounted: bool = True) -> str:
    """Return a shell line that does this with a snapshot of the plain guest, as the reference's script has it."""
    make = "lvcreate -qq -y -s -L 300M -n plain-snap vg0/plain-disk"
    mount, umount = (f"mount -o ro /dev/vg0/plain-snap {SOURCE}; ", f"umount {SOURCE}; ") if mounted else ("", "")
    return f"{make}; {mount}{line}; {umount}udevadm settle; lvremove -qq -y vg0/plain-snap"


def ways() -> tuple[Way, ...]:
    """Return the ways; the first is what the others are compared with."""
    copy = f"mount /dev/vg1/reference {TARGET}; rsync -av --delete {SOURCE}/ {TARGET}/; umount {TARGET}"
    borg = f"{BORG} create --read-special --json {REPOSITORIES}/borg::$(date +%s%N) /dev/vg0/plain-snap"
    return (
        Way("the reference's script", of_ghost(copy), _rsync_sent, f"lvcreate -qq -y -L {DISK} -n reference vg1; "
            "mkfs.ext4 -q -N 300000 /dev/vg1/reference"),
        Way("files", "backup-domu run plain --to vg1", _ours_sent),
        Way("blocks", "backup-domu run whole --to vg1", _ours_sent),
        Way("borg --read-special", of_ghost(borg, mounted=False), _borg_sent, f"{BORG} init -e none {REPOSITORIES}/borg"),
        Way("restic", of_ghost(f"{RESTIC} backup -q --json {SOURCE}"), _restic_sent, f"{RESTIC} init"),
    )


# the guests


@contextlib.contextmanager
def disks(files: int) -> Iterator[None]:
    """Inside the context, there are the two guests, and a place for the repositories."""
    for one in (SOURCE, TARGET, REPOSITORIES):
        one.mkdir(parents=True, exist_ok=True)
    sh(f"lvcreate -qq -y -L {DISK} -n plain-disk vg0; mkfs.ext4 -q -N 300000 /dev/vg0/plain-disk; "
       f"lvcreate -qq -y -L 1600M -T vg0/pool; lvcreate -qq -y -V {DISK} -T vg0/pool -n whole-disk; "
       f"echo '{START // 512},,L' | sfdisk -q /dev/vg0/whole-disk; "
       f"size=$(blockdev --getsize64 /dev/vg0/whole-disk); "
       f"mkfs.ext4 -q -N 300000 -E offset={START} /dev/vg0/whole-disk $(((size - {START}) / 1024))k; "
       f"lvcreate -qq -y -L 1300M -n repositories vg0; mkfs.ext4 -q /dev/vg0/repositories; "
       f"mount /dev/vg0/repositories {REPOSITORIES}; mkdir -p /etc/xen")
    for name in ("plain", "whole"):
        text = f"name = '{name}'\ntype = 'pv'\nmemory = 32\ndisk = ['phy:/dev/vg0/{name}-disk,xvda,w']\n"
        Path(f"/etc/xen/{name}.cfg").write_text(text)
    try:
        yield
    finally:
        sh(f"umount {REPOSITORIES}; udevadm settle; rm -rf /etc/xen/plain.cfg /etc/xen/whole.cfg /etc/xen/copies/vg1 "
           "/var/lib/xen-legi/copies/vg1/*.json /var/lib/xen-legi/backup/generation/* "
           "/root/.cache/borg /root/.config/borg /root/.cache/restic; lvremove -qq -y vg0 vg1")


def fill(place: Path, numbers: range, size: int, seed: int) -> None:
    """Write these files, of the average size in bytes; half of what is in them can be compressed."""
    chance = random.Random(seed)
    for number in numbers:
        directory = place / f"d{number // 200}"
        if not number % 200:
            directory.mkdir(exist_ok=True)
        length = int(size * chance.uniform(0.1, 1.9))
        (directory / f"f{number}").write_bytes(chance.randbytes(length // 2) + b"xen-legi" * (length // 16))


def write(files: int, step: int, seed: int) -> None:
    """Write each `step`th of the files of both guests."""
    size = min(20_000, LARGEST // files)
    for device, options in (("plain-disk", "rw"), ("whole-disk", f"rw,loop,offset={START}")):
        sh(f"mount -o {options} /dev/vg0/{device} {SOURCE}")
        fill(SOURCE, range(0, files, step), size, seed)
        sh(f"umount {SOURCE}; udevadm settle")


def measure(files: int) -> None:
    """Measure all ways with guests of so many files, and print the rows as they come."""
    with disks(files):
        write(files, 1, 1)
        for way in (one for one in ways() if one.prepare):
            sh(way.prepare)
        for phase in PHASES:
            if phase == PHASES[-1]:
                write(files, 100, 2)
            reference = 0.0
            for way in ways():
                cost = measured(way)
                reference = reference or cost.seconds
                print(row(files, phase, way.name, cost, reference), flush=True)


def row(files: int, phase: str, name: str, cost: Cost, reference: float) -> str:
    """Return a row of the table."""
    sizes = "".join(f"{size / (1 << 20):>10.1f}" for size in (cost.sent, cost.read, cost.written, cost.memory))
    return f"{files:<8}{phase:<13}{name:<24}{cost.seconds:>9.1f}{cost.seconds / reference:>9.2f}{sizes}"


def main(sizes: list[int]) -> None:
    """Print the table as it grows, and the goals."""
    heads = ("seconds", "compared", "MiB sent", "read", "written", "memory")
    widths = (9, 9, 10, 10, 10, 10)
    print(f"{'files':<8}{'guest':<13}{'way':<24}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths)))
    for size in sizes:
        measure(size)
    print("goals: files at most 1.1 x the reference's script; blocks at most 0.2 x at 1 % changed, memory the same for any")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [28000])
