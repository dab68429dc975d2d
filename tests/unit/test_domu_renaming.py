"""What gets another name with a domU."""

import json
from pathlib import Path
from typing import Any

import pytest

from xen_legi.domu import config, renaming
from xen_legi.domu.disks import NO_DEVICES
from xen_legi.domu.removal import removal
from xen_legi.domu.renaming import Left, Moved, MovedImage, Place, Renaming, left, with_host_name
from xen_legi.errors import Problem
from xen_legi.install import rename
from xen_legi.storage.images import Image
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


def planned(new: str = "www", *, volumes: list[Volume] | None = None, names: tuple[str, ...] = (), text: str = FILE,
            file: str = "/etc/xen/web1.cfg", others: tuple[str, ...] = (), linked: bool = False) -> Renaming:
    """Return the plan for web1; `names` are in /etc/xen and in /etc/xen/auto, `others` are texts of other files."""
    domu = config.parse(text, Path(file))
    domus = [domu, *(config.parse(one, Path(f"/etc/xen/other{number}.cfg")) for number, one in enumerate(others))]
    known = VOLUMES if volumes is None else volumes
    going = removal(domu, domus, known, [Path("/etc/xen/auto/web1.cfg"), Path("/etc/xen/auto/10-web")])
    place = Place(domus, frozenset(names), frozenset(names), known, NO_DEVICES, linked)
    return renaming.plan(going, new, place, next(one for one in known if one.name == "web1-disk"))


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


def test_volumes_with_other_separators_follow_and_keep_them() -> None:
    other = FILE.replace("vg0/web1-swap", "vg0/web1").replace("vg0/web1-disk", "vg0/web1_disk")
    volumes = [volume("web1"), volume("web1_disk")]
    going = removal(config.parse(other, Path("/etc/xen/web1.cfg")), (), volumes, [])
    plan = renaming.plan(going, "www", Place((), frozenset(), frozenset(), volumes, NO_DEVICES), None)
    assert [one.new for one in plan.volumes] == ["www", "www_disk"] and "vg0/www,xvda1" in plan.text


def test_disks_that_keep_their_names_are_told() -> None:
    assert planned().kept == []
    other = FILE.replace("vg0/web1-disk", "vg0/data")
    assert planned(text=other, volumes=[*VOLUMES, volume("data")]).kept == ["vg0/data"]


def test_a_file_that_is_called_otherwise_keeps_its_name() -> None:
    assert planned(file="/etc/xen/10-shop.cfg").new_file == Path("/etc/xen/10-shop.cfg")


def test_a_file_without_an_ending_is_called_as_its_domu_and_one_elsewhere_keeps_its_name() -> None:
    assert planned(file="/etc/xen/web1").new_file == Path("/etc/xen/www")
    assert planned(file="/srv/cfg/web1.cfg").new_file == Path("/srv/cfg/web1.cfg")


def test_a_file_that_is_a_link_stays_where_it_leads_and_keeps_its_name() -> None:
    plan = planned(linked=True)
    assert plan.new_file == plan.file == Path("/etc/xen/web1.cfg") and 'name = "www"' in plan.text


def test_a_root_that_another_domu_has_too_keeps_its_host_name() -> None:
    shared = "name = 'other'\ndisk = ['phy:/dev/vg0/web1-disk,xvda,w']\n"
    assert planned(others=(shared,)).root is None and "web1-disk" in planned(others=(shared,)).text


def refusal(**given: Any) -> Problem:
    """Return how a plan is refused."""
    with pytest.raises(Problem) as caught:
        planned(**given)
    assert caught.value.hint and caught.value.status == 2
    return caught.value


def test_a_name_that_is_taken_is_refused() -> None:
    assert "there is a volume vg0/www-disk already" in refusal(volumes=[*VOLUMES, volume("www-disk")]).message
    assert "/etc/xen/www.cfg exists already" in refusal(names=("www.cfg",)).message
    assert "there is a /etc/xen/auto/www.cfg already" in refusal(names=("www.cfg",), file="/etc/xen/shop.cfg").message


@pytest.mark.parametrize("name", ["web1-swap", "media"])
def test_a_domu_that_was_promoted_is_refused_whatever_its_volumes_are_called(name: str) -> None:
    volumes = [volume(one.name, one.group, ("xen-legi.promoted",) if one.name == name else ()) for one in VOLUMES]
    assert f"vg0/{name} was promoted from a copy" in refusal(volumes=volumes).message


def test_a_domu_with_two_files_is_refused() -> None:
    assert "/etc/xen/other0.cfg is a file of domU web1, too" in refusal(others=(FILE,)).message


def test_a_name_without_quotes_is_refused() -> None:
    domu = FILE.replace('"web1" ', "1234 ")
    assert "is not in quotes" in refusal(text=domu, new="2-web", file="/etc/xen/web.cfg").message


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


@pytest.mark.parametrize(("path", "before", "after"), [
    ("/etc/hostname", "web1\n", "www\n"),
    ("/etc/mailname", "web1.example.org\n", "www.example.org\n"),
    ("/etc/hosts", "127.0.1.1\tweb1.example.org web1 # web1\n", "127.0.1.1\twww.example.org www # web1\n"),
    ("/etc/hosts", "10.0.0.1 web10 my-web1 web1-old\n", "10.0.0.1 web10 my-web1 web1-old\n"),
    ("/etc/hosts", "10.0.0.1 web1.elsewhere.org\n", "10.0.0.1 web1.elsewhere.org\n"),
    ("/etc/hosts", "", ""),
])
def test_the_host_name_is_replaced_where_it_is_the_domus_own(path: str, before: str, after: str) -> None:
    assert with_host_name(path, before, "web1", "www") == after


def test_an_address_is_no_host_name() -> None:
    assert with_host_name("/etc/hosts", "10 10 10.b.c\nff02::1 ff02\n", "10", "www") == "10 www www.b.c\nff02::1 ff02\n"


def test_a_name_with_a_domain_is_replaced_with_and_without_it() -> None:
    text = "10.0.0.1 web1.example.org web1\n"
    assert with_host_name("/etc/hosts", text, "web1.example.org", "www.example.net") == "10.0.0.1 www.example.net www\n"
    assert with_host_name("/etc/hosts", text, "web1", "www.example.net") == "10.0.0.1 www.example.net www.example.net\n"


ON_FILES = """\
name = 'web1'
disk = [ 'file:/srv/domains/web1/swap.img,xvda1,w', '/srv/domains/web1/disk.img,raw,xvda2,w,no-discard',
         'file:/link/web1.img,xvdb,w', 'file:/srv/shared.img,xvdc,w', 'phy:/dev/vg0/web1-disk,xvdd,w' ]
"""


def on_files(text: str = ON_FILES) -> Renaming:
    """Return the plan for web1 as it is on files; /link is a link to /data."""
    domu = config.parse(text, Path("/etc/xen/web1.cfg"))
    reals = {disk.path: disk.path.replace("/link/", "/data/") for disk in domu.disks}
    going = removal(domu, [domu], VOLUMES, [], devices=reals, images=[one for one in reals.values() if one.endswith(".img")])
    root = Image(Path("/srv/domains/web1/disk.img"), 1, 1, open=False)
    return renaming.plan(going, "www", Place([domu], frozenset(), frozenset(), VOLUMES, reals), root)


def test_images_that_bear_the_name_or_whose_directory_does_are_renamed() -> None:
    assert on_files().lines == [
        "volume vg0/web1-disk to vg0/www-disk",
        "image /srv/domains/web1/swap.img to /srv/domains/www/swap.img",
        "image /srv/domains/web1/disk.img to /srv/domains/www/disk.img",
        "image /data/web1.img to /data/www.img",
        "file /etc/xen/web1.cfg to /etc/xen/www.cfg",
        "host name of the domU, on /srv/domains/www/disk.img: web1 to www",
    ]
    changed = ON_FILES.replace("web1", "www").replace("/link/", "/data/")
    assert on_files().text == changed and on_files().kept == ["/srv/shared.img"]


def test_images_are_read_again_and_a_plan_of_an_older_version_has_none() -> None:
    plan = on_files()
    assert rename.loaded(rename.dumped(plan)) == plan
    assert plan.images[0] == MovedImage(Path("/srv/domains/web1/swap.img"), Path("/srv/domains/www/swap.img"))
    facts = json.loads(rename.dumped(planned()))
    del facts["images"]
    assert rename.loaded(json.dumps(facts)) == planned()


def test_what_is_left_is_told_by_the_files_and_what_a_person_did_since_goes_first() -> None:
    plan = planned()
    old, new = plan.old_text, plan.text
    assert left(plan, old, "") is left(plan, old, new) is Left.ALL
    assert left(plan, "", new) is Left.END
    for files in ((old + "#", ""), ("", ""), ("", new + "#"), ("name = 'web1'\n", new), (old, "name = 'www'\n")):
        assert left(plan, *files) is Left.STALE
    same = planned(file="/etc/xen/shop.cfg")
    assert (left(same, old, old), left(same, new, new), left(same, "", "")) == (Left.ALL, Left.END, Left.STALE)


def test_what_is_written_down_is_read_again_as_it_was() -> None:
    plan = planned(text=FILE + "# caf\udce9 without an end")
    assert rename.loaded(rename.dumped(plan)) == plan
    without = Renaming("a", "b", (Moved("vg0", "a-x", "b-x"),), None, Path("/a"), Path("/b"), "", "", ())
    assert rename.loaded(rename.dumped(without)) == without
