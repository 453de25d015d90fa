"""Indicators: definitions in a file, and the rates that the database computes by them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.scoring import indicators
from tests.support.world import World

pytestmark = pytest.mark.anyio

COUNTS = {
    "carried_over": 40,
    "newly_accepted": 60,
    "resolved": 57,
    "resolved_in_time": 51,
}
ENFORCED = {
    **{"enforceable": 120, "to_enforce": 160, "completed": 30, "terminated": 6},
    **{"carried_over": 90, "newly_accepted": 70},
}


def row(measure: str, category: str = "all", **counts: int) -> dict[str, Any]:
    return {"measure": measure, "category": category, **counts}


async def cards(world: World, *figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    report = {"unit": "VN", "period": "2022M05", "figures": list(figures), **more}
    answer = await world.report(report)
    assert answer.status_code == 202, answer.text
    await world.evaluated(answer.json()["batch"])
    shown = (await world.admin.get("/v1/scorecards/VN/2022M05")).raise_for_status()
    return {card["measure"]: card for card in shown.json()["items"]}


async def test_each_measure_has_the_rate_that_the_file_defines(world: World) -> None:
    found = await cards(
        world,
        row("cases", **ENFORCED),
        row("money", **ENFORCED, reduced=4),
        *(
            row(m, **COUNTS)
            for m in ("complaints", "administrative", "guidance", "decisions")
        ),
    )

    own = {m: one.id for one in indicators.shipped() for m in one.rate_of}
    assert own.keys() == found.keys()
    for measure, card in found.items():
        defined = card["indicators"][own[measure]]
        assert card["rate"] == defined["value"] is not None
        assert (card["done"], card["enforceable"]) == (
            defined["numerator"],
            defined["denominator"],
        )
        assert card["origin"]["definition"]["indicator"] == own[measure]
    assert {m: card["rate"] for m, card in found.items()} == {
        **{"cases": "30.00", "money": "33.33", "complaints": "57.00"},
        **{"administrative": "57.00", "guidance": "51.00", "decisions": "95.00"},
    }


async def test_what_is_resolved_is_ranked_held_to_targets_and_compared(
    world: World,
) -> None:
    target = {
        **{"unit": "VN", "year": 2022, "measure": "complaints", "rate": "95.00"},
        **{"operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}},
    }
    put = await world.admin.put("/v1/targets", json={"targets": [target]})
    assert put.status_code == 200, put.text
    last = {"unit": "VN", "period": "2021M05", "figures": [row("complaints", **COUNTS)]}
    await world.report(last, wait=10)

    card = (await cards(world, row("complaints", **{**COUNTS, "resolved": 90})))[
        "complaints"
    ]

    assert (card["done_basis"], card["rate"], card["met"]) == (
        "resolved",
        "90.00",
        False,
    )
    assert card["shortfall"] == {"points": "5.00", "exact": "5", "needed": 5}
    assert card["last_year"]["points"] == "33.00"
    ranked = await world.admin.get("/v1/rankings/2022M05?measure=complaints")
    assert ranked.json()["national"]["rate"] == "90.00"


async def test_an_unknown_part_makes_the_whole_unknown(world: World) -> None:
    card = (await cards(world, row("complaints", newly_accepted=10, resolved=9)))[
        "complaints"
    ]

    assert (card["rate"], card["why"]["rate"]) == (None, "no_figures")
    assert card["indicators"]["complaints_resolved"]["why"] == "no_counts"


async def test_more_resolved_than_there_is_has_no_rate(world: World) -> None:
    card = (await cards(world, row("decisions", newly_accepted=1, resolved=900)))[
        "decisions"
    ]

    assert (card["rate"], card["why"]["rate"]) == (None, "more_done_than_there_is")


async def test_a_row_says_where_it_was_read(world: World) -> None:
    source = {"document": "Báo cáo 12", "date": "2022-03-02", "illustrative": True}
    card = (
        await cards(world, row("cases", **ENFORCED), source=source, form="06/2019")
    )["cases"]

    reported = card["origin"]["reported"]
    assert (reported["document"], reported["date"], reported["form"]) == (
        "Báo cáo 12",
        "2022-03-02",
        "06/2019",
    )
    assert (reported["revision"], reported["columns"]) == (1, ENFORCED)
    assert card["origin"]["definition"] == {"indicator": "rate", "version": 1}


async def test_the_list_explains_each_in_both_languages(still_world: World) -> None:
    answer = await still_world.admin.get("/v1/indicators")

    listed = {one["id"]: one for one in answer.raise_for_status().json()["items"]}
    assert all(
        one["explanation"]["vi"] and one["explanation"]["en"] for one in listed.values()
    )
    assert [v["valid_from"] for v in listed["rate"]["versions"]] == [
        "2010-01-01",
        "2026-07-01",
    ]
    assert "unknown" in listed["rate"]["versions"][1]["note"]["en"]
    duties = {
        version["target"]["duty"]: version["target"]["rate"]
        for one in listed.values()
        for version in one["versions"]
        if version["target"]
    }
    assert duties == {"D09": "100.00", "D10": "95.00", "D11": "100.00", "D12": "100.00", "D13": "100.00"}  # fmt: skip


def test_from_july_2026_the_second_version_holds() -> None:
    (rate,) = (one for one in indicators.shipped() if one.id == "rate")

    days = (date(2026, 6, 30), date(2026, 7, 1))
    assert [version.number for day in days if (version := rate.on(day))] == [1, 2]


GOOD = """
- id: one
  title: {vi: Một, en: One}
  explanation: {vi: Một, en: One}
  measures: [cases]
  versions: [{from: 2020-01-01, numerator: [done], denominator: [to_enforce]}]
"""


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param("[done]", "[dones]", id="no such column"),
        pytest.param("[cases]", "[case]", id="no such measure"),
        pytest.param("[done]", "[]", id="nothing to count"),
        pytest.param("en: One}", "fr: Un}", id="a language is missing"),
        pytest.param(
            "from: 2020-01-01,",
            "from: 2020-01-01, to: 2020-01-01,",
            id="never in force",
        ),
        pytest.param("id: one", "id: one\n  idd: two", id="an unknown key"),
    ],
)
def test_a_file_with_a_mistake_does_not_load(wrong: str, right: str) -> None:
    assert len(indicators.load(GOOD)) == 1

    with pytest.raises(ValueError, match="validation error"):
        indicators.load(GOOD.replace(wrong, right, 1))
