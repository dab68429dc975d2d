"""Memory and processors of a domU: what it can have while it runs, and what its file says then."""

from pathlib import Path

import pytest

from xen_legi.domu import config, shape
from xen_legi.domu.config import DomuConfig
from xen_legi.domu.shape import Shape
from xen_legi.errors import Problem


def domu(more: str = "") -> DomuConfig:
    """Return web1 with 512 MiB, two processors and these lines."""
    return config.parse(f"name = 'web1'\nmemory = '512'  # MiB\nvcpus = 2\n{more}", Path("/etc/xen/web1.cfg"))


def test_a_running_domu_gets_what_it_was_started_to_have_at_most() -> None:
    shape.check_running(domu(), Shape(1024, 4), Shape(1024, 4), has=512, free=512)
    shape.check_running(domu(), Shape(256, 1), Shape(512, 2), has=512, free=0)
    shape.check_running(domu(), Shape(vcpus=2), Shape(512, 2), has=512, free=0)


@pytest.mark.parametrize(("wanted", "words", "hint"), [
    (Shape(memory=2049), "web1 can have memory 2G at most while it runs", "maxmem in /etc/xen/web1.cfg"),
    (Shape(vcpus=3), "web1 can have vcpus 2 at most", "maxvcpus"),
    (Shape(memory=2048), "has 1000M of memory free, 1536M are needed", "xen-legi list"),
])
def test_what_a_running_domu_cannot_have_is_refused(wanted: Shape, words: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        shape.check_running(domu(), wanted, Shape(2048, 2), has=512, free=1000)
    assert words in caught.value.message and hint in caught.value.hint and caught.value.status == 2


def test_a_domu_that_is_off_gets_no_more_than_the_host_has() -> None:
    shape.check_off(domu(), Shape(memory=4000), 4096)
    shape.check_off(domu(), Shape(vcpus=4), 4096)
    with pytest.raises(Problem, match="this host has 4G of memory in all: web1 could not start with 900G") as caught:
        shape.check_off(domu(), Shape(memory=900 << 10), 4096)
    assert caught.value.status == 2


@pytest.mark.parametrize(("wanted", "has", "said"), [
    (Shape(768, 2), Shape(767, 2), ""), (Shape(768), Shape(512, 1), "memory 512M"), (Shape(0, 2), Shape(512, 4), "vcpus 4"),
    (Shape(384, 1), Shape(512, 2), "memory 512M, vcpus 2"), (Shape(), Shape(512, 2), ""),
])
def test_what_a_domu_has_instead_of_what_it_was_given_is_told(wanted: Shape, has: Shape, said: str) -> None:
    assert shape.otherwise(wanted, has) == said


def test_a_maximum_that_would_be_less_is_raised_in_the_file_and_none_is_added() -> None:
    assert shape.settings(domu("maxmem = 640"), Shape(memory=768)) == {"memory": 768, "maxmem": 768}
    assert shape.settings(domu("maxmem = 1024"), Shape(memory=768)) == {"memory": 768}
    assert shape.settings(domu(), Shape(vcpus=4)) == {"vcpus": 4}


def test_numbers_change_in_their_place_and_what_is_not_there_is_added() -> None:
    text = "memory = '512'  # MiB\nname = 'web1'; memory = 256"
    assert config.with_numbers(text, {"memory": 768}) == "memory = '512'  # MiB\nname = 'web1'; memory = 768"
    assert config.with_numbers(text, {"vcpus": 2}) == f"{text}\nvcpus = 2\n"
    assert config.with_numbers(f"{text}\n", {"vcpus": 2}) == f"{text}\nvcpus = 2\n"


@pytest.mark.parametrize("text", ["768", "1M", "1500K", "-1G", "x"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        shape.mebibytes(text, "memory")
