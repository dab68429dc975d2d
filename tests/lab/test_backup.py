"""Copies of domUs on real LVM and over real ssh: equal to their ghost, safe when killed, started when they are needed."""

import contextlib
import json
import shlex
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import LAST, backup, filled, in_disk, leftovers, manifest, problem, report, volumes
from domus import WEB1, guest, refused, run_killed, state, wait_for_ssh

COPIES = {"vg1": ("dom0a", "/dev/vg1/tiny1-disk.copy"), "dom0b": ("dom0b", "/dev/vg0/tiny1-disk.copy")}
SSH = "ssh -F /etc/xen-legi/peers/dom0b.conf dom0b"
SYNC = "--server -lHogDtpAXrxSe.iLsfxCIvu --timeout=600 --delete-after --stats -@-1 --numeric-ids . copy"


# copies


@pytest.mark.parametrize("where", COPIES)
def test_a_copy_equals_its_domu_with_everything_that_a_file_can_have(
    tiny1: Host, where: str, request: pytest.FixtureRequest
) -> None:
    name, device = COPIES[where]
    host = request.getfixturevalue(name)
    want, have = manifest(tiny1, "/dev/vg0/tiny1-disk"), manifest(host, device)
    assert len(want.splitlines()) > 300
    assert all(word in want for word in ("trusted.note", "security.capability", "posix_acl"))
    assert have == want


@pytest.mark.parametrize("where", COPIES)
def test_a_copy_has_the_names_and_features_of_its_filesystem(
    tiny1: Host, where: str, request: pytest.FixtureRequest
) -> None:
    name, device = COPIES[where]
    host = request.getfixturevalue(name)
    facts = "UUID|volume name|features:|Inode (size|count)|Block (size|count)|Reserved b"
    show = f"dumpe2fs -h %s 2>/dev/null | grep -E '{facts}'"
    assert host.check_output(show % device) == tiny1.check_output(show % "/dev/vg0/tiny1-disk")
    swap = "blkid -p -s UUID -s LABEL -o value %s"
    copy = device.replace("disk", "swap")
    assert host.check_output(swap % copy) == tiny1.check_output(swap % "/dev/vg0/tiny1-swap")


def test_the_copy_on_the_other_host_has_a_file_that_xl_reads_and_nothing_starts(tiny1: Host, dom0b: Host) -> None:
    text = dom0b.check_output("cat /etc/xen/copies/vg0/tiny1.cfg")
    assert "'phy:/dev/vg0/tiny1-disk.copy,xvda2,w'" in text and "from dom0a" in text
    assert not dom0b.file("/etc/xen/tiny1.cfg").exists
    assert "tiny1" not in dom0b.check_output("xen-legi list")


def test_the_status_tells_where_the_copies_are(tiny1: Host) -> None:
    told = json.loads(tiny1.check_output("backup-domu status --json"))["copies"]
    places = {one["where"]: one for one in told if one["domu"] == "tiny1"}
    assert {"vg1", "dom0b:vg0"} <= set(places)
    assert all(one["state"] == "good" and one["generation"] >= 1 for one in places.values())


def test_a_second_run_sends_what_changed_and_deletes_what_is_gone(tiny1: Host, dom0b: Host) -> None:
    in_disk(tiny1, "echo changed > /run/look/etc/file1; rm /run/look/etc/file2; mkdir /run/look/etc/new")
    assert backup(tiny1, "--to dom0b").rc == 0
    (row,) = report(tiny1)
    assert (row["state"], row["changed"], row["deleted"]) == ("good", 1, 1)
    assert row["bytes"] < 100_000
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []


@pytest.mark.long  # two minutes; the planner's tests have grown volumes, and the next one shows the good one kept
def test_a_volume_that_grew_is_copied_anew_beside_the_good_one(tiny1: Host, dom0b: Host) -> None:
    tiny1.check_output("lvextend -qq -L 96M vg0/tiny1-disk && e2fsck -fp /dev/vg0/tiny1-disk; resize2fs /dev/vg0/tiny1-disk")
    killed = backup(tiny1, "--to dom0b", kill="backup:sending")
    assert killed.rc == 137
    assert {"vg0/tiny1-disk.copy", "vg0/tiny1-disk.good"} <= set(volumes(dom0b))
    assert backup(tiny1, "--to dom0b").rc == 0
    assert dom0b.check_output("lvs --noheadings --units m --nosuffix -o lv_size vg0/tiny1-disk.copy").strip() == "96.00"
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")
    assert leftovers(tiny1) == [] and leftovers(dom0b) == []


# what can go wrong


@pytest.mark.long  # three minutes; within one host it is tested every day
def test_while_a_generation_is_written_the_last_good_one_is_kept(tiny1: Host, dom0b: Host) -> None:
    assert backup(tiny1, "--to dom0b").rc == 0
    before = manifest(dom0b, "/dev/vg0/tiny1-disk.copy")
    in_disk(tiny1, "rm -r /run/look/etc/deep; echo new > /run/look/etc/motd")
    assert backup(tiny1, "--to dom0b", kill="backup:verified").rc == 137
    assert "xen-legi.state=dirty" in volumes(dom0b)["vg0/tiny1-disk.copy"]
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.good") == before
    plan = dom0b.check_output("xen-legi promote tiny1 --force-dead --dry-run")
    assert "set tiny1-disk back to its last good generation" in plan
    assert backup(tiny1, "--to dom0b").rc == 0
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == manifest(tiny1, "/dev/vg0/tiny1-disk")


@contextlib.contextmanager
def unreachable(host: Host, peer: str = "dom0b") -> Iterator[None]:
    """Have a host look for its peer where nobody is: at an address of the lab's own network."""
    file = f"/etc/xen-legi/peers/{peer}.conf"
    host.check_output(f"sed -i.saved 's/HostName .*/HostName 10.213.0.250/; s/ConnectTimeout .*/ConnectTimeout 2/' {file}")
    try:
        yield
    finally:
        host.check_output(f"mv {file}.saved {file}")


@pytest.mark.parametrize("words", ["", "--cron"])
def test_where_nothing_can_be_reached_nothing_is_begun_and_one_line_says_so(tiny1: Host, words: str) -> None:
    before = volumes(tiny1)
    with unreachable(tiny1):
        result = backup(tiny1, f"--to dom0b {words}")
        checked = tiny1.run("xen-legi peer check dom0b")
    assert result.rc == 2 and volumes(tiny1) == before
    line, hint = problem(result)
    assert line.startswith("backup-domu: dom0b cannot be reached: ") and "xen-legi peer check dom0b" in hint
    (row,) = report(tiny1)
    assert (row["domu"], row["destination"], row["state"]) == ("tiny1", "dom0b", "failed")
    assert checked.rc == 2 and "dom0b cannot be reached" in checked.stderr


def test_a_peer_that_cannot_be_reached_is_one_line_and_the_other_copy_is_made(tiny1: Host) -> None:
    with unreachable(tiny1):
        result = backup(tiny1, "--to dom0b --to vg1")
    assert result.rc == 3
    rows = {row["destination"]: row for row in report(tiny1)}
    assert rows["vg1"]["state"] == "good"
    assert "dom0b cannot be reached" in rows["dom0b"]["message"] and "\n" not in rows["dom0b"]["message"]
    assert "xen-legi peer check dom0b" in rows["dom0b"]["hint"]


def test_a_copy_is_not_started_while_nobody_knows_whether_the_domu_runs(tiny1: Host, dom0b: Host) -> None:
    before = state(dom0b)
    with unreachable(dom0b, "dom0a"):
        result = dom0b.run("xen-legi promote tiny1")
    refused(result)
    assert "dom0a cannot be reached" in result.stderr and "say --force-dead" in result.stderr
    assert state(dom0b) == before


@pytest.mark.parametrize("words", ["--yes", "--root-ssh"])
def test_a_host_that_does_not_answer_becomes_no_peer(dom0a: Host, words: str) -> None:
    refused(dom0a.run(f"xen-legi peer add dom0z --address 10.213.0.250 {words}"))
    assert "dom0z" not in dom0a.check_output("xen-legi peer list; ls /etc/xen-legi/peers")


def test_a_copy_that_is_in_use_is_not_written(tiny1: Host, dom0b: Host) -> None:
    before = manifest(dom0b, "/dev/vg0/tiny1-disk.copy")
    dom0b.check_output("mkdir -p /run/busy && mount -o ro /dev/vg0/tiny1-disk.copy /run/busy")
    try:
        result = backup(tiny1, "--to dom0b")
        (row,) = report(tiny1)
    finally:
        dom0b.check_output("umount /run/busy")
    assert result.rc == 3 and "tiny1-disk.copy on dom0b is in use" in row["message"]
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == before


def test_a_host_that_has_the_domu_itself_refuses_to_be_sent_its_copy(tiny1: Host, dom0b: Host) -> None:
    dom0b.check_output("cp /etc/xen/copies/vg0/tiny1.cfg /etc/xen/tiny1.cfg")
    try:
        assert backup(tiny1, "--to dom0b").rc == 3
        assert "dom0b has a domU tiny1 of its own" in report(tiny1)[0]["message"]
    finally:
        dom0b.check_output("rm /etc/xen/tiny1.cfg")


HOSTILE = [
    "sh", "'status; id'", "'status $(id)'", "begin ../../etc", "remove tiny1", "kernel vmlinuz-x ../x", "rsync --server . /",
    f"sync tiny1 tiny1-disk r1 {SYNC.replace(' . copy', ' . /etc')}",
    f"sync tiny1 tiny1-disk r1 {SYNC.replace('--stats', '--inplace')}",
    f"sync tiny1 tiny1-disk r1 {SYNC.replace('--server', '--server --sender')}",
]
# In the language, as our own client says it: what is refused is only the run, which nobody has begun.
PLAIN = [f"sync tiny1 tiny1-disk r1 {SYNC}", "commit tiny1 r1"]
ORDERS = [*((line, "refused: ") for line in HOSTILE), *((line, "run r1 of tiny1 is not under way") for line in PLAIN)]


@pytest.fixture
def connected(tiny1: Host) -> Iterator[str]:
    """One connection to dom0b as its peer, for many orders: yields the command that sends one."""
    command = f"{SSH} -o ControlPath=/run/hostile-%C"
    tiny1.check_output(f"{command} -o ControlMaster=yes -o ControlPersist=300 status </dev/null >/dev/null 2>&1")
    yield command
    tiny1.run(f"{command} -O exit")


def test_a_client_that_says_anything_else_is_refused(tiny1: Host, dom0b: Host, connected: str) -> None:
    before = manifest(dom0b, "/dev/vg0/tiny1-disk.copy")
    wrong = {}
    for line, said in ORDERS:
        result = tiny1.run(f"{connected} {line} </dev/null")
        told = result.stdout + result.stderr
        if result.rc != 2 or said not in told or "uid=" in told:
            wrong[line] = (result.rc, told)
    assert wrong == {}
    assert manifest(dom0b, "/dev/vg0/tiny1-disk.copy") == before


@pytest.fixture
def other(dom0b: Host) -> Iterator[str]:
    """A domU of which dom0b has a copy from another host, dom0z."""
    tags = ("xen-legi", "xen-legi.copy", "xen-legi.state=good", "xen-legi.from=dom0z", "xen-legi.domu=other1",
            "xen-legi.volume=other1-disk")
    words = " ".join(f"--addtag {tag}" for tag in tags)
    dom0b.check_output(f"lvcreate -qq -y -L 4M {words} -n other1-disk.copy vg0")
    yield "other1"
    dom0b.check_output("lvremove -qq -y vg0/other1-disk.copy")


def test_a_peer_sees_and_writes_its_own_copies_only(tiny1: Host, dom0b: Host, other: str) -> None:
    told = json.loads(tiny1.check_output(f"{SSH} status </dev/null"))["copies"]
    assert "tiny1" in {one["domu"] for one in told} and {one["source"] for one in told} == {"dom0a"}
    request = dom0b.check_output("cat /var/lib/xen-legi/copies/vg0/tiny1.json").replace("tiny1", other)
    result = tiny1.run(f"printf %s {shlex.quote(request)} | {SSH} begin {other}")
    assert result.rc == 2 and "the copy of other1 on dom0b belongs to dom0z" in result.stdout, result.stdout + result.stderr


# web1: a guest that runs


@pytest.fixture(scope="module")
def web1(web1: Host, peers: None) -> Host:
    """dom0b, from which web1 on dom0a is reached; the two hosts may send each other copies."""
    return web1


@pytest.fixture(scope="module")
def copied(dom0a: Host, web1: Host) -> Host:
    """The same, with a good copy of web1 on dom0b."""
    if not web1.file("/etc/xen/copies/vg0/web1.cfg").exists:
        dom0a.check_output("backup-domu web1 --to dom0b")
    return web1


LATER = "vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000"


def booted(host: Host) -> tuple[str, float]:
    """Return which boot the guest is in, and for how long."""
    boot, uptime = guest(host, "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f1 /proc/uptime").split()
    return boot, float(uptime)


@pytest.mark.long  # the next one sees the same of a run that ends otherwise, and cron's run is good to its end
def test_a_running_domu_is_copied_without_a_break(dom0a: Host, web1: Host) -> None:
    boot, uptime = booted(web1)
    began = time.monotonic()
    result = dom0a.run("backup-domu web1 --to vg1 --to dom0b")
    assert result.rc == 0, result.stdout + result.stderr
    took = time.monotonic() - began
    later, longer = booted(web1)
    assert later == boot and longer - uptime > 0.9 * took - 5
    assert {row["state"] for row in report(dom0a)} == {"good"}


def test_the_copies_of_a_running_domu_equal_their_ghost_and_it_runs_on(dom0a: Host, web1: Host) -> None:
    own = "/etc/xen-legi/backup.d/web1.toml"
    dom0a.check_output(f"mkdir -p {own.rpartition('/')[0]} && echo 'sync_wait = 10' > {own}")
    boot, uptime = booted(web1)
    guest(web1, f"sysctl -q {LATER}; date > /root/written")  # its kernel writes that only when it is asked to
    began = time.monotonic()
    killed = run_killed(dom0a, "backup:unmounted", "backup-domu web1 --to vg1 --to dom0b")  # both are committed then
    dom0a.check_output(f"rm {own}")
    guest(web1, "sysctl -q vm.dirty_writeback_centisecs=500 vm.dirty_expire_centisecs=3000")
    assert killed.rc == 137, killed.stderr
    took = time.monotonic() - began
    later, longer = booted(web1)
    assert later == boot and longer - uptime > 0.9 * took - 5
    ghost = next(line for line in dom0a.check_output("lvs --noheadings -o lv_path").split() if "/web1-disk.ghost-" in line)
    want = manifest(dom0a, ghost)
    written = next(line for line in want.splitlines() if "root/written'" in line)
    assert guest(web1, "sha256sum /root/written").split()[0] in written
    for host, group in ((dom0a, "vg1"), (web1, "vg0")):
        have = manifest(host, f"/dev/{group}/web1-disk.copy")
        assert filled(want, have) == have  # journald allocates zeros, which rsync does not send


def test_cron_itself_runs_the_shipped_line_and_cleans_up_after_the_killed_run(dom0a: Host, web1: Host) -> None:
    minute, hour = dom0a.check_output("date -d '+119 seconds' '+%M %H'").split()  # cut to the minute: one ahead at least
    settings = "/etc/xen-legi/xen-legi.toml"
    text = '[backup]\\ndestinations = ["vg1", "dom0b"]\\nexclude = ["tiny1"]\\n'
    dom0a.check_output(f"mv {settings} {settings}.saved; printf '{text}' > {settings}; rm -f {LAST}")
    line = f"sed 's/^17 2 /{minute} {hour} /' /etc/cron.d/xen-legi-backup"
    dom0a.check_output(f"{line} > /etc/cron.d/xen-legi-test")
    try:
        deadline = time.monotonic() + 900
        while not dom0a.file(LAST).exists and time.monotonic() < deadline:
            time.sleep(5)
        rows = [(row["domu"], row["destination"], row["state"], row["message"]) for row in report(dom0a)]
        assert rows == [("web1", "vg1", "good", ""), ("web1", "dom0b", "good", "")]
        log = dom0a.check_output("journalctl -t CRON --since -20min --no-pager")
        assert "backup-domu run --cron" in log
        assert leftovers(dom0a) == [] and "web1-disk.ghost" not in dom0a.check_output("lvs")
    finally:
        dom0a.run(f"rm -f /etc/cron.d/xen-legi-test; mv {settings}.saved {settings}")


def test_the_copy_on_the_other_host_is_not_started_while_the_domu_runs(copied: Host) -> None:
    result = copied.run("xen-legi promote web1 --force-dead")
    assert result.rc == 2 and "web1 runs on dom0a" in result.stderr


def test_a_domu_that_runs_on_the_other_host_is_not_started_here(copied: Host) -> None:
    copied.check_output("cp /etc/xen/copies/vg0/web1.cfg /etc/xen/web1.cfg")
    result = copied.run("xen-legi start web1")
    copied.check_output("rm /etc/xen/web1.cfg")
    assert (result.rc, result.stderr) == (2, "xen-legi: web1 runs on dom0a\n  hint: there: xl shutdown -w web1\n")


def test_one_command_starts_the_copy_on_the_other_host_and_the_guest_answers(dom0a: Host, web1: Host) -> None:
    guest(web1, "echo kept > /root/kept; sync")
    dom0a.check_output("backup-domu web1 --to dom0b")
    dom0a.check_output("xl shutdown -w web1")
    try:
        web1.check_output("xen-legi promote web1")
        wait_for_ssh(web1, WEB1)
        assert guest(web1, "cat /root/kept").strip() == "kept"
        assert "/dev/vg0/web1-disk," in web1.check_output("cat /etc/xen/web1.cfg")
        before = volumes(dom0a, "web1")
        assert dom0a.run("backup-domu web1 --to vg1 --to dom0b").rc == 3  # the one here is old: it must not replace a copy
        assert {row["message"].partition(",")[0] for row in report(dom0a)} == {"web1 runs on dom0b"}
        assert volumes(dom0a, "web1") == before and "web1 at dom0b:vg0 was promoted" in dom0a.run("backup-domu check").stdout
        web1.check_output("xl shutdown -w web1")
        off = dom0a.run("backup-domu web1 --to dom0b")  # nobody runs it now, and the receiver itself still refuses
        assert off.rc == 3 and "was promoted on dom0b" in report(dom0a)[0]["message"]
    finally:
        web1.run("xl shutdown -w web1 || xl destroy web1")
        web1.check_output("xen-legi promote web1 --undo")
        dom0a.check_output("xen-legi start web1")
    wait_for_ssh(web1, WEB1)
    assert "web1" not in web1.check_output("xl list")
    dom0a.check_output("backup-domu web1 --to dom0b")
