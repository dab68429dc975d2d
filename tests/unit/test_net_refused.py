"""What the kernel refuses: which lines those are, and that thousands of them take some rounds and not one each."""

import re
from collections.abc import Callable

import pytest

from test_net_links import wanted
from test_net_plan import ETH1, state
from xen_legi.net import apply, kernel
from xen_legi.net.apply import carry_out, failed_lines, waves
from xen_legi.net.kernel import GROUP, Device
from xen_legi.net.plan import Step
from xen_legi.run import Result

Batch = Callable[..., Result]


class Kernel:
    """A kernel that refuses some lines, and `ip -batch` before it, with its ways to fail."""

    def __init__(self, refuses: str) -> None:
        self.refuses, self.devices, self.calls = refuses, state(ETH1), 0

    def batch(self, lines: list[str], *, force: bool = False, until: float = 0) -> Result:
        self.calls += 1
        said = ""
        for number, line in enumerate(lines, 1):
            master = re.search(r" master (\S+)", line)
            if master and master[1] not in self.devices:
                return Result((), 255, "", f'{said}Error: argument "{master[1]}" is wrong: Device does not exist\n\n')
            if not self.done(line):
                said += f"RTNETLINK answers: Too many\nCommand failed -:{number}\n"
                if not force:
                    break
        return Result((), 2 if said else 0, "", said)

    def done(self, line: str) -> bool:
        made = re.search(r"^link add (?:link \S+ )?name (\S+).* type (\S+)", line)
        if re.search(self.refuses, line) or (line.startswith("link set dev") and line.split()[3] not in self.devices):
            return False
        if made:
            numbers = dict(zip(("protocol", "id"), line.split()[-3::2], strict=True)) if made[2] == "vlan" else {}
            self.devices[made[1]] = Device(made[1], made[2], group=GROUP, attributes=numbers,
                                           lower="eth1" if made[2] == "vlan" else "")
        return True


def refusing(monkeypatch: pytest.MonkeyPatch, refuses: str) -> Kernel:
    found = Kernel(refuses)
    monkeypatch.setattr(apply, "batch", found.batch)
    monkeypatch.setattr(kernel, "read", lambda: dict(found.devices))
    return found


@pytest.mark.parametrize("refuses", [r"^link add name xenbr\d*[1-9] ", r"^link add link .* name eth1.\d*[1-9] "])
def test_of_many_that_are_refused_each_is_told_and_the_others_are_made(
    refuses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = refusing(monkeypatch, refuses)
    outcome = carry_out(wanted("iface eth1 inet manual\n    xen-vlans 1-400\n", "eth1", devices=["eth1"]))
    refused = [name for name in wanted("iface eth1 inet manual\n    xen-vlans 1-400\n", "eth1").links
               if re.search(refuses, f"link add name {name} ") or re.search(refuses, f"link add link eth1 name {name} ")]
    assert set(outcome.errors) == set(refused) and len(refused) == 360
    assert all(why.endswith("Too many") for why in outcome.errors.values())
    assert len([name for name in found.devices if name != "eth1"]) == 800 - 360 and found.calls < 20


def test_what_is_refused_again_and_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refusing(monkeypatch, "addrgenmode")
    outcome = carry_out(wanted("iface eth1 inet manual\n    xen-vlans 1-3\n", "eth1", devices=["eth1"]))
    assert {"eth1", "eth1.1", "xenbr3"} <= set(outcome.errors) and found.calls < 30


def test_all_lines_that_failed_are_found() -> None:
    lines = ["link add name a type bridge", "link set dev b up", "link add name c type bridge", "link set dev d master a",
             "link set dev a up", "link set dev e master a"]
    said = "RTNETLINK answers: File exists\nCommand failed -:1\nCannot find device \"b\"\nCommand failed -:2\n"
    assert failed_lines(said, lines) == {0: "File exists", 1: 'Cannot find device "b"'}
    wrong = 'argument "a" is wrong: Device does not exist'
    assert failed_lines(f"{said}Error: {wrong}\n\n", lines) == {0: "File exists", 1: 'Cannot find device "b"', 3: wrong}
    assert failed_lines("", lines) == {0: "refused"}


def test_a_link_comes_after_those_that_it_names() -> None:
    steps = [Step("v5", "link add link eth1 name v5 master br5 type vlan id 5"),
             Step("br6", "link add name br6 type bridge"),
             Step("v6", "link add link eth1 name v6 master br6 type vlan id 6"), Step("br6", "link set dev br6 up"),
             Step("v6.7", "link add link v6 name v6.7 type vlan id 7"), Step("v6", "link set dev v6 up")]
    assert [[step.link for step in one] for one in waves(steps)] == [["v5", "br6", "br6"], ["v6", "v6"], ["v6.7"]]
