"""Whose keys root of a guest gets."""

from pathlib import Path

from xen_legi.install import wish


def test_the_keys_of_peers_are_not_given_to_guests(tmp_path: Path) -> None:
    peer = 'restrict,command="/usr/libexec/xen-legi/receive --peer dom0b" ssh-ed25519 BBBB xen-legi-peer=dom0b'
    file = tmp_path / "authorized_keys"
    file.write_text(f"ssh-ed25519 AAAA admin\n{peer}\n# a remark")
    assert wish.ssh_keys(str(file)) == "ssh-ed25519 AAAA admin\n# a remark\n"
