"""The running lab, as the tests see it: dom0a, dom0b and store as testinfra hosts, and the driver for cables and power.

These tests run inside the lab's network (`tests/run` starts them through `lab/lab exec`), on hosts that `lab/prepare`
has installed. Every test leaves the hosts as it found them, or says in its name what it leaves for the next.
"""

import subprocess
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

TOP = Path(__file__).resolve().parents[2]


def lab(*words: str, check: bool = True, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
    """Call the lab's driver and return how it ended."""
    argv = [str(TOP / "lab/lab"), *words]
    return subprocess.run(argv, check=check, timeout=timeout, text=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def ssh_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that tells ssh how to reach the lab's hosts."""
    path = tmp_path_factory.mktemp("lab") / "ssh-config"
    path.write_text(lab("ssh-config").stdout)
    return path


@pytest.fixture(scope="session")
def dom0a(ssh_config: Path) -> Host:
    """The first dom0, as root."""
    return testinfra.get_host("ssh://dom0a", ssh_config=str(ssh_config))


@pytest.fixture(scope="session")
def dom0b(ssh_config: Path) -> Host:
    """The second dom0, as root."""
    return testinfra.get_host("ssh://dom0b", ssh_config=str(ssh_config))


@pytest.fixture(scope="session")
def store(ssh_config: Path) -> Host:
    """The light machine: plain Debian with LVM and xen-legi-backup, without Xen."""
    return testinfra.get_host("ssh://store", ssh_config=str(ssh_config))


@pytest.fixture(scope="session", params=["dom0a", "dom0b"])
def dom0(request: pytest.FixtureRequest) -> Host:
    """Each of the two dom0s in turn."""
    host: Host = request.getfixturevalue(request.param)
    return host
