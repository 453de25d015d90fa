"""The letters' own figures, from the bodies of the demonstration to what is owed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.world import World, sample

pytestmark = pytest.mark.anyio

EXPECTED = json.loads(
    (Path(__file__).parents[2] / "demo" / "expected.json").read_text("utf-8")
)
RANKINGS = [pytest.param(r, id=r["measure"]) for r in EXPECTED["rankings"]]
CARDS = [
    pytest.param(c, id=f"{c['unit']} {c['period']} {c['measure']}")
    for c in EXPECTED["scorecards"]
]
TELEGRAM = [c for c in EXPECTED["scorecards"] if c["period"] == "2025-09-12"]
SHORT, BELOW, OLD = (
    "short-of-target-at-year-end",
    "below-last-year",
    "over-one-year-in-figures",
)


# Everything loaded, each letter on its day -------------------------------------------


@dataclass(frozen=True)
class Story:
    """The world at the end, and what stood on the way."""

    world: World
    after_the_letter: list[dict[str, Any]]
    held_by_the_letter: list[dict[str, Any]]
    after_the_baseline: list[dict[str, Any]]


async def move(world: World, day: str) -> None:
    body = {"now": f"{day}T08:00:00+07:00"}
    answer = await world.admin.put("/v1/clock", json=body)
    assert answer.status_code == 200, answer.text


async def everything(world: World, path: str, **query: object) -> list[dict[str, Any]]:
    """A list's items, page after page."""
    items: list[dict[str, Any]] = []
    params = {"limit": 1000, **query}
    while True:
        answer = await world.admin.get(path, params=params)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["next"] is None:
            return items
        params["cursor"] = answer.json()["next"]


async def matters(world: World, rule: str) -> list[dict[str, Any]]:
    return await everything(world, "/v1/escalations", rule=rule)


@pytest.fixture(scope="module")
async def story(template: str) -> AsyncIterator[Story]:
    """8 March 2022, 22 April 2022 and 15 September 2025, one after another."""
    owner = await asyncpg.connect(template)
    await owner.execute("CREATE DATABASE golden TEMPLATE template_dondoc")
    async with World.running(f"{template.rsplit('/', 1)[0]}/golden") as world:
        await world.tree()
        await world.load("reports_679.json")
        decisions = {"period": "2022M05", "rule": BELOW, "verdict": "held"}
        held = await everything(world, "/v1/decisions", **decisions)
        letter = await everything(world, "/v1/escalations")
        await world.load("reports_last_year_illustrative.json")
        baseline = await matters(world, BELOW)
        await move(world, "2022-04-22")
        await world.load(
            "reports_bac_giang.json", "report_over_one_year_illustrative.json"
        )
        await move(world, "2025-09-15")
        await world.load("reports_thai_nguyen.json")
        yield Story(world, letter, held, baseline)
    await owner.execute("DROP DATABASE golden WITH (FORCE)")
    await owner.close()


# expected.json -----------------------------------------------------------------------


@pytest.mark.parametrize("expected", RANKINGS)
async def test_the_appendix_comes_out_line_by_line(
    story: Story, expected: dict[str, Any]
) -> None:
    asked = ("measure", "category", "kind", "under")

    shown = (
        await story.world.admin.get(
            f"/v1/rankings/{expected['period']}",
            params={name: expected[name] for name in asked} | {"limit": 1000},
        )
    ).json()

    members = ("stt", "rank", "unit", "rate", "above_national")
    lines = [{name: line[name] for name in members} for line in shown["items"]]
    assert lines == expected["items"]
    nation = {name: shown["national"][name] for name in expected["national"]}
    assert nation == expected["national"]
    assert shown["next"] is None


@pytest.mark.parametrize("expected", RANKINGS)
async def test_the_appendix_counts_as_the_letter_does(
    story: Story, expected: dict[str, Any]
) -> None:
    params = {"measure": expected["measure"]}

    lines = await everything(
        story.world, f"/v1/rankings/{expected['period']}", **params
    )

    codes = [line["unit"] for line in lines]
    ascending = [{"unit": x["unit"], "rate": x["rate"]} for x in reversed(lines)]
    distances = [Decimal(line["above_national"]) for line in lines]
    assert len(codes) == expected["of"]
    assert codes[: len(expected["head"])] == expected["head"]
    assert codes[-len(expected["tail"]) :] == expected["tail"]
    assert ascending[:5] == expected["lowest_five"]
    assert sum(d > 0 for d in distances) == expected["above_national"]
    assert sum(d < 0 for d in distances) == expected["below_national"]


async def test_one_province_stands_in_both_lowest_fives(story: Story) -> None:
    lowest = []
    for ranking in EXPECTED["rankings"]:
        lines = await everything(
            story.world,
            f"/v1/rankings/{ranking['period']}",
            measure=ranking["measure"],
        )
        lowest.append({line["unit"] for line in lines[-5:]})

    assert sorted(set.intersection(*lowest)) == EXPECTED["in_both_lowest_fives"]


def named(shown: Any, expected: Any) -> Any:
    """As much of an answer as the expectation names."""
    if isinstance(expected, dict) and isinstance(shown, dict):
        return {name: named(shown.get(name), expected[name]) for name in expected}
    return shown


@pytest.mark.parametrize("expected", CARDS)
async def test_a_scorecard_comes_out_member_by_member(
    story: Story, expected: dict[str, Any]
) -> None:
    unit, period = expected["unit"], expected["period"]

    answer = await story.world.admin.get(f"/v1/scorecards/{unit}/{period}")

    at = (expected["measure"], expected["category"])
    (shown,) = [
        c for c in answer.json()["items"] if (c["measure"], c["category"]) == at
    ]
    assert named(shown, expected) == expected


@pytest.mark.parametrize(
    "expected", [pytest.param(e, id=e["unit"]) for e in EXPECTED["above_target"]]
)
async def test_a_rate_lies_above_its_target(
    story: Story, expected: dict[str, Any]
) -> None:
    answer = await story.world.admin.get(
        f"/v1/scorecards/{expected['unit']}/{expected['period']}"
    )

    (shown,) = [
        c for c in answer.json()["items"] if c["measure"] == expected["measure"]
    ]
    above = Decimal(shown["rate"]) - Decimal(shown["target"]["rate"])
    assert str(above) == expected["points"]
    assert (shown["met"], shown["shortfall"]["points"]) == (True, "0.00")


# Letter 679, section 9: below the same period last year ------------------------------


async def test_the_letter_alone_holds_every_province(story: Story) -> None:
    provinces = {
        report["unit"]
        for report in sample("reports_679.json")["reports"]
        if report["unit"] != "VN"
    }

    held = {(d["unit"], d["measure"]) for d in story.held_by_the_letter}
    assert held == {(unit, m) for unit in provinces for m in ("cases", "money")}
    assert all(d["missing"] == ["last_year.rate"] for d in story.held_by_the_letter)
    assert all(d["severity"] is None for d in story.held_by_the_letter)
    assert {m["rule"]["id"] for m in story.after_the_letter} == {"bottom-five"}


@pytest.mark.parametrize("measure", ["cases", "money"])
async def test_the_made_up_baseline_fires_exactly_where_it_lies_higher(
    story: Story, measure: str
) -> None:
    (expected,) = [
        e for e in EXPECTED["below_last_year_illustrative"] if e["measure"] == measure
    ]

    opened = {
        m["unit"]: m
        for m in story.after_the_baseline
        if (m["rule"]["id"], m["measure"]) == (BELOW, measure)
    }

    assert set(opened) == set(expected["units"])
    assert len(opened) == expected["count"]
    high = {unit for unit, m in opened.items() if m["severity"] == "high"}
    assert high == set(expected["fell_by_ten_points_or_more"])
    assert {m["severity"] for m in opened.values()} <= {"high", "medium"}


async def test_each_of_these_matters_owes_an_explanation_by_15_march(
    story: Story,
) -> None:
    count = sum(e["count"] for e in EXPECTED["below_last_year_illustrative"])
    due = {
        "on": "2022-03-15",
        "inclusive": True,
        "ends_at": "2022-03-16T00:00:00+07:00",
    }

    assert len(story.after_the_baseline) == count
    for matter in story.after_the_baseline:
        assert matter["illustrative"] is True
        assert (matter["owes"], matter["state"]) == ("explanation", "open")
        assert matter["due"] == due
        assert (matter["level"], matter["overdue"]) == (0, False)
        assert matter["addressed_to"] == matter["unit"]
        assert matter["basis"] == [
            {"document": "679/TCTHADS-TKDLCN", "date": "2022-03-08", "at": "mục 9"}
        ]


async def test_a_report_of_another_day_opens_none_of_them_again(story: Story) -> None:
    now = {m["id"] for m in await matters(story.world, BELOW)}

    assert now == {m["id"] for m in story.after_the_baseline}


async def test_level_with_last_year_is_not_below_it(world: World) -> None:
    await world.tree()
    for period in ("2021M05", "2022M05"):
        figures = [{"measure": "cases", "published_rate": "41.54"}]
        report = {"unit": "HN", "period": period, "figures": figures}
        await world.report(report, wait=10)

    decided = await everything(world, "/v1/decisions", period="2022M05", rule=BELOW)

    assert [d["verdict"] for d in decided] == ["silent"]
    assert await matters(world, BELOW) == []


# The telegram: short of target near the year end -------------------------------------


def severity(points: str) -> str:
    short = Decimal(points)
    return "critical" if short > 20 else "high" if short > 10 else "medium"


async def test_the_telegram_presses_whoever_lacks_more_than_5_points(
    story: Story,
) -> None:
    expected = {
        (card["unit"], card["measure"]): severity(card["shortfall"]["points"])
        for card in TELEGRAM
        if Decimal(card["shortfall"]["points"]) > 5
    }

    opened = await matters(story.world, SHORT)

    assert {(m["unit"], m["measure"]): m["severity"] for m in opened} == expected
    assert len(opened) == len(expected) == 8
    assert sorted(expected.values()).count("critical") == 1


async def test_3_90_and_4_98_points_are_not_pressed(story: Story) -> None:
    spared = {
        (card["unit"], card["measure"])
        for card in TELEGRAM
        if card["shortfall"]["points"] in ("3.90", "4.98")
    }

    pressed = {(m["unit"], m["measure"]) for m in await matters(story.world, SHORT)}
    decided = await everything(
        story.world, "/v1/decisions", period="2025-09-12", rule=SHORT, verdict="silent"
    )

    assert len(spared) == 4
    assert not spared & pressed
    assert spared <= {(d["unit"], d["measure"]) for d in decided}


async def test_the_telegram_wants_a_plan_within_two_working_days(story: Story) -> None:
    for matter in await matters(story.world, SHORT):
        assert (matter["owes"], matter["state"]) == ("plan", "open")
        assert matter["due"] == {
            "on": "2025-09-17",
            "inclusive": True,
            "ends_at": "2025-09-18T00:00:00+07:00",
        }
        assert matter["illustrative"] is False
        assert (matter["period"], matter["category"]) == ("2025-09-12", "all")


# Exactly whom a letter names ---------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(e, id=f"{e['rule']} {e['measure']}")
        for e in EXPECTED["named_by_rules"]
    ],
)
async def test_the_rules_name_whom_the_letters_name_and_nobody_else(
    story: Story, expected: dict[str, Any]
) -> None:
    named = [
        m["unit"]
        for m in await matters(story.world, expected["rule"])
        if (m["period"], m["measure"]) == (expected["period"], expected["measure"])
    ]

    assert sorted(named) == expected["units"]


async def test_the_letter_s_figures_alone_name_the_lowest_five_and_no_one_else(
    story: Story,
) -> None:
    expected = {
        (unit, e["measure"])
        for e in EXPECTED["named_by_rules"]
        if e["rule"] == "bottom-five"
        for unit in e["units"]
    }

    assert {(m["unit"], m["measure"]) for m in story.after_the_letter} == expected
    assert all(m["illustrative"] is False for m in story.after_the_letter)


async def test_the_telegram_s_list_says_each_shortfall_as_it_prints_it(
    story: Story,
) -> None:
    expected = {
        (card["unit"], card["measure"]): card["shortfall"]["points"]
        for card in TELEGRAM
        if not card["met"] and not card["illustrative"]
    }

    listed = await matters(story.world, "below-target")

    assert {(m["unit"], m["measure"]) for m in listed} == expected.keys()
    for matter in listed:
        points = expected[matter["unit"], matter["measure"]].replace(".", ",")
        assert f"thiếu {points} %" in matter["message"]["vi"]
        assert "còn 15 ngày" in matter["message"]["vi"]


# More than a year old ----------------------------------------------------------------


async def test_cases_older_than_a_year_are_said_once_and_owe_nothing(
    story: Story,
) -> None:
    (matter,) = await matters(story.world, OLD)

    assert (matter["unit"], matter["measure"]) == ("VD-1N", "cases")
    assert (matter["owes"], matter["due"]) == ("nothing", None)
    assert (matter["severity"], matter["state"]) == ("low", "open")
    assert matter["illustrative"] is True
    assert matter["facts"]["enforceable_over_1y"] == 15


async def test_the_same_bodies_again_change_nothing(story: Story) -> None:
    before = [await matters(story.world, rule) for rule in (BELOW, SHORT, OLD)]

    for name in ("reports_679.json", "reports_thai_nguyen.json"):
        answer = await story.world.admin.post("/v1/reports", json=sample(name))
        receipt = answer.json()
        assert (receipt["accepted"], receipt["rejected"]) == (0, [])
        assert receipt["unchanged"] == len(sample(name)["reports"])
        await story.world.evaluated(receipt["batch"])

    after = [await matters(story.world, rule) for rule in (BELOW, SHORT, OLD)]
    assert after == before
