"""A new domU with a kernel of its own: the plan, its file, and what GRUB finds in the guest."""

import argparse
import contextlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.backup import boot, trusted
from xen_legi.backup.request import BootFile
from xen_legi.cli import create as cli
from xen_legi.config import Config
from xen_legi.domu import config, loader
from xen_legi.errors import CommandFailed, Problem
from xen_legi.install import create, own_kernel, show, wish
from xen_legi.install.guest import Guest
from xen_legi.install.model import Partition
from xen_legi.install.plan import plan
from xen_legi.install.render import rendered
from xen_legi.install.roles import environment
from xen_legi.units import GIB

OWN = replace(WISH, own_kernel=True)
HERE = replace(FACTS, kernel=None, loaders=frozenset({"pv", "pvh"}))
APART = (Partition("root", 2 * GIB, "xfs", "/"), Partition("boot", GIB, "ext4", "/boot"), Partition("swap", GIB, "swap"))
KERNELS = ("vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64", "vmlinuz-6.1.0-10-amd64", "initrd.img-6.1.0-10-amd64",
           "vmlinuz-6.1.0-11-amd64")


@pytest.mark.parametrize("kind, image", [("pv", "grub-x86_64-xen.bin"), ("pvh", "grub-i386-xen_pvh.bin")])
def test_grub_stands_in_the_file_in_place_of_a_kernel(kind: str, image: str) -> None:
    made = plan(replace(OWN, type=kind), HERE, SOURCE)
    one = config.parse(rendered(made), Path("/etc/xen/web1.cfg"))
    assert (one.kernel, one.ramdisk, one.type) == (f"/usr/lib/grub-xen/{image}", "", kind)
    assert one.root == "/dev/xvda2", "what resizes or renames it knows its root"
    assert loader.described(one) and "started by GRUB" in show.described(made)
    assert environment(made)["kernel"] == one.kernel and not {"initrd", "modules"} & set(environment(made))


def test_its_file_is_taken_by_a_peer() -> None:
    one = config.parse(rendered(plan(OWN, HERE, SOURCE)), Path("web1.cfg"))
    assert trusted.refusals(one, "web1", [disk.path for disk in one.disks], PurePath("/srv/xen/boot")) == []


def test_without_the_option_nothing_changes() -> None:
    text = rendered(plan(WISH, FACTS, SOURCE))
    assert 'kernel  = "/srv/xen/boot/vmlinuz-6.12.1"\nramdisk = "/srv/xen/boot/initrd.img-6.12.1"\n' in text
    assert '\ncmdline = "root=/dev/xvda2 ro noresume console=hvc0"\n\nmemory  = 512\n' in text


@pytest.mark.parametrize("wished, facts, said, hint", [
    (OWN, replace(HERE, loaders=frozenset({"pv"})), "grub-i386-xen_pvh.bin, which starts", "apt install grub-xen-host"),
    (replace(OWN, filesystem="xfs"), HERE, "GRUB may not read the xfs of web1-disk", "--fs ext4"),
    (replace(OWN, partitions=APART[:1]), HERE, "GRUB may not read the xfs of web1-root", "/boot"),
])
def test_what_grub_could_not_start_is_refused(wished: wish.Wish, facts: object, said: str, hint: str) -> None:
    with pytest.raises(Problem, match=said) as raised:
        plan(wished, facts, SOURCE)  # type: ignore[arg-type]
    assert hint in raised.value.hint and raised.value.status == 2


@pytest.mark.parametrize("words", [["--kernel", "6.1"], ["--all-modules"]])
def test_a_kernel_of_dom0_and_an_own_one_exclude_each_other(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    cli.arguments(parser)
    common = ["web1", "--vlan", "72", "--ip", "192.168.72.11/24", "--own-kernel"]
    assert wish.from_options(parser.parse_args(common), Config()).own_kernel
    with pytest.raises(Problem, match=f"--own-kernel and {words[0]} exclude each other"):
        wish.from_options(parser.parse_args([*common, *words]), Config())


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    (tmp_path / "boot").mkdir()
    return Guest(tmp_path)


@pytest.mark.parametrize("partitions, top", [((), "/boot"), (APART, "")])
def test_the_guest_gets_a_kernel_links_to_it_and_a_grub_cfg(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, partitions: tuple[Partition, ...], top: str
) -> None:
    def installed(guest: Guest) -> None:
        assert guest.read("/etc/kernel-img.conf").endswith("link_in_boot = yes\n")
        assert guest.read("/etc/initramfs-tools/conf.d/resume") == "RESUME=none\n"
        for name in KERNELS:
            (guest.root / "boot" / name).touch()

    monkeypatch.setattr(own_kernel, "_install", installed)
    own_kernel.install(guest, plan(replace(OWN, partitions=partitions), HERE, SOURCE))
    assert (guest.root / "boot/vmlinuz").readlink() == Path("vmlinuz-6.1.0-10-amd64")  # the newest has no initramfs
    assert (guest.root / "boot/initrd.img").readlink() == Path("initrd.img-6.1.0-10-amd64")
    text = guest.read("/boot/grub/grub.cfg")
    assert f"    linux {top}/vmlinuz root=/dev/xvda2 ro noresume console=hvc0\n    initrd {top}/initrd.img\n" in text
    assert f"    initrd {top}/initrd.img.old\n" in text


@pytest.mark.skipif(not shutil.which("grub-script-check"), reason="this computer has no grub-script-check")
def test_grub_understands_what_is_written() -> None:
    text = own_kernel.grub_config(plan(OWN, HERE, SOURCE))
    subprocess.run(["grub-script-check"], input=text, text=True, check=True)


def test_a_kernel_that_the_tree_brings_is_kept(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KERNELS[:2]:
        (guest.root / "boot" / name).touch()
    monkeypatch.setattr(own_kernel, "_install", lambda guest: pytest.fail("another one is installed"))
    own_kernel.install(guest, plan(OWN, HERE, SOURCE))
    assert (guest.root / "boot/vmlinuz").readlink() == Path(KERNELS[0])


def test_a_kernel_that_cannot_be_installed_is_told_with_apts_words(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def fails(argv: list[str], **more: object) -> None:
        seen.append(argv)
        raise CommandFailed(("apt-get",), 100, "W: x\nE: Unable to locate package linux-image-amd64\n\n")

    monkeypatch.setattr(own_kernel, "lines", fails)
    monkeypatch.setattr(own_kernel.mirror, "apt_options", lambda: ['Acquire::http::Proxy "http://[::1]:3142/";'])
    with pytest.raises(Problem, match="E: Unable to locate package") as raised:
        own_kernel.install(guest, plan(OWN, HERE, SOURCE))
    assert raised.value.status == 1 and "template make" in raised.value.hint
    assert seen[0][-2:] == ["-o", "Acquire::http::Proxy=http://[::1]:3142/"]


def test_a_guests_links_lead_no_mount_into_dom0(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    for name in ("dev", "etc"):
        (guest.root / name).symlink_to(f"/srv/{name}")
    monkeypatch.setattr(own_kernel, "lines", lambda argv, **more: seen.append(argv) or [])
    monkeypatch.setattr(own_kernel.mirror, "apt_options", lambda: [])
    own_kernel._install(guest)
    at = seen[0].index(str(guest.root))
    assert seen[0][at + 1: -1] == [f"{guest.root}/{one}" for one in ("proc", "srv/dev/pts", "srv/etc/resolv.conf")]


def test_the_modules_of_dom0_are_not_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[Path] = []
    monkeypatch.setattr(create, "copy_tree", lambda source, target, **more: places.append(target.resolve()))
    monkeypatch.setattr(create, "lock", lambda *words, **more: contextlib.nullcontext())
    for name in ("guest/lib/modules", "dom0"):
        (tmp_path / name).mkdir(parents=True)
    kernel = plan(WISH, FACTS, SOURCE).kernel
    assert kernel
    (tmp_path / "guest/lib/modules" / kernel.version).symlink_to(tmp_path / "dom0")
    create._give_modules(Guest(tmp_path / "guest"), kernel, "all")
    assert places == [tmp_path / "guest/lib/modules" / kernel.version]


def test_the_kernel_comes_after_the_fstab_and_before_the_roles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done: list[str] = []
    for module, name in ((create, "settle"), (create, "run_roles"), (own_kernel, "install"), (create, "copy_tree")):
        monkeypatch.setattr(module, name, lambda *words, name=name, **more: done.append(name))

    class Nothing:
        text = "nothing"

        def install(self, root: Path) -> None:
            done.append("files")

    create._fill(plan(OWN, HERE, SOURCE), Nothing(), tmp_path)  # type: ignore[arg-type]
    assert done == ["files", "settle", "install", "run_roles"]


def test_a_copy_needs_grub_where_it_is_to_start_but_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "grub-x86_64-xen.bin"
    monkeypatch.setattr(loader, "IMAGES", {"pv": image})
    monkeypatch.setattr(boot, "directory", lambda: tmp_path / "srv/boot")
    (said,) = boot.warnings([BootFile(str(image), "0" * 64)])
    assert said.endswith("the copy would not start (apt install grub-xen-host)")
    image.touch()
    assert boot.warnings([BootFile(str(image), "0" * 64)]) == []
