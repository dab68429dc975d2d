"""Put one question to several hosts, beside each other."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from xen_legi import workers
from xen_legi.errors import Problem
from xen_legi.steps import Progress


class Named(Protocol):
    """A peer, or a destination."""

    @property
    def name(self) -> str:
        """The host's name."""


Host = TypeVar("Host", bound=Named)
Answer = TypeVar("Answer")


def ask_all(question: Callable[[Host], Answer], hosts: Sequence[Host], about: str) -> list[Answer | Problem]:
    """Return the hosts' answers in their order; a Problem where the asking process died. Who waits is told for whom."""
    what = f"ask {', '.join(one.name for one in hosts)} about {about}"
    progress = Progress(what, shown=lambda done: f"{done} of {len(hosts)} answered so far")
    answers: list[Answer | Problem] = []
    for answer in workers.each(question, hosts, workers.HOSTS, lambda: progress.update(len(answers))):
        answers.append(answer)
    progress.close()
    return answers
