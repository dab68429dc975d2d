"""The trial of a copy: what its file says, what the console said, and which snapshots are its own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from xen_legi.backup import generations, trial
from xen_legi.backup.generations import Copy
from xen_legi.backup.trial import Verdict
from xen_legi.cli import backup_trial
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.storage.lvm import Volume

TEXT = """# xen-legi: a copy of web1
name = 'web1'
type = 'pvh'
kernel = '/srv/xen/boot/vmlinuz-x'
memory = 512
maxmem = 1024
uuid = '7c1f3ac0-1111-2222-3333-444455556666'
disk = ['phy:/dev/vg0/web1-disk.copy,xvda2,w', 'phy:/dev/vg0/web1-swap.copy,xvda1,w']
vif = ['bridge=xenbr72,mac=00:16:3e:00:00:01']
on_reboot = 'restart'
"""


def member(slot: str, *tags: str) -> Volume:
    """A volume of the copy of web1."""
    said = {"xen-legi", "xen-legi.copy", "xen-legi.domu=web1", f"xen-legi.volume={slot}", "xen-legi.from=dom0a"}
    every = frozenset(said | {f"xen-legi.{tag}" for tag in tags})
    return Volume("vg0", f"{slot}.copy", 1 << 30, "-wi-a-----", every, "", "", slot, True, False, False, None)


def copy_of(*tags: str) -> Copy:
    """The copy of web1, of two volumes."""
    (one,) = generations.copies([member("web1-disk", *tags), member("web1-swap", *tags)]).values()
    return one


GOOD = ("state=good", "generation=3/2")


def test_a_trial_has_a_name_of_its_own_its_snapshots_and_no_network_and_never_starts_anew() -> None:
    found = config.parse(trial.text_of(copy_of(*GOOD), TEXT, 256), Path("x.cfg"))
    assert (found.name, found.memory, found.vifs, found.kernel) == ("web1.test", 256, (), "/srv/xen/boot/vmlinuz-x")
    assert [one.path for one in found.disks] == ["/dev/vg0/web1-disk.test", "/dev/vg0/web1-swap.test"]
    assert found.settings["on_reboot"] == "destroy" and found.settings["maxmem"] == "256"
    assert re.fullmatch(r"[0-9a-f-]{36}", found.settings["uuid"]) and not found.settings["uuid"].startswith("7c1f3ac0")


def test_the_file_of_a_trial_has_no_disk_that_is_not_the_copys() -> None:
    with pytest.raises(Problem, match="names /dev/vg0/db1-disk, which is not its own"):
        trial.text_of(copy_of(*GOOD), TEXT.replace("web1-swap.copy", "db1-disk"))


@pytest.mark.parametrize("tags, said", [
    (("state=dirty", "run=r4"), "is being written, or was not finished"), ((*GOOD, "promoted"), "was promoted"),
])
def test_what_is_written_or_promoted_is_not_tested(tags: tuple[str, ...], said: str) -> None:
    with pytest.raises(Problem, match=said):
        trial.need_testable(copy_of(*tags))


def test_a_good_copy_is_tested_and_the_plan_tells_what_is_made() -> None:
    trial.need_testable(copy_of(*GOOD))
    lines = trial.described(copy_of(*GOOD), trial.text_of(copy_of(*GOOD), TEXT))
    assert lines[0] == "snapshot /dev/vg0/web1-disk.copy as /dev/vg0/web1-disk.test" and lines[-1] == "xl destroy web1.test"
    assert "512 MiB, no network" in lines[2]


def test_only_snapshots_of_this_copy_with_our_tags_are_left_overs() -> None:
    mine = replace(member("web1-disk"), name="web1-disk.test", origin="web1-disk.copy",
                   tags=frozenset({"xen-legi", "xen-legi.test", "xen-legi.domu=web1"}))
    others = [replace(mine, tags=mine.tags - {"xen-legi.test"}), replace(mine, tags=mine.tags - {"xen-legi"}),
              replace(mine, group="vg1"), replace(mine, tags=mine.tags - {"xen-legi.domu=web1"} | {"xen-legi.domu=db1"}),
              member("web1-disk", *GOOD)]
    assert trial.leftovers(copy_of(*GOOD), [*others, mine]) == [mine]


@pytest.mark.parametrize("told, lines", [
    (b"", ()), (b"\x1b[0;1;31mKernel panic\x1b[0m - not syncing\r\n\r\n", ("Kernel panic - not syncing",)),
    (b"".join(b"line %d\n" % at for at in range(9)), tuple(f"line {at}" for at in range(4, 9))),
    ("ü\x07b\n".encode(), ("b",)),
])
def test_of_a_console_the_last_lines_are_told_as_text(told: bytes, lines: tuple[str, ...]) -> None:
    assert trial.last_lines(trial.plain(told)) == lines


@pytest.mark.parametrize("told, prompt", [
    (b"Debian GNU/Linux 13 web1 hvc0\r\n\r\nweb1 login: ", True), (b"\x1b[0mweb1 login: \x1b[?2004h", True),
    (b"web1 login: [  OK  ] Reached target multi-user.target\r\n", True), (b"x\r\nLast login: now\r\n", False),
    (b"Started systemd-logind.service\r\n", False),
])
def test_a_login_that_is_asked_for_is_seen(told: bytes, prompt: bool) -> None:
    assert bool(trial._PROMPT.search(trial.plain(told))) == prompt


def test_the_verdicts_are_told_a_line_each_with_the_console_of_what_failed() -> None:
    told = backup_trial.text([Verdict("web1", "vg0", 3, "boots", 61.0), Verdict("db1", "vg1", 2, "fails", 9.0, ("panic",)),
                              Verdict("x1", "vg1", 1, "unsure", 600.0), Verdict("y1", "vg1", 1, "untested", 0.0, ("busy",))])
    assert told.splitlines() == [
        "web1 in vg0, generation 3: boots: it asked for a login after 1 min 01 s",
        "db1 in vg1, generation 2: DOES NOT BOOT: it ended after 9.0 s", "  panic",
        "x1 in vg1, generation 1: runs, but asked for no login on its console within 10 min 00 s",
        "y1 in vg1, generation 1: could not be tested", "  busy",
    ]
