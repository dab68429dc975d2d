"""The running lab, as the tests see it: dom0a, dom0b and store as testinfra hosts, and the driver for cables and power.

These tests run inside the lab's network (`tests/run` starts them through `lab/lab exec`), on hosts that `lab/prepare`
has installed. Every test leaves the hosts as it found them, or says in its name what it leaves for the next.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

import budget
from backups import copied_tiny
from crashes import Console, Watch, left
from domus import WEB1, make_keys, make_web1, wait_for_ssh

TOP = Path(__file__).resolve().parents[2]


def pytest_configure(config: pytest.Config) -> None:
    """Make known the mark of the tests that `tests/run` leaves to the groups in tests/long; watch the hosts."""
    config.addinivalue_line("markers", "long: runs in one of the long groups (make test-long)")
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    machines = json.loads(lab("status", "--json").stdout)["machines"]
    notes = os.environ.get("RESULTS")
    consoles = [Console(one["name"], Path(one["console"])) for one in machines]
    config.pluginmanager.register(Watch(consoles, Path(notes) if notes else None))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests into two lines of work that may go on at once: the light machine's, and those of the two dom0s.

    Those that had their result before a host crashed are left out.
    """
    if done := os.environ.get("LAB_DONE"):
        items[:], known = left(items, Path(done))
        config.hook.pytest_deselected(items=known)
    items[:] = budget.in_order(items)
    for item in items:
        line = "store" if "store" in getattr(item, "fixturenames", ()) else "dom0s"
        item.add_marker(pytest.mark.xdist_group(line))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how long the two lines of work took."""
    budget.tell_lines(terminalreporter)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what there is no time for."""
    budget.keep(item)


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


@pytest.fixture
def tiny(store: Host) -> Iterator[Host]:
    """The store with a domU tiny1, which is never started and has a good copy on vg1."""
    with copied_tiny(store, "--to vg1") as host:
        yield host


@pytest.fixture(scope="session")
def switch(store: Host) -> Host:
    """The light machine with our ifupdown hooks, for stanzas that need a real kernel and no guest."""
    store.check_output("dpkg -s xen-legi-ifupdown >/dev/null || apt-get install -y -q xen-legi-ifupdown")
    return store


@pytest.fixture(scope="module")
def card(switch: Host) -> Iterator[Host]:
    """The light machine with a card of its own for these tests."""
    from changes import with_card  # here: its module reads one that reads this

    with with_card(switch) as host:
        yield host


@pytest.fixture
def applied(card: Host) -> Host:
    """The same, with the file of the tests in force."""
    from changes import apply_first

    return apply_first(card)


@pytest.fixture
def alone(applied: Host) -> Iterator[Host]:
    """The same, with one more card, that has an address and a route."""
    from changes import with_another

    with with_another(applied) as host:
        yield host


@pytest.fixture(scope="session", params=["dom0a", "dom0b"])
def dom0(request: pytest.FixtureRequest) -> Host:
    """Each of the two dom0s in turn."""
    host: Host = request.getfixturevalue(request.param)
    return host


def befriend(one: Host, other: Host, name: str, own_name: str) -> None:
    """Make `other` a peer of `one`, unless it is already."""
    if one.run(f"xen-legi peer check {name}").rc == 0:
        return
    one.check_output(f"xen-legi peer add {name} --yes")
    key = one.check_output(f"cat /etc/xen-legi/peers/{name}.key.pub")
    other.check_output(f"xen-legi peer accept {own_name} '{key}'")


@pytest.fixture(scope="session")
def peers(dom0a: Host, dom0b: Host) -> None:
    """The two hosts may send each other copies."""
    befriend(dom0a, dom0b, "dom0b", "dom0a")
    befriend(dom0b, dom0a, "dom0a", "dom0b")


@pytest.fixture
def addresses(dom0a: Host, dom0b: Host) -> Iterator[str]:
    """The two hosts have addresses on VLAN 73; yields that of dom0b."""
    for host, last in ((dom0a, 1), (dom0b, 2)):
        host.check_output(f"ip address replace 192.168.73.{last}/24 dev xenbr73")
    yield "192.168.73.2"
    for host, last in ((dom0a, 1), (dom0b, 2)):
        host.run(f"ip address del 192.168.73.{last}/24 dev xenbr73")


@pytest.fixture(scope="module")
def web1(dom0a: Host, dom0b: Host) -> Iterator[Host]:
    """dom0b, from which web1 on dom0a is reached over VLAN 72."""
    make_web1(dom0a, dom0b)
    dom0b.check_output("ip address replace 192.168.72.2/24 dev xenbr72")
    wait_for_ssh(dom0b, WEB1)
    yield dom0b
    dom0b.run("ip address del 192.168.72.2/24 dev xenbr72")


@pytest.fixture(scope="module")
def tiny1(dom0a: Host, dom0b: Host, peers: None) -> Iterator[Host]:
    """dom0a with the domU tiny1, which has a good copy on vg1 and one on dom0b."""
    with copied_tiny(dom0a, "--to vg1 --to dom0b", dom0b) as host:
        yield host


@pytest.fixture(scope="session")
def toy(dom0a: Host, dom0b: Host) -> Iterator[Host]:
    """dom0a with a template and a kernel of a few bytes, for domUs that are never started, and a volume of another."""
    make_keys(dom0a, dom0b)
    dom0a.check_output(
        "mkdir -p /srv/xen/templates/tiny/etc/ssh /srv/xen/templates/tiny/usr/sbin /srv/xen/lib/modules/0-tiny && "
        "cd /srv/xen && touch templates/tiny/usr/sbin/ifup templates/tiny/etc/ssh/sshd_config && "
        "echo 'root:!:1::::::' > templates/tiny/etc/shadow && touch lib/modules/0-tiny/modules.dep && "
        "echo x > boot/vmlinuz-0-tiny && echo x > boot/initrd.img-0-tiny && "
        "lvcreate -qq -y -L 8M -n big-data vg0 && lvcreate -qq -y -L 8M --addtag xen-legi-other -n big-disk2 vg0"
    )
    yield dom0a
    dom0a.check_output(
        "lvremove -qq -y vg0/big-data vg0/big-disk2; "
        "rm -rf /srv/xen/templates/tiny /srv/xen/lib/modules/0-tiny /srv/xen/boot/*-0-tiny"
    )
