"""Whether the figures of the letters come out of the API, difference by difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

EXPECTED = Path(__file__).parent / "expected.json"


class Asks(Protocol):
    """What comparing needs of a client."""

    async def get(self, path: str, **query: object) -> Any: ...


async def differences(api: Asks) -> list[str]:
    """Every golden figure that did not come out; empty when all did."""
    expected = json.loads(EXPECTED.read_text("utf-8"))
    found: list[str] = []
    for ranking in expected["rankings"]:
        found += [line async for line in _ranking(api, ranking)]
    for card in expected["scorecards"]:
        found += [line async for line in _scorecard(api, card)]
    for above in expected["above_target"]:
        found += [line async for line in _above_target(api, above)]
    for named in expected["named_by_rules"]:
        found += [line async for line in _named(api, named)]
    return found


def told_apart(told: Mapping[str, Any]) -> list[str]:
    """What the story itself saw, against what it must see; empty when it did."""
    expected = json.loads(EXPECTED.read_text("utf-8"))["told"]
    return list(_compare("the story", expected, told))


async def _ranking(api: Asks, expected: Mapping[str, Any]) -> Any:
    names = ("measure", "category", "kind", "under")
    query = {name: expected[name] for name in names}
    got = await api.get(f"/v1/rankings/{expected['period']}", limit=1000, **query)
    where = f"ranking {expected['period']} {expected['measure']}"
    for line in _compare(f"{where} national", expected["national"], got["national"]):
        yield line
    rows = got["items"]
    for line in _compare(f"{where} length", len(expected["items"]), len(rows)):
        yield line
    for want, row in zip(expected["items"], rows, strict=False):
        for line in _compare(f"{where} {want['unit']}", want, row):
            yield line
    codes = [row["unit"] for row in rows]
    lowest = [{"unit": r["unit"], "rate": r["rate"]} for r in reversed(rows[-5:])]
    points = [Decimal(row["above_national"]) for row in rows]
    counted = {
        "of": len(rows),
        "head": codes[:5],
        "tail": codes[-5:],
        "lowest_five": lowest,
        "above_national": sum(p > 0 for p in points),
        "below_national": sum(p < 0 for p in points),
    }
    for name, value in counted.items():
        for line in _compare(f"{where} {name}", expected[name], value):
            yield line


async def _card(api: Asks, wanted: Mapping[str, Any]) -> Any:
    got = await api.get(f"/v1/scorecards/{wanted['unit']}/{wanted['period']}")
    return next(
        card
        for card in got["items"]
        if all(card[name] == wanted[name] for name in ("measure", "category"))
    )


async def _scorecard(api: Asks, expected: Mapping[str, Any]) -> Any:
    where = f"{expected['unit']} {expected['period']} {expected['measure']}"
    for line in _compare(where, expected, await _card(api, expected)):
        yield line


async def _above_target(api: Asks, expected: Mapping[str, Any]) -> Any:
    card = await _card(api, expected)
    above = Decimal(card["rate"]) - Decimal(card["target"]["rate"])
    where = f"{expected['unit']} {expected['measure']} above its target"
    for line in _compare(where, expected["points"], str(above)):
        yield line


async def _named(api: Asks, expected: Mapping[str, Any]) -> Any:
    """A rule names exactly the units that its letter names."""
    got = await api.get("/v1/escalations", rule=expected["rule"], limit=1000)
    units = sorted(
        matter["unit"]
        for matter in got["items"]
        if all(matter[name] == expected[name] for name in ("period", "measure"))
    )
    where = f"{expected['rule']} {expected['period']} {expected['measure']}"
    for line in _compare(where, expected["units"], units):
        yield line


def _compare(where: str, wanted: object, got: object) -> Iterator[str]:
    """What is named must be equal, objects member by member."""
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for name, value in wanted.items():
            yield from _compare(f"{where}.{name}", value, got.get(name))
    elif wanted != got:
        yield f"{where}: expected {wanted!r}, the API has {got!r}"
