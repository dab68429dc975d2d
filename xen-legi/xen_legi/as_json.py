"""Facts and plans as JSON, for other programs: {name of a field: its value}, sizes in bytes, memory in MiB."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any


def text(facts: object, *, without: Collection[str] = ()) -> str:
    """Return facts as JSON. What a dataclass does not show of itself (repr=False: passwords, whole files) is left out, and
    the fields that are named; what JSON has no form for is text, as people see it."""
    return json.dumps(_plain(facts, without), indent=2)


def _plain(one: object, without: Collection[str]) -> Any:
    if dataclasses.is_dataclass(one):
        shown = [each.name for each in dataclasses.fields(one) if each.repr and each.name not in without]
        return {name: _plain(getattr(one, name), without) for name in shown}
    if isinstance(one, Mapping):
        return {str(key): _plain(value, without) for key, value in one.items()}
    if isinstance(one, (set, frozenset)):
        return sorted(_plain(each, without) for each in one)
    if isinstance(one, (list, tuple)):
        return [_plain(each, without) for each in one]
    return one if one is None or isinstance(one, (bool, int, float, str)) else str(one)
