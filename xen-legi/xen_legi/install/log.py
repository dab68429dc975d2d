"""The log of a domU that is made: what was planned and what its roles printed. The next create of that name begins it anew.

It is for root alone, because the arguments of roles and what they print may hold passwords. A log that cannot be written
hinders nothing.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from xen_legi.steps import warn

DIRECTORY = Path("/var/log/xen-legi")


def file_of(name: str) -> Path:
    """Return where the log of a domU is."""
    return DIRECTORY / f"{name}.log"


def begin(name: str, text: str) -> None:
    """Begin the log of a domU with this text."""
    with contextlib.suppress(OSError):  # the next line warns
        DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        file_of(name).unlink(missing_ok=True)
    with opened(name) as add:
        add(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{text}")


@contextlib.contextmanager
def opened(name: str) -> Iterator[Callable[[str], None]]:
    """Open the log of a domU; yield what adds a line to it, which is there whatever happens to us next."""
    try:
        descriptor = os.open(file_of(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        warn(f"{file_of(name)} cannot be written: {error.strerror}")
        descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def add(line: str) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, f"{line}\n".encode(errors="surrogateescape"))

    try:
        yield add
    finally:
        os.close(descriptor)
