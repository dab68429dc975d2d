"""Roles that only write files, in a tree that looks like a guest; those that install something are in tests/roles."""

import os
import subprocess
from pathlib import Path

import pytest

ROLES = Path(__file__).resolve().parents[2] / "xen-legi/roles"
INITTAB = "1:2345:respawn:/sbin/getty 38400 tty1\n#T0:23:respawn:/sbin/getty -L hvc0 9600 vt100\n"


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A guest with sysvinit and GRUB."""
    for name in ("usr/bin/apt-get", "etc/inittab", "etc/securetty", "boot/grub/grub.cfg", "etc/default/grub.d/x.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "usr/bin/apt-get").chmod(0o755)
    (tmp_path / "etc/inittab").write_text(INITTAB)
    return tmp_path


def run(role: str, *words: Path | str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ROLES / role, *words], capture_output=True, text=True, check=False)


def test_a_console_that_is_a_comment_is_none_and_twice_is_once(guest: Path) -> None:
    for _ in range(2):
        done = run("serial-console", guest)
        assert done.returncode == 0 and "update-grub" in done.stdout
        assert (guest / "etc/inittab").read_text() == INITTAB + "x0:2345:respawn:/sbin/getty 115200 hvc0 xterm\n"
        assert (guest / "etc/securetty").read_text() == "hvc0\n"
        assert "console=hvc0" in (guest / "etc/default/grub.d/serial-console.cfg").read_text()


def test_what_is_no_guest_is_refused(tmp_path: Path) -> None:
    for words, said in (([], "no guest was named"), (["/"], "no guest was named"), ([tmp_path], "holds no Debian")):
        done = run("serial-console", *words)
        assert done.returncode == 1 and said in done.stderr


KEY = "ssh-ed25519 AAAA admin"


def tree_of(place: Path) -> dict[str, str]:
    """Return the names below a directory, with what is in the files and where the links lead."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
    return found


@pytest.mark.parametrize("head", ["Include /etc/ssh/sshd_config.d/*.conf\n", "Port 22\n"])
def test_admin_ssh_adds_keys_and_closes_passwords_and_a_second_time_changes_nothing(guest: Path, head: str) -> None:
    (guest / "etc/ssh").mkdir()
    (guest / "etc/ssh/sshd_config").write_text(f"{head}PasswordAuthentication yes\n")
    (guest / "root/.ssh").mkdir(parents=True)
    (guest / "root/.ssh/authorized_keys").write_text("ssh-ed25519 BBBB hers")
    (guest.parent / f"{guest.name}-keys").write_text(f"# ours\n{KEY}\n\n{KEY}\n")
    assert run("admin-ssh", guest, f"{guest}-keys").returncode == 0
    assert (guest / "root/.ssh/authorized_keys").read_text() == f"ssh-ed25519 BBBB hers\n{KEY}\n"
    assert (guest / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert (guest / "root/.ssh").stat().st_mode & 0o777 == 0o700
    read = guest / ("etc/ssh/sshd_config.d/10-admin-ssh.conf" if "Include" in head else "etc/ssh/sshd_config")
    assert read.read_text().startswith("# role admin-ssh\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n")
    before = tree_of(guest)
    assert run("admin-ssh", guest, f"{guest}-keys").returncode == 0
    assert tree_of(guest) == before


@pytest.mark.parametrize("links", [
    {"etc/ssh/sshd_config": "sshd_config", "root/.ssh": "ssh"},
    {"etc/ssh": "ssh", "root/.ssh/authorized_keys": "authorized_keys"},
    {"root": "root", "etc/ssh/sshd_config.d": "new", "etc/ssh/sshd_config": "sshd_config"},
    {"etc/ssh/sshd_config.d/10-admin-ssh.conf": "sshd_config"},
    {"root/.ssh/authorized_keys.new": "authorized_keys", "etc/ssh/sshd_config.new": "sshd_config"},
])
def test_admin_ssh_leads_nowhere_out_of_the_guest(tmp_path: Path, links: dict[str, str]) -> None:
    dom0, guest = tmp_path / "dom0", tmp_path / "guest"
    for top in (dom0, Path(f"{guest}{dom0}")):  # what a link names is there in both
        (top / "ssh").mkdir(parents=True)
        (top / "root").mkdir()
        for name in ("sshd_config", "ssh/sshd_config", "authorized_keys"):
            (top / name).write_text("Include /etc/ssh/sshd_config.d/*.conf\n" if "config" in name else "")
    for name, target in links.items():
        (guest / name).parent.mkdir(parents=True, exist_ok=True)
        (guest / name).symlink_to(dom0 / target)
    if not (guest / "etc/ssh/sshd_config").is_symlink() and not (guest / "etc/ssh").is_symlink():
        (guest / "etc/ssh").mkdir(parents=True, exist_ok=True)
        (guest / "etc/ssh/sshd_config").write_text("Include /etc/ssh/sshd_config.d/*.conf\n")
    (tmp_path / "keys").write_text(f"{KEY}\n")
    before = tree_of(dom0)
    done = run("admin-ssh", guest, tmp_path / "keys")
    assert done.returncode == 0, done.stderr
    assert tree_of(dom0) == before
    inside = tree_of(guest)
    for last, text in (("authorized_keys", KEY), ("10-admin-ssh.conf", "PasswordAuthentication no")):
        assert any(name.endswith(last) and text in said for name, said in inside.items())


@pytest.mark.parametrize(
    "name", ["etc/inittab", "etc/securetty", "etc/default/grub.d", "etc/default/grub.d/serial-console.cfg"]
)
def test_serial_console_leads_nowhere_out_of_the_guest(
    guest: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    dom0 = tmp_path_factory.mktemp("dom0") / "target"
    dom0.mkdir() if name.endswith(".d") else dom0.write_text(INITTAB)
    if name == "etc/default/grub.d":
        (guest / name).rename(guest / "aside")
    (guest / name).unlink(missing_ok=True)
    (guest / name).symlink_to(dom0)
    inside = Path(f"{guest}{dom0}")
    inside.parent.mkdir(parents=True)
    inside.mkdir() if name.endswith(".d") else inside.write_text(INITTAB)
    before = tree_of(dom0.parent)
    done = run("serial-console", guest)
    assert done.returncode == 0, done.stderr
    assert tree_of(dom0.parent) == before
    assert "hvc0" in "".join(tree_of(guest).values())


def test_links_in_a_circle_end_a_role(guest: Path) -> None:
    (guest / "etc/inittab").unlink()
    (guest / "etc/inittab").symlink_to("inittab")
    (guest / "etc/default/grub.d/x.cfg").unlink()
    (guest / "etc/default/grub.d").rmdir()
    (guest / "etc/default/grub.d").symlink_to("/etc/default/grub.d")
    done = run("serial-console", guest)
    assert done.returncode == 1 and "etc/inittab leads through too many links in the guest" in done.stderr
