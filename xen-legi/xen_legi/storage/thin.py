"""What differs between two snapshots in one thin pool, by the pool's own table: no block of them is read for it.

A pool in use shows a snapshot of its table, one at a time, to whoever has reserved it (thin-provisioning.rst of the kernel);
thin_delta(8) compares in it where the blocks of two volumes are. What shares a block is the same; all else may differ.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xen_legi import files
from xen_legi.errors import Problem, die, fail
from xen_legi.run import installed, lines, run
from xen_legi.steps import lock, named_point
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume

MARKS = Path("/var/lib/xen-legi/thin")  # GROUP:POOL, with what dmsetup said of the pool once it was reserved
_SECTOR = 512
_WAIT = 60  # seconds for another of our runs to have read the table
_BROKEN = ((1, 0), (1, 0, 6))  # from, before: thin_delta took any two runs of blocks for one (its CHANGES, v1.0.6)
_ELEMENT = re.compile(r"<(/?\w+)([^<>]*)>")
_KNOWN = ("superblock", "/superblock", "diff", "/diff", "same")
_NUMBER = re.compile(r'(\w+)="(\d+)"')
_LONGEST = 1800  # seconds for thin_delta
_RESERVE = """
dmsetup message "$1" 0 reserve_metadata_snap || exit 3
dmsetup status "$1" >"$2" || { dmsetup message "$1" 0 release_metadata_snap; exit 4; }
"""  # one child that no kill of us cuts off: what is reserved and not noted as ours would be nobody's
_REFUSED = 3
_TAKEN = "somebody has reserved the table of the thin pool {0}/{1}"
_FREE = "if no other program reads it: dmsetup message {0}-tpool 0 release_metadata_snap"


@dataclass(frozen=True)
class Usage:
    """How full a pool and its table are, in percent, and the root that is reserved for readers of the table (0: none)."""

    data: float
    table: float
    reserved: int

    @property
    def percent(self) -> float:
        """How full the fuller of the two is."""
        return max(self.data, self.table)


def usage(group: str, pool: str) -> Usage:
    """Return how full a pool is."""
    return parse_usage(run(["dmsetup", "status", _device(group, pool)], timeout=lvm.TIMEOUT).stdout)


def parse_usage(status: str) -> Usage:
    """Given what `dmsetup status` says of a thin pool, return how full it is. Fail if the pool has failed."""
    words = status.split()
    shares = [re.fullmatch(r"(\d+)/([1-9]\d*)", word) for word in words[4:6]]
    if len(words) < 7 or words[2] != "thin-pool" or not all(shares):
        fail(f"the thin pool answers {status.strip()!r}", hint="lvs -a shows it; lvmthin(7) tells how one is repaired")
    table, data = (100 * int(one[1]) / int(one[2]) for one in shares if one)
    return Usage(data, table, int(words[6]) if words[6].isdecimal() else 0)


def differing(older: Volume, newer: Volume) -> list[tuple[int, int]]:
    """Return where two volumes of a pool may differ: (offset, length) in bytes, in order."""
    _need_program()
    with _table(older.group, older.pool) as device:
        ids = ["--thin1", str(lvm.thin_id(older)), "--thin2", str(lvm.thin_id(newer))]
        found = parse_delta(lines(["timeout", str(_LONGEST), "thin_delta", "--metadata-snap", *ids, device]))
        named_point("thin:compared")
    return found


def parse_delta(told: Iterable[str]) -> list[tuple[int, int]]:
    """Given what thin_delta prints, return what is not the same: (offset, length) in bytes, in order. Fail if it is not
    whole."""
    size, ended = 0, False
    found: list[tuple[int, int]] = []
    for name, words in (one for line in told for one in _ELEMENT.findall(line)):
        numbers = {key: int(value) for key, value in _NUMBER.findall(words)}
        if name == "superblock":
            size = numbers.get("data_block_size", 0) * _SECTOR
        elif name in ("different", "left_only", "right_only") and size and {"begin", "length"} <= numbers.keys():
            _add(found, numbers["begin"] * size, numbers["length"] * size)
        elif name not in _KNOWN:
            fail(f"thin_delta answered what is not known here: {name} {words.strip()}", hint="see thin_delta(8)")
        ended = ended or name == "/superblock"
    if not (size and ended):
        fail("thin_delta answered what is not whole", hint="run it by hand, see thin_delta(8)")
    return found


def tidy() -> None:
    """Give back the tables that killed runs have left reserved."""
    for mark in sorted(MARKS.glob("[!.]*:*")) if MARKS.is_dir() else ():
        group, _, pool = mark.name.partition(":")
        with contextlib.suppress(Problem), _locked(group, pool, 0):  # of a pool that is not active nothing can be said
            if lvm.find(group, pool) is None:
                mark.unlink(missing_ok=True)
            else:
                _give_back(group, pool, mark)


def need_whole(version: str) -> None:
    """Die if a thin_delta of this version forgets blocks that differ."""
    numbers = tuple(int(one) for one in re.findall(r"\d+", version))
    if not numbers or _BROKEN[0] <= numbers < _BROKEN[1]:
        die(f"thin_delta {version} forgets blocks that differ", hint="upgrade thin-provisioning-tools to 1.0.6 or later")


def _need_program() -> None:
    if not installed("thin_delta"):
        die("there is no thin_delta here", hint="apt install thin-provisioning-tools")
    need_whole(run(["thin_delta", "--version"], timeout=lvm.TIMEOUT).stdout.strip())


@contextlib.contextmanager
def _table(group: str, pool: str) -> Iterator[Path]:
    """Inside the context, the table of a pool stands still, on this device."""
    mark = MARKS / f"{group}:{pool}"
    with _locked(group, pool, _WAIT):
        _give_back(group, pool, mark)
        if usage(group, pool).reserved:
            die(_TAKEN.format(group, pool), hint=_FREE.format(lvm.device_mapper_name(group, pool)))
        MARKS.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(mark, "")
        named_point("thin:marked")
        words = ["sh", "-c", _RESERVE, "thin", _device(group, pool), str(mark)]
        if run(words, ok=(0, _REFUSED), timeout=lvm.TIMEOUT, outlives_us=True).status == _REFUSED:
            mark.unlink()
            die(_TAKEN.format(group, pool), hint=_FREE.format(lvm.device_mapper_name(group, pool)))
        try:
            named_point("thin:reserved")
            yield Path("/dev/mapper") / lvm.device_mapper_name(group, f"{pool}_tmeta")
        finally:
            _give_back(group, pool, mark)


def _locked(group: str, pool: str, wait: float) -> contextlib.AbstractContextManager[int]:
    return lock(f"thin-{group}:{pool}", what=f"the table of the thin pool {group}/{pool}", wait=wait)


def _give_back(group: str, pool: str, mark: Path) -> None:
    """End what a mark tells of, if it is still what is reserved: another one is not ours."""
    if not mark.exists():
        return
    noted = files.read(mark)
    if noted.strip() and parse_usage(noted).reserved == usage(group, pool).reserved != 0:
        words = ["dmsetup", "message", _device(group, pool), "0", "release_metadata_snap"]
        run(words, timeout=lvm.TIMEOUT, outlives_us=True)
    mark.unlink()


def _device(group: str, pool: str) -> str:
    return f"{lvm.device_mapper_name(group, pool)}-tpool"


def _add(found: list[tuple[int, int]], offset: int, length: int) -> None:
    """Add a stretch; what follows on the last one makes that longer."""
    if found and sum(found[-1]) == offset:
        found[-1] = (found[-1][0], found[-1][1] + length)
    else:
        found.append((offset, length))
