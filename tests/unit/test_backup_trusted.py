"""What another host's configuration may not reach: the disks of this host, as xl itself would read their paths."""

from pathlib import Path, PurePath

import pytest
from test_backup_request import CONFIG, REQUEST, refusals
from test_install_order import PLAN
from xen_legi import files
from xen_legi.backup import commit, copies, generations, promote, request, trusted
from xen_legi.backup.copies import Work
from xen_legi.backup.generations import Copy
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.install.render import rendered
from xen_legi.storage import lvm
from xen_legi.storage.lvm import Group, Volume

WORK = Work("web1", "vg1", "dom0z")


def wanted(text: str, path: str = "/dev/vg0/web1-disk") -> CopyRequest:
    """A request with this configuration, for a volume that is said to be at `path`."""
    one = REQUEST.volumes[0]
    volume = VolumeRequest(one.name, path, one.size, one.identity)
    return CopyRequest(REQUEST.domu, REQUEST.run, REQUEST.generation, text, (volume,))


def copy(source: str) -> Copy:
    """A good copy of web1 in vg1."""
    tags = {"xen-legi.copy", "xen-legi.domu=web1", "xen-legi.volume=web1-disk", f"xen-legi.from={source}",
            "xen-legi.generation=3/1"}
    one = Volume("vg1", "web1-disk.copy", 1, "-wi-a-----", frozenset(tags), "", "", "u", True, False, False, None)
    return generations.copies([one])["vg1", "web1"]


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("line, path", [
    (r"disk = ['phy:\x2fdev/sda,xvdb,w']", "/dev/sda"), (r"disk = ['phy:/dev\/sda,xvdb,w']", "/dev/sda"),
    (r"disk += ['phy:/dev/s\144a,xvdb,w']", "/dev/sda"), ("disk += ['phy:/dev/sda,xvdb,w']", "/dev/vg0/web1-disk"),
])
def test_a_disk_that_would_not_become_the_copys_is_refused_before_anything_is_done(
    local: bool, line: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(lvm, "group", lambda name: Group(name, 1 << 40, 1 << 40, 4 << 20))
    monkeypatch.setattr(config, "find", lambda name: None)
    for module, name in ((files, "replace"), (copies, "perform"), (commit, "settle")):
        monkeypatch.setattr(module, name, lambda *words, **more: pytest.fail("it is done all the same"))
    text = f"{CONFIG}{line}\n" if path == "/dev/vg0/web1-disk" else CONFIG.replace("disk = ", "before = ") + f"{line}\n"
    with pytest.raises(Problem, match="refused.*(not a disk of its own|not sent|backslash|its own way)"):
        commit.begin(WORK, wanted(text, path), local=local)


def test_an_escape_is_taken_where_only_the_guest_reads_it() -> None:
    assert refusals(CONFIG + r"""extra = 'dyndbg=\"file x.c +p\"'""" + "\n") == []
    assert "ramdisk" in refusals(CONFIG.replace("initrd", r"\x69nitrd"))[0]


@pytest.mark.parametrize("line", [
    "phy:vg0/web1-disk,xvda2,w", "vg0/web1-disk,raw,xvda2,w", "format=raw,vdev=xvda2,target=vg0/web1-disk",
])
def test_a_path_below_dev_goes_the_whole_way(line: str) -> None:
    text = f"name = 'web1'\nmemory = 1\ndisk = ['{line}']\n"
    (disk,) = config.parse(text, Path("web1.cfg")).disks
    asked = request.from_json(request.to_json(wanted(text, disk.path)))
    paths = [one.path for one in asked.volumes]
    assert trusted.refusals(config.parse(asked.config, Path("web1.cfg")), "web1", paths, PurePath("/srv/xen/boot")) == []
    start = commit.startable(asked, WORK, copy("dom0z"))
    assert line.replace("vg0/web1-disk", "/dev/vg1/web1-disk.copy") in start


def test_a_domu_that_was_promoted_from_a_copy_has_one_head_in_its_own_copy() -> None:
    first = commit.startable(wanted(CONFIG), WORK, copy("dom0z"))
    again = commit.startable(request.from_json(request.to_json(wanted("# mine\n" + first))), WORK, copy("dom0z"))
    assert again.count("a copy of web1") == 2 and "# mine\n" in again  # what a person wrote before it stays
    again = commit.startable(request.from_json(request.to_json(wanted(first))), WORK, copy("dom0z"))
    assert again.count("a copy of web1") == again.count("The original is lost?") == 1


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a copy on this host, as the last run has left it."""
    monkeypatch.setattr(commit, "CONFIGS", tmp_path)
    monkeypatch.setattr(lvm, "volumes", lambda select="": list(copy("dom0z").volumes))
    monkeypatch.setattr(config, "find", lambda name: None)
    (tmp_path / "vg1").mkdir()
    return tmp_path / "vg1" / "web1.cfg"


OWN = "phy:/dev/vg1/web1-disk.copy,xvda2,w"


def test_a_promotion_hands_no_other_disk_of_this_host_to_another_hosts_domu(start: Path) -> None:
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}', 'phy:\\x2fdev/sda,xvdb,w']\n")
    with pytest.raises(Problem, match="names '/dev/sda'"):
        promote.plan(copy("dom0z"))
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}']\n")
    assert "'phy:/dev/vg1/web1-disk,xvda2,w'" in promote.plan(copy("dom0z")).text


def test_a_domu_of_this_host_keeps_what_its_administrator_gave_its_copy(start: Path) -> None:
    start.write_text(f"name = 'web1'\nmemory = 1\ndisk = ['{OWN}', 'file:/srv/rescue.iso,xvdc,r']\n")
    assert "/srv/rescue.iso" in promote.plan(copy(promote.state.host())).text


@pytest.mark.parametrize("line, said", [
    ("serial = 'pty'", "serial"), ("serial = ['file:/etc/cron.d/x']", "serial"), ("vfb = ['vnc=1']", "vfb"),
    ("firmware_override = '/tmp/x'", "firmware_override"), ("pvshim_path = '/tmp/x'", "pvshim_path"),
    ("passthrough = 'enabled'", "passthrough"), ("virtio = ['type=virtio,device']", "virtio"),
    ("vkb = ['backend=db1']", "vkb"), ("tomorrows_option = 1", "tomorrows_option"),
    ("type = 'hvm'", "'hvm'"), ("type = 'h'", "'h'"), ("builder = 'hvm'", "'hvm'"), ("builder = ''", "''"),
])
def test_what_another_host_may_set_is_named_and_nothing_else(line: str, said: str) -> None:
    (refusal,) = refusals(f"{CONFIG}{line}\n")
    assert refusal.startswith("it sets ") and said in refusal


@pytest.mark.parametrize("words", [
    "format=qcow2,vdev=xvda2,target=/dev/vg0/web1-disk", "qcow2:/dev/vg0/web1-disk,xvda2,w", "/dev/vg0/web1-disk,vhd,xvda2",
    "phy:/dev/vg0/web1-disk,xvda2,w,backend=db1", "backendtype=qdisk,vdev=xvda2,target=/dev/vg0/web1-disk",
    "phy:/dev/vg0/web1-disk,xvda2,w,colo", "hidden-disk=/dev/sda,vdev=xvda2,target=/dev/vg0/web1-disk",
])
def test_a_disk_that_is_sent_may_not_be_more_than_a_disk(words: str) -> None:
    assert "of a disk" in " ".join(refusals(CONFIG + f"disk = ['{words}']\n"))


@pytest.mark.parametrize("loader", ["/tmp/pygrub", "/usr/lib/xen-4.17/bin/../../x/pygrub", "/usr/lib/xen-/tmp/bin/pygrub"])
def test_a_boot_loader_of_ones_own_is_refused(loader: str) -> None:
    assert "boot loader" in " ".join(refusals(f"{CONFIG}bootloader = '{loader}'\n"))


@pytest.mark.parametrize("restricted", [
    "", "bootloader_restrict = 0\n", "bootloader_restrict = ''\n", "bootloader_restrict = ['1']\n",
    "bootloader_restrict = 1\nbootloader_user = 'root'\n",
])
def test_a_boot_loader_that_has_dom0s_rights_is_refused(restricted: str) -> None:
    """pygrub reads the guest's filesystems in dom0 (XSA-443)."""
    said = " ".join(refusals(f"{CONFIG}bootloader = 'pygrub'\n{restricted}"))
    assert "pygrub would read its disks here as root" in said or "sets bootloader_user" in said


@pytest.mark.parametrize("word", [
    "backend=db1", "script=/tmp/x", "script=vif-xen-legi/../x", "ip=$(id)", "colo_default=1", "id", "bridge = x;y",
])
def test_a_vif_may_not_be_more_than_a_vif(word: str) -> None:
    assert "of a vif" in " ".join(refusals(CONFIG + f"vif = ['mac=00:16:3E:48:12:34,{word}']\n"))


@pytest.mark.parametrize("line", [
    "disk = ['/dev/vg0/web1-disk,raw,xvda2,rw']", "disk = ['format=raw, vdev=xvda1, access=rw, target=/dev/vg0/web1-disk']",
    "disk = ['/dev/vg0/web1-disk,,xvda2']", "disk = ['tap:aio:/dev/vg0/web1-disk,sda1,r,discard']",
    "vif = ['ip=10.0.0.2 10.0.0.3 ,mac=00:16:3E:48:12:34, bridge=xenbr72,vifname=web1.0,rate=1Mb/s@20ms', '']", "vif = []",
    "vif = ['bridge=br0,vlan=72p/80-90/100+10x4', 'script=vif-xen-legi,bridge=br0.72:80']",
    "builder = 'generic'", "type = 'PV'", "root = '/dev/xvda2 ro'", "cpus = ['2', '3-8,^5']", "maxmem = 1024",
    "dhcp = 'dhcp'", "xen_shell = 'admin, other'", "shadow_memory = 8",
    "bootloader = '/usr/lib/xen-4.17/bin/pygrub'\nbootloader_restrict = 1",
    "bootloader_restrict=1\nbootloader = '/usr/lib/xen-default/bin/pygrub'",
    "kernel = '/usr/lib/grub-xen/grub-i386-xen_pvh.bin'",
    "disk = ['/dev/vg0/web1-disk,raw,xvda2,rw,backendtype=phy']",
    "uuid = '0fc8d1d1-7a5e-4f3c-9d3e-6f0a3f0b8a11'", "on_watchdog = 'restart'", "localtime = 1", "cpu_weight = 512",
])
def test_what_only_shapes_the_guest_is_taken(line: str) -> None:
    assert refusals(f"{CONFIG}{line}\n") == []


def test_what_xen_legi_writes_itself_is_taken() -> None:
    text = rendered(PLAN)
    one = config.parse(text, Path("web1.cfg"))
    paths = [disk.path for disk in one.disks]
    assert trusted.refusals(one, one.name, paths, PurePath(one.kernel).parent) == [] and paths
