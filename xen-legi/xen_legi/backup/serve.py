"""The receiving end of a transfer: rsync's server, with our options, on a mount that only this process sees."""

from xen_legi.backup import copies, generations
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import Copy, Slot
from xen_legi.errors import die
from xen_legi.peers import words
from xen_legi.peers.words import Transfer
from xen_legi.run import spawn
from xen_legi.steps import named_point
from xen_legi.storage import lvm, namespace
from xen_legi.storage.lvm import TAG, Volume

_STOPPED = (23, 24, 25)  # rsync's exit statuses when it may have deleted all that it might; 25 is hidden by the others
_DELETE_ALWAYS = 1000  # files that any run may delete, however small the domU


def transfer(work: Work, copy: Copy, slot_name: str, verb: str, what: Transfer) -> int:
    """Serve one transfer of one volume and return the exit status of rsync's server."""
    wanted = work.request.volume(slot_name) if work.request else None
    slot = copy.slots.get(slot_name, Slot(slot_name))
    volume = writable(work, slot)
    if wanted is None or not wanted.files:
        die(f"refused: no files are sent for {slot_name}")
    assert work.request
    limit = None if work.request.allow_deletes or verb == "verify" else _limit(slot, volume)
    if what.tight:
        copies.retag(volume, add=[copies.UNSURE])
    namespace.enter()
    with namespace.mounted(volume.path, wanted.identity.type, writable=verb == "sync") as place:
        named_point("receive:mounted")
        status = _serve(words.server(verb, what, str(place), limit))
        if verb == "sync" and status in _STOPPED:
            copies.retag(volume, add=[generations.LIMIT_HIT])
        files = namespace.used_inodes(place)
        if verb == "sync":
            named_point("receive:written")
            namespace.sync(place)
    if verb == "sync":
        namespace.flush(volume.path)
        named_point("receive:flushed")
        if status == 0:
            mark_synced(volume, work.request.run, files)
    return status


def _limit(slot: Slot, volume: Volume) -> int:
    """Return how many files a transfer may delete: none, after another one of this run may have stopped at its limit."""
    return 0 if generations.LIMIT_HIT in volume.tags else max_delete(files_before(slot))


def max_delete(files: int) -> int:
    """Given how many files the last good generation has (0: unknown), return how many a run may delete."""
    return max(_DELETE_ALWAYS, files // 2)


def files_before(slot: Slot) -> int:
    """Return how many files the last good generation of a slot has, as far as it is known."""
    said = [member.volume.tagged(f"{TAG}.files") for member in (slot.good, slot.copy) if member]
    return next((int(text) for text in said if text.isdecimal()), 0)


def writable(work: Work, slot: Slot) -> Volume:
    """Return the volume that is being written. Die unless it belongs to the run that is under way."""
    if slot.copy is None or slot.copy.state != "dirty" or slot.copy.generations:
        die(f"refused: {slot.name} of {work.domu} is not being written")
    if work.request is None or f"{TAG}.run={work.request.run}" not in slot.copy.volume.tags:
        die(f"refused: {slot.name} of {work.domu} is not being written in this run")
    if slot.good and slot.good.volume.invalid:
        die(f"the kept generation of {slot.name} is damaged", hint="look at lvs -a on the receiving host")
    if not slot.copy.volume.active:
        lvm.activate(slot.copy.volume.full_name)
    return slot.copy.volume


def _serve(argv: list[str]) -> int:
    """Run rsync's server on our own standard input and output, which lead to the client."""
    with spawn(argv, stdin=0, stdout=1) as process:
        pass
    return int(process.returncode)


def mark_synced(volume: Volume, run: str, files: int) -> None:
    """Say on a volume that a run has written it whole, and how many files it has then."""
    stale = [tag for tag in volume.tags if tag.startswith((f"{TAG}.files=", f"{TAG}.synced="))]
    copies.retag(volume, add=[f"{TAG}.synced={run}", f"{TAG}.files={files}"], remove=stale)
