"""Keys between hosts: what is written into other programs' files, and what is left alone there."""

import pytest
from xen_legi.errors import Problem
from xen_legi.peers import book, trust
from xen_legi.peers.book import Peer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtCkuB26PYM292c8ipbWae/rZn/IVHbHk3j6tRgM56D"
OTHER = KEY.replace("CkuB", "XXXX")
OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtYEWAsLEUDKC5nsAUyZzXPzj+lTSmLhfSxsgR2pc4N root@desk\n# a remark\n"


def test_a_peer_is_accepted_with_a_key_that_can_only_start_the_receiver() -> None:
    text = trust.with_peer(OURS, "dom0a", f"{KEY} xen-legi dom0a to dom0b")
    assert text.startswith(OURS)
    line = text.removeprefix(OURS)
    assert line == f'restrict,command="/usr/libexec/xen-legi/receive --peer dom0a" {KEY} xen-legi-peer=dom0a\n'
    assert trust.accepted(text) == ["dom0a"]


def test_accepting_twice_changes_nothing_and_a_new_key_replaces_the_old() -> None:
    text = trust.with_peer(OURS, "dom0a", KEY)
    assert trust.with_peer(text, "dom0a", KEY) == text
    assert KEY not in trust.with_peer(text, "dom0a", OTHER)


def test_forgetting_a_peer_leaves_the_others_and_the_administrators_lines() -> None:
    text = trust.with_peer(trust.with_peer(OURS, "dom0a", KEY), "dom0", OTHER)
    assert trust.without_peer(text, "dom0") == trust.with_peer(OURS, "dom0a", KEY)
    assert trust.without_peer(trust.without_peer(text, "dom0"), "dom0a") == OURS


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 short", f'command="sh" {KEY}', f"x {KEY}", "-----BEGIN"])
def test_what_is_no_public_key_is_refused(key: str) -> None:
    with pytest.raises(Problem, match="no public key"):
        trust.public_key(key)


def test_a_key_that_carries_more_than_one_line_is_one_line_afterwards() -> None:
    assert trust.public_key(f"{KEY} a\nremark") == KEY


def test_a_host_has_one_key() -> None:
    text = trust.with_host_key("dom0c ssh-ed25519 AAAA\n", "dom0b", KEY)
    assert trust.with_host_key(text, "dom0b", OTHER) == f"dom0c ssh-ed25519 AAAA\ndom0b {OTHER}\n"
    assert trust.without_host(text, "dom0b") == "dom0c ssh-ed25519 AAAA\n"


def test_the_file_of_a_peer_is_one_that_ssh_reads() -> None:
    text = book.config_text(Peer("dom0b", "10.0.0.2"))
    assert book.address_of(text) == "10.0.0.2"
    for line in ("Host dom0b", "IdentityFile /etc/xen-legi/peers/dom0b.key", "StrictHostKeyChecking yes", "BatchMode yes"):
        assert line in text


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "a b", "a\nb", "x" * 70])
def test_a_name_that_could_be_something_else_is_refused(name: str) -> None:
    with pytest.raises(Problem, match="cannot name a peer"):
        book.check_name(name)


@pytest.mark.parametrize("address", ["10.0.0.2", "dom0b.example.org", "fd00::2", "fe80::1%eth0"])
def test_addresses_are_accepted_in_every_form(address: str) -> None:
    book.check_address(address)


@pytest.mark.parametrize("address", ["", "-oProxyCommand=x", "a b", "x;y", "root@host"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Problem, match="is no address"):
        book.check_address(address)
