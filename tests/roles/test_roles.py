"""Roles in trees of real Debian: ours, in our creator and under xen-create-image, and those of xen-tools in our creator.

They are run by tests/long/roles, which takes the settings of this computer out of sight.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from trees import SUITE, debian
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.install import log, roles
from xen_legi.install.model import Facts, Plan, Wish
from xen_legi.install.plan import Source, plan
from xen_legi.kernels.store import Store
from xen_legi.storage.lvm import Group
from xen_legi.units import GIB

OURS = Path(__file__).resolve().parents[2] / "xen-legi/roles"
THEIRS = Path("/etc/xen-tools/role.d")
SETTINGS = Path("/etc/xen-legi/roles.conf")
KEYS = Path("/etc/xen-legi/admin-keys")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA admin@example.org"
COMMON = Path("/usr/share/xen-tools/common.sh")
TELLS = {  # role: its settings, and what is said of the guest afterwards by a command in it
    "monitoring": ("MONITORING_ARGS='--web.listen-address=192.0.2.7:9100'",
                   'grep -x \'ARGS="--web.listen-address=192.0.2.7:9100"\' etc/default/prometheus-node-exporter && '
                   "test -L etc/systemd/system/multi-user.target.wants/prometheus-node-exporter.service"),
    "unattended-upgrades": ("UPGRADES_MAIL=root UPGRADES_REBOOT=04:30",
                            "chroot . apt-config dump | grep -x 'APT::Periodic::Unattended-Upgrade \"1\";' && "
                            "chroot . apt-config dump | grep -x 'Unattended-Upgrade::Automatic-Reboot-Time \"04:30\";'"),
    "mail-relay": ("MAIL_RELAY='mail.example.org smtp --port=587' MAIL_ADMIN=admin@example.org",
                   "grep -x 'mail.example.org smtp --port=587' etc/nullmailer/remotes && grep -x web1 etc/mailname && "
                   "grep -x admin@example.org etc/nullmailer/adminaddr && test -x usr/sbin/sendmail && "
                   "test '600 mail' = \"$(chroot . stat -c '%a %U' /etc/nullmailer/remotes)\""),
    "config-management": ("CONFIG_MANAGEMENT=puppet CONFIG_SERVER=puppet.example.org",
                          "test puppet.example.org = \"$(chroot . puppet config print server)\" && "
                          "test -L etc/systemd/system/multi-user.target.wants/puppet.service"),
    "serial-console": ("", "test -L etc/systemd/system/getty.target.wants/serial-getty@hvc0.service && "
                           "chroot . systemctl is-enabled serial-getty@hvc0"),
    "admin-ssh": ("", f"grep -qxF '{KEY}' root/.ssh/authorized_keys && "
                      "test 600 = $(stat -c %a root/.ssh/authorized_keys) && "
                      "grep -qx 'PasswordAuthentication no' etc/ssh/sshd_config.d/10-admin-ssh.conf"),
}  # fmt: skip


@pytest.fixture(scope="session")
def tree() -> Iterator[Path]:
    """A small Debian of this computer's suite with an ssh server, and no udev."""
    with debian("systemd-sysv", "ifupdown", "openssh-server", "netbase") as place:
        yield place


@pytest.fixture
def guest(tree: Path) -> Iterator[Path]:
    """A guest of its own for a test."""
    place = tree.with_name("guest")
    subprocess.run(["cp", "-a", tree, place], check=True)
    yield place
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def settings() -> Iterator[Path]:
    """The file of settings, which is not that of this computer."""
    assert any(" /etc/xen-legi " in line and "xen-legi-test" in line for line in mounts()), "run tests/run-long roles"
    KEYS.write_text(f"# ours\n{KEY}\n")
    yield SETTINGS
    for file in (SETTINGS, KEYS):
        file.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our creator with the roles of this tree, and logs of its own."""
    monkeypatch.setattr(roles, "OURS", OURS)
    monkeypatch.setattr(log, "DIRECTORY", tmp_path)


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def planned(*paths: Path, arguments: str = "") -> Plan:
    """Return the plan of a domU web1 with these roles."""
    none: frozenset[str] = frozenset()
    groups = {"vg0": Group("vg0", 20 * GIB, 20 * GIB, 4 << 20)}
    facts = Facts(groups, (), (), none, none, frozenset({"xenbr72"}), none, (), Store(Path("/srv/xen")).kernel("6.1.0"))
    wish = Wish("web1", vlans=(72,), ips=("192.0.2.7/24",), role_args=arguments)
    return plan(wish, facts, Source("template", "a template", SUITE), roles=paths)


def manifest(guest: Path) -> dict[str, str]:
    """Return what every file of a guest holds; caches and logs are of no interest."""
    found = {}
    for path in sorted(guest.rglob("*")):
        name = str(path.relative_to(guest))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and not name.startswith(("var/cache/", "var/log/", "var/lib/puppet/", "proc/", "run/")):
            found[name] = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def says(guest: Path, command: str) -> None:
    """Fail unless a shell line succeeds in the tree of a guest."""
    done = subprocess.run(["sh", "-euc", command], cwd=guest, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("role", TELLS)
def test_a_role_does_its_work_and_a_second_time_changes_nothing(guest: Path, settings: Path, role: str) -> None:
    lines, command = TELLS[role]
    settings.write_text(f"{lines}\n")
    before = mounts()
    roles.run_roles(planned(OURS / role), guest)
    says(guest, command)
    assert not (guest / "usr/sbin/policy-rc.d").exists() and mounts() == before
    first = manifest(guest)
    roles.run_roles(planned(OURS / role), guest)
    assert manifest(guest) == first


def test_cfengine_and_ansible_are_other_configuration_managements(guest: Path, settings: Path) -> None:
    for lines, command in (
        ("CONFIG_MANAGEMENT=ansible", "chroot . python3 -c 'import apt'"),
        ("CONFIG_MANAGEMENT=cfengine CONFIG_SERVER=192.0.2.1", "grep -qF 192.0.2.1 var/lib/cfengine3/policy_server.dat"),
    ):
        settings.write_text(f"{lines}\n")
        roles.run_roles(planned(OURS / "config-management"), guest)
        says(guest, command)


@pytest.mark.parametrize(("role", "lines", "said"), [
    ("mail-relay", "", "mail-relay: no relay is named"),
    ("config-management", "", "config-management: which one is not said"),
    ("config-management", "CONFIG_MANAGEMENT=chef", "CONFIG_MANAGEMENT=chef is not known here"),
    ("config-management", "CONFIG_MANAGEMENT=puppet", "no server is named"),
    ("unattended-upgrades", "UPGRADES_REBOOT=often", "UPGRADES_REBOOT=often is no time of day"),
])
def test_a_role_that_lacks_a_setting_says_which_and_changes_nothing(
    tree: Path, settings: Path, role: str, lines: str, said: str
) -> None:
    settings.write_text(f"{lines}\n")
    before = manifest(tree)
    with pytest.raises(Problem, match="failed with exit status 1") as raised:
        roles.run_roles(planned(OURS / role), tree)
    assert said in raised.value.message and "hint: " in raised.value.message
    assert manifest(tree) == before


def test_a_role_whose_packages_cannot_be_had_fails(guest: Path) -> None:
    for file in (guest / "etc/apt").rglob("*sources*"):
        file.unlink() if file.is_file() else None
    with pytest.raises(Problem, match="monitoring: not installed: prometheus-node-exporter"):
        roles.run_roles(planned(OURS / "monitoring"), guest)
    assert not (guest / "usr/sbin/policy-rc.d").exists()


needs_xen_tools = pytest.mark.skipif(not THEIRS.exists(), reason="Debian 13 has no xen-tools")


def installed(package: str) -> str:
    """Return what is said of a guest that has a package."""
    return f"test installed = \"$(chroot . dpkg-query -W -f '${{db:Status-Status}}' {package})\""


@needs_xen_tools
@pytest.mark.parametrize(("role", "command"), [
    ("udev", installed("udev")),
    ("tmpfs", "grep -q '^tmpfs  *.tmp ' etc/fstab"),
    ("resolv", "grep -qx 'nameserver 192.168.1.1' etc/resolv.conf.old"),
    ("sudoers", f"{installed('sudo')} && test 440 = $(stat -c %a etc/sudoers)"),
    ("minimal", f"{installed('less')} && test ! -e bin/nano"),
    ("puppet", "test ! -e usr/sbin/policy-rc.d"),  # Debian may have no package of that name any more: no error there
    ("cfengine", "test ! -e usr/sbin/policy-rc.d"),
])
def test_roles_of_xen_tools_run_unmodified(guest: Path, role: str, command: str) -> None:
    subprocess.run(["dpkg", "--verify", "xen-tools"], check=True)
    before = mounts()
    roles.run_roles(planned(THEIRS / role), guest)
    says(guest, command)
    assert mounts() == before


@needs_xen_tools
@pytest.mark.parametrize(("role", "command"), [
    ("builder", "test ! -e usr/sbin/policy-rc.d"),
    ("gdm", "grep -q Xvnc etc/gdm/gdm.conf"),
    ("xdm", "grep -q Xvnc etc/X11/xdm/Xservers"),
])
def test_large_roles_of_xen_tools_do_the_rest_where_nothing_can_be_installed(guest: Path, role: str, command: str) -> None:
    for file in (guest / "etc/apt").rglob("*sources*"):
        file.unlink() if file.is_file() else None
    for name in ("etc/gdm", "etc/X11/xdm"):
        (guest / name).mkdir(parents=True)
    roles.run_roles(planned(THEIRS / role), guest)
    says(guest, command)


@needs_xen_tools
def test_the_role_editor_of_xen_tools_runs_unmodified(guest: Path) -> None:
    script = Path("/etc/xen-tools/sed.d/etc/issue.sed")
    made = [one for one in (script.parent, script.parent.parent) if not one.exists()]
    script.parent.mkdir(parents=True, exist_ok=True)
    try:
        script.write_text("1s/.*/for the test/\n")
        roles.run_roles(planned(THEIRS / "editor"), guest)
    finally:
        script.unlink()
        for directory in made:
            directory.rmdir()
    says(guest, "grep -qx 'for the test' etc/issue")


@pytest.fixture
def hidden() -> Iterator[None]:
    """A computer without xen-tools, as far as it is seen from here: what is mounted here is seen by nobody else."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "xen-legi-test", COMMON.parent], check=True)
    yield
    subprocess.run(["umount", COMMON.parent], check=True)


@pytest.mark.parametrize("source", [
    f". {COMMON}", f"if [ -e {COMMON} ]; then\n    . {COMMON}\nelse\n    echo Installation problem\nfi",
])
def test_a_role_finds_our_common_sh_where_xen_tools_is_not_installed(
    guest: Path, hidden: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    role = tmp_path / "mine"
    role.write_text(f"#!/bin/sh\nprefix=$1\n{source}\ninstallDebianPackage ${{prefix}} less\n"
                    "installDebianPackage ${prefix} no-such-package\nremoveDebianPackage ${prefix} nano\n")
    role.chmod(0o755)
    before = mounts()
    roles.run_roles(planned(role), guest)
    says(guest, f"{installed('less')} && test ! -e bin/nano && test ! -e usr/sbin/policy-rc.d")
    assert "warning: role mine: apt-get install -o APT::Install-Recommends=false no-such-package" in capsys.readouterr().err
    assert mounts() == before and not COMMON.exists()


@needs_xen_tools
def test_a_role_of_xen_tools_runs_unmodified_with_our_common_sh(guest: Path, hidden: None) -> None:
    roles.run_roles(planned(THEIRS / "udev"), guest)
    says(guest, installed("udev"))


def test_the_callers_environment_settles_a_guest(guest: Path, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_text("MAIL_RELAY=other.example.org\nMAIL_NAME=example.org\n")
    monkeypatch.setenv("MAIL_RELAY", "relay.example.org")
    roles.run_roles(planned(OURS / "mail-relay"), guest)
    says(guest, "grep -qx 'relay.example.org smtp' etc/nullmailer/remotes && grep -qx example.org etc/mailname")


@needs_xen_tools
def test_all_of_ours_run_under_xen_create_image(tree: Path, settings: Path) -> None:
    settings.write_text("".join(f"{lines}\n" for lines, _ in TELLS.values()))
    place = tree.with_name("xen-tools")
    for name in ("cfg", "modules"):
        (place / name).mkdir(parents=True)
    (place / "kernel").touch()
    mirror = (tree / "etc/apt/sources.list").read_text().split()[1]
    words = {
        "config": "/dev/null", "hostname": "web1", "dir": place, "output": place / "cfg", "size": "4G", "image": "sparse",
        "fs": "ext4", "install-method": "copy", "install-source": tree, "dist": SUITE, "memory": "128M",
        "mirror": mirror, "kernel": place / "kernel", "initrd": place / "kernel",
        "modules": place / "modules", "roledir": OURS, "role": ",".join(TELLS), "password": "x",
    }  # fmt: skip
    argv = ["xen-create-image", *(f"--{key}={value}" for key, value in words.items()), "--noswap", "--nohosts", "--dhcp"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=3000)
    log = Path("/var/log/xen-tools/web1.log")
    try:
        assert done.returncode == 0, done.stdout + done.stderr + log.read_text()[-3000:]
        assert config.read(place / "cfg/web1.cfg").name == "web1"
        inside = " && ".join(f"( {command} )" for _, command in TELLS.values())
        image = place / "domains/web1/disk.img"
        script = f"mount -o loop {image} /mnt && cd /mnt && {{ {inside}; }}"
        done = subprocess.run(["unshare", "--mount", "sh", "-euxc", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        log.unlink(missing_ok=True)
