"""Copies between the two hosts: what the light machine, which is alone, cannot show."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from testinfra.host import Host

from backups import RAW, add_raw, backup, digest, in_disk, leftovers, manifest, report, scribble, volumes, wait_until_runs

pytestmark = pytest.mark.long  # minutes for each; the light machine has the same within one host

RAW_COPY, CHUNK = "/dev/vg0/tiny1-raw.copy", 256 << 10
SETTINGS, LOG = "/etc/xen-legi/xen-legi.toml", "/run/backup.log"


@pytest.fixture
def raw(tiny1: Host, dom0b: Host) -> Iterator[Host]:
    """dom0a's tiny1 has a disk that nobody knows the content of; at the end neither it nor its copy is there."""
    add_raw(tiny1)
    try:
        yield tiny1
    finally:
        tiny1.check_output("mv /etc/xen/tiny1.cfg.saved /etc/xen/tiny1.cfg; udevadm settle; lvremove -qq -y vg0/tiny1-raw")
        assert backup(tiny1, "--to dom0b").rc == 0
        assert "vg0/tiny1-raw.copy" not in volumes(dom0b)


def test_a_disk_of_any_content_goes_to_the_other_host_block_by_block(raw: Host, dom0b: Host) -> None:
    assert backup(raw, "--to dom0b").rc == 0
    assert digest(raw, RAW) == digest(dom0b, RAW_COPY)
    assert RAW_COPY in dom0b.check_output("cat /etc/xen/copies/vg0/tiny1.cfg")
    scribble(raw, 2 * CHUNK + 7)
    assert backup(raw, "--to dom0b").rc == 0
    assert digest(raw, RAW) == digest(dom0b, RAW_COPY) and leftovers(dom0b) == []
    assert CHUNK <= report(raw)[0]["bytes"] < 2 * CHUNK


@pytest.fixture
def slow(tiny1: Host) -> Iterator[int]:
    """dom0a sends slowly, and has something to send; yields the generation of the last copy."""
    tiny1.check_output(f"cp -a {SETTINGS} /root/settings.saved; printf '[backup]\nbandwidth = \"300K\"\n' > {SETTINGS}")
    try:
        assert backup(tiny1, "--to dom0b").rc == 0
        in_disk(tiny1, "dd if=/dev/urandom of=/run/look/big bs=1M count=9 conv=fsync status=none")
        yield int(report(tiny1)[0]["generation"])
    finally:
        tiny1.check_output(f"mv /root/settings.saved {SETTINGS}")


@contextmanager
def going_on(host: Host, words: str, variables: str = "") -> Iterator[str]:
    """A backup in the background, whose process is yielded; at the end it is waited for."""
    command = f"{variables} setsid backup-domu run tiny1 {words} >{LOG} 2>&1 </dev/null & echo $!"
    pid = str(host.check_output(command)).strip()
    try:
        yield pid
    finally:
        wait_until_runs(host, f"! kill -0 {pid}", 400)


def test_a_copy_whose_connection_breaks_is_made_by_another_try(tiny1: Host, dom0b: Host, slow: int) -> None:
    with going_on(tiny1, "--to dom0b"):
        wait_until_runs(dom0b, "pgrep -f '[r]sync --server'")
        dom0b.check_output("kill -9 $(pgrep -f '[r]eceive --peer dom0a')")
    said = tiny1.check_output(f"cat {LOG}")
    (row,) = report(tiny1)
    assert "dom0b is tried again in 10 s" in said and (row["state"], row["generation"]) == ("good", slow + 2), said
    assert manifest(tiny1, "/dev/vg0/tiny1-disk") == manifest(dom0b, "/dev/vg0/tiny1-disk.copy") and leftovers(dom0b) == []


def test_a_break_that_the_receiver_does_not_notice_keeps_nobody_waiting_for_ten_minutes(
    tiny1: Host, dom0b: Host, slow: int
) -> None:
    address = tiny1.check_output("getent ahostsv4 dom0b").split()[0]
    with going_on(tiny1, "--to dom0b"):
        wait_until_runs(dom0b, "pgrep -f '[r]sync --server'")
        tiny1.check_output(f"ip route add blackhole {address}/32")
        try:
            wait_until_runs(tiny1, f"grep 'is tried again' {LOG}", 300)
        finally:
            tiny1.check_output(f"ip route del blackhole {address}/32")
    said = tiny1.check_output(f"cat {LOG}")
    (row,) = report(tiny1)
    assert (row["state"], row["generation"]) == ("good", slow + 2), said
    assert manifest(tiny1, "/dev/vg0/tiny1-disk") == manifest(dom0b, "/dev/vg0/tiny1-disk.copy") and leftovers(dom0b) == []


@contextmanager
def bad_line(host: Host, address: str) -> Iterator[None]:
    """Inside the context, what a host sends to an address is 300 ms late, out of order, and one of twenty is lost."""
    host.check_output(
        "tc qdisc add dev eth0 root handle 1: prio bands 4 && "
        "tc qdisc add dev eth0 parent 1:4 handle 40: netem delay 300ms 50ms loss 5% reorder 25% && "
        f"tc filter add dev eth0 parent 1: protocol ip u32 match ip dst {address}/32 flowid 1:4"
    )
    try:
        yield
        assert re.search(r"dropped [1-9]", host.check_output("tc -s qdisc show dev eth0 parent 1:4"))
    finally:
        host.run("tc qdisc del dev eth0 root")


def test_a_bad_line_costs_time_and_no_byte(tiny1: Host, dom0b: Host) -> None:
    generation = report(tiny1)[0]["generation"]
    in_disk(tiny1, "rm -rf /run/look/etc/deep; dd if=/dev/urandom of=/run/look/big bs=1M count=6 conv=fsync status=none")
    with bad_line(tiny1, tiny1.check_output("getent ahostsv4 dom0b").split()[0]):
        assert backup(tiny1, "--to dom0b").rc == 0
    (row,) = report(tiny1)
    assert row["state"] == "good" and row["generation"] > generation  # a try that broke has a number, too
    assert manifest(tiny1, "/dev/vg0/tiny1-disk") == manifest(dom0b, "/dev/vg0/tiny1-disk.copy") and leftovers(dom0b) == []


def test_a_copy_that_is_being_written_is_not_promoted(tiny1: Host) -> None:
    with going_on(tiny1, "--to vg1", "XEN_LEGI_STOP_AT=receive:written"):
        wait_until_runs(tiny1, "ps -o state= -p $(pgrep -f '[r]eceive --local vg1 sync') | grep T")
        there = volumes(tiny1)
        result = tiny1.run("xen-legi promote tiny1 --group vg1")
        same = volumes(tiny1) == there
        tiny1.check_output("kill -CONT $(pgrep -f '[r]eceive --local vg1 sync')")
    assert result.rc == 2 and "is in use by process" in result.stderr and same, result.stdout + result.stderr
    assert report(tiny1)[0]["state"] == "good"
    assert manifest(tiny1, "/dev/vg0/tiny1-disk") == manifest(tiny1, "/dev/vg1/tiny1-disk.copy")


def test_the_other_host_raises_the_alarm_when_this_one_makes_no_copies_any_more(tiny1: Host, dom0b: Host) -> None:
    said = "the copy of tiny1 of dom0a here is "
    assert said not in dom0b.run("backup-domu check").stdout
    late = dom0b.run("backup-domu check --warning 0s --critical 0s")
    assert late.rc == 2 and said in late.stdout
    plugin = dom0b.run("/usr/lib/nagios/plugins/check_xen_legi --warning 0s --critical 0s")
    assert (plugin.rc, said in plugin.stdout) == (2, True)
