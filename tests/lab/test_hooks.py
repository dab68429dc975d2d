"""The administrator's programs that are told of domUs. A kernel and LVM, no guest."""

import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import make_tiny, remove_tiny
from domus import run_killed, state

PLACE = "/etc/xen-legi/hooks.d"
TELL = 'echo "$XEN_LEGI_VERB $XEN_LEGI_NAME $XEN_LEGI_NEW_NAME" >> /root/told'


@pytest.fixture
def tiny(store: Host) -> Iterator[Host]:
    """The store with tiny1, and hooks after each verb that write down what they are told."""
    remove(store)
    try:
        make_tiny(store)
        store.check_output("echo \"root = '/dev/xvda2 ro'\" >> /etc/xen/tiny1.cfg")
        for verb in ("clone", "delete", "rename"):
            hook(store, f"{verb}-post.d", TELL)
        yield store
    finally:
        remove(store)


def hook(host: Host, directory: str, script: str) -> None:
    """Put a hook there."""
    file = f"{PLACE}/{directory}/mine"
    text = shlex.quote(f"#!/bin/sh\n{script}\n")
    host.check_output(f"mkdir -p {PLACE}/{directory} && printf %s {text} > {file} && chmod 755 {file}")


def remove(host: Host) -> None:
    """Remove what these tests make."""
    remove_tiny(host)
    remove_tiny(host, name="tiny2")
    host.check_output(f"rm -rf {PLACE}/*.d /root/told")


@pytest.mark.parametrize(("verb", "words"), [
    ("rename", "tiny1 tiny2"), ("clone", "tiny1 tiny2 --no-start"), ("delete", "tiny1 --yes"),
])
def test_a_hook_can_forbid_it_before_anything_is_changed(tiny: Host, verb: str, words: str) -> None:
    hook(tiny, f"{verb}-pre.d", "echo not today >&2; exit 1")
    before = state(tiny)
    result = tiny.run(f"xen-legi {verb} {words}")
    assert result.rc == 1 and "not today\n" in result.stderr and "forbids it: see above" in result.stderr
    assert state(tiny) == before and tiny.run("test -e /root/told").rc == 1


def test_hooks_are_told_of_what_has_happened(tiny: Host) -> None:
    tiny.check_output("xen-legi clone tiny1 tiny2 --no-start && xen-legi delete tiny1 --yes && xen-legi rename tiny2 tiny1")
    assert tiny.check_output("cat /root/told").splitlines() == ["clone tiny2 ", "delete tiny1 ", "rename tiny2 tiny1"]


def test_a_hook_is_told_of_a_renaming_that_was_killed_when_it_is_ended(tiny: Host) -> None:
    assert run_killed(tiny, "rename:host-name", "xen-legi rename tiny1 tiny2").rc == 137
    tiny.check_output("xen-legi list")
    assert tiny.check_output("cat /root/told").splitlines() == ["rename tiny1 tiny2"]


@pytest.mark.parametrize(("point", "told"), [("tagged", []), ("after-file", ["delete tiny1 "])])
def test_a_hook_is_told_of_a_deletion_that_was_killed_when_it_is_ended(tiny: Host, point: str, told: list[str]) -> None:
    assert run_killed(tiny, f"delete:{point}", "xen-legi delete tiny1 --yes").rc == 137
    tiny.check_output("xen-legi list && xen-legi list")
    assert tiny.run("cat /root/told").stdout.splitlines() == told


def test_a_hook_that_fails_afterwards_is_warned_of(tiny: Host) -> None:
    hook(tiny, "rename-post.d", "exit 7")
    result = tiny.run("xen-legi rename tiny1 tiny2")
    assert result.rc == 0 and "mine exited with return code 7" in result.stderr
