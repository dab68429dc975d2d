"""Kernels for the peers, before a copy needs them there: what each host lacks is sent, and nothing there is replaced."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xen_legi.backup import boot, destination, modules
from xen_legi.errors import Problem, fail
from xen_legi.kernels.store import Kernel
from xen_legi.peers.asking import ask_all
from xen_legi.peers.book import Peer
from xen_legi.steps import lock, named_point, step

_TIMEOUT = 900  # seconds: a host waits for its own work on kernels, and reads them all for their digests
_LONGEST = 3600  # seconds for one file: a host that takes it and never answers would hold this host's kernels
MODULES, INITRAMFS, IMAGE = "modules", "initramfs", "image"


@dataclass(frozen=True)
class Has:
    """What a host has: the digests of its kernels and initramfs by name, and the versions of which it has the modules."""

    files: dict[str, str]
    modules: frozenset[str]


@dataclass(frozen=True)
class Synced:
    """How it went with one kernel and one host: what was sent (or would be; nothing: it had all of it), or why it was not.

    `kernel` is "" where the host could not even be asked.
    """

    host: str
    kernel: str = ""
    sent: tuple[str, ...] = ()
    problem: Problem | None = None


def lacking(kernel: Kernel, has: Has) -> tuple[str, ...]:
    """Return what a host lacks of a kernel, in the order in which it is sent: one whose image is there is whole."""
    there = {MODULES: kernel.version in has.modules, INITRAMFS: kernel.ramdisk.name in has.files,
             IMAGE: kernel.image.name in has.files}
    return tuple(part for part, present in there.items() if not present)


def check_same(kernel: Kernel, has: Has, host: str) -> None:
    """Fail if a host has a part of a kernel with other content: the parts of two kernels must not become one."""
    for one in (kernel.image, kernel.ramdisk):
        if one.name in has.files and has.files[one.name] != boot.digest(one):
            fail(f"{host} has another {one.name}, and keeps it", hint="where nothing uses it, xen-legi kernel prune")


def sync(kernels: Sequence[Kernel], peers: Sequence[Peer], *, dry_run: bool) -> Iterator[Synced]:
    """Send to each peer what it lacks of these kernels, and yield how it went with each."""
    for peer, answer in zip(peers, ask_all(_ask, peers, "kernels"), strict=True):
        if isinstance(answer, Problem):
            yield Synced(peer.name, problem=answer)
            continue
        for kernel in kernels:
            try:
                yield Synced(peer.name, kernel.version, _to_peer(kernel, peer, answer, dry_run=dry_run))
            except Problem as problem:
                yield Synced(peer.name, kernel.version, problem=problem)


def _ask(peer: Peer) -> Has | Problem:
    try:
        answer = destination.remote(peer).call("kernels", timeout=_TIMEOUT)
        return Has({str(name): str(sha) for name, sha in answer["files"].items()}, frozenset(map(str, answer["modules"])))
    except (KeyError, TypeError, AttributeError) as error:
        return destination.strange(peer.name, error)
    except Problem as problem:
        return problem


def _to_peer(kernel: Kernel, peer: Peer, has: Has, *, dry_run: bool) -> tuple[str, ...]:
    """Send what a peer lacks of a kernel, and return that. Nobody removes the kernel here meanwhile."""
    with lock("kernels", what="the domUs' kernels", wait=1800, shared=True):
        if not kernel.complete:
            fail(f"kernel {kernel.version} was removed meanwhile", hint="xen-legi kernel list shows what there is")
        check_same(kernel, has, peer.name)
        parts = lacking(kernel, has)
        if parts and not dry_run:
            with step(f"kernel {kernel.version} to {peer.name}: {', '.join(parts)}"):
                _send(kernel, peer, parts)
        return parts


def _send(kernel: Kernel, peer: Peer, parts: Sequence[str]) -> None:
    where = destination.remote(peer)
    if MODULES in parts:
        with modules.packed(kernel.modules) as (archive, digest):
            where.push("modules", kernel.version, digest, file=archive, limit=_LONGEST)
        named_point("kernel:modules-sent")
    for part, path in ((INITRAMFS, kernel.ramdisk), (IMAGE, kernel.image)):
        if part in parts:
            where.push("kernel", path.name, boot.digest(path), file=path, limit=_LONGEST)
            named_point(f"kernel:{part}-sent")
