"""What the tests of backups share: a domU of a few files that is never started, and ways to look at its copies."""

import contextlib
import json
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testinfra.backend.base import CommandResult
from testinfra.host import Host

from domus import run_killed

LAST = "/var/lib/xen-legi/backup/last.json"
RAW, RAW_BYTES = "/dev/vg0/tiny1-raw", 9 << 20
# Everything that a file can have, on little room; made in Python because a host has no setfattr.
FILL = r"""
import os, socket, struct, sys
top = sys.argv[1]
os.makedirs(f"{top}/etc/deep/er", mode=0o711); os.makedirs(f"{top}/dev"); os.makedirs(f"{top}/empty", mode=0o1777)
def put(name, text, mode=0o644):
    with open(f"{top}/{name}", "w") as stream: stream.write(text)
    os.chmod(f"{top}/{name}", mode)
put("etc/motd", "hello\n"); put("etc/a name with spaces\nand more", "x"); put("etc/deep/er/secret", "s", 0o4750)
for number in range(300): put(f"etc/file{number}", str(number) * number)
os.link(f"{top}/etc/motd", f"{top}/etc/same"); os.symlink("/etc/shadow", f"{top}/etc/link")
os.chown(f"{top}/etc/motd", 12345, 23456); os.utime(f"{top}/etc/motd", ns=(1, 1234567890123456789))
os.mknod(f"{top}/dev/null", 0o20666, os.makedev(1, 3)); os.mknod(f"{top}/dev/disk", 0o60660, os.makedev(202, 2))
os.mkfifo(f"{top}/dev/fifo"); socket.socket(socket.AF_UNIX).bind(f"{top}/dev/socket")
with open(f"{top}/sparse", "wb") as stream: stream.truncate(40 << 20); stream.seek(20 << 20); stream.write(b"x" * 8192)
os.setxattr(f"{top}/etc/motd", "user.note", b"value"); os.setxattr(f"{top}/etc", "trusted.note", b"\0\1")
capability = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
put("etc/ping", "x", 0o755); os.setxattr(f"{top}/etc/ping", "security.capability", capability)
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in
    ((1, 6, 0xFFFFFFFF), (2, 4, 4321), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)))
os.setxattr(f"{top}/etc/file7", "system.posix_acl_access", acl)
"""


def make_tiny(host: Host, *, size: str = "64M", kind: str = "ext4") -> None:
    """Make the domU tiny1 on a host: a disk with odd files, swap, a configuration; it is never started."""
    disk = "phy:/dev/vg0/tiny1-disk,xvda2,w"
    config = f"name = 'tiny1'\ntype = 'pv'\nmemory = 32\ndisk = ['phy:/dev/vg0/tiny1-swap,xvda1,w', '{disk}']\n"
    host.check_output(
        f"lvcreate -qq -y -W y -L {size} -n tiny1-disk vg0 && lvcreate -qq -y -W y -L 16M -n tiny1-swap vg0 && "
        f"mkfs.{kind} -q -L tinyroot /dev/vg0/tiny1-disk && mkswap -q -L tinyswap /dev/vg0/tiny1-swap && "
        f"mkdir -p /etc/xen && printf %s {shlex.quote(config)} > /etc/xen/tiny1.cfg"
    )
    in_disk(host, f"python3 -c {shlex.quote(FILL)} /run/look")


@contextlib.contextmanager
def copied_tiny(host: Host, words: str, *others: Host) -> Iterator[Host]:
    """Inside the context, the host has tiny1 and good copies of it, made with these words; afterwards they are gone."""
    remove_tiny(host, *others)
    try:
        make_tiny(host)
        result = backup(host, words)
        assert result.rc == 0, result.stdout + result.stderr
        yield host
    finally:
        remove_tiny(host, *others)


def in_disk(host: Host, script: str, device: str = "/dev/vg0/tiny1-disk", options: str = "rw") -> str:
    """Run shell lines on a host with a device mounted at /run/look, seen by nobody else; return what they print."""
    inside = f"mkdir -p /run/look && mount -o {options} {device} /run/look && {{ {script}\n}}"
    return str(host.check_output(f"unshare --mount sh -ec {shlex.quote(inside)}"))


def add_raw(host: Host, space: str = f"-L {RAW_BYTES}B") -> None:
    """Give tiny1 a disk that nobody knows the content of; tiny1.cfg.saved is its file without it."""
    host.check_output(f"lvcreate -qq -y -W y {space} -n tiny1-raw vg0 && udevadm settle && "
                      f"head -c {RAW_BYTES} /dev/urandom > {RAW} && "
                      f"sed -i.saved \"s#disk = \\[#&'phy:{RAW},xvdb,w', #\" /etc/xen/tiny1.cfg")


@contextlib.contextmanager
def image_domu(host: Host, name: str) -> Iterator[str]:
    """Inside the context, the host has a domU whose disks are files on vg0/images, which is mounted: 9 MiB that begin as an
    ext4, 2 MiB of random bytes, and swap; yields the path of the first."""
    place = "/srv/images"
    file, more, swap = (f"{place}/{name}/{one}.img" for one in ("disk", "more", "swap"))
    disks = f"'file:{file},xvda,w', 'file:{more},xvdb,w', 'file:{swap},xvdc,w'"
    config = f"name = '{name}'\ntype = 'pv'\nmemory = 32\ndisk = [{disks}]\n"
    host.check_output(
        f"lvcreate -qq -y -W y -L 48M -n images vg0 && mkfs.ext4 -q /dev/vg0/images && mkdir -p {place} /etc/xen && "
        f"mount /dev/vg0/images {place} && mkdir {place}/{name} && head -c {9 << 20} /dev/urandom > {file} && "
        f"mkfs.ext4 -q -F {file} && head -c {2 << 20} /dev/urandom > {more} && truncate -s 1M {swap} && mkswap -q {swap} && "
        f"printf %s {shlex.quote(config)} > /etc/xen/{name}.cfg"
    )
    try:
        yield file
    finally:
        remove_tiny(host, name=name)
        host.run(f"umount {place}; rmdir {place}; udevadm settle; lvremove -qq -y vg0/images")


def scribble(host: Host, *places: int) -> None:
    """Change some bytes of the raw disk."""
    for place in places:
        host.check_output(f"head -c 700 /dev/urandom | dd of={RAW} bs=1 seek={place} conv=notrunc,fsync status=none")


def digest(host: Host, device: str) -> str:
    """Return the digest of the raw disk or of its copy: a copy may be longer by what its group rounds to."""
    return str(host.check_output(f"head -c {RAW_BYTES} {device} | sha256sum")).split()[0]


def install_xfsprogs(host: Host) -> None:
    """Install what makes xfs, without a new initramfs: it takes minutes, and this host boots from ext4."""
    conf = "/etc/initramfs-tools/update-initramfs.conf"
    host.check_output(f"cp -a {conf} {conf}.saved && sed -i 's/^update_initramfs=.*/update_initramfs=no/' {conf}")
    try:
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -y -q xfsprogs")
    finally:
        host.check_output(f"mv {conf}.saved {conf}")


def remove_tiny(*hosts: Host, name: str = "tiny1") -> None:
    """Remove tiny1 (or `name`) and its copies from hosts, by name: these are the tests' own."""
    for host in hosts:
        host.run(
            f"rm -rf /etc/xen/{name}.cfg* /etc/xen/copies/*/{name}.cfg /var/lib/xen-legi/copies/*/{name}.json "
            f"/var/lib/xen-legi/backup/generation/{name}; udevadm settle; "
            f"for group in vg0 vg1; do lvremove -qq -y $(lvs --noheadings -o full_name $group | grep -F /{name}-) ; done"
        )


def manifest(host: Host, device: str) -> str:
    """Return all that a copy must keep of the tree on a device of a host."""
    script = (Path(__file__).parent / "tree_manifest").read_text()
    return in_disk(host, f"python3 -c {shlex.quote(script)} /run/look", device, "ro")


def filled(text: str, other: str) -> str:
    """Return a manifest with holes wherever another has them: where zeros were allocated, a copy may be the sparser one."""
    holes = {line.rsplit(" ", 3)[0] for line in other.splitlines() if line.rsplit(" ", 3)[1:2] == ["sparse"]}
    rows = [line.rsplit(" ", 3) for line in text.splitlines()]
    return "\n".join(" ".join([row[0], "sparse", *row[2:]] if row[0] in holes else row) for row in rows)


def backup(host: Host, words: str = "", *, kill: str = "") -> CommandResult:
    """Run backup-domu on a host; it may be told to kill itself at a point."""
    command = f"backup-domu run tiny1 {words}"
    return run_killed(host, kill, command) if kill else host.run(command)


def report(host: Host) -> list[dict[str, Any]]:
    """Return the rows of the last report that a run has left."""
    rows: list[dict[str, Any]] = json.loads(host.check_output(f"cat {LAST}"))["rows"]
    return rows


def volumes(host: Host, domu: str = "tiny1") -> dict[str, set[str]]:
    """Return the volumes of a domU and of nobody else, as GROUP/NAME, with their tags."""
    lines = host.check_output("lvs --noheadings --separator '|' -o vg_name,lv_name,lv_tags").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {f"{group}/{name}": set(tags.split(",")) for group, name, tags in rows if name.startswith(f"{domu}-")}


def leftovers(host: Host) -> list[str]:
    """Return what a run must not leave behind: ghosts, kept generations, mounts that anybody sees."""
    found = [name for name in volumes(host) if ".ghost-" in name or name.endswith(".good")]
    mounts = host.run("cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -e ghost -e [.]copy -e xen-legi/mnt/").stdout
    return found + str(mounts).splitlines()


def wait_until_runs(host: Host, command: str, seconds: float = 200) -> None:
    """Wait until a command succeeds on a host."""
    deadline = time.monotonic() + seconds
    while host.run(command).rc:
        assert time.monotonic() < deadline, command
        time.sleep(0.5)


def begin_held(host: Host, point: str, words: str) -> str:
    """Start a backup in the background which stops at a point, it or its receiver, and return its process."""
    command = f"XEN_LEGI_STOP_AT={point} setsid backup-domu run tiny1 {words} >/run/held.log 2>&1 </dev/null & echo $!"
    return str(host.check_output(command)).strip()


def problem(result: CommandResult) -> list[str]:
    """Return the two lines with which backup-domu refused something, a problem and a hint; assert that it is no more."""
    lines = [line for line in result.stderr.splitlines() if line.strip() and not line.lstrip().startswith("•")]
    assert "Traceback" not in result.stderr, result.stderr
    assert len(lines) == 2 and lines[0].startswith("backup-domu: ") and lines[1].startswith("  hint: "), result.stderr
    return lines
