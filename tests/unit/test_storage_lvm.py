"""What lvm2 is asked for."""

import pytest
from xen_legi.storage import lvm


@pytest.mark.parametrize("size, words", [
    (2 << 30, "4194304s"), ((2 << 30) // 5, "838861s"), (1, "1s"), (512, "1s"), (513, "2s"),
])
def test_lvm2_is_given_whole_sectors(size: int, words: str) -> None:
    assert lvm.sectors(size) == words
