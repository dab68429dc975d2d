"""What one dom0 has the other does not make again: names, MACs, addresses. Two peers, domUs that are never started."""

import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import refused, state

pytestmark = pytest.mark.long  # of each command, most is the start of an emulated ssh

SMALL = "--vlan 72 --ip 192.168.72.{}/24 --dist clash --kernel 0-clash --size 64M --swap 16M --memory 32M --no-start"
IP, MAC = "192.168.72.96", "00:16:3E:48:CA:FE"
RULE = "printf %s '{}' | sha256sum | sed 's/^\\(..\\)\\(..\\).*/00:16:3E:48:\\1:\\2/' | tr a-f A-F"


def write(host: Host, name: str, mac: str = MAC, ip: str = IP) -> None:
    """Write the file of a domU without a disk."""
    text = f"name = '{name}'\ntype = 'pv'\nmemory = 32\nvif = ['mac={mac},bridge=xenbr72,ip={ip}']\n"
    host.check_output(f"printf %s {shlex.quote(text)} > /etc/xen/{name}.cfg")


@pytest.fixture(scope="module")
def ready(tiny1: Host, dom0b: Host) -> Iterator[Host]:
    """dom0a with tiny1, of which dom0b has a copy, and with a template and a kernel of a few bytes; dom0b has clash9."""
    tiny1.check_output(
        "cd /srv/xen && mkdir -p templates/clash/etc/ssh templates/clash/usr/sbin lib/modules/0-clash boot && "
        "touch templates/clash/usr/sbin/ifup templates/clash/etc/ssh/sshd_config lib/modules/0-clash/modules.dep && "
        "echo 'root:!:1::::::' > templates/clash/etc/shadow && "
        "echo x > boot/vmlinuz-0-clash && echo x > boot/initrd.img-0-clash"
    )
    write(dom0b, "clash9")
    try:
        yield tiny1
    finally:
        dom0b.run("rm -f /etc/xen/clash9.cfg /etc/xen/tiny1.cfg")
        tiny1.run("xen-legi delete clash1 --yes; rm -f /etc/xen/clash2.cfg; "
                  "rm -rf /srv/xen/templates/clash /srv/xen/lib/modules/0-clash /srv/xen/boot/*-0-clash")


@pytest.mark.parametrize("words", [
    f"create clash9 {SMALL.format(97)}", f"create clash9 {SMALL.format(97)} --dry-run",
    "clone tiny1 clash9 --root xvda2 --no-start", "rename tiny1 clash9 --keep-hostname",
])
def test_a_name_that_the_other_host_has_is_refused(ready: Host, words: str) -> None:
    before = state(ready)
    result = ready.run(f"xen-legi {words}")
    refused(result)
    assert "there is a domU 'clash9' already: on dom0b" in result.stderr and state(ready) == before


def test_an_address_or_a_mac_that_the_other_host_has_is_refused(ready: Host, dom0b: Host) -> None:
    before = state(ready)
    for words, said in ((SMALL.format(96), f"address {IP} is that of domU clash9: on dom0b"),
                        (f"{SMALL.format(97)} --mac {MAC}", f"MAC {MAC} is that of domU clash9: on dom0b")):
        result = ready.run(f"xen-legi create clash1 {words}")
        refused(result)
        assert said in result.stderr
    card = dom0b.check_output("cat /sys/class/net/eth0/address").upper()
    result = ready.run(f"xen-legi create clash1 {SMALL.format(97)} --mac {card}")
    refused(result)
    assert f"MAC {card} is that of dom0 itself: on dom0b" in result.stderr and state(ready) == before


def test_a_mac_of_the_rule_that_the_other_host_has_is_passed_over(ready: Host, dom0b: Host) -> None:
    rule, second = (ready.check_output(RULE.format(seed)) for seed in ("clash1 72", "clash1 72 1"))
    assert rule in ready.check_output(f"xen-legi create clash1 {SMALL.format(97)} --dry-run")
    write(dom0b, "clash9", mac=rule.lower())
    try:
        ready.check_output(f"xen-legi create clash1 {SMALL.format(97)}")
        assert second in ready.check_output("cat /etc/xen/clash1.cfg")
    finally:
        write(dom0b, "clash9")
        ready.run("xen-legi delete clash1 --yes")


def test_a_peer_that_is_away_is_told_and_stops_nothing(ready: Host) -> None:
    address = ready.check_output("getent ahostsv4 dom0b").split()[0]
    ready.check_output(f"ip route add blackhole {address}/32")
    try:
        result = ready.run(f"xen-legi create clash9 {SMALL.format(97)} --dry-run")
    finally:
        ready.check_output(f"ip route del blackhole {address}/32")
    assert result.rc == 0, result.stderr
    assert "warning: dom0b cannot be reached" in result.stderr and "may have the same name" in result.stderr


def test_a_peer_of_an_older_version_is_told_and_stops_nothing(ready: Host, dom0b: Host) -> None:
    script = "/usr/libexec/xen-legi/receive"
    answer = """echo '{"problem": "refused: '"'domus'"' is none of status, domu", "hint": ""}'; exit 2"""
    dom0b.check_output(f"mv {script} {script}.kept && printf '#!/bin/sh\\n%s\\n' {shlex.quote(answer)} > {script} && "
                       f"chmod 755 {script}")
    try:
        result = ready.run(f"xen-legi create clash9 {SMALL.format(97)} --dry-run")
    finally:
        dom0b.check_output(f"mv {script}.kept {script}")
    assert result.rc == 0 and "dom0b has an older xen-legi" in result.stderr, result.stderr


def test_a_domu_is_no_clash_with_its_copies_but_with_one_of_its_name(ready: Host, dom0b: Host) -> None:
    said = "there is a domU tiny1 elsewhere, too: on dom0"
    assert said not in ready.run("xen-legi lint tiny1 --peers").stdout
    result = dom0b.run("xen-legi rename clash9 tiny1")
    refused(result)
    assert "there is a domU 'tiny1' already: on dom0a, and its copy is here, in vg0" in result.stderr
    write(dom0b, "tiny1", ip="192.168.72.95")
    try:
        assert said not in ready.run("xen-legi lint tiny1").stdout
        found = ready.run("xen-legi lint tiny1 --peers")
        assert found.rc == 1 and f"{said}b" in found.stdout, found.stdout + found.stderr
        here = dom0b.run("xen-legi lint tiny1")
        assert here.rc == 1 and f"{said}a, and its copy is here, in vg0" in here.stdout, here.stdout + here.stderr
    finally:
        dom0b.check_output("rm /etc/xen/tiny1.cfg")


def test_a_mac_that_the_other_host_has_is_found_in_a_file_that_was_written_by_hand(ready: Host) -> None:
    write(ready, "clash2", ip="192.168.72.94")
    found = ready.run("xen-legi lint clash2 --peers")
    assert f"the MAC address {MAC} is, too, that of domU clash9: on dom0b" in found.stdout
    ready.check_output("rm /etc/xen/clash2.cfg")
