"""Roles, what killed runs left, templates, mirrors, the progress of mmdebstrap, and what a deletion takes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import OTHER, VOLUME
from xen_legi import steps
from xen_legi.domu import config, disks
from xen_legi.domu.inventory import inventory, sheet, table, vlan_of
from xen_legi.domu.removal import removal
from xen_legi.domu.xl import Domain
from xen_legi.errors import Problem
from xen_legi.install import leftovers, roles, templates
from xen_legi.install.bootstrap import Counter
from xen_legi.install.packages import packages
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Volume

DB = config.parse(OTHER, Path("/etc/xen/db.cfg"))


def volume(name: str, *tags: str, **more: object) -> Volume:
    return replace(VOLUME, name=name, tags=frozenset(tags), open=False, **more)


def test_a_role_is_found_by_name_or_path_and_must_be_executable(tmp_path: Path) -> None:
    mine = tmp_path / "ours" / "mine"
    mine.parent.mkdir()
    mine.write_text("#!/bin/sh\n")
    places = (tmp_path / "theirs", tmp_path / "ours")
    with pytest.raises(Problem, match="is not executable"):
        roles.find_roles(["mine"], places)
    mine.chmod(0o755)
    assert roles.find_roles(["mine", str(mine)], places) == (mine, mine)
    with pytest.raises(Problem, match="there is no role 'yours'"):
        roles.find_roles(["yours"], places)


@pytest.mark.parametrize(("text", "does"), [
    ("#!/bin/sh\n. /usr/share/xen-tools/common.sh\n", True),
    ("chroot $1 apt-get install x", True),
    ("chroot $1 aptitude -y markauto x", True),
    ("apt -y install nvi", True),
    ("installDebianPackage $1 udev", True),
    ("echo > $1/etc/apt/apt.conf.d/x", False),
    ("#!/usr/bin/perl\nprint 'captured';\n", False),
])
def test_a_role_that_installs_something_is_known_by_its_text(tmp_path: Path, text: str, does: bool) -> None:
    (tmp_path / "role").write_text(text)
    assert roles._installs(tmp_path / "role") is does


def test_of_our_own_roles_none_needs_the_package_lists_before() -> None:
    ours = [one for one in (Path(__file__).resolve().parents[2] / "xen-legi/roles").iterdir() if one.is_file()]
    assert len(ours) == 6 and not [one.name for one in ours if roles._installs(one)]


def test_role_arguments_are_split_by_the_shell() -> None:
    assert roles.command(Path("/r/a b"), Path("/m"), "x 'y z'") == "'/r/a b' /m x 'y z'"


def test_only_tagged_volumes_that_no_file_names_are_removed() -> None:
    making = ("xen-legi", "xen-legi.creating=db")
    found = leftovers.repairs([
        volume("db-disk", *making),
        volume("db-swap", *making, "hers"),
        volume("web1-disk"),
        volume("db-x", "xen-legi.creating=db"),
        volume("db-copy", "xen-legi", "xen-legi.copy=db"),
    ], [DB])
    assert [(one.volume.name, one.remove) for one in found] == [("db-disk", False), ("db-swap", True)]
    assert found[1].tags == making


def test_a_deletion_that_began_is_undone_or_ended_by_what_the_file_says() -> None:
    going = volume("db-disk", "xen-legi", "xen-legi.deleting=db")
    assert not leftovers.repairs([going], [DB])[0].remove
    assert leftovers.repairs([going], [])[0].remove


def test_what_a_kill_left_is_its_files_however_the_path_is_written() -> None:
    text = "name='db'\nmemory=1\ndisk=['phy:/dev/mapper/vg0-db--disk,xvda,w','phy:/dev/disk/by-id/x,xvdb,w']\n"
    going = [volume(name, "xen-legi", "xen-legi.deleting=db") for name in ("db-disk", "db-data", "db-swap")]
    devices = {"/dev/disk/by-id/x": "/dev/dm-1", "/dev/vg0/db-data": "/dev/dm-1"}
    found = leftovers.repairs(going, [config.parse(text, Path("/etc/xen/db.cfg"))], devices)
    assert [(one.volume.name, one.remove) for one in found] == [("db-disk", False), ("db-data", False), ("db-swap", True)]


def test_a_file_that_is_broken_or_set_aside_raises_doubt_about_what_a_kill_left() -> None:
    broken = [config.Unreadable(Path("/etc/xen/x.cfg"), "line 1: unexpected '='")]
    assert leftovers.doubt("db", broken, ()).startswith("/etc/xen/x.cfg may name it, but cannot be read: line 1")
    for name in ("db.cfg", "db.cfg~", "db.cfg.off"):
        assert leftovers.doubt("db", (), ("x.cfg", name)) == f"/etc/xen/{name} may name it"
    assert leftovers.doubt("db", (), ("x.cfg", "db2.cfg", ".db.cfg.making", "xl.conf")) == ""


@pytest.mark.parametrize(("file", "stays"), [("x.cfg", True), ("db.cfg.off", True), ("other.txt", False)])
def test_nothing_is_removed_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, stays: bool
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(config, "DIRECTORY", tmp_path)
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    monkeypatch.setattr(lvm, "volumes", lambda: [volume("db-disk", "xen-legi", "xen-legi.creating=db")])
    monkeypatch.setattr(lvm, "remove", lambda group, name: removed.append(name))
    (tmp_path / file).write_text("name = \n")
    leftovers.clean()
    assert removed == ([] if stays else ["db-disk"])
    assert ("vg0/db-disk, which stays" in capsys.readouterr().err) == stays


def test_a_deletion_takes_what_bears_the_name_and_is_of_nobody_else() -> None:
    text = "name='db'\nmemory=1\ndisk=['phy:/dev/vg0/db-disk,xvda2,w','phy:/dev/vg0/shared,xvdb,r'," \
        "'phy:/dev/vg0/db-both,xvdc,w','file:/srv/a.img,xvdd,w']\n"
    mine = config.parse(text, Path("/etc/xen/db.cfg"))
    other = config.parse("name='x'\nmemory=1\ndisk=['phy:/dev/vg0/db-both,xvda,w']\n", Path("/etc/xen/x.cfg"))
    known = [volume("db-disk"), volume("shared"), volume("db-both"), volume("db-more")]
    plan = removal(mine, [mine, other], known, [])
    assert [one.name for one in plan.volumes] == ["db-disk"]
    assert dict(plan.kept) == {
        "/dev/vg0/shared": "it is not called db, nor db-...",
        "/dev/vg0/db-both": "it is in use by domU x",
        "/srv/a.img": "it is no logical volume of this host",
    }


def test_a_volume_is_called_after_its_domu_with_any_usual_separator_and_others_go_if_a_person_says_so() -> None:
    names = ("db", "db_root", "db.swap", "db2", "lv_db", "db-both", "iso")
    disks = ",".join(f"'phy:/dev/vg0/{one},{one},{'r' if one == 'iso' else 'w'}'" for one in names)
    mine = config.parse(f"name='db'\nmemory=1\ndisk=[{disks}]\n", Path("/etc/xen/db.cfg"))
    other = config.parse("name='x'\nmemory=1\ndisk=['phy:/dev/vg0/db-both,xvda,w']\n", Path("/etc/xen/x.cfg"))
    known = [volume(name) for name in (*names, "db-more")]
    plan = removal(mine, [mine, other], known, [])
    assert [one.name for one in plan.volumes] == ["db", "db_root", "db.swap"]
    assert [path for path, _ in plan.kept] == ["/dev/vg0/db2", "/dev/vg0/lv_db", "/dev/vg0/db-both", "/dev/vg0/iso"]
    assert "(with --all-disks go, too: /dev/vg0/db2, /dev/vg0/lv_db)" in plan.described()
    everything = removal(mine, [mine, other], known, [], all_disks=True)
    assert [one.name for one in everything.volumes] == ["db", "db_root", "db.swap", "db2", "lv_db"]
    assert [path for path, _ in everything.kept] == ["/dev/vg0/db-both", "/dev/vg0/iso"] and not everything.more
    with pytest.raises(Problem, match="vg0/lv_db is in use"):
        removal(mine, [mine, other], [*known[:4], replace(known[4], open=True)], [], all_disks=True)
    copy = [volume("lv_db", "xen-legi", "xen-legi.copy=web1")]
    assert removal(mine, [mine], copy, [], all_disks=True).volumes == ()


@pytest.mark.parametrize(("text", "stays"), [
    ("lvremove vg0/db-disk # never", True), ("disk is /dev/mapper/vg0-db--disk!", True),
    ("vg0/db-disk2 vg0/db-disk.copy", False),
])
def test_what_a_text_mentions_that_nobody_can_read_as_a_domus_stays(text: str, stays: bool) -> None:
    plan = removal(DB, [DB], [volume("db-disk")], [], texts={Path("/etc/xen/notes"): text})
    assert (dict(plan.kept).get("/dev/vg0/db-disk") == "/etc/xen/notes may name it") is stays
    assert bool(plan.volumes) is not stays


def test_an_image_goes_with_its_domu_if_it_bears_its_name_and_is_of_nobody_else() -> None:
    names = ("domains/db/disk.img", "db.img", "db-data.img", "dbx.img", "iso/db/both.img", "gone.img")
    paths = [f"/srv/{one}" for one in names]
    disks = ",".join(f"'file:{path},xvd{letter},w'" for path, letter in zip(paths, "abcdef")) + ",'/srv/db/a.iso,,hdc,cdrom'"
    mine = config.parse(f"name='db'\nmemory=1\ndisk=[{disks}]\n", Path("/etc/xen/db.cfg"))
    other = config.parse("name='x'\nmemory=1\ndisk=['/srv/link,raw,xvda,r']\n", Path("/etc/xen/x.cfg"))
    known = {path: path for path in [*paths, "/srv/db/a.iso"]} | {"/srv/link": paths[4], paths[1]: "/data/db.img"}
    there = {known[path]: 1 for path in [*paths[:5], "/srv/db/a.iso"]}
    plan = removal(mine, [mine, other], [], [], devices=known, images=there)
    assert [str(one) for one in plan.images] == [paths[0], "/data/db.img", paths[2]]
    assert dict(plan.kept) == {
        paths[3]: "neither its name nor its directory's is that of db",
        paths[4]: "it is in use by domU x",
        paths[5]: "it is no logical volume of this host",
        "/srv/db/a.iso": "it is only read",
    }
    assert f"  image {paths[0]}" in plan.described() and plan.more == (paths[3],)
    everything = removal(mine, [mine, other], [], [], devices=known, images=there, all_disks=True)
    assert [str(one) for one in everything.images] == [paths[0], "/data/db.img", *paths[2:4]]
    with pytest.raises(Problem, match="disk.img is in use"):
        removal(mine, [mine, other], [], [], devices=known, images=there, busy={paths[0]})
    assert removal(mine, [mine], [], [], devices=known, images=there, busy={paths[0]}, idle=False).images


def test_a_volume_is_the_same_however_its_path_is_written() -> None:
    mine = config.parse(
        "name='db'\nmemory=1\ndisk=['/dev/vg0/db-data,raw,xvda,w','phy:/dev/mapper/vg0-db--disk,xvdb,w',"
        "'phy:vg0/db-more,xvdc,w','phy:/dev/disk/by-label/db,xvdd,w','phy:/dev//vg0/./db-disk,xvde,w']\n",
        Path("/etc/xen/db.cfg"))
    x = "name='x'\nmemory=1\ndisk=['phy:/dev/mapper/vg0-db--data,xvda,w']\n"
    nameless = "disk=['phy:/dev/disk/by-id/more,xvda,w']\n"
    others = [mine, config.parse(x, Path("/etc/xen/x.cfg")), config.parse(nameless, Path("/etc/xen/part.cfg"))]
    known = [volume(name) for name in ("db-disk", "db-data", "db-more", "db-link")]
    devices = {"/dev/disk/by-label/db": "/dev/dm-3", "/dev/vg0/db-link": "/dev/dm-3",
               "/dev/disk/by-id/more": "/dev/dm-4", "/dev/vg0/db-more": "/dev/dm-4"}
    plan = removal(mine, others, known, [], devices=devices)
    assert [one.name for one in plan.volumes] == ["db-disk", "db-link"]
    assert dict(plan.kept) == {
        "/dev/vg0/db-data": "it is in use by domU x",
        "vg0/db-more": "it is in use by /etc/xen/part.cfg",
    }


def test_a_disk_that_leads_nowhere_is_no_volume() -> None:
    one = config.parse("name='x'\nmemory=1\ndisk=['phy:/dev/vg0/db-gone,xvda,w',',raw,xvdb,r']\n", Path("/etc/xen/x.cfg"))
    known = [volume("db-disk")]
    devices = disks.devices([one], known)
    assert [disks.locate(disk.path, known, devices) for disk in one.disks] == [None, None]


def test_links_to_a_device_are_followed(tmp_path: Path) -> None:
    (tmp_path / "dm-7").touch()
    (tmp_path / "link").symlink_to("dm-7")
    one = config.parse(f"name='x'\nmemory=1\ndisk=['phy:{tmp_path}/link,xvda,w','phy:/a\\x00b,xvdb,w']\n", Path("x.cfg"))
    assert disks.devices([one], [])[f"{tmp_path}/link"] == f"{tmp_path}/dm-7"


def test_a_deletion_is_refused_while_a_volume_has_a_snapshot_or_is_open() -> None:
    with pytest.raises(Problem, match="vg0/db-disk has a snapshot: vg0/ghost"):
        removal(DB, [DB], [volume("db-disk"), volume("ghost", origin="db-disk")], [])
    with pytest.raises(Problem, match="vg0/db-disk is in use"):
        removal(DB, [DB], [replace(volume("db-disk"), open=True)], [])


def test_the_list_joins_files_domains_and_volumes() -> None:
    domains = [Domain(0, "Domain-0", "running", 1024, 2, 1.0), Domain(4, "db", "paused", 500, 2, 1.0),
               Domain(5, "stray", "running", 64, 1, 1.0)]
    first, second = inventory([DB], domains, [volume("db-disk")], [DB.file], "xenbr{vlan}")
    assert (first.name, first.state, first.id, first.memory, first.autostart) == ("db", "paused", 4, 500, True)
    assert (first.network[0].vlan, first.network[0].ips) == (72, ("192.168.72.12",))
    assert (first.volumes[0].path, first.volumes[0].size) == ("/dev/vg0/db-disk", VOLUME.size)
    assert (second.name, second.file, second.volumes) == ("stray", "", ())
    lines = table([first, second]).splitlines()
    assert lines[0].split() == ["NAME", "STATE", "MEMORY", "VCPUS", "NETWORK", "VOLUMES", "AUTO"]
    assert "xenbr72 192.168.72.12" in lines[1] and "vg0/db-disk 1G" in lines[1]
    told = dict(re.split(r":\s+", line, maxsplit=1) for line in sheet(first).splitlines())
    assert told["state"] == "paused, domain 4" and told["starts with dom0"] == "yes" and told["file"] == str(DB.file)
    assert told["network"].startswith("xenbr72, VLAN 72, ") and told["disk"].endswith("vg0/db-disk 1G")
    assert "file" not in sheet(second) and "running, domain 5" in sheet(second)


def test_of_several_files_of_a_domu_that_of_the_verbs_is_listed_first_and_all_as_running(tmp_path: Path) -> None:
    for file in ("a-copy.cfg", "db.cfg", "z.cfg"):
        (tmp_path / file).write_text(OTHER)
    found = inventory(config.all_domus(tmp_path), [Domain(4, "db", "running", 500, 2, 1.0)], [], [], "xenbr{vlan}")
    assert [(Path(one.file).name, one.state) for one in found] == [
        ("db.cfg", "running"), ("a-copy.cfg", "running"), ("z.cfg", "running"),
    ]


def test_a_vlan_is_told_by_the_name_of_its_bridge() -> None:
    assert vlan_of("xenbr72", "xenbr{vlan}") == 72
    assert vlan_of("br.72", "br.{vlan}") == 72
    assert vlan_of("br0", "xenbr{vlan}") is None


def test_a_template_is_what_its_file_tells_or_just_its_tree(tmp_path: Path) -> None:
    one = templates.Template("trixie", tmp_path / "trixie", "trixie", "2026-11-23", 12345, 133)
    (tmp_path / "trixie").mkdir()
    (tmp_path / "by-hand").mkdir()
    (tmp_path / ".making-x").mkdir()
    one.facts.write_text(templates.written(one))
    assert templates.all_templates(tmp_path) == [templates.Template("by-hand", tmp_path / "by-hand"), one]
    with pytest.raises(Problem, match="there is no template 'sid'"):
        templates.find(tmp_path, "sid")
    with pytest.raises(Problem, match="holds no guest"):
        templates.find(tmp_path, "by-hand")


def test_the_packages_of_mmdebstrap_are_counted_in_thirds() -> None:
    counter = Counter()
    for line in ("Get:1 http://a trixie InRelease [140 kB]", "Get:2 http://a trixie/main amd64 Packages [9 kB]",
                 "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.",
                 "Get:1 http://a trixie/main amd64 less amd64 668-1 [161 kB]", "Unpacking less (668-1) ...",
                 "Setting up less (668-1) ...", "Processing triggers for x"):
        counter.see(line)
    assert (counter.stage, counter.planned, len(counter.done)) == (1, 1, 3)
    counter.see("0 upgraded, 74 newly installed, 0 to remove and 0 not upgraded.")
    assert (counter.stage, counter.planned, len(counter.done)) == (2, 74, 0)


def test_each_suite_has_the_dhcp_client_that_it_knows() -> None:
    assert "isc-dhcp-client" in packages("bookworm") and "dhcpcd-base" in packages("trixie")
    assert packages("trixie", ("less", "nginx"))[-1] == "nginx"
