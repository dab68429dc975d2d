"""Sizes as people write them: 512M, 2G, 1.5T; always powers of 1024, as lvm2 and xl read them. And spans of time: 26h."""

import math
import re

from xen_legi.errors import die

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FACTORS = {"K": KIB, "M": MIB, "G": GIB, "T": TIB}


def parse_size(text: str, *, what: str = "size") -> int:
    """Given 512M, 2G, 2GB, 2GiB or 1.5T, return whole bytes, a part of one counted as one.

    A bare number has no meaning that people agree on: die.
    """
    from fractions import Fraction  # here: it loads decimal, for which every start would pay

    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([KMGT])(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        die(f"{what} {text!r} is not a size", hint="write a number and a unit: 512M, 2G, 1.5T")
    size = math.ceil(Fraction(match[1]) * _FACTORS[match[2].upper()])
    if size <= 0:
        die(f"{what} {text!r} is zero", hint="write a number and a unit: 512M, 2G, 1.5T")
    return size


def format_size(size: int) -> str:
    """Given bytes, return the shortest exact text where there is one (2G), else one decimal (1.3G)."""
    for unit, factor in (("T", TIB), ("G", GIB), ("M", MIB), ("K", KIB)):
        if size >= factor:
            return f"{size // factor}{unit}" if size % factor == 0 else f"{size / factor:.1f}{unit}"
    return f"{size}B"


def exact_size(size: int) -> str:
    """Given bytes, return them in the largest unit of which they are a whole number: 2G, 1128M."""
    for unit, factor in (("T", TIB), ("G", GIB), ("M", MIB), ("K", KIB)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def parse_seconds(text: str, *, what: str = "time") -> int:
    """Given 90m, 26h or 2d (or 30s), return seconds."""
    match = re.fullmatch(r"([0-9]{1,6})\s*([smhd])", text.strip())
    if not match:
        die(f"{what} {text!r} is no span of time", hint="write a number and a unit: 90m, 26h, 2d")
    return int(match[1]) * _SECONDS[match[2]]


def format_seconds(seconds: float) -> str:
    """Given seconds, return 0.4 s, 12 s, 3 min 05 s or 2 h 07 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
