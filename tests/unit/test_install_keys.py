"""Whose keys root of a guest gets."""

import subprocess
from pathlib import Path

import pytest

from test_install_plan import KEY
from xen_legi.errors import EXIT_USAGE, Problem
from xen_legi.install import wish


def test_the_keys_of_peers_are_not_given_to_guests(tmp_path: Path) -> None:
    peer = 'restrict,command="/usr/libexec/xen-legi/receive --peer dom0b" ssh-ed25519 BBBB xen-legi-peer=dom0b'
    file = tmp_path / "authorized_keys"
    file.write_text(f"{KEY} admin\n{peer}\n# a remark")
    assert wish.ssh_keys(str(file)) == f"{KEY} admin\n# a remark\n"


@pytest.mark.parametrize("text", [
    "", "hello\n", f"# {KEY}\n", "ssh-ed25519 AAAA admin\n", KEY.replace("ssh-ed25519", "ssh-rsa"),
    "---- BEGIN SSH2 PUBLIC KEY ----\n", f"{KEY[:-3]} cut off\n", f"{KEY} xen-legi-peer=dom0b\n",
])
def test_a_file_that_is_named_holds_a_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(Problem, match="keys holds no public key") as raised:
        wish.ssh_keys(str(file))
    assert raised.value.status == EXIT_USAGE and raised.value.hint


def test_this_hosts_own_keys_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wish, "KEYS", tmp_path / "authorized_keys")
    assert wish.ssh_keys("") == ""
    wish.KEYS.write_text("# none yet\n")
    assert wish.ssh_keys("") == "# none yet\n"


def test_the_role_admin_ssh_does_not_give_them_either(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ssh-ed25519 AAAA admin\nrestrict,command=\"x\" ssh-ed25519 BBBB xen-legi-peer=dom0b\n# a remark\n")
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").touch()
    role = Path(__file__).resolve().parents[2] / "xen-legi/roles/admin-ssh"
    subprocess.run(["sh", role, tmp_path, keys], check=True)
    assert (tmp_path / "root/.ssh/authorized_keys").read_text() == "ssh-ed25519 AAAA admin\n"


def test_keys_of_which_none_is_for_a_guest_lock_nobody_out(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# none yet\nrestrict ssh-ed25519 BBBB xen-legi-peer=dom0b\n")
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").touch()
    role = Path(__file__).resolve().parents[2] / "xen-legi/roles/admin-ssh"
    done = subprocess.run([role, tmp_path, keys], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"{keys} has none for a guest" in done.stderr
    assert (tmp_path / "etc/ssh/sshd_config").read_text() == "" and not (tmp_path / "root").exists()
