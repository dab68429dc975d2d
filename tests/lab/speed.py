"""How much slower this computer is just now than the one on which the lab's times were measured.

A wait for a guest has an end, because some guests never answer, and so has a test, because some hang. It is no time
that they may take: where processors are emulated by one that is four times slower, what is well takes four times the time.

    speed.py 1500          prints how many seconds 1500 of a usual computer are on this one
"""

import functools
import sys
import time

_USUAL = 0.065  # seconds of a processor for a million turns of the loop below
_MOST = 4.0
_TURNS = 2_000_000


@functools.cache
def patience() -> float:
    """Return by what a wait is to be multiplied: 1 on a usual computer or a faster one, 4 at most."""
    began = time.process_time()
    total = 0
    for number in range(_TURNS):
        total += number
    return factor((time.process_time() - began) / _TURNS * 1_000_000)


def factor(seconds: float) -> float:
    """Return the same for so many seconds per million turns."""
    return min(_MOST, max(1.0, seconds / _USUAL))


if __name__ == "__main__":
    print(round(int(sys.argv[1]) * patience()))
