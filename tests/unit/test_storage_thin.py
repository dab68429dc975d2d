"""What thin_delta and dmsetup say of a thin pool, as they said it on Debian 12 and 13."""

import pytest
from xen_legi.errors import Problem
from xen_legi.storage import thin
from xen_legi.storage.thin import Usage

K64 = 64 << 10
OLD = """<superblock uuid="" time="2" transaction="4" data_block_size="128" nr_data_blocks="0">
  <diff left="1" right="3">
    <same begin="0" length="4"/>
    <different begin="4" length="2"/>
    <left_only begin="6" length="1"/>
    <same begin="7" length="90"/>
    <right_only begin="97" length="3"/>
  </diff>
</superblock>
"""
STRETCHES = [(4 * K64, 3 * K64), (97 * K64, 3 * K64)]


@pytest.mark.parametrize("told", [OLD.splitlines(), [OLD.replace("\n", "")], [OLD.replace("  ", "\t")]])
def test_all_that_is_not_the_same_may_differ(told: list[str]) -> None:
    assert thin.parse_delta(told) == STRETCHES


@pytest.mark.parametrize("told", [
    "", OLD.replace("</superblock>", ""), OLD.replace('data_block_size="128" ', ""), "thin_delta: Device or resource busy",
])
def test_an_answer_that_is_not_whole_is_none(told: str) -> None:
    with pytest.raises(Problem, match="not whole|not known"):
        thin.parse_delta(told.splitlines())


@pytest.mark.parametrize("line", ['<different begin="4"/>', '<moved begin="4" length="1"/>'])
def test_what_is_not_known_of_its_answer_is_no_answer(line: str) -> None:
    with pytest.raises(Problem, match="not known here"):
        thin.parse_delta(OLD.replace('<same begin="7" length="90"/>', line).splitlines())


@pytest.mark.parametrize("status, usage", [
    ("0 4096 thin-pool 3 10/1000 2/64 - rw no_discard_passdown queue_if_no_space - 1024", Usage(3.125, 1.0, 0)),
    ("0 4096 thin-pool 3 900/1000 2/64 42 rw discard_passdown error_if_no_space - 1024\n", Usage(3.125, 90.0, 42)),
])
def test_a_pool_tells_how_full_it_is_and_whether_its_table_is_reserved(status: str, usage: Usage) -> None:
    assert thin.parse_usage(status) == usage
    assert usage.percent == max(usage.data, usage.table)


@pytest.mark.parametrize("status", ["", "0 4096 thin-pool Fail", "0 4096 linear 254:0 2048", "0 4096 thin-pool Error",
                                    "0 4096 thin-pool 3 10/0 2/64 - rw", "0 4096 thin-pool 3 x 2/64 - rw"])
def test_a_pool_that_has_failed_says_so(status: str) -> None:
    with pytest.raises(Problem, match="the thin pool answers"):
        thin.parse_usage(status)


@pytest.mark.parametrize("version, good", [
    ("0.9.0", True), ("", False), ("1.0", False), ("1.0.0", False), ("1.0.5", False), ("1.0.6", True), ("1.1.0", True),
])
def test_a_thin_delta_that_forgets_blocks_is_not_asked(version: str, good: bool) -> None:
    if good:
        return thin.need_whole(version)
    with pytest.raises(Problem, match="forgets blocks"):
        thin.need_whole(version)
