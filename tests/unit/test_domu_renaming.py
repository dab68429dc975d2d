"""What gets another name with a domU."""

from pathlib import Path

import pytest

from xen_legi.domu import config, renaming
from xen_legi.domu.disks import NO_DEVICES
from xen_legi.domu.removal import removal
from xen_legi.domu.renaming import Moved, Renaming, with_host_name
from xen_legi.errors import Problem
from xen_legi.install import rename
from xen_legi.storage.lvm import Volume

FILE = """\
# web1, made by hand
name = "web1"   # its name
root = '/dev/xvda2 ro'
disk = [ 'phy:/dev/vg0/web1-swap,xvda1,w', "phy:vg0/web1-disk,xvda2,w",
         'format=raw,vdev=xvda3,access=w,target=/dev/mapper/vg1-web1--home', 'phy:/dev/vg0/media,xvdc,r' ]
"""


def volume(name: str, group: str = "vg0", tags: tuple[str, ...] = ()) -> Volume:
    """Return a volume."""
    return Volume(group, name, 1 << 30, "-wi-a-----", frozenset(tags), "", "", name, True, False, False, None)


VOLUMES = [volume("web1-swap"), volume("web1-disk"), volume("web1-home", "vg1"), volume("media")]


def planned(new: str = "www", *, volumes: list[Volume] | None = None, files: tuple[str, ...] = ("web1.cfg",),
            text: str = FILE, file: str = "/etc/xen/web1.cfg") -> Renaming:
    """Return the plan for web1."""
    domu = config.parse(text, Path(file))
    known = VOLUMES if volumes is None else volumes
    going = removal(domu, [domu], known, [Path("/etc/xen/auto/web1.cfg"), Path("/etc/xen/auto/10-web")])
    return renaming.plan(going, new, known, NO_DEVICES, files, next(one for one in known if one.name == "web1-disk"))


def test_volumes_that_bear_the_name_the_file_the_links_and_the_host_name_are_renamed() -> None:
    assert planned().lines == [
        "volume vg0/web1-swap to vg0/www-swap",
        "volume vg0/web1-disk to vg0/www-disk",
        "volume vg1/web1-home to vg1/www-home",
        "file /etc/xen/web1.cfg to /etc/xen/www.cfg",
        "link /etc/xen/auto/web1.cfg to /etc/xen/auto/www.cfg",
        "link /etc/xen/auto/10-web to /etc/xen/auto/10-web",
        "host name of the domU, on /dev/vg0/www-disk: web1 to www",
    ]


def test_every_spelling_of_a_path_is_changed_and_every_other_byte_of_the_file_is_kept() -> None:
    changed = FILE.replace('"web1" ', '"www" ').replace("/web1-", "/www-").replace("vg1-web1--", "vg1-www--")
    assert planned().text == changed


def test_a_file_that_is_called_otherwise_keeps_its_name() -> None:
    assert planned(file="/etc/xen/10-shop.cfg").new_file == Path("/etc/xen/10-shop.cfg")


@pytest.mark.parametrize(("volumes", "files", "words"), [
    ([*VOLUMES, volume("www-disk")], (), "there is a volume vg0/www-disk already"),
    (VOLUMES, ("www.cfg",), "/etc/xen/www.cfg exists already"),
    ([*VOLUMES[1:], volume("web1-swap", tags=("xen-legi.promoted",))], (), "vg0/web1-swap was promoted from a copy"),
])
def test_a_name_that_is_taken_and_a_promoted_copy_are_refused(
    volumes: list[Volume], files: tuple[str, ...], words: str
) -> None:
    with pytest.raises(Problem) as caught:
        planned(volumes=volumes, files=files)
    assert words in caught.value.message and caught.value.hint and caught.value.status == 2


def test_a_name_that_is_too_long_for_device_mapper_is_refused() -> None:
    with pytest.raises(Problem, match="too long"):
        planned("a-" * 40 + "a")


def test_a_path_that_is_spelled_oddly_becomes_the_usual_one() -> None:
    odd = FILE.replace("phy:/dev/vg0/web1-swap,", "phy:/dev/vg0/../vg0/web1-swap,")
    assert "'phy:/dev/vg0/www-swap,xvda1,w'" in planned(text=odd).text


def test_a_name_that_stands_where_it_cannot_be_replaced_is_refused() -> None:
    odd = FILE.replace("vdev=xvda3", "vdev=vg1/web1-home").replace("/dev/mapper/vg1-web1--home", "vg1/web1-home")
    with pytest.raises(Problem, match="cannot be replaced"):
        planned(text=odd)


@pytest.mark.parametrize(("before", "after"), [
    ("web1\n", "www\n"),
    ("127.0.1.1\tweb1.example.org web1\n", "127.0.1.1\twww.example.org www\n"),
    ("10.0.0.1 web10 my-web1 web1-old web1.old\n", "10.0.0.1 web10 my-web1 web1-old www.old\n"),
    ("", ""),
])
def test_the_host_name_is_replaced_where_it_is_a_word(before: str, after: str) -> None:
    assert with_host_name(before, "web1", "www") == after


def test_a_name_with_a_domain_is_replaced_with_and_without_it() -> None:
    text = "10.0.0.1 web1.example.org web1\n"
    assert with_host_name(text, "web1.example.org", "www.example.net") == "10.0.0.1 www.example.net www\n"


def test_what_is_written_down_is_read_again_as_it_was() -> None:
    plan = planned(text=FILE + "# caf\udce9 without an end")
    assert rename.loaded(rename.dumped(plan)) == plan
    without = Renaming("a", "b", (Moved("vg0", "a-x", "b-x"),), None, Path("/a"), Path("/b"), "", ())
    assert rename.loaded(rename.dumped(without)) == without
