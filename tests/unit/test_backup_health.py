"""What `backup-domu check` says of copies: what is missing, what is too old, and how bad that is."""

import pytest

from xen_legi.backup import health
from xen_legi.backup.health import CRITICAL, OK, WARNING, Aim, Expected, Finding, Limits
from xen_legi.backup.overview import Place
from xen_legi.errors import Problem
from xen_legi.units import parse_seconds

NOW = 1_000_000
HOUR = 3600
BOTH = Aim(["dom0b", "vg1"])
WANTED = Expected("dom0a", {"web1": BOTH})
TWO_OF_THREE = Expected("dom0a", {"web1": Aim(["dom0b", "dom0c", "vg1"], 2)})
LIMITS = Limits(26 * HOUR, 50 * HOUR)


def place(hours: int, where: str = "dom0b:vg0", domu: str = "web1", source: str = "dom0a", state: str = "good") -> Place:
    return Place(domu, source, where, state, 7, NOW - hours * HOUR, 2 << 30)


DEAF = Place("-", "dom0a", "dom0b", "unreachable", problem="dom0b cannot be reached: no answer")


def found(*places: Place, wanted: Expected = WANTED) -> list[tuple[int, str]]:
    return [(one.level, one.text) for one in health.findings(places, wanted, LIMITS, NOW)]


def test_young_copies_at_all_destinations_are_well() -> None:
    places = (place(3), place(26, "vg1"), place(2, "vg0", "db1", "dom0b"))
    assert found(*places) == []
    assert health.line(places, [], NOW) == "OK: 3 good copies, the oldest 26 h 00 min old | copies=3 oldest=93600s"
    assert health.status([]) == OK


@pytest.mark.parametrize("places, said", [
    ((), [(CRITICAL, "web1 has no good copy")]),
    ((Place("web1", "dom0a", "dom0b:vg0", "none"),), [(CRITICAL, "web1 has no good copy")]),
    ((place(51), place(60, "vg1")), [(CRITICAL, "the newest copy of web1 is 2 days old")]),
    ((place(3),), [(WARNING, "web1 has no good copy at vg1")]),
    ((place(3), place(60, "vg1")), [(WARNING, "the copy of web1 at vg1 is 2 days old")]),
    ((place(27), place(27, "vg1")), [(WARNING, "the copy of web1 at dom0b:vg0 is 27 h 00 min old"),
                                     (WARNING, "the copy of web1 at vg1 is 27 h 00 min old")]),
    ((place(3), place(3, "vg1"), place(51, "vg0", "db1", "dom0b")),
     [(CRITICAL, "the copy of db1 of dom0b here is 2 days old")]),
    ((place(3), place(3, "vg1"), place(51, "vg0", "db1", "dom0b", "promoted")), []),
    ((place(3, "vg1"), DEAF), [(WARNING, "dom0b cannot be reached: no answer")]),
    ((place(60, "vg1"), DEAF),
     [(WARNING, "dom0b cannot be reached: no answer"), (WARNING, "the newest copy of web1 is 2 days old")]),
    ((DEAF,), [(WARNING, "dom0b cannot be reached: no answer"), (WARNING, "web1 has no good copy but perhaps at dom0b")]),
    ((place(3, state="promoted"), place(3, "vg1")), [
        (WARNING, "the copy of web1 at dom0b:vg0 was promoted: only one may run"),
        (WARNING, "web1 has no good copy at dom0b"),
    ]),
    ((place(-5), place(3, "vg1")), []),
])
def test_what_is_wrong_is_told_with_its_level(places: tuple[Place, ...], said: list[tuple[int, str]]) -> None:
    assert found(*places) == said


def test_mistakes_and_copies_of_domus_that_are_gone_are_told() -> None:
    gone = [place(3), place(3, "vg1"), place(400, "vg1", "old1")]
    wanted = Expected("dom0a", {"web1": BOTH}, ["web2.toml: copies is wrong"])
    assert found(*gone, wanted=wanted) == [(WARNING, "there is a copy of old1 at vg1, and no such domU here any more"),
                                           (WARNING, "web2.toml: copies is wrong")]
    assert found(*gone, wanted=Expected("dom0a", {"web1": BOTH}, (), {"old1"})) == []


@pytest.mark.parametrize("places, said", [
    ((place(3), place(3, "vg1")), []),
    ((place(3), place(3, "vg1"), place(400, "dom0c:vg0")), []),
    ((place(3, "vg1"), DEAF), [(WARNING, "dom0b cannot be reached: no answer")]),
    ((place(3), place(30, "vg1")), [(WARNING, "web1 has 1 young copy, and 2 are wanted")]),
    ((place(30), place(30, "vg1")), [(WARNING, "web1 has 0 young copies, and 2 are wanted")]),
    ((place(60), place(60, "vg1")), [(CRITICAL, "the newest copy of web1 is 2 days old")]),
])
def test_of_a_domu_that_may_go_to_many_places_so_many_copies_must_be_young(
    places: tuple[Place, ...], said: list[tuple[int, str]]
) -> None:
    assert found(*places, wanted=TWO_OF_THREE) == said


def test_the_worst_comes_first_and_makes_the_status() -> None:
    all_of_it = health.findings([place(27)], Expected("dom0a", {"web1": Aim(["dom0b"]), "db1": Aim(["dom0b"])}), LIMITS, NOW)
    assert [one.level for one in all_of_it] == [CRITICAL, WARNING] and health.status(all_of_it) == CRITICAL
    assert health.line([place(27)], all_of_it, NOW).startswith("CRITICAL: db1 has no good copy; the copy of web1 at")
    odd = health.line([], [Finding(WARNING, "x | y\nz")], NOW)
    assert odd == "WARNING: x / y z | copies=0 oldest=0s"


def test_prometheus_gets_each_copy_with_its_labels() -> None:
    text = health.prometheus([place(3), place(3), Place("x", "dom0a", "dom0b", "none")], WARNING, NOW)
    labels = '{domu="web1",source="dom0a",where="dom0b:vg0"}'
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f"xen_legi_copy_time_seconds{labels} {NOW - 3 * HOUR}", f"xen_legi_copy_generation{labels} 7",
                     f"xen_legi_copy_size_bytes{labels} {2 << 30}", f"xen_legi_check_time_seconds {NOW}",
                     "xen_legi_copies_problem 1"]
    assert text.count("# TYPE") == text.count("# HELP") == 5 and text.endswith("\n")


@pytest.mark.parametrize("text, seconds", [("30s", 30), ("90m", 5400), ("26h", 93600), (" 2d ", 172800)])
def test_spans_of_time(text: str, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "26", "h", "-1h", "1.5h", "2w", "1234567s"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(Problem, match="is no span of time"):
        parse_seconds(text)
