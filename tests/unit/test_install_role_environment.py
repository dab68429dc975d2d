"""What roles find in their environment: the caller's own, and the guest by the names of xen-create-image."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi import run
from xen_legi.install import mirror, role_environment
from xen_legi.install.plan import plan
from xen_legi.install.role_environment import Tree, environment, look, whole

PLAN = plan(WISH, FACTS, SOURCE)
STATUS = "Package: base-files\nArchitecture: all\n\nPackage: dpkg\nStatus: install ok installed\nArchitecture: amd64\n\n"
RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n'


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A guest's tree, in which /etc/os-release is a link as Debian has it; dom0's apt has a proxy."""
    files = {"usr/lib/os-release": RELEASE, "var/lib/dpkg/status": STATUS, "etc/apt/sources.list": "# none\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    monkeypatch.setattr(mirror, "apt_options", lambda: ['Acquire::http::Proxy "http://192.0.2.1:3142";', "Acquire::x 1;"])
    return tmp_path


def test_a_role_finds_the_names_of_xen_tools_in_its_environment() -> None:
    told = environment(replace(PLAN, role_args="a b"))
    assert told["hostname"] == "web1" and told["dist"] == "trixie" and told["role_args"] == "a b"
    assert (told["ip1"], told["ip_count"], told["netmask"], told["vlan"]) == ("192.168.72.11", "1", "255.255.255.0", "72")
    assert told["PARTITION2"] == "disk:2048M:ext4:/:noatime,errors=remount-ro:phy::/dev/vg0/web1-disk"
    assert told["PARTITION1"] == "swap:512M:swap::sw:phy::/dev/vg0/web1-swap" and told["NUMPARTITIONS"] == "2"
    assert not {"dhcp", "noswap", "accounts", "copyhosts", "lvm_thin", "verbose", "ips"} & set(told)  # they do not hold


def test_a_role_finds_where_everything_is() -> None:
    pooled = replace(PLAN, parts=tuple(replace(one, pool="p0") for one in PLAN.parts), install_source="/srv/web1.tar")
    told = environment(replace(pooled, role_directory="/srv/roles", final_roles=(Path("/srv/roles/last"),)))
    wanted = {
        "broadcast": "192.168.72.255", "output": "/etc/xen", "extension": ".cfg",
        "partitionsdir": "/etc/xen-tools/partitions.d",
        "ext4_options": "noatime,errors=remount-ro", "lvm": "vg0", "lvm_thin": "p0", "image": "sparse",
        "nohosts": "1", "roledir": "/srv/roles", "finalrole": "last", "install_source": "/srv/web1.tar", "boot": "1",
    }  # fmt: skip
    assert {name: told.get(name) for name in wanted} == wanted
    assert environment(PLAN)["roledir"] == "/etc/xen-tools/role.d" and environment(PLAN)["image"] == "full"
    assert environment(PLAN, final=True)["ips"] == "192.168.72.11"


def test_verbose_is_what_debug_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "debug", True)
    assert environment(PLAN)["verbose"] == "1"


@pytest.mark.parametrize(("file", "text"), [
    ("sources.list", "deb [signed-by=/x.gpg arch=amd64] http://a.example/debian/ trixie main\ndeb http://b.example x y\n"),
    ("sources.list.d/debian.sources", "Types: deb\nURIs: http://a.example/debian\nSuites: trixie\n"),
])
def test_what_nobody_said_of_an_archive_its_tree_tells(
    tree: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    (tree / "etc/apt" / file).parent.mkdir(exist_ok=True)
    (tree / "etc/apt" / file).write_text(text)
    monkeypatch.setattr(role_environment, "_KEYRINGS", tree)
    (tree / "debian-archive-keyring.gpg").touch()
    assert look(tree) == Tree("trixie", "amd64", "debian", "http://a.example/debian", "http://192.0.2.1:3142")
    told = environment(replace(PLAN, dist="", method="tar"), look(tree))
    wanted = {
        "dist": "trixie", "arch": "amd64", "mirror": "http://a.example/debian",
        "mirror_trixie": "http://a.example/debian",
        "keyring_trixie": f"{tree}/debian-archive-keyring.gpg", "apt_proxy": "http://192.0.2.1:3142",
        "install_method": "tar",
    }  # fmt: skip
    assert {name: told.get(name) for name in wanted} == wanted


def test_a_tree_that_tells_nothing_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "apt_options", lambda: [])
    told = environment(replace(PLAN, dist=""), look(tmp_path))
    assert not [name for name in told if name.startswith(("dist", "arch", "mirror", "keyring"))]


def test_the_callers_environment_reaches_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("PATH", "/opt/bin:/usr/bin")
    monkeypatch.setenv("MAIL_RELAY", "mail.example.org")
    monkeypatch.setenv("hostname", "dom0a")
    found = whole({"hostname": "web1"})
    assert (found["MAIL_RELAY"], found["LC_ALL"], found["hostname"]) == ("mail.example.org", "C", "web1")
    assert found["PATH"].startswith("/opt/bin:/usr/bin:") and "/usr/sbin" in found["PATH"].split(":")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert whole({})["LC_ALL"] == "de_DE.UTF-8"


def test_no_directory_of_dom0_is_where_the_guests_programs_write(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMP", "TMPDIR", "TEMP", "TEMPDIR"):  # as libpam-tmpdir sets them
        monkeypatch.setenv(name, "/tmp/user/0")
    assert "/tmp/user/0" not in whole({}).values()
