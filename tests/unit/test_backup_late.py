"""An order that comes late changes nothing, and what a request says of a copy that is gone keeps nobody out."""

from dataclasses import replace
from pathlib import Path

import pytest
from xen_legi.backup import commit, generations, request
from xen_legi.backup.copies import Work
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.storage import lvm
from xen_legi.storage.identity import Identity
from xen_legi.storage.lvm import Volume

WORK = Work("web1", "vg0", "dom0a")
DISK = VolumeRequest("web1-disk", "/dev/vg0/web1-disk", 1 << 20, Identity("raw", ""))
STORED = CopyRequest("web1", "r40", 40, "name = 'web1'\n", (DISK,))
TAGS = frozenset({generations.COPY_TAG, "xen-legi.domu=web1", "xen-legi.volume=web1-disk", "xen-legi.from=dom0a"})
RUN = TAGS | {"xen-legi.run=r40"}
WRITTEN = Volume("vg0", "web1-disk.copy", 1 << 20, "-wi-a-----", RUN, "", "", "u", True, False, False, None)


@pytest.mark.parametrize("there, wanted, late", [
    ([WRITTEN], 39, True), ([WRITTEN], 40, True), ([WRITTEN], 41, False), ([], 1, False),
    ([replace(WRITTEN, tags=TAGS | {"xen-legi.run=r2"})], 3, False), ([replace(WRITTEN, tags=TAGS)], 3, False),
])
def test_only_a_run_that_is_being_written_makes_an_earlier_one_late(
    there: list[Volume], wanted: int, late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "REQUESTS", tmp_path)
    monkeypatch.setattr(lvm, "volumes", lambda: there)
    assert not commit.outdated(WORK, STORED)
    (tmp_path / "vg0").mkdir()
    (tmp_path / "vg0" / "web1.json").write_text(request.to_json(STORED))
    assert commit.outdated(WORK, replace(STORED, run="r1", generation=wanted)) == late
