"""Keep the domUs' kernels in step with dom0's as the settings say, and choose that of new domUs.

The kernel packages of dom0 call this when a kernel comes or goes. No domU changes its kernel by that, and none that
something uses is removed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from xen_legi.config import Config
from xen_legi.errors import Problem, die
from xen_legi.kernels import prune
from xen_legi.kernels.add import Source, add
from xen_legi.kernels.store import Kernel, Store, newest_of
from xen_legi.steps import lock, warn

YES, NO = "yes", "no"
_WAIT = 1800


def store_of(settings: Config) -> Store:
    """Return the domUs' kernels of this host."""
    return Store(Path(settings.srv), settings.flavour)


def newest(source: Source, flavour: str) -> str:
    """Return the newest kernel of dom0, of that flavour if it has one; nothing if it has none."""
    return newest_of(source.versions(), flavour)


def hold_default(store: Store, settings: Config) -> None:
    """Before a kernel is added: where new domUs are not to get it by that alone, theirs of today becomes the chosen one.
    There is no link yet, so that nothing can start by it, and nobody need be told."""
    if settings.follow != YES and not store.chosen():
        with _alone(store):
            if one := store.default_or_none():
                store.choose(one.version)


def choose(store: Store, version: str) -> None:
    """Make a kernel that of new domUs; nobody removes it meanwhile."""
    with _alone(store):
        store.find(version)  # what is not there is refused before anybody is told of the link
        _tell_of_link(store)
        store.choose(version)


def choose_newest(store: Store) -> None:
    """Let the newest be that of new domUs. Die if something starts by the link that goes then."""
    with _alone(store):
        if naming := prune.naming(store.link, prune.texts()):
            die(f"{store.link} is in use: {', '.join(naming)}", hint="let them name a kernel by its version: kernel pin")
        store.choose_newest()


def came(store: Store, version: str, settings: Config, source: Source = Source()) -> list[Kernel]:
    """Dom0 has a kernel: the domUs get it, and of the older ones those go that nobody needs. Return these."""
    if settings.follow == NO:
        return []
    hold_default(store, settings)
    add(store, version, settings.initramfs, source)
    return _remove(store, settings, lambda: []) if settings.keep else []


def went(store: Store, version: str, settings: Config, source: Source = Source()) -> list[Kernel]:
    """Dom0 has a kernel no more: it goes here, too, unless something uses it or it is the last. Return what went."""
    if settings.follow == NO or source.kernel(version).image.exists():
        return []
    return _remove(store, settings, lambda: _given_up(store, version))


def _given_up(store: Store, version: str) -> list[Kernel]:
    """Return the kernel that dom0 has no more, if nobody needs it."""
    one = store.kernel(version)
    others = [other for other in store.kernels() if not other.foreign and other != one and other.flavour == one.flavour]
    if not one.complete or one.foreign or not others or store.chosen() == version:
        return []
    return [] if prune.users(one, prune.texts()) else [one]


def _remove(store: Store, settings: Config, more: Callable[[], list[Kernel]]) -> list[Kernel]:
    """Remove what is superfluous, and more. What forbids it is told: the kernel that came is there all the same."""
    def going() -> list[Kernel]:
        given_up = more()
        old = prune.superfluous(store, prune.texts(), settings.keep, without=given_up) if settings.keep else []
        return [*(one for one in old if not one.foreign), *given_up]  # kernel sync sends them before anything names them

    try:
        return prune.remove(store, going)
    except Problem as problem:
        warn(f"no kernel of the domUs was removed: {problem.message}")
        return []


def _alone(store: Store) -> AbstractContextManager[int]:
    return lock("kernels", what=f"{store.top}/boot", wait=_WAIT)


def _tell_of_link(store: Store) -> None:
    for one in prune.naming(store.link, prune.texts()):
        warn(f"{one} names {store.link}: it starts with another kernel next, without its modules")
