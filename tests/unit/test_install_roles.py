"""Roles that only write files, in a tree that looks like a guest; those that install something are in tests/roles."""

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
