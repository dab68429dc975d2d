"""What is asked of an archive before a guest is made of it, and what apt's answers mean."""

from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.install import mirror, release
from xen_legi.install.bootstrap import command
from xen_legi.install.mirror import Answer, Suite
from xen_legi.install.packages import packages

NOBLE = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Origin: Ubuntu
Label: Ubuntu
Suite: noble
Version: 24.04
Codename: noble
Architectures: amd64 arm64 i386
Components: main restricted universe multiverse
Description: Ubuntu Noble 24.04
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages
"""
EXPERIMENTAL = "Origin: Debian\nSuite: experimental\nCodename: rc-buggy\nNotAutomatic: yes\nArchitectures: amd64\n"
A, S = "http://a.example/debian", "http://s.example/sec"


def test_the_sources_of_this_host_are_those_of_debian_itself_on_the_web_before_others() -> None:
    known = mirror.archives(
        "Debian|Debian|bookworm-updates|file:/srv/debian/\nDebian|Debian|bookworm|http://a.example/debian/\n"
        "Debian|Debian|bookworm|http://a.example/debian/\nDebian|Debian-Security|bookworm-security|http://s.example/sec/\n"
        "Other|Other|x|http://b.example/\n")
    assert len(known) == 4
    assert (mirror.uri_of(known, "Debian"), mirror.uri_of(known, "Debian-Security")) == (A, S)
    assert mirror.own_suite(known) == "bookworm" and mirror.own_suite([]) == "" == mirror.uri_of([], "Debian")


def test_without_any_source_of_debian_a_mirror_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "ask", lambda: [])
    with pytest.raises(Problem, match="has no source of Debian"):
        mirror.find("trixie")


def test_a_release_tells_whose_it_is_and_what_of_it_a_guest_needs() -> None:
    found = release.parse(NOBLE)
    assert (found.distribution, found.codename, found.version) == (release.UBUNTU, "noble", "24.04")
    assert release.components(found) == ("main", "universe") and "i386" in found.architectures and found.automatic
    assert release.components(release.parse("Components: updates/main updates/contrib")) == ("main",)
    assert release.components(release.parse("Components: stable")) == ("stable",)
    assert release.parse("Suite: unstable\nCodename: sid\n").unchanging and not found.unchanging


def test_security_fixes_are_looked_for_where_a_suite_has_them() -> None:
    buster, noble = release.Release("Debian", codename="buster"), release.parse(NOBLE)
    assert mirror.security("buster", buster, "http://o.example/debian", S, own=False) == [
        "deb http://o.example/debian-security buster-security main",
        "deb http://o.example/debian-security buster/updates main",
        f"deb {S} buster-security main", f"deb {S} buster/updates main",
    ]  # fmt: skip
    assert mirror.security("trixie", buster, A, S, own=True)[0] == f"deb {S} trixie-security main"
    assert mirror.security("trixie", buster, "http://a.example/x", "", own=True) == []
    assert mirror.security("noble", noble, A, S, own=False) == [f"deb {A} noble-security main universe"]


@pytest.mark.parametrize("dist", [
    "experimental", "rc-buggy", "trixie-updates", "trixie-security", "bookworm-backports", "buster/updates",
    "noble-proposed", "trixie-proposed-updates", "bullseye-backports-sloppy",
])
def test_what_only_adds_to_a_suite_is_refused_by_its_name(dist: str) -> None:
    with pytest.raises(Problem, match="is no whole suite: it only adds to another one") as raised:
        release.check_suite_name(dist)
    assert raised.value.status == 2 and raised.value.hint


@pytest.mark.parametrize(("text", "arch", "said"), [
    (EXPERIMENTAL, "amd64", "is no whole suite"),
    (NOBLE.replace("24.04", "14.04"), "amd64", "is too old"),
    (NOBLE.replace("amd64", "riscv64"), "amd64", "no packages for amd64"),
])
def test_a_suite_of_which_no_guest_can_be_made_is_refused(text: str, arch: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        release.check("x", release.parse(text), arch)


def test_a_release_without_a_word_of_architectures_is_taken() -> None:
    release.check("x", release.parse("Origin: Local\nCodename: x\n"), "amd64")


def test_an_architecture_that_does_not_run_here_is_refused() -> None:
    with pytest.raises(Problem, match="'arm64' cannot run here"):
        release.check_architecture("arm64")


@pytest.mark.parametrize(("table", "hint"), [
    ("ubuntu", "x is a suite of Ubuntu: --mirror http://archive.ubuntu.com/ubuntu"),
    ("debian", "http://archive.debian.org/debian"), ("other", "trixie, bookworm, sid"),
])
def test_where_a_suite_can_be_is_told_as_far_as_distro_info_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, hint: str
) -> None:
    monkeypatch.setattr(release, "_TABLES", tmp_path)
    (tmp_path / f"{table}.csv").write_text("version,codename,series,created\n1,X,x,2000-01-01\n\n")
    assert hint in release.hint_of_suite("x")


@pytest.mark.parametrize(("said", "answer"), [
    ("Ign:1 http://a x InRelease\nErr:2 http://a x Release\n  404  Not Found [IP: 127.0.0.1 80]\n"
     "E: The repository 'http://a x Release' does not have a Release file.",
     Answer("absent", "404  Not Found [IP: 127.0.0.1 80]")),
    ("E: The repository 'file:/a x Release' does not have a Release file.", Answer("absent")),
    ("Err:2 http://a x Release\n  403  Forbidden\nE: The repository 'http://a x Release' does not have a Release file.",
     Answer("failed", "403  Forbidden")),
    ("W: GPG error: http://a x InRelease: NO_PUBKEY 1\nE: The repository 'http://a x InRelease' is not signed.",
     Answer("unsigned", "it is signed by no key that is known here")),
    ("W: OpenPGP signature verification failed: http://a x InRelease: Sub-process /usr/bin/sqv returned an error code (1)\n"
     "E: The repository 'http://a x InRelease' is not signed.",
     Answer("unsigned", "it is signed by no key that is known here")),
    ("E: The repository 'http://a x Release' is not signed.", Answer("unsigned", "it is not signed")),
    ("E: Failed to fetch http://a/dists/x/InRelease  Could not connect to a:80\nE: Some index files failed to download.",
     Answer("failed", "Could not connect to a:80")),
    ("", Answer("failed", "apt says nothing more")),
])  # fmt: skip
def test_what_apt_says_of_a_source_is_understood(said: str, answer: Answer) -> None:
    assert mirror.verdict(said, "") == answer
    assert mirror.verdict(said, NOBLE).release.codename == "noble"


def test_a_list_that_is_expired_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "E: Release file for http://a/dists/x/InRelease is expired (invalid since 947d). Updates will not be applied."
    monkeypatch.setattr(mirror, "ask", lambda: [])
    monkeypatch.setattr(mirror, "look", lambda source, keyring="": mirror.verdict(said, ""))
    with pytest.raises(Problem, match="is no longer kept up: its list is expired"):
        mirror.find("stretch", A)


@pytest.mark.parametrize(("said", "known"), [
    ("Err:1 http://a x Release\n  403  Forbidden\nE: The repository 'http://a x Release' does not have a Release file.", []),
    ("Err:1 http://a x Release\n  404  Not Found\nE: The repository 'http://a x Release' does not have a Release file.", []),
    ("E: Failed to fetch http://a/x  Could not connect", None),
    ("E: The repository 'http://a x InRelease' is not signed.", None),
])
def test_what_is_there_beside_a_suite_and_cannot_be_used_is_told_and_what_is_not_there_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, said: str, known: list[str] | None
) -> None:
    monkeypatch.setattr(mirror, "look", lambda source, keyring: mirror.verdict(said, ""))
    assert mirror._found([f"deb {S} x main"], "", (A,)) == []  # a guess
    if known is not None:
        assert mirror._found([f"deb {A} x main"], "", (A,)) == known
        return
    with pytest.raises(Problem):
        mirror._found([f"deb {A} x main"], "", (A,))


def test_mmdebstrap_is_told_the_keyring_and_an_architecture() -> None:
    one = command(Suite("noble", (), keyring="/k.gpg", arch="i386"), Path("/t"), ("less",), ())
    assert one[-2:] == ["noble", "/t"] and {"--keyring=/k.gpg", "--architectures=i386", "--skip=check/qemu"} <= set(one)
    assert not any("keyring" in word or "arch" in word for word in command(Suite("sid", ()), Path("/t"), (), ()))


def test_the_dhcp_client_is_one_that_the_suite_has() -> None:
    for name in ("buster", "bookworm", "jammy"):
        assert "isc-dhcp-client" in packages(name)
    for name in ("trixie", "sid", "noble"):
        assert "dhcpcd-base" in packages(name)
