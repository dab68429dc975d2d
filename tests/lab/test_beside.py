"""The reference's interfaces file with bridge-utils, vlan and ifenslave installed beside our hooks: the same comes of it."""

import json
import re
from typing import Any

import pytest
from testinfra.host import Host

from conftest import TOP, lab

PROGRAMS = ("tests/bench/net_on_host.py", "tests/lab/beside_on_host.py")
FILE = "lab/files/interfaces.d/xen-legi"


@pytest.fixture(scope="module")
def seen(store: Host) -> dict[str, Any]:
    """What came of each step on the light machine, with our hooks alone and with Debian's beside them."""
    store.check_output("mkdir -p /run/beside")
    for path in (*PROGRAMS, FILE):
        lab("put", "store", str(TOP / path), "/run/beside/")
    told = store.check_output("cd /run/beside && python3 beside_on_host.py <xen-legi; rm -rf /run/beside")
    return dict(json.loads(told))


def test_our_hooks_alone_make_what_the_file_says(seen: dict[str, Any]) -> None:
    links = seen["alone"]["ifup -a"]["links"]
    assert set(links) == {"eth1", "eth2", "bond0", "vlan72", "vlan73", "xenbr72", "xenbr73"}, seen["alone"]["ifup -a"]
    assert (links["vlan72"]["on"], links["vlan72"]["master"], links["eth1"]["master"]) == ("bond0", "xenbr72", "bond0")
    assert (links["eth1"]["arp"], links["eth2"]["arp"], links["bond0"]["data"]["mode"]) == (False, True, "802.3ad")
    assert all(one["up"] for one in links.values())
    assert set(seen["alone"]["ifdown xenbr72"]["links"]) == set(links) - {"xenbr72", "vlan72"}
    assert set(seen["alone"]["ifdown -a"]["links"]) == {"eth1", "eth2"}


@pytest.mark.parametrize("step", ["ifup -a", "ifdown xenbr72", "ifup xenbr72", "ifdown -a"])
def test_the_hooks_of_debian_beside_ours_change_nothing(seen: dict[str, Any], step: str) -> None:
    alone, beside = seen["alone"][step], seen["beside"][step]
    assert alone["in time"] and beside["in time"]
    assert beside["links"] == alone["links"], (alone["said"], beside["said"])
    complaint = re.compile(r"ifenslave: \d+: echo: echo: I/O error$")  # it writes the mode that the bond has, with its ports
    assert not [line for line in beside["said"].splitlines() if "rror" in line and not complaint.search(line)]
