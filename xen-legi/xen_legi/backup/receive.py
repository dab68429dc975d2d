"""The receiver: keeps the copies that this host has of other domUs, or in another volume group of its own.

It is the same program for a peer, who reaches it through a forced command of sshd, and for this host itself. It knows
who calls from its own command line (never from what the caller says), maps names to volumes itself, and has no verb that
removes the last good generation.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xen_legi import config, steps
from xen_legi.backup import boot, commit, copies, request, serve, state, supersede
from xen_legi.backup.copies import Work
from xen_legi.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Problem, die, need_root
from xen_legi.peers import book, words
from xen_legi.peers.words import Order

_INPUT_LIMIT = 4 << 20


@dataclass(frozen=True)
class Caller:
    """Who gives the orders, and which volume group is theirs."""

    source: str
    group: str
    local: bool

    def work(self, domu: str) -> Work:
        """The caller's copy of a domU."""
        return Work(domu, self.group, self.source)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one order. Answers are JSON on standard output; rsync's server takes both streams for itself."""
    steps.quiet = True
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with steps.signals_unwind():
            caller, order = _understand(arguments)
            return _VERBS[order.verb](caller, order)
    except Problem as problem:
        return _refuse(problem, arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _understand(arguments: list[str]) -> tuple[Caller, Order]:
    """Given --peer NAME (the order in SSH_ORIGINAL_COMMAND) or --local GROUP WORD..., return caller and order."""
    need_root("receive")
    match arguments:
        case ["--peer", name]:
            book.check_name(name)
            caller = Caller(name, config.load().receive_volume_group, local=False)
            return caller, words.parse(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
        case ["--local", group, *rest] if rest:
            return Caller(book.this_host(), group, local=True), words.parse(" ".join(rest))
    die("receive is started by backup-domu and by sshd", hint="receive --peer NAME | --local GROUP WORD...")


def _refuse(problem: Problem, arguments: Sequence[str]) -> int:
    """Tell the caller why not: as JSON, but for an order whose standard output is something else."""
    line = os.environ.get("SSH_ORIGINAL_COMMAND", "") if "--peer" in arguments[:1] else " ".join(arguments[2:])
    if not line.startswith(words.STREAMS):
        print(json.dumps({"problem": problem.message, "hint": problem.hint}))
        return problem.status
    print(f"xen-legi receive: {problem.message}", file=sys.stderr)
    if problem.hint:
        print(f"  hint: {problem.hint}", file=sys.stderr)
    return problem.status


def _answer(facts: dict[str, Any]) -> int:
    print(json.dumps(facts))
    return EXIT_OK


def _status(caller: Caller, order: Order) -> int:
    return _answer(state.status(caller.source, caller.group))


def _domu(caller: Caller, order: Order) -> int:
    return _answer(state.domu(order.words[0]))


def _domus(caller: Caller, order: Order) -> int:
    from xen_legi.domu import claims  # here, as below: a receiver starts four times for each copy

    return _answer({"domus": claims.plain([*claims.own(), claims.of_dom0()])})


def _begin(caller: Caller, order: Order) -> int:
    wanted = request.from_json(_input())
    if wanted.domu != order.words[0]:
        die("refused: the request is for another domU than the order")
    if not caller.local and not commit.outdated(caller.work(wanted.domu), wanted):
        supersede.end_former(copies.lock_name(wanted.domu, caller.group), caller.source)
    with copies_lock(caller, wanted.domu):
        return _answer(commit.begin(caller.work(wanted.domu), wanted, local=caller.local))


def _kernel(caller: Caller, order: Order) -> int:
    name, digest = order.words
    return _answer({"stored": str(boot.receive(name, digest, sys.stdin.buffer))})


def _kernels(caller: Caller, order: Order) -> int:
    from xen_legi.kernels import foreign
    from xen_legi.kernels.store import Store

    with foreign.publishing(Store(boot.directory().parent)):
        held = boot.held()
    return _answer(held)  # without the lock: who asks may not listen


def _modules(caller: Caller, order: Order) -> int:
    from xen_legi.backup import modules

    version, digest = order.words
    return _answer({"stored": str(modules.receive(version, digest, sys.stdin.buffer))})


def _transfer(caller: Caller, order: Order) -> int:
    domu, slot, run = order.words
    what = words.transfer(order)
    with copies_lock(caller, domu):
        return serve.transfer(*commit.resume(caller.work(domu), run), slot, order.verb, what)


def _sums(caller: Caller, order: Order) -> int:
    from xen_legi.backup import serve_blocks  # here, as below: few domUs are copied block by block

    domu, slot, run = order.words
    with copies_lock(caller, domu):
        serve_blocks.sums(*commit.resume(caller.work(domu), run), slot)
    return EXIT_OK


def _patch(caller: Caller, order: Order) -> int:
    from xen_legi.backup import serve_blocks

    domu, slot, run = order.words
    with copies_lock(caller, domu):
        return _answer(serve_blocks.patch(*commit.resume(caller.work(domu), run), slot))


def _commit(caller: Caller, order: Order) -> int:
    domu, run = order.words
    with copies_lock(caller, domu):
        return _answer(commit.commit(*commit.resume(caller.work(domu), run)))


def _abort(caller: Caller, order: Order) -> int:
    domu, run = order.words
    with copies_lock(caller, domu):
        commit.abort(caller.work(domu), run)
    return _answer({})


def _reject(caller: Caller, order: Order) -> int:
    domu, run = order.words
    with copies_lock(caller, domu):
        commit.reject(*commit.resume(caller.work(domu), run))
    return _answer({})


def copies_lock(caller: Caller, domu: str) -> Any:
    """Hold the copy of a domU."""
    return steps.lock(copies.lock_name(domu, caller.group), what=f"the copy of {domu}", wait=copies.LOCK_WAIT)


def _input() -> str:
    text = sys.stdin.buffer.read(_INPUT_LIMIT + 1)
    if len(text) > _INPUT_LIMIT:
        die("refused: the request is too long", status=EXIT_FAILED)
    return text.decode(errors="replace")


_VERBS: dict[str, Callable[[Caller, Order], int]] = {
    "status": _status,
    "domu": _domu,
    "domus": _domus,
    "begin": _begin,
    "kernels": _kernels,
    "kernel": _kernel,
    "modules": _modules,
    "sync": _transfer,
    "verify": _transfer,
    "sums": _sums,
    "patch": _patch,
    "commit": _commit,
    "abort": _abort,
    "reject": _reject,
}
