"""What is said of a ghost that its domU has outrun, and of what stands in its place."""

from pathlib import Path

import pytest
from xen_legi.backup import ghost, job
from xen_legi.backup.ghost import Ghost
from xen_legi.backup.plan import Domu, Part
from xen_legi.backup.request import CopyRequest
from xen_legi.domu import config
from xen_legi.errors import Problem, die
from xen_legi.run import Result
from xen_legi.storage import identity
from xen_legi.storage.lvm import Volume

DISK = Volume("vg0", "web1-disk", 1 << 20, "-wi-ao----", frozenset(), "", "", "u", True, True, False, None)


def test_a_ghost_that_overflowed_at_once_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Result((), 0, "0 2048 snapshot Invalid\n", "")
    monkeypatch.setattr(ghost, "run", lambda argv, timeout: dead)
    monkeypatch.setattr(identity, "probe", lambda device: die(f"{device} holds nothing that blkid knows"))
    one = config.parse("name = 'web1'\ndisk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n", Path("web1.cfg"))
    domu = Domu(one, (Part("web1-disk", "/dev/vg0/web1-disk", DISK, "files"),))
    wanted = CopyRequest("web1", "r1", 1, one.text, ())
    with pytest.raises(Problem, match="not valid any more") as caught:
        job._with_identities(wanted, domu, {"web1-disk": Ghost(DISK, "web1-disk.ghost-r1")})
    assert "ghost_size" in caught.value.hint


def made(name: str, origin: str, *tags: str) -> Volume:
    """Return a volume of vg0 with these tags."""
    return Volume("vg0", name, 1 << 20, "-wi-a-----", frozenset(tags), origin, "", "u", True, False, False, None)


def test_a_ghost_is_known_by_its_tags_and_one_that_lvcreate_has_half_made_by_its_name_as_well() -> None:
    ours = ("xen-legi", "xen-legi.ghost", "xen-legi.domu=web1", "xen-legi.run=20261128-070118-164db7")
    name = "web1-disk.ghost-20261128-070118-164db7"
    assert ghost.is_ghost(made(name, "web1-disk", *ours)) and ghost.is_ghost(made(name, "", *ours))
    assert not ghost.is_ghost(made(name, "web1-disk"))  # somebody else's, of whatever name
    assert not ghost.is_ghost(made("web1-saved", "", *ours))  # split off from its origin and kept, by a person
    assert not ghost.is_ghost(made("web1-disk.ghost-", "", *ours[:3]))
