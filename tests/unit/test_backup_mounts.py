"""How a guest's filesystem is mounted in dom0: what its owner wrote into it must not reach this host."""

import pytest
from xen_legi.storage import identity, namespace


@pytest.mark.parametrize("kind", identity.EXT)
@pytest.mark.parametrize("writable", [True, False])
def test_a_filesystem_that_wants_a_panic_at_an_error_does_not_get_one(kind: str, writable: bool) -> None:
    assert "errors=remount-ro" in namespace.options(kind, writable=writable).split(",")


@pytest.mark.parametrize("kind", identity.FILES)
def test_no_file_of_a_guest_is_a_device_a_program_or_a_way_out(kind: str) -> None:
    for writable, access in ((True, "rw"), (False, "ro")):
        words = namespace.options(kind, writable=writable).split(",")
        assert words[0] == access and {"nodev", "nosuid", "noexec", "nosymfollow"} <= set(words)


def test_each_kind_gets_only_options_that_it_knows() -> None:
    words = namespace.options("xfs", writable=False).split(",")
    assert "nouuid" in words and "errors=remount-ro" not in words
    assert "nouuid" not in namespace.options("ext4", writable=False).split(",")
