"""Kernels that no domU needs any more. Their files are a few bytes: nothing boots them."""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import refused, run_killed

VERSIONS = ("6.1.1-tiny", "6.1.2-tiny", "6.1.3-tiny")
ALL = "find /srv/xen -name '*-tiny*' | sort"
MAKE = (
    f"mkdir -p /srv/xen/boot && cd /srv/xen/boot && for version in {' '.join(VERSIONS)}; do "
    "mkdir -p ../lib/modules/$version && touch ../lib/modules/$version/modules.dep && "
    "echo x | tee vmlinuz-$version initrd.img-$version initrd.img-$version.modules >/dev/null || exit 1; done"
)


@pytest.fixture
def kernels(store: Host) -> Iterator[Host]:
    """The store with three kernels, of which a domU uses the oldest and a copy the one after it."""
    store.check_output(
        f"{MAKE}; mkdir -p /etc/xen/copies/vg0; "
        "echo \"kernel = '/srv/xen/boot/vmlinuz-6.1.1-tiny'\" > /etc/xen/old1.cfg; "
        "echo \"kernel = '/srv/xen/boot/vmlinuz-6.1.2-tiny'\" > /etc/xen/copies/vg0/old2.cfg"
    )
    yield store
    store.check_output("rm -rf /etc/xen/old1.cfg /etc/xen/copies /srv/xen/boot/*-tiny* /srv/xen/lib/modules/*-tiny")


def test_what_a_domu_or_a_copy_needs_stays(kernels: Host) -> None:
    before = kernels.check_output(ALL)
    assert "no kernel is superfluous" in kernels.run("xen-legi kernel prune --keep 1").stderr
    for version, needs in (("6.1.1-tiny", "/etc/xen/old1.cfg"), ("6.1.2-tiny", "/etc/xen/copies/vg0/old2.cfg")):
        result = kernels.run(f"xen-legi kernel prune {version}")
        refused(result)
        assert f"kernel {version} is in use: {needs}" in result.stderr
    newest = kernels.run("xen-legi kernel prune 6.1.3-tiny")
    refused(newest)
    assert "is that of new domUs" in newest.stderr
    refused(kernels.run("xen-legi kernel prune --keep 0"))
    assert kernels.check_output(ALL) == before


def test_what_nobody_needs_goes_with_all_its_parts_and_nothing_else(kernels: Host) -> None:
    kernels.check_output("rm /etc/xen/copies/vg0/old2.cfg")
    before = kernels.check_output(ALL).splitlines()
    assert kernels.check_output("xen-legi kernel prune --keep 1 --dry-run") == "would go: kernel 6.1.2-tiny"
    assert kernels.check_output(ALL).splitlines() == before
    assert kernels.check_output("xen-legi kernel prune --keep 1") == "removed: kernel 6.1.2-tiny"
    assert kernels.check_output(ALL).splitlines() == [one for one in before if "6.1.2-tiny" not in one]


@pytest.mark.parametrize("point", ["kernel:image-aside", "kernel:parts-gone"])
def test_a_removal_that_was_killed_is_ended_by_the_next(kernels: Host, point: str) -> None:
    kernels.check_output("rm /etc/xen/copies/vg0/old2.cfg")
    before = kernels.check_output(ALL).splitlines()
    assert run_killed(kernels, point, "xen-legi kernel prune 6.1.2-tiny").rc == 137
    assert "6.1.2-tiny" not in kernels.check_output("xen-legi kernel list --json")
    kernels.check_output("xen-legi kernel prune")
    assert kernels.check_output(ALL).splitlines() == [one for one in before if "6.1.2-tiny" not in one]
