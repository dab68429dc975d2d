"""How long the lab's tests wait for a guest on a slow computer."""

import pytest

import speed


@pytest.mark.parametrize(("seconds", "times"), [(0.03, 1), (0.065, 1), (0.13, 2), (0.26, 4), (9.0, 4)])
def test_a_wait_is_longer_on_a_slower_computer_and_never_shorter(seconds: float, times: float) -> None:
    assert speed.factor(seconds) == times


def test_this_computer_is_measured_once() -> None:
    assert 1 <= speed.patience() <= 4 and speed.patience() == speed.patience()
