"""Kernels for the peers, before a copy needs them there: what each host lacks is sent, and nothing there is replaced."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xen_legi.backup import boot, destination, modules
from xen_legi.errors import EXIT_FAILED, Problem, die
from xen_legi.kernels.store import Kernel
from xen_legi.peers.asking import ask_all
from xen_legi.peers.book import Peer
from xen_legi.steps import lock, named_point, say, step, warn

_TIMEOUT = 300  # seconds: a host reads all its kernels for their digests
MODULES, INITRAMFS, IMAGE = "modules", "initramfs", "image"


@dataclass(frozen=True)
class Has:
    """What a host has: the digests of its kernels and initramfs by name, and the versions of which it has the modules."""

    files: dict[str, str]
    modules: frozenset[str]


@dataclass(frozen=True)
class Synced:
    """How it went with one host: what was sent (or would be) of which kernel, or why it was not."""

    host: str
    sent: tuple[tuple[str, tuple[str, ...]], ...] = ()
    problem: str = ""


def lacking(kernel: Kernel, has: Has) -> tuple[str, ...]:
    """Return what a host lacks of a kernel, in the order in which it is sent: one whose image is there is whole."""
    there = {MODULES: kernel.version in has.modules, INITRAMFS: kernel.ramdisk.name in has.files,
             IMAGE: kernel.image.name in has.files}
    return tuple(part for part, present in there.items() if not present)


def differing(kernel: Kernel, has: Has) -> list[str]:
    """Return the names of what a host has of a kernel, with other content."""
    return [one.name for one in (kernel.image, kernel.ramdisk)
            if one.name in has.files and has.files[one.name] != boot.digest(one)]


def sync(kernels: Sequence[Kernel], peers: Sequence[Peer], *, dry_run: bool) -> Iterator[Synced]:
    """Send to each peer what it lacks of these kernels, and yield how it went. Nobody removes them here meanwhile."""
    with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
        for peer, answer in zip(peers, ask_all(_ask, peers, "kernels"), strict=True):
            try:
                if isinstance(answer, Problem):
                    raise answer
                yield Synced(peer.name, tuple(_to_peer(kernels, peer, answer, dry_run=dry_run)))
            except Problem as problem:
                say(problem.message)
                yield Synced(peer.name, problem=problem.message)


def _ask(peer: Peer) -> Has | Problem:
    try:
        answer = destination.remote(peer).call("kernels", timeout=_TIMEOUT)
        return Has({str(name): str(sha) for name, sha in answer["files"].items()}, frozenset(map(str, answer["modules"])))
    except (KeyError, TypeError, AttributeError) as error:
        return destination.strange(peer.name, error)
    except Problem as problem:
        return problem


def _to_peer(kernels: Sequence[Kernel], peer: Peer, has: Has, *, dry_run: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    for kernel in kernels:
        for name in differing(kernel, has):
            warn(f"{peer.name} has another {name}: copies start from its own there")
        parts = lacking(kernel, has)
        if parts and not dry_run:
            with step(f"kernel {kernel.version} to {peer.name}: {', '.join(parts)}"):
                _send(kernel, peer, parts)
        if parts:
            yield kernel.version, parts


def _send(kernel: Kernel, peer: Peer, parts: Sequence[str]) -> None:
    where = destination.remote(peer)
    if not kernel.complete:
        die(f"kernel {kernel.version} is not whole here any more", status=EXIT_FAILED)
    if MODULES in parts:
        with modules.packed(kernel.modules) as (archive, digest):
            where.push("modules", kernel.version, digest, file=archive)
        named_point("kernel:modules-sent")
    for part, path in ((INITRAMFS, kernel.ramdisk), (IMAGE, kernel.image)):
        if part in parts:
            where.push("kernel", path.name, boot.digest(path), file=path)
            named_point(f"kernel:{part}-sent")
