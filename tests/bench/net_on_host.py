#!/usr/bin/python3
"""Measure, on one plain Debian host, how long many VLAN+bridge pairs take to come up and to go down.

Each way of doing it has a root of its own, an overlay over the host's with the packages that it needs, so that nothing of
one is seen by another; the kernel and udev are the host's. What takes longer than networking.service allows is ended.

Prints a table: for each way and number of pairs the seconds until the links are there, until udev has settled after it, and
until they are gone; and how that compares to the bare `ip -batch` and to ifupdown alone with the same stanzas.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path("/var/tmp/bench")
EVERY = 4094  # VLAN IDs that 802.1Q has
LIMIT = 300  # seconds: TimeoutStartSec of networking.service; it has no TimeoutStopSec, so going down may take systemd's 90
CARD = "card0"
LONG = """auto vlan{0}
iface vlan{0} inet manual
    vlan-raw-device card0

auto xenbr{0}
iface xenbr{0} inet manual
    bridge_ports vlan{0}
    bridge_stp off
    bridge_fd 0
    bridge_maxwait 0
"""
SHORT = "auto xenbr{0}\niface xenbr{0} inet manual\n    xen-vlan {0} card0\n"
NG = """auto vlan{0}
iface vlan{0}
    vlan-raw-device card0
    vlan-id {0}

auto xenbr{0}
iface xenbr{0}
    bridge-ports vlan{0}
"""
UP = "ifup -a -i /root/interfaces --exclude=eth0 --exclude=lo"
DOWN = "ifdown -a -i /root/interfaces --exclude=eth0 --exclude=lo"


@dataclass(frozen=True)
class Way:
    """One way to bring the pairs up.

    before: the links are there already; bare: the hook directories are emptied; every: also measured with all 4094 VLANs;
    floor: the way that is ifupdown's own share of this one, with the same stanzas.
    """

    name: str
    packages: str
    stanzas: Callable[[range], str]
    up: str = UP
    down: str = DOWN
    before: bool = False
    bare: bool = False
    every: bool = False
    floor: str = ""


def span(size: int) -> range:
    """Return the VLANs of so many pairs: from 2 on, since 1 is what ports have of their own accord; or all of them."""
    return range(1, EVERY + 1) if size >= EVERY else range(2, size + 2)


def each(text: str) -> Callable[[range], str]:
    """Return a file with this stanza for each number, after that of the card."""
    return lambda numbers: f"auto {CARD}\niface {CARD} inet manual\n\n" + "\n".join(map(text.format, numbers))


def spanned(numbers: range) -> str:
    """Return a file with one stanza for all."""
    return f"auto {CARD}\niface {CARD} inet manual\n    xen-vlans {numbers[0]}-{numbers[-1]}\n"


def batch(numbers: range) -> str:
    """Return the lines of `ip -batch` for the same links."""
    return f"link set dev {CARD} up\n" + "".join(
        f"link add name xenbr{one} address 02:00:00:00:{one >> 8:02x}:{one & 255:02x} type bridge forward_delay 0\n"
        f"link add link {CARD} name vlan{one} master xenbr{one} type vlan id {one}\n"
        f"link set dev vlan{one} up\nlink set dev xenbr{one} up\n" for one in numbers)


def networkd(numbers: range) -> str:
    """Return nothing: systemd-networkd has files of its own, which are written here."""
    made = Path("/run/systemd/network")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    vlans = "".join(f"VLAN=vlan{one}\n" for one in numbers)
    (made / "50-card.network").write_text(f"[Match]\nName={CARD}\n[Network]\nLinkLocalAddressing=no\n{vlans}")
    for one in numbers:
        (made / f"vlan{one}.netdev").write_text(f"[NetDev]\nName=vlan{one}\nKind=vlan\n[VLAN]\nId={one}\n")
        (made / f"xenbr{one}.netdev").write_text(f"[NetDev]\nName=xenbr{one}\nKind=bridge\n[Bridge]\nForwardDelaySec=0\n")
        for name, more in ((f"vlan{one}", f"Bridge=xenbr{one}\n"), (f"xenbr{one}", "ConfigureWithoutCarrier=yes\n")):
            (made / f"{name}.network").write_text(f"[Match]\nName={name}\n[Network]\nLinkLocalAddressing=no\n{more}")
    return ""


OURS = "/srv/xen-legi-repo/xen-legi-common_*.deb /srv/xen-legi-repo/xen-legi-ifupdown_*.deb"
CTL = "SYSTEMD_IGNORE_CHROOT=1 systemctl"
NETWORKD = "systemd-networkd.socket systemd-networkd.service"
OTHERS = "-a -i /root/interfaces -X eth0 -X lo"
IP_DOWN = "ip -batch /root/going"
FLOOR = "ifupdown, links there"
SHORT_FLOOR = "the same, one stanza"
WAYS = (
    Way("ip -batch", "", batch, "ip -batch /root/interfaces", IP_DOWN),
    Way("xen-vlans", OURS, spanned, every=True),
    Way(FLOOR, "", each(LONG), before=True, bare=True),
    Way("documented form", OURS, each(LONG), floor=FLOOR),
    Way(SHORT_FLOOR, "", each(SHORT), before=True, bare=True),
    Way("xen-vlan stanzas", OURS, each(SHORT), floor=SHORT_FLOOR),
    Way("systemd-networkd", "", networkd, f"{CTL} restart {NETWORKD}", f"{CTL} stop {NETWORKD}; {IP_DOWN}"),
    Way("ifupdown-ng", "ifupdown-ng", each(NG), floor=FLOOR),
    Way("ifupdown2", "ifupdown2", each(LONG), f"ifup {OTHERS}", f"ifdown {OTHERS}", floor=FLOOR),
    Way("Debian's hooks", "bridge-utils vlan ifenslave", each(LONG), floor=FLOOR),
)


@contextlib.contextmanager
def ground() -> Iterator[None]:
    """Inside the context, there is room for the roots: a file system of its own, as overlayfs asks for."""
    image = TOP.with_suffix(".img")
    TOP.mkdir(exist_ok=True)
    sh(f"truncate -s 2G {image} && mkfs.ext4 -q -F {image} && mount -o loop {image} {TOP}")
    try:
        yield
    finally:
        sh(f"umount {TOP}; rm -f {image}; rmdir {TOP}", check=False)


@contextlib.contextmanager
def root(way: Way) -> Iterator[Path]:
    """Inside the context, there is a root with the packages of a way."""
    base = TOP / way.name.replace(" ", "-").replace("'", "")
    for name in ("upper", "work", "root"):
        (base / name).mkdir(parents=True, exist_ok=True)
    top = base / "root"
    layers = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
    sh(f"mount -t overlay overlay -o {layers} {top}")
    try:
        sh(f"bind() {{ mkdir -p {top}/$1; mount --rbind --make-rslave /$1 {top}/$1; }}; "
           f"for one in dev proc sys srv; do bind $one; done; mount -t tmpfs tmpfs {top}/run; mkdir {top}/run/network; "
           f"for one in run/udev run/systemd run/dbus; do [ ! -d /$one ] || bind $one; done")
        if way.packages:
            inside(top, f"DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {way.packages}", 900)
        if way.bare:
            inside(top, "rm -f /etc/network/if-*.d/*")
        yield top
    finally:
        sh(f"umount -R {top} || umount -R -l {top}; rm -rf {base}", check=False)


def sh(line: str, *, check: bool = True) -> None:
    """Run a shell line; fail with what it printed."""
    ended = subprocess.run(["sh", "-ec", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and ended.returncode:
        sys.exit(f"{line}: {ended.stdout[-2000:]}")


def inside(top: Path, line: str, timeout: float = LIMIT) -> bool:
    """Run a shell line in a root; tell whether it ended in time, whatever came of it."""
    words = ["timeout", "--kill-after=10", str(timeout), "chroot", str(top), "sh", "-c", f"{line} >/root/log 2>&1"]
    return subprocess.run(words, stdin=subprocess.DEVNULL).returncode not in (124, 137)


def have(numbers: range) -> bool:
    """Tell whether all pairs are there, each VLAN in its bridge, and up."""
    return all(up(f"xenbr{one}") and any(
        os.path.exists(f"/sys/class/net/xenbr{one}/brif/{port}") and up(port) for port in (f"vlan{one}", f"{CARD}.{one}")
    ) for one in numbers)


def up(link: str) -> bool:
    """Tell whether a link is there and set up."""
    try:
        return bool(int(Path(f"/sys/class/net/{link}/flags").read_text(), 16) & 1)
    except OSError:
        return False


def clean(numbers: range) -> None:
    """Remove what is left of the pairs, and the card."""
    names = (name for one in numbers for name in (f"xenbr{one}", f"vlan{one}", f"{CARD}.{one}"))
    # Of each that is not there, ip asks the kernel for long.
    there = [name for name in (*names, CARD) if os.path.exists(f"/sys/class/net/{name}")]
    going = "".join(f"link del dev {name}\n" for name in there)
    subprocess.run(["ip", "-force", "-batch", "-"], input=going, text=True, capture_output=True)
    time.sleep(1)  # udev has then read what it was told, and drops what it has not begun when it is started anew
    sh("systemctl restart systemd-udevd && udevadm settle --timeout=600")


def measure(way: Way, top: Path, numbers: range) -> tuple[str, ...]:
    """Return seconds, as text, until the links are there, until udev has settled, and until they are gone."""
    clean(numbers)
    sh(f"ip link add {CARD} type dummy")
    (top / "root/interfaces").write_text(way.stanzas(numbers))
    (top / "root/going").write_text("".join(f"link del dev xenbr{one}\nlink del dev vlan{one}\n" for one in numbers))
    if way.before:
        subprocess.run(["ip", "-batch", "-"], input=batch(numbers), text=True, check=True)
    sh("udevadm settle --timeout=600")
    began = time.monotonic()
    in_time = inside(top, way.up)
    while in_time and not have(numbers) and time.monotonic() - began < LIMIT:  # networkd answers before it has done it
        time.sleep(0.05)
    took = time.monotonic() - began
    if not in_time or not have(numbers):
        told = f"over {LIMIT}" if took >= LIMIT else "failed"
        clean(numbers)
        return told, told, "-"
    settled = "-"
    if len(numbers) < EVERY:  # udev would need half an hour of an emulated processor; going down beside it is harder still
        sh("udevadm settle --timeout=600")
        settled = f"{time.monotonic() - began:.1f}"
    began = time.monotonic()
    in_time = inside(top, way.down)
    down = f"{time.monotonic() - began:.1f}" if in_time else f"over {LIMIT}"
    if in_time and not way.bare:  # nothing but hooks takes links away
        left = sum(os.path.exists(f"/sys/class/net/xenbr{one}") for one in numbers)
        down = f"{left} left" if left else down
    clean(numbers)
    return f"{took:.1f}", settled, down


def ratio(seconds: str, least: str) -> str:
    """Return how many times as long it took, as text; nothing where one of the two did not end in time."""
    return f"{float(seconds) / float(least):.1f}" if seconds[0].isdigit() and least[:1].isdigit() else ""


def main(sizes: list[int]) -> None:
    """Measure all and print the table as it grows."""
    heads = ("links", "settled", "down", "to ip -batch", "to its floor")
    print(f"{'way':<24}{'pairs':>6}" + "".join(f"{head:>14}" for head in heads))
    took: dict[tuple[str, int], str] = {}
    for way in WAYS:
        with ground(), root(way) as top:
            for size in [*sizes, EVERY] if way.every else sizes:
                links, settled, down = measure(way, top, span(size))
                took[way.name, size] = links
                ratios = (ratio(links, took.get((name, size), "")) for name in (WAYS[0].name, way.floor))
                cells = "".join(f"{one:>14}" for one in (links, settled, down, *ratios))
                print(f"{way.name:<24}{size:>6}{cells}", flush=True)
                if not links[0].isdigit():
                    break  # more of them take longer still


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [32, 128, 512])
