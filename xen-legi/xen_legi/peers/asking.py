"""Put one question to several peers, beside each other."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from xen_legi import workers
from xen_legi.errors import Problem
from xen_legi.peers.book import Peer
from xen_legi.steps import Progress

Answer = TypeVar("Answer")


def ask_all(question: Callable[[Peer], Answer], peers: Sequence[Peer], about: str) -> list[Answer | Problem]:
    """Return the peers' answers in their order; a Problem where the asking process died. Who waits is told for whom."""
    progress = Progress(f"ask {', '.join(one.name for one in peers)} about {about}", shown=lambda done: f"{done} answered")
    answers: list[Answer | Problem] = []
    for answer in workers.each(question, peers, workers.HOSTS, lambda: progress.update(len(answers))):
        answers.append(answer)
    progress.close()
    return answers
