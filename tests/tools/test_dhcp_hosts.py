"""The shipped hook for DHCP: a DHCP client gets of a real dnsmasq what it wrote, in a network of the test's own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xen_legi.domu import config
from xen_legi.install import hooks

HOOK = Path(__file__).resolve().parents[2] / "etc/xen-legi/hooks.d/dhcp-hosts"
SPACE = f"xen-legi-dhcp-{os.getpid()}"
MAC = "00:16:3e:48:12:34"
VIF = f"mac={MAC.upper()},bridge=xenbr72,ip=10.99.72.11/24"
SAY = '#!/bin/sh\n[ "$1" != bound ] || echo "$ip $hostname" >>{}\n'


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """A command's beginning, by which it runs in a network of two ends: "server" has an address, "guest" has MAC."""
    inside = ["ip", "netns", "exec", SPACE]
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    try:
        for words in (
            "link add server type veth peer name guest",
            f"link set guest address {MAC}",
            "addr add 10.99.72.1/24 dev server",
            "link set server up",
            "link set guest up",
        ):
            subprocess.run([*inside, "ip", *words.split()], check=True)
        yield inside
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=True)


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """The directory of the hook."""
    place = tmp_path / "hosts"
    place.mkdir()
    return place


@pytest.fixture
def dnsmasq(hosts: Path, tmp_path: Path, network: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A running dnsmasq, which gives addresses to those alone whom it finds in that directory."""
    words = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=server", "--pid-file="]
    with subprocess.Popen(
        [*network, *words, "--user=root", "--dhcp-range=10.99.72.0,static", "--dhcp-authoritative", "--log-facility=-",
         f"--dhcp-hostsdir={hosts}", f"--dhcp-leasefile={tmp_path}/leases"], stderr=(tmp_path / "log").open("w")
    ) as server:  # fmt: skip
        yield server
        server.terminate()


def tell(place: Path, verb: str, vif: str = VIF, *, name: str = "web1", new: str = "") -> subprocess.CompletedProcess[str]:
    """Run the hook as hooks.after() does."""
    domu = config.parse(f"name = '{name}'\nvif = ['{vif}']\n", Path(f"/etc/xen/{name}.cfg"))
    known = hooks.environment(verb, domu, new) | {"XEN_LEGI_DHCP_HOSTS": str(place)}
    return subprocess.run([HOOK], env=os.environ | known, capture_output=True, text=True, check=False, timeout=60)


def asked(network: list[str], tmp_path: Path) -> str:
    """Ask for an address as a guest does; return address and name, nothing if none was given."""
    said, script = tmp_path / "said", tmp_path / "script"
    script.write_text(SAY.format(said))
    script.chmod(0o755)
    words = ["udhcpc", "-i", "guest", "-n", "-q", "-f", "-t", "3", "-T", "1", "-O", "hostname", "-s", str(script)]
    subprocess.run([*network, *words], check=False, capture_output=True, timeout=60)
    return said.read_text().strip() if said.exists() else ""


def test_a_new_domu_gets_its_address_and_its_name_of_dnsmasq_until_it_is_deleted(
    dnsmasq: "subprocess.Popen[bytes]", hosts: Path, network: list[str], tmp_path: Path
) -> None:
    assert tell(hosts, "create", name="web1.example.org").returncode == 0
    deadline = time.monotonic() + 60
    while not (said := asked(network, tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert said == "10.99.72.11 web1", (tmp_path / "log").read_text()
    assert tell(hosts, "delete", name="web1.example.org").returncode == 0
    dnsmasq.send_signal(signal.SIGHUP)  # what `systemctl reload dnsmasq` does
    (tmp_path / "said").unlink()
    assert asked(network, tmp_path) == "", (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("vif", "line"),
    [
        (VIF, f"{MAC},10.99.72.11,web1\n"),
        (f"mac={MAC},bridge=xenbr72", f"{MAC},web1\n"),
        (f"mac={MAC},bridge=xenbr72,ip=192.0.2.7 2001:db8::7", f"{MAC},192.0.2.7,[2001:db8::7],web1\n"),
        ("bridge=xenbr72", ""),
    ],
)
def test_a_line_has_all_that_the_domus_file_says(tmp_path: Path, vif: str, line: str) -> None:
    assert tell(tmp_path, "clone", vif).returncode == 0
    assert (tmp_path / "web1").read_text() == line


def test_its_file_goes_where_the_domu_goes(tmp_path: Path) -> None:
    tell(tmp_path, "create")
    tell(tmp_path, "create", name="web2")
    assert tell(tmp_path, "rename", new="www").returncode == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["web2", "www"]
    assert (tmp_path / "www").read_text() == f"{MAC},10.99.72.11,www\n"
    assert tell(tmp_path, "delete", name="www").returncode == 0
    assert tell(tmp_path, "delete", name="unknown").returncode == 0
    assert [one.name for one in tmp_path.iterdir()] == ["web2"]


def test_without_its_directory_it_says_what_it_needs(tmp_path: Path) -> None:
    done = tell(tmp_path / "missing", "create")
    assert done.returncode == 1 and "no directory" in done.stderr and "hint: " in done.stderr
