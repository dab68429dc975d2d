"""A domU that comes to start its own kernel: its file, and what is looked for on its disks."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import VOLUME
from xen_legi import config as settings
from xen_legi.cli import kernel as cli
from xen_legi.domu import config, loader, xl
from xen_legi.errors import Problem
from xen_legi.install.guest import Guest
from xen_legi.kernels import inside, own
from xen_legi.kernels.store import Store
from xen_legi.storage import lvm

PV, PVH = (str(loader.IMAGES[kind]) for kind in ("pv", "pvh"))
FILE = """\
name = "web1"
type = "{}"
kernel  = '/srv/xen/boot/vmlinuz-6.12.1'  # mine
ramdisk = "/srv/xen/boot/initrd.img-6.12.1"
root = '/dev/xvda2 ro'; memory = 64
"""


def domu(text: str) -> config.DomuConfig:
    return config.parse(text, Path("/etc/xen/web1.cfg"))


@pytest.mark.parametrize("text, after", [
    (FILE.format("pvh"), f"""\
name = "web1"
type = "pvh"
kernel  = '{PVH}'  # mine
root = '/dev/xvda2 ro'; memory = 64
"""),
    ("name='a'; ramdisk='/r'; kernel = '/k'\n", f"name='a'; ; kernel = '{PV}'\n"),
    ("name='a'\n# ramdisk = '/old'\nramdisk = '/r' # why\nkernel = '/k'",
     f"name='a'\n# ramdisk = '/old'\n # why\nkernel = '{PV}'"),
    ("name='a'\nbootloader = 'pygrub'\nbootloader_args = [ '--x',\n '--y' ]\nbootloader_restrict = 1\nmemory = 64\n",
     f"name='a'\nmemory = 64\nkernel = '{PV}'\n"),
    ("name='a'\nkernel='/k'\nramdisk = '/1'\nramdisk = '/2'\n", f"name='a'\nkernel='{PV}'\n"),
    ("name='a'\nbootloader = '/usr/lib/xen-4.17/bin/pygrub'\nkernel='/k'\nbootloader_args = []\n",
     f"name='a'\nkernel='{PV}'\nbootloader_args = []\n"),
])
def test_grub_takes_the_place_of_the_kernel_and_nothing_else_changes(text: str, after: str) -> None:
    changed = own.with_grub(domu(text))
    assert changed == after
    there = domu(changed)
    assert there.kernel and not there.ramdisk and "bootloader" not in there.settings
    assert loader.described(there) == f"its kernel is {there.kernel}"


@pytest.mark.parametrize("text, said", [
    ("name = 'a'\ntype = 'hvm'\n", "its firmware starts its own kernel"),
    (f"name = 'a'\nkernel = '{PV}'\n", "brings its own kernel already"),
    ("name = 'a'\nbootloader = '/opt/mine'\nkernel = '/k'\n", "its boot loader is /opt/mine"),
])
def test_who_starts_its_own_kernel_already_is_left_alone(text: str, said: str) -> None:
    with pytest.raises(Problem, match=said) as raised:
        own.with_grub(domu(text))
    assert raised.value.hint


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with GRUB's image; the domU is off, and each of its disks is a directory below what is returned."""
    image = tmp_path / "grub.bin"
    image.touch()
    monkeypatch.setattr(loader, "IMAGES", {"pv": image, "pvh": tmp_path / "none.bin"})
    monkeypatch.setattr(xl, "answers", lambda: False)
    monkeypatch.setattr(lvm, "volumes", list)
    monkeypatch.setattr(own, "all_domus", list)

    @contextmanager
    def seen(path: Path) -> Iterator[Guest | None]:
        yield Guest(path) if any(path.iterdir()) else None

    monkeypatch.setattr(inside, "seen", seen)
    for name in ("swap", "disk", "boot"):
        (tmp_path / name).mkdir()
    return tmp_path


def web1(host: Path, kind: str = "pv") -> config.DomuConfig:
    disks = ", ".join(f"'phy:{host}/{name},xvda{number},w'" for number, name in enumerate(("swap", "disk", "boot"), 1))
    return domu(FILE.format(kind) + f"disk = [{disks}]\n")


def put(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("files, lacks", [
    (("disk/boot/grub/grub.cfg", "disk/boot/vmlinuz-6.1"), ""), (("boot/grub/grub.cfg", "boot/vmlinuz-6.1"), ""),
    (("disk/boot/grub/grub.cfg", "disk/etc/fstab"), "a kernel"), (("disk/boot/vmlinuz-6.1",), "a /boot/grub/grub.cfg"),
    (("disk/boot/grub/grub.cfg", "boot/vmlinuz-6.1"), "a kernel"), ((), "a /boot/grub/grub.cfg"),
])
def test_grub_must_find_a_kernel_and_its_configuration_on_one_disk(host: Path, files: tuple[str, ...], lacks: str) -> None:
    for file in files:
        put(host / file)
    if not lacks:
        own.check(web1(host))
        return
    with pytest.raises(Problem, match=f"no disk with {lacks} that GRUB would find") as raised:
        own.check(web1(host))
    assert raised.value.status == 2 and "grub-xen" in raised.value.hint


def test_what_a_guest_calls_its_grub_cfg_is_not_read_into_the_memory_of_dom0(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guest, "read", lambda self, inside: pytest.fail(f"{inside} may have any size"))
    put(host / "disk/boot/grub/grub.cfg")
    put(host / "disk/boot/vmlinuz-6.1")
    own.check(web1(host))
    put(host / "disk/boot/grub/grub.cfg", "")
    with pytest.raises(Problem, match="no disk with a /boot/grub/grub.cfg"):
        own.check(web1(host))


def test_without_grub_the_package_is_named(host: Path) -> None:
    with pytest.raises(Problem, match="none.bin.* is not there") as raised:
        own.check(web1(host, "pvh"))
    assert raised.value.hint == "apt install grub-xen-host"


def test_a_domu_that_runs_or_a_disk_in_use_is_not_looked_at(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = replace(VOLUME, name="web1-disk", open=True)
    monkeypatch.setattr(lvm, "volumes", lambda: [used])
    with pytest.raises(Problem, match="vg0/web1-disk is in use"):
        own.check(domu(FILE.format("pv") + "disk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n"))
    monkeypatch.setattr(xl, "answers", lambda: True)
    monkeypatch.setattr(xl, "stays", lambda name: True)
    with pytest.raises(Problem, match="web1 is running"):
        own.check(web1(host))


@pytest.mark.parametrize("dry", [True, False])
def test_pin_own_writes_the_file_once_all_is_there(
    host: Path, dry: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = web1(host)
    file = host / "web1.cfg"
    file.write_text(one.text)
    monkeypatch.setattr(cli, "need_root", lambda what: None)
    monkeypatch.setattr(cli, "changing", lambda *words, **more: nullcontext())
    monkeypatch.setattr(config, "by_name", lambda name: replace(one, file=file))
    words = {"what": "pin", "version": "web1", "second": "own", "dry_run": dry, "all_modules": False, "address": ""}
    words["json"] = False
    with pytest.raises(Problem, match="GRUB would find"):
        cli._give(Store(host), Namespace(**words), settings.Config())
    assert file.read_text() == one.text
    put(host / "disk/boot/grub/grub.cfg")
    put(host / "disk/boot/vmlinuz-6.1")
    assert cli._give(Store(host), Namespace(**words), settings.Config()) == 0
    assert (file.read_text() == one.text) == dry
    assert ("would write GRUB" if dry else "starts its own kernel from its next start on") in capsys.readouterr().out
    if dry:
        cli._give(Store(host), Namespace(**{**words, "json": True}), settings.Config())
        told = json.loads(capsys.readouterr().out)
        assert (told["kernel"], told["file"], told["volume"]) == ("own", str(file), None)
