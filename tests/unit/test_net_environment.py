"""What the guard keeps of an interface that is not ours, and by which stanza that came up, then."""

import os
import subprocess
from pathlib import Path

import pytest

from test_net_apply import BEFORE, plain
from test_net_hook import GUARD, under_ifdown
from test_net_stanzas import read
from xen_legi.net import came_up, files, in_force
from xen_legi.net.came_up import Changed, Known, judged
from xen_legi.net.environment import Note, notes
from xen_legi.net.stanzas import Interfaces

GIVEN = {  # what ifup 0.8.41 hands over for BEFORE
    "IFACE": "eth0", "LOGICAL": "eth0", "ADDRFAM": "inet", "METHOD": "static", "MODE": "start", "PHASE": "pre-up",
    "VERBOSITY": "0", "IF_ADDRESS": "192.0.2.1", "IF_NETMASK": "255.255.255.0", "IF_BROADCAST": "192.0.2.255",
    "IF_GATEWAY": "192.0.2.254",
}
DHCP = "auto eth0\niface eth0 inet dhcp\n    up echo old\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory for the guard's notes."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def guard(run: Path, **environment: str) -> int:
    """Run the guard, with these variables; tell its exit status."""
    work = run.parent / "work"
    work.write_text("#!/bin/sh\nexit 9\n")
    work.chmod(0o755)
    text = GUARD.read_text().replace("/usr/libexec/xen-legi/ifupdown-links", str(work))
    text = text.replace("/run/xen-legi/net", str(run))
    return subprocess.run(["dash", "-c", text], env=environment, cwd="/").returncode


def kept(run: Path, **environment: str) -> dict[str, Note]:
    assert guard(run, **{**GIVEN, **environment}) == 0
    return notes(run)


OLD, NEW = (lambda stanzas: 0), (lambda stanzas: 2**63)  # when the files were changed


def known(noted: str, files: str, found: dict[str, Note], *, changed: Changed = NEW, seen: dict[str, str] | None = None,
          others: str = "", perhaps: str = "") -> Known:
    return judged(read(noted), (read(others), read(files), read(perhaps)), found, seen or {}, changed)


def after(noted: str, files: str, found: dict[str, Note], changed: Changed = NEW, others: str = "") -> Interfaces:
    told = known(noted, files, found, changed=changed, others=others)
    assert not told.uncertain
    return told.in_force


def test_the_guard_keeps_what_ifup_hands_over(run: Path) -> None:
    (stanza,) = kept(run, IF_DESCRIPTION="it's\na # card", IF_UP="")["eth0"].stanzas
    assert (stanza.name, stanza.family, stanza.method) == ("eth0", "inet", "static")
    assert ("description", "it's\na # card") in [(one.name, one.value) for one in stanza.options]


@pytest.mark.parametrize("phase", ["post-up", "pre-down", "post-down"])
def test_it_does_so_only_when_an_interface_comes_up(run: Path, phase: str) -> None:
    assert kept(run, PHASE=phase) == {}


def test_all_stanzas_of_one_ifup_are_kept_until_it_goes_down(run: Path) -> None:
    kept(run, IF_ADDRESS="192.0.2.7")
    assert len(kept(run)["eth0"].stanzas) == 2
    assert kept(run, PHASE="post-down") == {}


def test_another_ifup_begins_anew(tmp_path: Path) -> None:
    second = {**GIVEN, "IF_ADDRESS": "192.0.2.7"}
    for call in ((GIVEN, second), (second, GIVEN)):
        under_ifdown(tmp_path, *call, name="ifup")
        found = notes(tmp_path / "net")["eth0"].stanzas
        assert [one.value for stanza in found for one in stanza.options if one.name == "address"] == [
            call[0]["IF_ADDRESS"], call[1]["IF_ADDRESS"]]


def test_an_interface_of_ours_is_for_the_hook(run: Path) -> None:
    kept(run)
    assert guard(run, **GIVEN, IF_BRIDGE_PORTS="none") == 9 and notes(run) == {}
    kept(run)
    assert guard(run, **{**GIVEN, "PHASE": "post-down"}, IF_BRIDGE_PORTS="none") == 9 and notes(run) == {}


def test_what_cannot_be_kept_keeps_no_interface_down(run: Path) -> None:
    (run / "eth0:up").mkdir()
    assert kept(run) == {}
    assert kept(run.parent / "nowhere") == {}


def test_it_came_up_by_the_files_or_by_what_was_noted(run: Path) -> None:
    found = kept(run)
    assert plain(after(DHCP, BEFORE, found)) == plain(read(BEFORE))  # edited, then ifdown and ifup by hand
    assert plain(after(BEFORE, DHCP, found)) == plain(read(BEFORE))  # not edited until now
    assert after("", BEFORE, found) == read("")  # where nothing was ever noted, one interface is not all


def test_where_only_commands_changed_it_came_up_by_the_files_if_they_were_changed_before(run: Path) -> None:
    found, more = kept(run), BEFORE + "    up echo new\n"
    assert plain(after(BEFORE, more, found)) == plain(read(BEFORE))
    assert plain(after(BEFORE, more, found, OLD)) == plain(read(more))


def test_it_came_up_by_what_was_not_in_force_yet_when_that_was_noted(run: Path) -> None:
    lo, text = "iface lo inet loopback\n", BEFORE + "    up echo old\n"
    assert plain(after(lo, "", kept(run), others=text)) == plain(read(lo + text))


def test_all_stanzas_of_an_interface_are_looked_at_together(run: Path) -> None:
    second = BEFORE.replace("2.1/", "2.7/").replace("    gateway 192.0.2.254\n", "    up true\n")
    kept(run)
    given = {key: value for key, value in GIVEN.items() if key != "IF_GATEWAY"}
    assert guard(run, **{**given, "IF_ADDRESS": "192.0.2.7"}) == 0
    found = notes(run)
    assert plain(after(BEFORE + second, BEFORE + second, found)) == plain(read(BEFORE + second))
    assert known(BEFORE, BEFORE, found).uncertain == {"eth0"}


def test_a_family_that_is_not_in_the_files_any_more_is_not_in_force_after_ifup(run: Path) -> None:
    both = BEFORE + "iface eth0 inet6 static\n    address 2001:db8::1/64\n"
    assert plain(after(both, BEFORE, kept(run))) == plain(read(BEFORE))


def test_a_stanza_with_an_option_of_ours_was_not_for_the_guard(run: Path) -> None:
    both = BEFORE + "iface eth0 inet6 manual\n    bridge-ports none\n"
    assert plain(after(both, DHCP, kept(run))) == plain(read(both))


LO = "iface lo inet loopback\n"


def test_where_neither_is_it_nothing_is_known_of_the_interface(run: Path) -> None:
    other = BEFORE.replace("2.1/", "2.7/")
    for noted, now in ((DHCP, DHCP.replace("old", "new")), (other, other), (DHCP, BEFORE + "    up echo new\n")):
        told = known(LO + noted, now, kept(run))
        assert told.uncertain == {"eth0"} and plain(told.in_force) == plain(read(LO)) and told.seen == {}


def test_what_was_taken_into_account_is_not_looked_at_again(run: Path) -> None:
    found = kept(run)
    version = {"eth0": found["eth0"].version}
    assert known(BEFORE, BEFORE, found).seen == version
    assert plain(known(DHCP, BEFORE, found, seen=version).in_force) == plain(read(DHCP))


def test_what_a_killed_run_may_have_brought_up_is_known_to_be_in_doubt(run: Path) -> None:
    told = known(DHCP, DHCP, kept(run), perhaps=DHCP + BEFORE)
    assert not told.uncertain and plain(told.in_force) == plain(read(DHCP))


def test_what_ifup_adds_makes_no_difference(run: Path) -> None:
    text = "iface eth0 inet6 static\n    address 2001:db8::1\n    dns-search a b\n"
    added = {"IF_AUTOCONF": "0", "IF_DAD_ATTEMPTS": "60", "IF_PREFERRED_LIFETIME": "", "IF_NETMASK": "64"}
    given = {"IFACE": "eth0", "ADDRFAM": "inet6", "METHOD": "static", "PHASE": "pre-up", "IF_ADDRESS": "2001:db8::1"}
    assert guard(run, **given, **added, IF_DNS_SEARCH="a b") == 0
    assert plain(after(DHCP, text, notes(run))) == plain(read(text))
    assert plain(after(DHCP, text.replace("    dns", "    netmask 64\n    dns"), notes(run)))[0][1] == "inet6"


def test_a_mask_is_the_same_however_it_is_written(run: Path) -> None:
    for mask in ("24", "255.255.255.0"):
        text = BEFORE.replace("/24", f"\n    netmask {mask}")
        assert plain(after(DHCP, text, kept(run))) == plain(read(text))


def test_lo_that_no_file_names_is_no_riddle(run: Path) -> None:
    assert kept(run, IFACE="lo", LOGICAL="lo", METHOD="loopback") == {}


def test_half_a_note_is_none(run: Path) -> None:
    (run / "eth0:up").write_text("# 1 1\nexport ADDRFAM='inet'\nexport IFACE='et")
    assert notes(run) == {}


@pytest.fixture
def place(run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for what is in force; eth0 and lo are up."""
    for name in ("FILE", "OTHERS", "PERHAPS"):
        monkeypatch.setattr(in_force, name, run.parent / name.lower())
    monkeypatch.setattr(in_force.save, "__defaults__", (run.parent / "file", None))
    monkeypatch.setattr(in_force.load_seen, "__defaults__", (run.parent / "file",))
    monkeypatch.setattr(came_up, "notes", lambda: notes(run))
    monkeypatch.setattr(files, "up", lambda: {"lo": "lo", "eth0": "eth0"})
    return run.parent


UP = {"lo": "lo", "eth0": "eth0"}


def test_what_is_not_known_stays_so_until_it_comes_up_again(run: Path, place: Path) -> None:
    in_force.note(read(LO + DHCP), read(DHCP), {})
    kept(run, IF_ADDRESS="192.0.2.9")
    text = read(LO + BEFORE)
    for _ in range(2):  # a change of something else leaves it alone
        told = came_up.look(text, UP)
        assert told.uncertain == {"eth0"} and plain(told.in_force) == plain(read(LO))
        came_up.note(told, text, (), (), UP)
    kept(run, PHASE="post-down")
    kept(run)
    told = came_up.look(text, UP)
    assert not told.uncertain and plain(told.in_force) == plain(text)


def test_an_exchange_of_addresses_by_us_is_not_undone_by_what_ifup_once_read(run: Path, place: Path) -> None:
    in_force.note(read(BEFORE), read(BEFORE), {})
    kept(run)
    other = read(BEFORE.replace("2.1/", "2.7/"))
    came_up.note(came_up.look(other, UP), other, (), (), UP)
    told = came_up.look(other, UP)
    assert plain(told.in_force) == plain(other) and not told.uncertain


def test_what_comes_up_while_it_is_noted_is_looked_at_again(run: Path, place: Path) -> None:
    in_force.note(read(DHCP), read(DHCP), {})
    told = came_up.look(read(DHCP), UP)
    kept(run)  # by another hand, from files that were edited since
    came_up.note(told, read(DHCP), (), (), UP)
    assert came_up.look(read(DHCP), UP).uncertain == {"eth0"}
    assert plain(came_up.look(read(BEFORE), UP).in_force) == plain(read(BEFORE))


def test_files_were_changed_also_when_they_were_put_in_their_place(tmp_path: Path) -> None:
    file = tmp_path / "interfaces"
    file.write_text(BEFORE)
    os.utime(file, ns=(1, 1))
    assert came_up.changed(files.load(str(file)).stanzas) == file.stat().st_ctime_ns > 1
    assert came_up.changed(read(BEFORE).stanzas) == 0


def test_who_may_not_read_what_is_in_force_may_ask_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(in_force.small_files, "read", forbidden)
    assert in_force.load_seen(tmp_path) == (Interfaces(), {})


def forbidden(path: Path) -> str:
    raise PermissionError(13, "Permission denied")


def test_what_came_up_while_files_of_before_are_brought_about_did_so_by_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "load", lambda: read(DHCP))
    assert came_up.files_now(read(BEFORE), files.INTERFACES) == read(BEFORE)
    assert came_up.files_now(read(BEFORE), "/run/xen-legi/net-before") == read(DHCP)
