"""What a file in the form of xen-tools.conf says to `create`, beside what is said on the command line."""

import argparse
from pathlib import Path

import pytest

from xen_legi.cli import create
from xen_legi.errors import Problem
from xen_legi.install import mirror, xen_tools

# the keys that xen-tools 4.9.2 ships active, the usual ones of those that it ships as comments, and its ways to write them
CONF = """\
#
# /etc/xen-tools/xen-tools.conf
lvm = vg1
install-method = debootstrap
size   = 4G      # Root disk, suffix (G, M, k) required
memory = 256M    # Suffix (G, M, k) required
swap   = 512M
fs     = ext4
dist   = `echo bookworm` # Default distribution
image  = sparse
gateway    = 192.168.72.254
netmask    = 255.255.255.0
bridge     = xenbr72
role = udev, \\
   admin-ssh
passwd = 1
kernel = /boot/vmlinuz-`uname -r`
mirror = file:///srv/debian
ext4_options     = noatime,nodiratime,errors=remount-ro
"""


def read(tmp_path: Path, text: str, words: str = "--ip 192.168.72.11") -> argparse.Namespace:
    """Return the words of a command line, completed by a file of this text."""
    parser = argparse.ArgumentParser()
    create.arguments(parser)
    options = parser.parse_args(["web1", *words.split()])
    (tmp_path / "xen-tools.conf").write_text(text)
    xen_tools.apply(options, tmp_path / "xen-tools.conf")
    return options


def test_the_file_says_what_the_command_line_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(tmp_path, CONF)
    wanted = {
        "lvm": "vg1", "method": "debootstrap", "size": "4G", "memory": "256M", "swap": "512M", "fs": "ext4", "vcpus": "",
        "dist": "bookworm", "gateway": ["192.168.72.254"], "netmask": "255.255.255.0", "bridge": "xenbr72", "passwd": True,
        "role": "udev,     admin-ssh", "mirror": "file:///srv/debian", "ip": ["192.168.72.11"], "kernel": "", "vlan": [],
    }  # fmt: skip
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert "not used: ext4_options, image, kernel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--size 9G --dhcp", "size", "9G"),
        ("--lvm vg0 --dhcp", "lvm", "vg0"),
        ("--dir /srv/xen --dhcp", "lvm", ""),
        ("--vlan 72 --ip dhcp", "bridge", ""),
        ("--noswap --dhcp", "swap", ""),
        ("--partitions server --dhcp", "size", ""),
        ("--partitions server --dhcp", "fs", ""),
        ("--password x --dhcp", "passwd", False),
        ("--ip 192.168.72.11/25", "netmask", ""),
        ("--dhcp", "netmask", ""),
        ("--method tar --source x --dhcp", "mirror", ""),
        ("--method tar --source x --dhcp", "method", "tar"),
        ("--method tar --source x --dhcp", "dist", "bookworm"),
        ("--dist sid --dhcp", "dist", "sid"),
        ("--method junk --dhcp", "mirror", ""),
        ("--ip dhcp", "gateway", []),
        ("--ip dhcp --ip auto6", "gateway", []), ("--ip dhcp --ip 2001:db8::11/64", "gateway", []),
        ("--ip 192.168.72.11/24,2001:db8::11/64", "gateway", ["192.168.72.254"]),
        ("--ip dhcp --gateway 192.168.72.1", "gateway", ["192.168.72.1"]),
    ],
)
def test_the_command_line_wins(tmp_path: Path, words: str, name: str, value: object) -> None:
    assert getattr(read(tmp_path, CONF, words), name) == value


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("dhcp = 1", "dhcp", True), ("dhcp = 0", "dhcp", False), ("noswap = no", "noswap", False), ("size =", "size", ""),
        ("vlan = 72", "vlan", ["72"]), ("nameserver = 192.0.2.1 192.0.2.2", "nameserver", ["192.0.2.1", "192.0.2.2"]),
        ("lvm_thin = pool0", "thin", "pool0"), ("install-method = copy\ninstall-source = /srv/x", "source", "/srv/x"),
        ("partitions = server\nsize = 4G\nfs = ext4", "size", ""), ("partitions = a\nsize = 4G", "partitions", "a"),
        ("dir =\nsize = 4G", "size", "4G"), ("dir = /srv/xen", "dir", "/srv/xen"), ("install-source = /srv/x", "source", ""),
        ("role-args = a `echo b` c", "role_args", "a b c"), ("arch = amd64\ndisk_device = xvda", "arch", ""),
        ("install-method = debootstrap\narch = i386", "arch", "i386"),
        ("mirror_bookworm = x\ndist = bookworm", "mirror", ""),
        ("install-method = debootstrap\ndist = sid\nmirror = x\nmirror_sid = y\nmirror_trixie = z", "mirror", "y"),
        ("install-method = debootstrap\ndist = sid\nmirror = x\nmirror_trixie = z", "mirror", "x"),
        ("install-method = debootstrap\ndist = sid\nkeyring = /k.gpg", "keyring", "/k.gpg"),
        ("install-method = debootstrap\ndist = sid\nkeyring_sid = /k.gpg", "keyring", "/k.gpg"),
        ("keyring = /k.gpg", "keyring", ""),
        ("finalrole = x", "finalrole", "x"), ("roledir = /srv/roles", "roledir", "/srv/roles"),
        ("install-method = cdebootstrap", "method", "debootstrap"), ("# size = 4G", "size", ""),
    ],
)  # fmt: skip
def test_each_key_has_its_word(tmp_path: Path, text: str, name: str, value: object) -> None:
    assert getattr(read(tmp_path, text, ""), name) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zpool = tank", "zpool = tank has no counterpart"),
        ("arch = i386", "arch = i386 has no counterpart"),
        ("disk_device = sda", "disk_device = sda has no counterpart"),
        ("serial_device = tty1", "serial_device = tty1 has no counterpart"),
        ("apt_proxy = http://p:3142", "apt_proxy = http://p:3142 has no counterpart"),
        ("fs = btrfs", "fs = btrfs is not known here"),
        ("install-method = rinse", "install-method = rinse is not known here"),
        ("size 4G", "'size 4G' is no setting"),
        ("dist = `false`", "dist: `false` failed: it says nothing"),
        ("dist = `echo no release >&2; exit 1`", "failed: no release"),
    ],
)
def test_what_would_make_another_domu_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Problem) as raised:
        read(tmp_path, f"install-method = debootstrap\n{text}" if text.startswith("dist") else text, "")
    assert said in raised.value.message and raised.value.status == 2 and raised.value.hint


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="No such file or directory"):
        xen_tools.apply(argparse.Namespace(), tmp_path / "missing")


@pytest.mark.parametrize(("words", "pool"), [
    ("--dhcp", "p0"), ("--thin= --dhcp", ""), ("--lvm vg1 --dhcp", None), ("--thin p1 --lvm vg1 --dhcp", "p1"),
])
def test_the_pool_of_the_file_is_one_of_its_group(tmp_path: Path, words: str, pool: str | None) -> None:
    assert read(tmp_path, "lvm = vg0\nlvm_thin = p0", words).thin == pool


def test_a_group_that_is_said_makes_up_for_what_cannot_be_had(tmp_path: Path) -> None:
    assert read(tmp_path, "evms = volume\nsize = 4G", "--lvm vg1 --dhcp").size == "4G"


GUESSED = "install-method = debootstrap\ndist = `xt-guess-suite-and-mirror --suite`\nmirror = `xt-guess-suite-and-mirror -m`"


def test_what_xen_tools_own_file_asks_of_its_program_is_known_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "ask", lambda: [mirror.Archive("Debian", "Debian", "trixie", "http://a.example/debian/")])
    for words in ("", "--dry-run"):
        found = read(tmp_path, GUESSED, words)
        assert (found.dist, found.mirror) == ("trixie", "http://a.example/debian")
    monkeypatch.setattr(mirror, "ask", lambda: [])
    with pytest.raises(Problem, match="dist: this host's apt has no source of Debian to tell it") as raised:
        read(tmp_path, GUESSED)
    assert raised.value.hint


def test_a_dry_run_runs_no_command_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="size = `touch .*` is known when the command is run") as raised:
        read(tmp_path, f"size = `touch {tmp_path}/ran`\nkernel = `touch {tmp_path}/ran`", "--dry-run")
    assert "--size" in raised.value.hint and not (tmp_path / "ran").exists()
    assert read(tmp_path, f"size = `touch {tmp_path}/ran`", "--dry-run --size 4G").size == "4G"
    assert not (tmp_path / "ran").exists()


def test_what_is_meant_for_another_suite_is_not_spoken_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(tmp_path, "dist = sid\nmirror_sid = x\nmirror_etch = y\nserial_device = hvc0\nimage = full", "")
    assert "not used: image\n" in capsys.readouterr().err
