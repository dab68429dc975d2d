"""A ping that goes on while a test does something: how many of its packets were lost."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testinfra.host import Host

PER_SECOND = 10


@dataclass
class Count:
    """Packets, once the ping has ended."""

    sent: int = 0
    lost: int = 0


@contextmanager
def pinged(host: Host, address: str) -> Iterator[Count]:
    """Inside the context, `host` pings the address ten times a second; afterwards what is yielded tells how it went."""
    count = Count()
    ping = f"ping -q -i {1 / PER_SECOND} -W 5 {address}"
    host.check_output(f"(setsid {ping} >/run/ping.log 2>&1 </dev/null & echo $! >/run/ping.pid)")
    try:
        yield count
    finally:
        host.check_output("kill -INT $(cat /run/ping.pid); sleep 1")
        said = host.check_output("cat /run/ping.log")
    told = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert told, said
    count.sent, count.lost = int(told[1]), int(told[1]) - int(told[2])
