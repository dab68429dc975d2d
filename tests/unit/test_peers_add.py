"""A peer that is added again keeps what an administrator wrote into its file."""

import io
import sys
from pathlib import Path

import pytest
from xen_legi import cli
from xen_legi.peers import book, trust
from xen_legi.peers.book import Peer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtCkuB26PYM292c8ipbWae/rZn/IVHbHk3j6tRgM56D"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were asked for a host key. The directory of peers is tmp_path; keys are made by nobody."""
    addresses: list[str] = []
    for module, name, instead in (
        (book, "DIRECTORY", tmp_path), (trust, "KNOWN_HOSTS", tmp_path / "known_hosts"),
        (trust, "scan", lambda address: addresses.append(address) or KEY),
        (trust, "make_key", lambda peer, comment: KEY), (trust, "fingerprint", lambda key: "SHA256:x"),
    ):
        monkeypatch.setattr(module, name, instead)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return addresses


def edited(directory: Path, address: str = "10.0.0.2") -> str:
    """Return the file of the peer dom0b as an administrator has it."""
    text = book.config_text(Peer("dom0b", address, directory))
    return text.replace("    User root\n", "    Port 2222\n    ProxyJump gate.example.org\n    User root\n")


def test_a_new_peer_is_where_its_name_says_or_where_it_is_said(asked: list[str], tmp_path: Path) -> None:
    assert cli.main("peer add dom0b --yes".split()) == 0
    assert cli.main("peer add dom0c --yes --address 10.0.0.3".split()) == 0
    assert asked == ["dom0b", "10.0.0.3"]
    assert [one.address for one in book.all_peers(tmp_path)] == asked


@pytest.mark.parametrize("words, address", [("", "10.0.0.2"), (" --address fd00::2", "fd00::2")])
def test_a_peer_that_is_added_again_keeps_what_was_edited(
    words: str, address: str, asked: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "dom0b.conf"
    file.write_text(edited(tmp_path))
    assert cli.main(f"peer add dom0b --yes{words}".split()) == 0
    assert asked == [address]
    assert file.read_text() == edited(tmp_path, address)


@pytest.mark.parametrize("words, end", [("", ""), (" --address 10.0.0.2", "    HostName 10.0.0.2\n")])
def test_a_peer_whose_file_names_no_address_is_where_its_name_says(
    words: str, end: str, asked: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "dom0b.conf"
    file.write_text("Host dom0b\n    Port 2222\n")
    assert cli.main(f"peer add dom0b --yes{words}".split()) == 0
    assert file.read_text() == f"Host dom0b\n    Port 2222\n{end}"


def test_the_key_is_shown_before_what_is_said_of_it(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both go into one file, as in a report by mail, standard output is buffered and standard error is not."""
    both = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(both))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(both, write_through=True))
    assert cli.main("peer add dom0b".split()) == 2
    sys.stdout.flush()
    lines = both.getvalue().decode().splitlines()
    assert lines[0] == "host key of dom0b (dom0b): SHA256:x" and "nobody is there to be asked" in lines[1]
