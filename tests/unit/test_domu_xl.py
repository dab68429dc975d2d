"""The table of `xl list`, as Xen 4.17 and 4.20 print it."""

from collections.abc import Iterator

import pytest
from xen_legi.domu import xl
from xen_legi.domu.xl import Domain, parse_list
from xen_legi.errors import CommandFailed

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


def test_the_reason_of_an_end_is_read() -> None:
    table = "".join(f"web1      3   512     1     {flags}      20.1\n" for flags in ("---sr-", "---scd", "---s--", "r-----"))
    assert [(one.state, one.reason) for one in parse_list(table)] == [
        ("shutdown", "reboot"), ("dying", "crash"), ("shutdown", ""), ("running", ""),
    ]


def play(monkeypatch: pytest.MonkeyPatch, states: list[str | None]) -> Iterator[str | None]:
    """Have xl see these states, one a second. Return those that are left."""
    left = iter(states)
    clock = [0.0]

    def seen(name: str) -> Domain | None:
        state, _, reason = (next(left) or "").partition(" ")
        return Domain(3, name, state, 512, 1, 1.0, reason) if state else None

    monkeypatch.setattr(xl, "domain", seen)
    monkeypatch.setattr(xl.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(xl.time, "monotonic", lambda: clock[0])
    return left


AWAY = [None] * 6  # at once, and each second after it for as long as a domU that reboots is away at most


@pytest.mark.parametrize("states, answer", [
    (["running"], True), (AWAY, False), (["dying", "dying", *AWAY], False), (["shutdown", *AWAY], False), (["paused"], True),
    ([None, None, "running"], True), (["shutdown", None, None, "paused"], True), (["dying", None, None, "dying"], True),
    (["dying reboot", *AWAY, *AWAY, "running"], True), (["shutdown crash", *[None] * 31], False), (["shutdown"] * 40, True),
])
def test_a_domain_is_off_for_good_when_it_has_gone_and_does_not_come_back(
    states: list[str | None], answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = play(monkeypatch, states)
    assert xl.stays("web1") is answer
    assert next(left, "all were seen") in ("all were seen", "shutdown")


@pytest.mark.parametrize("states, answer", [
    ([None], True), (["running"], False), (["paused"], False), (["shutdown", "dying", None], True),
    (["dying reboot", None], False), (["shutdown crash", None], False), (["shutdown"] * 40, False),
])
def test_a_domain_that_was_just_switched_off_is_waited_for(
    states: list[str | None], answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, states)
    assert xl.is_off("web1") is answer


@pytest.mark.parametrize("seconds, wait, answer, times", [
    (3, 120, True, 1), (50, 120, True, 3), (1000, 50, False, 3), (1000, 0, False, 1), (119, 120, True, 6),
])
def test_a_domain_is_asked_to_shut_down_until_it_hears(
    seconds: int, wait: float, answer: bool, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    play(monkeypatch, ["running"] * (seconds + 1) + AWAY)
    monkeypatch.setattr(xl, "_end", lambda verb, name: asked.append(f"{verb} {name}"))
    assert xl.shutdown("web1", wait) is answer
    assert asked == ["shutdown web1"] * times


BACK = ["running", None, None]  # a domU with on_poweroff = 'restart', or one that rebooted at that moment


@pytest.mark.parametrize("states, answer, times", [
    ([*BACK, "running", *AWAY], True, 2),  # it rebooted, and hears the second time
    (BACK * 60, False, 0),  # it always comes back
    (["running", "shutdown reboot", *[None] * 8, "running", *AWAY], True, 2),  # its memory is cleared first
    (["running", "dying reboot", *[None] * 31], True, 1),  # on_reboot = 'destroy'
])
@pytest.mark.parametrize("verb", ["shutdown", "destroy"])
def test_a_domain_that_comes_back_has_not_ended(
    states: list[str | None], answer: bool, times: int, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    play(monkeypatch, states)
    monkeypatch.setattr(xl, "_end", lambda verb, name: asked.append(verb))
    end = xl.shutdown if verb == "shutdown" else xl.destroyed
    assert end("web1", 30) is answer
    assert set(asked) == {verb} and (len(asked) > 2 if not times else len(asked) == times)


def test_a_domain_that_is_being_made_anew_and_cannot_be_told_yet_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def end(verb: str, name: str) -> None:
        asked.append(verb)
        if len(asked) == 2:
            raise CommandFailed(("xl", verb), 1, "PV control interface not available")

    play(monkeypatch, [*BACK, *["running"] * 22, *AWAY])
    monkeypatch.setattr(xl, "_end", end)
    assert xl.shutdown("web1", 120) and asked == ["shutdown"] * 3


def test_what_xl_says_of_the_first_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(verb: str, name: str) -> None:
        raise CommandFailed(("xl", verb), 1, "PV control interface not available")

    play(monkeypatch, ["running"] * 99)
    monkeypatch.setattr(xl, "_end", end)
    with pytest.raises(CommandFailed, match="not available"):
        xl.shutdown("web1", 120)
