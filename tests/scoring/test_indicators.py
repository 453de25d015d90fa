"""Indicators: definitions in a file, and the rates that the database computes by them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from libs.common.figures import published
from services.scoring import indicators
from services.scoring.domain.indicators import COMPUTED, definition
from services.scoring.store import FIGURE_COLUMNS
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


Cell = tuple[str, str]


async def rows_of(
    world: World, *figures: dict[str, Any], **more: Any
) -> dict[Cell, Any]:
    report = {"unit": "VN", "period": "2022M05", "figures": list(figures), **more}
    answer = await world.report(report)
    assert answer.status_code == 202, answer.text
    await world.evaluated(answer.json()["batch"])
    return await shown(world, report["unit"], report["period"])


async def shown(world: World, unit: str, period: str) -> dict[Cell, Any]:
    answer = (
        await world.admin.get(f"/v1/scorecards/{unit}/{period}")
    ).raise_for_status()
    return {(c["measure"], c["category"]): c for c in answer.json()["items"]}


async def cards(world: World, *figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = await rows_of(world, *figures, **more)
    return {measure: card for (measure, _), card in found.items()}


def counts_of(measure: str) -> dict[str, int]:
    if measure in ("cases", "money"):
        return ENFORCED | ({"reduced": 4} if measure == "money" else {})
    return COUNTS | {"carried_over": 60, "newly_accepted": 80}


async def test_each_row_has_the_rate_that_the_file_defines(world: World) -> None:
    cells = [(m, category or "other") for m, category in COMPUTED]
    found = await rows_of(world, *(row(*cell, **counts_of(cell[0])) for cell in cells))

    assert found.keys() == set(cells)
    for cell, card in found.items():
        own = definition(indicators.shipped(), *cell)
        version = own and own.on(date(2022, 2, 28))
        assert own is not None
        assert version is not None
        counts = counts_of(cell[0]) | {"done": card["done"]}
        above, below = (
            sum(counts[name] for name in side)
            for side in (version.fraction.numerator, version.fraction.denominator)
        )
        assert (card["done"], card["enforceable"]) == (above, below)
        assert card["rate"] == str(published(above, below))
        assert card["indicators"][own.id]["value"] == card["rate"]
        assert card["origin"]["definition"]["indicator"] == own.id
    assert {cell: card["rate"] for cell, card in found.items()} == {
        **{("cases", "other"): "30.00", ("money", "other"): "33.33"},
        ("complaints", "other"): "40.71",
        ("complaints", "carried_over"): "95.00",
        ("complaints", "newly_accepted"): "71.25",
        **{("administrative", "other"): "40.71", ("guidance", "other"): "36.43"},
        ("decisions", "other"): "71.25",
    }


@pytest.mark.parametrize(
    ("resolved", "carried_over", "newly_accepted"),
    [
        pytest.param(4, {"value": "100.00", "met": True}, {"value": "80.00", "met": False}, id="all of the old"),
        pytest.param(3, {"value": "75.00", "met": False}, {"value": "60.00", "met": False}, id="a part"),
    ],
)  # fmt: skip
async def test_a_duty_of_decision_1229_is_met_or_not(
    url: str,
    resolved: int,
    carried_over: dict[str, Any],
    newly_accepted: dict[str, Any],
) -> None:
    target = {
        **{"unit": "VN", "year": 2024, "measure": "complaints", "rate": "100"},
        **{"category": "carried_over", "operator": "at_least"},
        "document": {"number": "1229/QĐ-TCTHADS", "date": "2023-12-28"},
    }
    async with World.running(url, now="2024-03-08T08:00:00+07:00") as world:
        put = await world.admin.put("/v1/targets", json={"targets": [target]})
        assert put.status_code == 200, put.text
        found = await rows_of(
            world,
            row("complaints", "carried_over", carried_over=4, resolved=resolved),
            row("complaints", "newly_accepted", newly_accepted=5, resolved=resolved),
            period="2024M05",
        )

    old, new = (found["complaints", c] for c in ("carried_over", "newly_accepted"))
    assert (old["rate"], old["met"]) == (carried_over["value"], carried_over["met"])
    first = old["indicators"]["complaints_carried_over_resolved"]
    second = new["indicators"]["new_complaints_resolved"]
    assert first.items() >= carried_over.items()
    assert second.items() >= newly_accepted.items()
    assert first["target"] == {"rate": "100.00", "operator": "at_least", "duty": "D09"}
    assert second["target"]["duty"] == "D10"
    assert old["indicators"]["complaints_resolved"]["met"] is None


async def test_a_summed_row_and_a_published_one_have_their_own_rate(
    world: World,
) -> None:
    """What the card says and what its indicator says are one figure."""
    unit = {"code": "A", "name": "A", "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}  # fmt: skip
    (await world.admin.put("/v1/units", json={"units": [unit]})).raise_for_status()
    await rows_of(
        world,
        row("complaints", **COUNTS),
        {"measure": "money", "published_rate": "28.26"},
        unit="A",
    )

    summed = (await shown(world, "VN", "2022M05"))["complaints", "all"]
    letter = (await shown(world, "A", "2022M05"))["money", "all"]

    one = summed["indicators"]["complaints_resolved"]
    assert summed["done_basis"] == "rolled_up"
    assert (one["numerator"], one["denominator"]) == (57, 100)
    assert (one["value"], one["why"], summed["rate"]) == ("57.00", None, "57.00")
    other = letter["indicators"]["rate"]
    assert (other["value"], other["numerator"], other["why"]) == ("28.26", None, None)


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

OWN = GOOD.replace("[to_enforce]", "[enforceable]").replace(
    "measures: [cases]", "measures: [cases]\n  rate_of: [cases]"
)


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


@pytest.mark.parametrize("column", FIGURE_COLUMNS)
def test_whatever_a_report_may_hold_may_be_counted(column: str) -> None:
    (one,) = indicators.load(GOOD.replace("[done]", f"[{column}]"))

    assert one.versions[0].fraction.numerator == (column,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(GOOD.replace("measures: [cases]", "measures: [cases]\n  rate_of: [cases]"), "the rate of .*cases.* that the database computes is", id="another fraction"),
        pytest.param(OWN + OWN.replace("id: one", "id: two"), "two and one are both the rate", id="two for one row"),
        pytest.param(GOOD + GOOD, "an id stands twice", id="one id twice"),
    ],
)  # fmt: skip
def test_a_rate_that_is_not_computed_does_not_load(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        indicators.load(text)
