"""The ways to fill a root: what is said to them, and what an archive is seen to hold."""

import subprocess
from pathlib import Path

import pytest

from xen_legi.config import Config
from xen_legi.errors import Problem
from xen_legi.install.methods import METHODS, Wanted, copy, method, tar
from xen_legi.storage import places

LISTING = """\
drwxr-xr-x 0/0               0 2026-11-28 07:00 ./
lrwxrwxrwx 0/0               0 2026-11-28 07:00 ./bin -> usr/bin
drwxr-xr-x 0/0               0 2026-11-28 07:00 ./etc/
-rw-r-----+ 0/42           731 2026-11-28 07:00 ./etc/shadow
crw-rw-rw- 0/0             1,3 2026-11-28 07:00 ./dev/null
-rwxr-xr-x 0/0           80000 2026-11-28 07:00 ./usr/sbin/ifup
hrwxr-xr-x 0/0               0 2026-11-28 07:00 ./usr/sbin/ifdown link to ./usr/sbin/ifup
"""


def packed(directory: Path, *names: str) -> Path:
    """Return an archive of a tree with these files."""
    for name in names:
        (directory / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "tree" / name).write_text("x" * 1000)
    subprocess.run(["tar", "-C", directory / "tree", "-czf", directory / "a.tar.gz", "."], check=True)
    return directory / "a.tar.gz"


def refusal(name: str, wanted: Wanted) -> Problem:
    """Return what is said of a method that cannot work."""
    with pytest.raises(Problem) as caught:
        method(name, Config(), wanted)
    assert caught.value.status == 2 and caught.value.hint
    return caught.value


def test_the_listing_of_an_archive_tells_its_size_and_whether_it_holds_a_guest_with_ifupdown() -> None:
    assert tar.content_of(LISTING.splitlines()) == tar.Content(80731, etc=True, ifupdown=True)
    assert tar.content_of(LISTING.replace("./", "").splitlines()) == tar.Content(80731, etc=True, ifupdown=True)
    assert tar.content_of(LISTING.replace("ifup", "up").splitlines()) == tar.Content(80731, etc=True)
    assert tar.content_of(LISTING.replace("./", "./web1/").splitlines()) == tar.Content(80731)


def test_an_archive_is_measured_and_unpacked(tmp_path: Path) -> None:
    file = packed(tmp_path, "etc/hostname", "sbin/ifup")
    one = method("tar", Config(), Wanted(source=str(file)))
    assert one.size == 2000 and str(file) in one.text
    (tmp_path / "root").mkdir()
    one.install(tmp_path / "root")
    assert (tmp_path / "root/etc/hostname").read_text() == "x" * 1000


@pytest.mark.parametrize(("names", "words"), [(["web1/etc/hostname"], "holds no guest"), (["etc/hostname"], "no ifupdown")])
def test_an_archive_of_something_else_is_refused(tmp_path: Path, names: list[str], words: str) -> None:
    assert words in refusal("tar", Wanted(source=str(packed(tmp_path, *names)))).message


def test_an_archive_that_cannot_be_read_to_its_end_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path, *(f"etc/file{number}" for number in range(99)), "sbin/ifup")
    whole = file.read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2]):
        file.write_bytes(content)
        assert "cannot be read as an archive" in refusal("tar", Wanted(source=str(file))).message


def test_an_archive_that_is_not_named_or_not_there_is_refused(tmp_path: Path) -> None:
    assert "needs an archive" in refusal("tar", Wanted()).message
    assert "there is no file" in refusal("tar", Wanted(source=str(tmp_path))).message


def test_what_means_nothing_to_a_method_is_refused() -> None:
    for name, wanted in (("template", Wanted(source="/a")), ("tar", Wanted(mirror="file:///a")),
                         ("debootstrap", Wanted(source="/a"))):
        assert f"means nothing to the method {name}" in refusal(name, wanted).message


def test_a_suite_with_an_odd_name_is_refused_and_no_method_is_unknown() -> None:
    assert "cannot be the name of a Debian suite" in refusal("debootstrap", Wanted(dist="--help")).message
    assert all(one in refusal("magic", Wanted()).hint for one in METHODS)


def test_a_directory_is_measured_and_copied(tmp_path: Path) -> None:
    packed(tmp_path, "etc/hostname", "sbin/ifup")
    one = method("copy", Config(), Wanted(source=str(tmp_path / "tree")))
    assert one.size >= 2000 and str(tmp_path / "tree") in one.text
    (tmp_path / "root").mkdir()
    one.install(tmp_path / "root")
    assert (tmp_path / "root/etc/hostname").read_text() == "x" * 1000


def test_what_is_mounted_in_a_directory_is_copied_with_it_but_nothing_virtual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(tmp_path, "etc/hostname", "sbin/ifup", "var/log/syslog", "proc/1/mem", "a[b/*", "proc.d/x", "sys/fs/x/y")
    tree = tmp_path / "tree"
    kinds = {"var": "ext4", "proc": "proc", "a[b": "tmpfs", "sys": "sysfs", "sys/fs/x": "ext4"}
    found = [places.Mount("1:1", "/", f"{tree}/{name}", kind) for name, kind in kinds.items()]
    monkeypatch.setattr(places, "all_mounts", lambda: [*found, places.Mount("1:1", "/", "/", "ext4")])
    one = method("copy", Config(), Wanted(source=str(tree)))
    assert one.text == f"directory {tree} and what is mounted in it ({tree}/var)"
    (tmp_path / "root").mkdir()
    one.install(tmp_path / "root")
    there = sorted(str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*"))
    wanted = "a[b etc etc/hostname proc proc.d proc.d/x sbin sbin/ifup sys var var/log var/log/syslog"
    assert there == wanted.split()


def test_what_is_mounted_is_seen_as_it_is_and_at_one_place_as_the_last_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    over = [places.Mount("1:1", "/", "/srv/x/var", kind) for kind in ("tmpfs", "xfs")]
    monkeypatch.setattr(places, "all_mounts", lambda: [*over, places.Mount("1:1", "/", "/srv/xy/var", "ext4")])
    assert copy.mounts(Path("/srv/x")) == (["/srv/x/var"], [])


@pytest.mark.parametrize("source", ["/", "//", "/..", "/proc/self/root"])
def test_dom0_is_no_guest(source: str) -> None:
    assert refusal("copy", Wanted(source=source)).message == "dom0 itself is no guest"


def test_a_directory_without_a_guest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bare/etc").mkdir(parents=True)
    assert "needs a directory" in refusal("copy", Wanted()).message
    assert "holds no guest" in refusal("copy", Wanted(source=str(tmp_path))).message
    assert "has no ifupdown" in refusal("copy", Wanted(source=str(tmp_path / "bare"))).message
