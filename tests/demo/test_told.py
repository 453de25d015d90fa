"""What the story sees as it is played is held against what it must see."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo import golden

TOLD: dict[str, Any] = json.loads(golden.EXPECTED.read_text("utf-8"))["told"]


def leaves(told: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(told, dict):
        for name, member in told.items():
            yield from leaves(member, *path, name)
    else:
        yield path


def test_what_must_be_seen_is_no_difference() -> None:
    assert golden.told_apart(copy.deepcopy(TOLD)) == []


@pytest.mark.parametrize("path", list(leaves(TOLD)), ids=".".join)
def test_whatever_comes_out_otherwise_is_a_difference(path: tuple[str, ...]) -> None:
    told = copy.deepcopy(TOLD)
    at = told
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = "another"

    (found,) = golden.told_apart(told)

    assert ".".join(path) in found


def test_what_was_not_told_is_a_difference() -> None:
    assert len(golden.told_apart({})) == len(TOLD)
