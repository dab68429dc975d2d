"""The table of `xl list`, as Xen 4.17 and 4.20 print it."""

import pytest
from xen_legi.domu import xl
from xen_legi.domu.xl import Domain, parse_list

TABLE = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----     171.5
web1                                         3   512     1     -b----      20.1
a-name-that-is-longer-than-the-forty-columns-of-the-table    12   128     1     --p---       0.0
(null)                                       7     1     1     --ps-d       9.9
two words                                    8    64     4     ------       1.0
"""


def test_the_table_is_read_from_the_right() -> None:
    assert parse_list(TABLE) == [
        Domain(0, "Domain-0", "running", 1024, 2, 171.5),
        Domain(3, "web1", "running", 512, 1, 20.1),
        Domain(12, "a-name-that-is-longer-than-the-forty-columns-of-the-table", "paused", 128, 1, 0.0),
        Domain(7, "(null)", "dying", 1, 1, 9.9),
        Domain(8, "two words", "running", 64, 4, 1.0),
    ]


@pytest.mark.parametrize("states, answer", [
    (["running"], True), ([None], False), (["dying", "dying", None], False), (["shutdown", None], False), (["paused"], True),
])
def test_a_domain_on_its_way_out_is_waited_for(
    states: list[str | None], answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(states)

    def seen(name: str) -> Domain | None:
        state = next(left)
        return Domain(3, name, state, 512, 1, 1.0) if state else None

    monkeypatch.setattr(xl, "domain", seen)
    monkeypatch.setattr(xl.time, "sleep", lambda seconds: None)
    assert xl.stays("web1") is answer
