"""Modules for a guest that runs, over real ssh: a tree of Debian with sshd in a network of the test's own."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trees import debian
from xen_legi.errors import Problem
from xen_legi.kernels import over_ssh
from xen_legi.kernels.over_ssh import Login
from xen_legi.kernels.store import Kernel

SPACE = f"xen-legi-push-{os.getpid()}"
VERSION = "6.1.0-0-test"
MAC = "00:16:3e:48:12:34"
ADDRESS = "10.99.73.11"
SSHD = ("-D", "-e", "-o", "UsePAM=no", "-o", "StrictModes=no", "-o", "PermitRootLogin=yes", "-o", "Port=22")


@pytest.fixture(scope="module")
def guest(monkeypatch_module: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tree of a guest that runs, reached at ADDRESS by over_ssh."""
    inside, keys = ["ip", "netns", "exec", SPACE], tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "id"], check=True)
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    try:
        for words in (f"link add eth72 address {MAC} type veth peer name dom0", f"addr add {ADDRESS}/24 dev eth72",
                      "link set lo up", "link set eth72 up", "link set dom0 up"):
            subprocess.run([*inside, "ip", *words.split()], check=True)
        with debian("openssh-server", "rsync", "kmod") as tree:
            (tree / "root/.ssh").mkdir(mode=0o700)
            (tree / "root/.ssh/authorized_keys").write_text((keys / "id.pub").read_text())
            (tree / "run/sshd").mkdir(exist_ok=True)
            monkeypatch_module.setattr(over_ssh, "_SSH", (*inside, "ssh", "-i", str(keys / "id"), "-o",
                                                          f"UserKnownHostsFile={keys}/known", *over_ssh._SSH[1:]))
            script = 'mount -t sysfs sys "$1/sys" && exec chroot "$@"'
            argv = [*inside, "unshare", "--mount", "sh", "-c", script, "sh", str(tree), "/usr/sbin/sshd", *SSHD]
            with subprocess.Popen(argv, stderr=(keys / "log").open("w")) as server:
                wait(keys)
                yield tree
                server.terminate()
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=True)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    """monkeypatch for all tests of the module."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def wait(keys: Path) -> None:
    """Wait for the ssh server."""
    for _ in range(60):
        if "listening" in (keys / "log").read_text():
            return
        time.sleep(0.5)
    raise AssertionError((keys / "log").read_text())


@pytest.fixture
def kernel(tmp_path: Path, guest: Path) -> Iterator[Kernel]:
    """A kernel of two modules; afterwards the guest has none."""
    modules = tmp_path / VERSION
    (modules / "kernel/fs").mkdir(parents=True)
    for name in ("modules.builtin", "modules.order", "modules.dep", "kernel/fs/a.ko", "kernel/fs/b.ko"):
        (modules / name).write_text(name)
    yield Kernel(VERSION, tmp_path / "vmlinuz", tmp_path / "initrd", modules)
    subprocess.run(["rm", "-rf", guest / "lib/modules"], check=True)


def names(guest: Path) -> list[str]:
    """Return the files below the guest's /lib/modules."""
    top = guest / "usr/lib/modules"
    return sorted(str(one.relative_to(top)) for one in top.rglob("*") if not one.is_dir())


def test_a_new_tree_comes_whole(guest: Path, kernel: Kernel) -> None:
    over_ssh.push(Login(ADDRESS, frozenset({MAC})), kernel, ("--exclude=/kernel/fs/b.ko",), 100)
    wanted = ("kernel/fs/a.ko", "modules.builtin", "modules.dep", "modules.order")
    assert names(guest) == [f"{VERSION}/{one}" for one in wanted]


def test_of_a_tree_that_is_there_the_guests_own_stays_and_is_listed(guest: Path, kernel: Kernel) -> None:
    tree = guest / "usr/lib/modules" / VERSION
    for name in ("kernel/fs/old.ko", "kernel/fs/b.ko", "updates/dkms/zfs.ko", "extra/x.ko"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("own")
    (tree / "build").symlink_to("/usr/src/headers")
    over_ssh.push(Login(ADDRESS, frozenset()), kernel, ("--exclude=/kernel/fs/b.ko",), 100)
    there = names(guest)
    for name in ("build", "kernel/fs/a.ko", "kernel/fs/b.ko", "updates/dkms/zfs.ko", "extra/x.ko", "modules.dep.bin"):
        assert f"{VERSION}/{name}" in there, there
    assert f"{VERSION}/kernel/fs/old.ko" not in there and (tree / "kernel/fs/b.ko").read_text() == "own"


def test_another_machine_gets_nothing(guest: Path, kernel: Kernel) -> None:
    with pytest.raises(Problem, match="is another machine") as raised:
        over_ssh.push(Login(ADDRESS, frozenset({"00:16:3e:00:00:01"})), kernel, (), 100)
    assert raised.value.status == 2 and not (guest / "lib/modules").exists()


def test_a_guest_that_cannot_take_them_keeps_nothing(guest: Path, kernel: Kernel) -> None:
    (guest / "usr/lib/modules").write_text("in the way")
    with pytest.raises(Problem, match=f"{ADDRESS} did not take the modules: ") as raised:
        over_ssh.push(Login(ADDRESS, frozenset({MAC})), kernel, (), 100)
    assert raised.value.hint and (guest / "usr/lib/modules").read_text() == "in the way"
