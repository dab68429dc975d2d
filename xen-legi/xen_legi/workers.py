"""Jobs beside each other, each in a process of its own that dies with us.

Processes and not threads: each unwinds by itself what it holds when a signal ends it, and to the kernel the thread that
starts a command is its parent (prctl(2), PR_SET_PDEATHSIG): its end would end the command.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from xen_legi import steps
from xen_legi.errors import EXIT_INTERRUPTED, Problem
from xen_legi.run import die_with_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

Item = TypeVar("Item")
Answer = TypeVar("Answer")
HOSTS = 16  # that are asked at once: a dead one costs ssh's ten seconds, and several together no more
_LATE = 2  # seconds after which a person wants to know what is waited for
_PATIENCE = 60  # seconds for a worker to undo what it holds; it ends its own commands within some


def each(
    job: Callable[[Item], Answer], items: Sequence[Item], at_once: int, late: Callable[[], object] | None = None
) -> Iterator[Answer | Problem]:
    """Do a job for every item, `at_once` of them beside each other, and yield the answers in the order of the items.

    A Problem takes the place of the answer of a worker that died. When we are interrupted, the workers are first. `late` is
    called whenever two seconds have brought no answer. Without it, a single job is done in this process.
    """
    if late is None and (at_once < 2 or len(items) < 2):
        yield from map(job, items)
        return
    crew = _Crew(job, at_once, late)
    try:
        yield from crew.answers(items)
    except BaseException:
        crew.end()
        raise


class _Crew:
    """The workers that are at work, by the pipe on which each will answer."""

    def __init__(self, job: Callable[[Item], Answer], at_once: int, late: Callable[[], object] | None = None) -> None:
        self.job, self.at_once, self.late = job, at_once, late
        self.working: "dict[Connection, tuple[int, ForkProcess]]" = {}

    def answers(self, items: Sequence[Item]) -> Iterator[Answer | Problem]:
        from multiprocessing.connection import wait  # here, because most programs of ours never need it

        waiting, done = list(enumerate(items)), {}
        for number in range(len(items)):
            while number not in done:
                while waiting and len(self.working) < self.at_once:
                    self.start(*waiting.pop(0))
                ready = wait(list(self.working), _LATE if self.late else None)
                if self.late and not ready:
                    self.late()
                for pipe in [one for one in self.working if one in ready]:
                    which, process = self.working[pipe]
                    done[which] = _answer(pipe, process)
                    del self.working[pipe]
            yield done.pop(number)

    def start(self, number: int, item: Item) -> None:
        from multiprocessing import get_context

        fork = get_context("fork")
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_work, args=(self.job, item, theirs, os.getpid()))
        process.start()
        theirs.close()
        self.working[ours] = number, process

    def end(self) -> None:
        """Have the workers undo what they hold, and wait for them."""
        for _, process in self.working.values():
            process.terminate()
        for _, process in self.working.values():
            process.join(_PATIENCE)
            process.kill()
            process.join()


def _work(job: Callable[[Item], Answer], item: Item, pipe: "Connection", run: int) -> None:
    """Do one job in a process of its own and send the answer."""
    try:
        die_with_parent()
        if os.getppid() != run:  # it has ended already
            raise KeyboardInterrupt
        steps.beside_others, steps.whole_run = True, run
        pipe.send(job(item))
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)


def _answer(pipe: "Connection", process: "ForkProcess") -> Answer | Problem:
    try:
        answer: Answer | Problem = pipe.recv()
    except EOFError:
        process.join()
        return Problem(f"its process ended with {_how(process.exitcode or 0)}", hint="was it killed? the next run cleans up")
    process.join()
    return answer


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
