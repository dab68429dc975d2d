"""How much memory and how many virtual processors a domU has, and what may become of it. Pure.

A domU that runs can have what it was started with: maxmem and maxvcpus of its file as it was then, or memory and vcpus.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die
from xen_legi.units import MIB, exact_size, parse_size


@dataclass(frozen=True)
class Shape:
    """Memory in MiB and virtual processors; 0: as it is."""

    memory: int = 0
    vcpus: int = 0


def mebibytes(text: str, what: str) -> int:
    """Given 512M or 2G, return MiB. Die if it is no such size, or less than anything starts with."""
    size = parse_size(text, what=what)
    if size % MIB or size < 16 * MIB:
        die(f"{what} {text!r} is not a whole number of MiB, or too little", hint="write 512M or 2G")
    return size // MIB


def processors(number: str | int) -> int:
    """Return a number of virtual processors. Die if it is none: str.isdigit() is true of a small raised 2."""
    if not re.fullmatch("[0-9]{1,9}", str(number)) or not 1 <= int(number) <= 512:
        die(f"vcpus {number!r} is not a number of processors", hint="1 to 512")
    return int(number)


def check_running(domu: DomuConfig, wanted: Shape, most: Shape, has: int, free: int) -> None:
    """Die if a domU that runs with `has` MiB cannot get this: it can have `most`, and this host has `free` MiB more."""
    limits = (("memory", wanted.memory, most.memory, exact_size(most.memory * MIB)),
              ("vcpus", wanted.vcpus, most.vcpus, str(most.vcpus)))
    for what, value, limit, shown in limits:
        if value > limit:
            die(f"{domu.name} can have {what} {shown} at most while it runs",
                hint=f"say it again while it is off; {_MAXIMA[what]} in {domu.file} leaves room for more")
    if wanted.memory and wanted.memory - has > free:
        die(f"this host has {exact_size(free * MIB)} of memory free, {exact_size((wanted.memory - has) * MIB)} are needed",
            hint="xen-legi list shows what the domUs have")


def check_off(domu: DomuConfig, wanted: Shape, total: int) -> None:
    """Die if a domU that is off could never start with this: the host has `total` MiB, dom0's among them."""
    if wanted.memory >= total:
        die(f"this host has {exact_size(total * MIB)} of memory in all: {domu.name} could not start with "
            f"{exact_size(wanted.memory * MIB)}", hint="say less; xl info shows total_memory")


def otherwise(wanted: Shape, has: Shape) -> str:
    """Return what a domU that runs has instead of what is wanted, for people; nothing if it has that."""
    memory = wanted.memory and abs(has.memory - wanted.memory) > _NEAR
    words = [f"memory {exact_size(has.memory * MIB)}"] if memory else []
    words += [f"vcpus {has.vcpus}"] if wanted.vcpus not in (0, has.vcpus) else []
    return ", ".join(words)


def settings(domu: DomuConfig, wanted: Shape) -> Mapping[str, int]:
    """Return what changes in the domU's file: what is wanted, and a maximum that would be less."""
    changes = {key: value for key, value in (("memory", wanted.memory), ("vcpus", wanted.vcpus)) if value}
    raised = {_MAXIMA[key]: value for key, value in changes.items()
              if value > _maximum(domu.settings.get(_MAXIMA[key], ""), value)}
    return {**changes, **raised}


_NEAR = 8  # MiB by which what Xen shows differs from what a domain was given
_MAXIMA = {"memory": "maxmem", "vcpus": "maxvcpus"}


def _maximum(said: str, otherwise: int) -> int:
    """Return a maximum as the file has it, or the other number where it has none that can be read."""
    return int(said, 0) if re.fullmatch(r"0x[0-9a-fA-F]+|[1-9][0-9]*", said) else otherwise


def maxima(domu: DomuConfig) -> Shape:
    """Return what a domU's file says that it can have at most; 0 where it says nothing that can be read."""
    return Shape(*(_maximum(domu.settings.get(key, ""), 0) for key in _MAXIMA.values()))
