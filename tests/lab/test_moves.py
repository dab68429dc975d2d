"""A domU is tried on the other host, moves there and comes home, and its copy is started by hand: as the texts say it.

Each command is one of README.md or docs/manual-recovery.md; it is looked for there before it is run.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from backups import report, volumes
from domus import WEB1, guest, run_killed, wait_for_ssh

pytestmark = pytest.mark.long
TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "README.md").read_text() + (TOP / "docs/manual-recovery.md").read_text()
SETTINGS = "/etc/xen-legi/xen-legi.toml"
REMOVE = (
    "xl destroy web1; sleep 3; udevadm settle; rm -rf /etc/xen/web1.cfg* /etc/xen/auto/web1.cfg /etc/xen/copies/*/web1.cfg "
    "/root/web1.cfg /var/lib/xen-legi/copies/*/web1.json /var/lib/xen-legi/backup/generation/web1; "
    "for group in vg0 vg1; do lvremove -qq -y $(lvs --noheadings -o full_name $group | grep -F /web1-); done"
)


def is_said(line: str) -> bool:
    """Tell whether the texts have a command, alone on its line or within a sentence."""
    return re.search(rf"(^    +|:~# |`){re.escape(line)}(  |$|`)", TEXT, re.MULTILINE) is not None


def follow(host: Host, line: str, *, group: str = "vg0", more: str = "") -> str:
    """Run a command on a host as the texts have it; `group` takes the place of their vg0, `more` is answers to questions."""
    assert is_said(line), f"the texts do not say: {line}"
    return str(host.check_output(line.replace("vg0", group) + more))


@pytest.fixture(scope="module")
def away(dom0a: Host, dom0b: Host, web1: Host, peers: None) -> Iterator[Host]:
    """dom0b, with settings on both hosts by which each copies to the other; afterwards there is no web1 any more."""
    for host, destinations in ((dom0a, '["vg1", "dom0b"]'), (dom0b, '["dom0a"]')):
        host.check_output(f"cp -a {SETTINGS} /root/settings.saved")
        host.check_output(f"printf '[backup]\\ndestinations = {destinations}\\nexclude = [\"tiny1\"]\\n' > {SETTINGS}")
    yield web1
    for host in (dom0a, dom0b):
        host.run(f"mv /root/settings.saved {SETTINGS}; {REMOVE}")


def states(host: Host) -> list[tuple[str, str]]:
    """Return destination and state of each row of the host's last report."""
    return [(row["destination"], row["state"]) for row in report(host)]


def tags(host: Host, group: str) -> dict[str, set[str]]:
    """Return the tags of the volumes of web1 in a group by name, as the manual's own command shows them."""
    lines = follow(host, "lvs -a -o lv_name,lv_size,lv_attr,origin,lv_tags vg0 | grep web1", group=group).splitlines()
    return {line.split()[0].strip("[]"): set(line.split()[-1].split(",")) for line in lines}


def to_start(volumes: dict[str, set[str]]) -> str:
    """Return the generation to start by the manual's rule: the highest N/M that volumes of M different names bear."""
    bearers: dict[str, set[str]] = {}
    for name, said in volumes.items():
        for tag in (one for one in said if one.startswith("xen-legi.generation=")):
            bearers.setdefault(tag.partition("=")[2], set()).add(name.rpartition(".")[0])
    whole = [one for one, names in bearers.items() if len(names) == int(one.partition("/")[2])]
    return max(whole, key=lambda one: int(one.partition("/")[0]))


def test_the_copy_of_a_run_killed_between_its_tags_is_started_by_hand(dom0a: Host, away: Host) -> None:
    guest(away, "echo kept > /root/kept; sync")
    dom0a.check_output("backup-domu web1 --to vg1")
    guest(away, "echo later > /root/later; sync")
    killed = run_killed(dom0a, "receive:tagged", "backup-domu run web1 --to vg1")
    assert killed.rc in (3, 137), killed.stdout + killed.stderr
    dom0a.check_output("xl shutdown -w web1")
    volumes = tags(dom0a, "vg1")
    wanted = f"xen-legi.generation={to_start(volumes)}"
    behind = [name for name, said in volumes.items() if name.endswith(".copy") and wanted not in said]
    assert behind == ["web1-disk.copy"], volumes  # else the run was killed elsewhere
    assert wanted in volumes["web1-disk.good"]
    follow(dom0a, "lvconvert --merge vg0/web1-disk.good", group="vg1")
    follow(dom0a, "lvchange -ay vg0/web1-disk.copy vg0/web1-swap.copy", group="vg1")
    follow(dom0a, "mv -n /etc/xen/web1.cfg /etc/xen/web1.cfg.before-promote")
    follow(dom0a, "cp -i /etc/xen/copies/vg0/web1.cfg /etc/xen/web1.cfg", group="vg1")
    follow(dom0a, "dmsetup table vg0-web1--disk.copy", group="vg1")
    dom0a.check_output("xl create /etc/xen/web1.cfg")
    mark = "lvchange --addtag xen-legi.promoted --deltag xen-legi --deltag xen-legi.copy"
    follow(dom0a, f"{mark} vg0/web1-disk.copy", group="vg1")
    follow(dom0a, f"{mark} vg0/web1-swap.copy", group="vg1")
    wait_for_ssh(away, WEB1)
    assert guest(away, "cat /root/kept").strip() == "kept"
    assert "later" not in guest(away, "ls /root")


def test_what_was_started_by_hand_is_taken_back_and_the_domu_is_copied_again(dom0a: Host, away: Host) -> None:
    dom0a.check_output("xl shutdown -w web1")
    follow(dom0a, "xen-legi promote web1 --undo")
    assert "/dev/vg0/web1-disk," in dom0a.check_output("cat /etc/xen/web1.cfg")
    follow(dom0a, "xen-legi start web1")
    wait_for_ssh(away, WEB1)
    assert guest(away, "cat /root/later").strip() == "later"
    follow(dom0a, "backup-domu web1")
    assert states(dom0a) == [("vg1", "good"), ("dom0b", "good")]


def test_a_trial_on_the_other_host_leaves_nothing_behind(dom0a: Host, away: Host) -> None:
    follow(dom0a, "xl shutdown -w web1")
    follow(dom0a, "backup-domu web1")
    told = follow(away, "xen-legi promote web1")
    assert "If this is a trial, dom0a must not start its web1" in told and "unplug" not in told
    wait_for_ssh(away, WEB1)
    guest(away, "echo trial > /root/trial; sync")
    before = volumes(dom0a, "web1")
    assert dom0a.run("backup-domu web1").rc == 3  # as cron would: what is here is old while web1 runs there
    assert {row["message"].partition(",")[0] for row in report(dom0a)} == {"web1 runs on dom0b"}
    assert volumes(dom0a, "web1") == before
    follow(away, "xl shutdown -w web1")
    follow(away, "xen-legi promote web1 --undo")
    follow(dom0a, "xen-legi start web1")
    follow(dom0a, "backup-domu web1")
    assert states(dom0a) == [("vg1", "good"), ("dom0b", "good")]
    wait_for_ssh(away, WEB1)
    assert "trial" not in guest(away, "ls /root")


def test_a_domu_moves_to_the_other_host(dom0a: Host, away: Host) -> None:
    follow(dom0a, "xl shutdown -w web1")
    follow(dom0a, "backup-domu web1")
    follow(dom0a, "rm -f /etc/xen/auto/web1.cfg; mv /etc/xen/web1.cfg /root/")
    told = follow(away, "xen-legi promote web1")
    assert "must not start" not in told and "To bring web1 home" in told  # on dom0a, nothing of it is left to be done
    follow(away, "ln -s ../web1.cfg /etc/xen/auto/")
    again = away.run("xen-legi promote web1")
    assert again.rc == 2 and "web1 runs on this host already" in again.stderr
    wait_for_ssh(away, WEB1)  # a Linux that has not mounted its root yet does not hear `xl shutdown`
    only = away.run("xl shutdown -w web1 && xen-legi promote web1 --undo")  # on the wrong host: no other has it now
    assert only.rc == 2 and "may be the only one" in only.stderr
    done = away.run("xen-legi promote web1")
    assert done.rc == 2 and "was promoted here before" in done.stderr
    follow(away, "xen-legi start web1")
    wait_for_ssh(away, WEB1)
    guest(away, "echo away > /root/away; sync")


def test_it_comes_home_with_all_that_it_wrote_and_is_copied_as_before(dom0a: Host, away: Host) -> None:
    follow(dom0a, "lvremove vg0/web1-disk vg0/web1-swap", more=" -y")  # the lab's vg0 lacks the room for all three
    follow(away, "backup-domu web1 --to dom0a")
    guest(away, "echo last > /root/last; sync")
    follow(away, "xl shutdown -w web1")
    follow(away, "backup-domu web1 --to dom0a")
    follow(away, "rm -f /etc/xen/auto/web1.cfg")
    refused = dom0a.run("xen-legi promote web1")  # vg1 has an older copy with a higher generation
    assert refused.rc == 2 and "copies of several hosts" in refused.stderr and "--group" in refused.stderr
    told = dom0a.check_output("xen-legi promote web1 --group vg0")
    assert "it was promoted there before" in told and "mv /etc/xen" not in told
    follow(dom0a, "ln -s ../web1.cfg /etc/xen/auto/")
    wait_for_ssh(away, WEB1)
    assert guest(away, "cat /root/away /root/last").split() == ["away", "last"]
    follow(away, "xen-legi promote web1 --undo")
    follow(dom0a, "backup-domu web1")
    assert states(dom0a) == [("vg1", "good"), ("dom0b", "good")]
    assert [row["message"] for row in report(dom0a)] == ["", ""]
