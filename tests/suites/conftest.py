"""The light machines of both suites beside each other, each with the packages on its own Debian: a peer of the other."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lab"))
from backups import install_xfsprogs, remove_tiny  # noqa: E402

NAMES = {"bookworm": "store12", "trixie": "store13"}  # both are called "store", and a peer has another name than oneself


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """Both machines by their suite. Their names are those of NAMES until they boot again."""
    hosts = {suite: _host(suite, tmp_path_factory.mktemp(suite) / "ssh-config") for suite in NAMES}
    for suite, host in hosts.items():
        host.check_output(f"hostname {NAMES[suite]}")
        install_xfsprogs(host)
    _befriend(hosts, "bookworm", "trixie")
    _befriend(hosts, "trixie", "bookworm")
    yield hosts
    for suite, other in (("bookworm", "trixie"), ("trixie", "bookworm")):
        hosts[suite].run(f"xen-legi peer remove {NAMES[other]}; hostname store")


def _host(suite: str, config: Path) -> Host:
    config.write_text(subprocess.run(
        [TOP / "lab/lab", "ssh-config"], env=os.environ | {"LAB_SUITE": suite}, check=True, text=True, capture_output=True
    ).stdout)
    return testinfra.get_host("ssh://store", ssh_config=str(config))


def _befriend(hosts: dict[str, Host], suite: str, other: str) -> None:
    """Let one send copies to the other."""
    one, name = hosts[suite], NAMES[other]
    address = hosts[other].check_output("hostname -I").split()[0]
    one.check_output(f"xen-legi peer add {name} --address {address} --yes")
    key = one.check_output(f"cat /etc/xen-legi/peers/{name}.key.pub")
    hosts[other].check_output(f"xen-legi peer accept {NAMES[suite]} '{key}'")
    one.check_output(f"xen-legi peer check {name}")


@pytest.fixture(params=[("bookworm", "trixie"), ("trixie", "bookworm")], ids=["12-to-13", "13-to-12"])
def way(request: pytest.FixtureRequest, stores: dict[str, Host]) -> Iterator[tuple[Host, Host, str]]:
    """The host that sends, the one that receives, and this one's name; nothing of tiny1 is on either, before and after."""
    source, target = request.param
    remove_tiny(*stores.values())
    yield stores[source], stores[target], NAMES[target]
    remove_tiny(*stores.values())
