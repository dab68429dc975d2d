"""What the guard keeps of an interface that is not ours, and by which stanza that came up, then."""

import os
import subprocess
from pathlib import Path

import pytest

from test_net_apply import BEFORE, plain
from test_net_hook import GUARD
from test_net_stanzas import read
from xen_legi.net import in_force
from xen_legi.net.environment import Note, forget, notes
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


def kept(run: Path, **environment: str) -> list[Note]:
    assert guard(run, **{**GIVEN, **environment}) == 0
    return notes(run)


def after(noted: str, files: str, known: list[Note], others: str = "") -> Interfaces:
    return in_force.renewed(read(noted), read(others), read(files), known)


def test_the_guard_keeps_what_ifup_hands_over(run: Path) -> None:
    (note,) = kept(run, IF_DESCRIPTION="it's\na card", IF_UP="")
    assert (note.stanza.name, note.stanza.family, note.stanza.method) == ("eth0", "inet", "static")
    assert ("description", "it's\na card") in [(one.name, one.value) for one in note.stanza.options]


@pytest.mark.parametrize("phase", ["post-up", "pre-down", "post-down"])
def test_it_does_so_only_when_an_interface_comes_up(run: Path, phase: str) -> None:
    assert kept(run, PHASE=phase) == []


def test_an_interface_of_ours_is_for_the_hook(run: Path) -> None:
    assert guard(run, **GIVEN, IF_BRIDGE_PORTS="none") == 9 and notes(run) == []


def test_what_cannot_be_kept_keeps_no_interface_down(run: Path) -> None:
    (run / "eth0:inet:up").mkdir()
    assert kept(run) == []
    assert kept(run.parent / "nowhere") == []


def test_it_came_up_by_the_files_or_by_what_was_noted(run: Path) -> None:
    known = kept(run)
    assert plain(after(DHCP, BEFORE, known)) == plain(read(BEFORE))  # edited, then ifdown and ifup by hand
    assert plain(after(BEFORE, DHCP, known)) == plain(read(BEFORE))  # not edited until now
    assert after("", BEFORE, known) == read("")  # where nothing was ever noted, one interface is not all
    more = BEFORE + "    up echo new\n"
    assert plain(after(BEFORE, more, known)) == plain(read(BEFORE))  # commands are not handed over: as it was noted


def test_it_came_up_by_what_was_not_in_force_yet_when_that_was_noted(run: Path) -> None:
    lo, text = "iface lo inet loopback\n", BEFORE + "    up echo old\n"
    assert plain(after(lo, "", kept(run), text)) == plain(read(lo + text))


def test_after_an_edit_more_what_was_handed_over_is_in_force(run: Path) -> None:
    found = after(DHCP, DHCP.replace("old", "new"), kept(run))
    assert [one.method for one in found.stanzas] == ["static"]
    assert ("address", "192.0.2.1") in [(option.name, option.value) for option in found.stanzas[0].options]
    other = BEFORE.replace("2.1/", "2.7/")
    assert plain(after(other, other, kept(run))) != plain(read(other))


def test_what_ifup_adds_makes_no_difference(run: Path) -> None:
    text = "iface eth0 inet6 static\n    address 2001:db8::1\n    dns-search a b\n"
    added = {"IF_AUTOCONF": "0", "IF_DAD_ATTEMPTS": "60", "IF_PREFERRED_LIFETIME": "", "IF_NETMASK": "64"}
    given = {"IFACE": "eth0", "ADDRFAM": "inet6", "METHOD": "static", "PHASE": "pre-up", "IF_ADDRESS": "2001:db8::1"}
    assert guard(run, **given, **added, IF_DNS_SEARCH="a b") == 0
    assert plain(after(DHCP, text, notes(run))) == plain(read(DHCP + text))


def test_a_note_is_forgotten_unless_it_was_written_anew(run: Path) -> None:
    known = kept(run)
    os.utime(known[0].file, ns=(1, 1))
    forget(known)
    assert len(notes(run)) == 1
    forget(notes(run))
    assert notes(run) == []


def test_half_a_note_is_none(run: Path) -> None:
    (run / "eth0:inet:up").write_text("export ADDRFAM='inet'\nexport IFACE='et")
    assert notes(run) == []
