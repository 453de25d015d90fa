"""Of a month only that is read of which some rule speaks, and no verdict changes by it."""

from __future__ import annotations

from datetime import date

import pytest

from libs.common.periods import Period
from services.alerts import subjects
from services.alerts.domain.rules import Rule, Verdict
from services.alerts.domain.watching import Watch
from services.alerts.domain.wording import BESIDE
from services.alerts.engine.native import CompiledRule
from services.alerts.rulebook import shipped_rules
from services.alerts.subjects import Subject
from tests.support.world import World

pytestmark = pytest.mark.anyio

PERIOD, DAY = Period.parse("2022M05"), date(2022, 3, 8)
RULES = [rule for rule, _ in shipped_rules() if rule.watches is Watch.SCORECARD]


@pytest.fixture
async def month(world: World) -> World:
    """Two provinces with an office each, in two categories, beside both earlier cuts."""
    kinds = {"A": "province", "B": "province", "A1": "office", "B1": "office"}
    units = [
        {"code": code, "name": code, "kind": kind, "parent": code[:-1] or "VN"}
        | {"valid_from": "2010-01-01"}
        for code, kind in kinds.items()
    ]
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    reports = [
        {
            "unit": unit,
            "period": period,
            "figures": [
                {"measure": "cases", "category": category, "to_enforce": 200 + n}
                | {"enforceable": 100 + 7 * n, "done": (37 * n) % 90}
                for category in ("all", "credit")
            ],
        }
        for n, (unit, period) in enumerate(
            (unit, period)
            for unit in kinds
            for period in ("2021M05", "2022M04", "2022M05")
        )
    ]
    answer = await world.report(*reports)
    await world.evaluated(answer.raise_for_status().json()["batch"])
    return world


async def rows(world: World, rules: list[Rule] | None) -> list[Subject]:
    async with world.database("alerts").transaction() as connection:
        return await subjects.scorecards(connection, PERIOD, DAY, None, rules)


def verdicts(rule: Rule, found: list[Subject]) -> dict[tuple[str, ...], Verdict]:
    judge = CompiledRule(rule).explain
    judged = {
        (s.unit, s.measure or "", s.category or ""): judge(s.facts) for s in found
    }
    return {row: verdict for row, verdict in judged.items() if verdict is not None}


async def test_no_verdict_changes_by_what_is_not_read(month: World) -> None:
    everything = await rows(month, None)
    spoken_of = await rows(month, RULES)

    said = [(rule.id, verdicts(rule, everything)) for rule in RULES]
    assert [(rule.id, verdicts(rule, spoken_of)) for rule in RULES] == said
    assert sum(len(each) for _, each in said) > len(RULES)
    for rule in RULES:
        alone = verdicts(rule, await rows(month, [rule]))
        assert alone == verdicts(rule, everything), rule.id


async def test_what_no_rule_speaks_of_is_not_read(month: World) -> None:
    [rule] = [rule for rule in RULES if rule.id == "below-last-year"]

    found = await rows(month, [rule])

    assert {(row.unit, row.category) for row in found} == {("A", "all"), ("B", "all")}
    assert rule.names - {*BESIDE} <= found[0].facts.keys()
    assert "rank.position" not in found[0].facts
