"""Which values of a parameter every run tries, and which only the long groups."""

from typing import Any

import pytest


def daily(*values: str, more: tuple[str, ...]) -> list[Any]:
    """Return the values of a parameter for pytest; those of `more` are left to the long groups in tests/long."""
    return [*values, *(pytest.param(one, marks=pytest.mark.long) for one in more)]
