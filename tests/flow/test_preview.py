"""A dry run: everything is said that would happen, and nothing of it has happened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World, until

pytestmark = pytest.mark.anyio

KEPT = (
    "ingest.report",
    "ingest.figure",
    "scoring.scorecard",
    "alerts.decision",
    "alerts.escalation",
    "alerts.entry",
    "alerts.timer",
    "alerts.message",
    "alerts.delivery",
    "platform.event",
)


def province(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
    }


def report(unit: str, period: str, done: int) -> dict[str, Any]:
    figures = [{"measure": "cases", "enforceable": 100, "done": done}]
    return {"unit": unit, "period": period, "figures": figures}


async def previewed(world: World, batch: str) -> Any:
    async def ended() -> Any:
        shown = (await world.admin.get(f"/v1/batches/{batch}")).json()
        assert shown["state"] != "failed", shown
        return shown if shown["state"] == "previewed" else None

    return await until(ended)


async def dry_run(world: World, *reports: dict[str, Any]) -> Any:
    answer = await world.report(*reports, dry_run="true")
    assert answer.status_code == 202, answer.text
    return (await previewed(world, answer.json()["batch"]))["preview"]


async def rows(world: World) -> dict[str, list[Any]]:
    return {
        table: [
            tuple(r)
            for r in await world.owner.fetch(
                f"SELECT * FROM {table} t ORDER BY t::text"
            )
        ]
        for table in KEPT
    }


@pytest.fixture
async def standing(world: World) -> World:
    """A and B with last year's figures; A did better this year, B did worse."""
    await world.admin.put("/v1/units", json={"units": [province("A"), province("B")]})
    answer = await world.report(
        report("A", "2021M05", 50),
        report("B", "2021M05", 50),
        report("A", "2022M05", 60),
        report("B", "2022M05", 40),
    )
    await world.evaluated(answer.json()["batch"])
    return world


async def test_it_says_which_scorecards_and_matters_would_change(
    standing: World,
) -> None:
    preview = await dry_run(
        standing, report("A", "2022M05", 45), report("B", "2022M05", 55)
    )

    cards = {
        c["unit"]: (c["rate"], c["rank"]["position"]) for c in preview["scorecards"]
    }
    assert cards == {"A": ("45.00", 2), "B": ("55.00", 1)}
    (opens,) = preview["opens"]
    assert (opens["unit"], opens["rule"]["id"]) == ("A", "below-last-year")
    assert opens["due"]["on"] == "2022-03-15"
    assert "id" not in opens
    (touched,) = preview["updates"]
    assert touched["unit"] == "B"
    assert preview["counts"] == {"scorecards": 2, "opens": 1, "updates": 1, "closes": 0}


async def test_nothing_is_left_behind_but_the_answer(standing: World) -> None:
    before = await rows(standing)

    await dry_run(standing, report("A", "2022M05", 45))

    assert await rows(standing) == before
    kinds = await standing.owner.fetch(
        "SELECT kind FROM platform.preview ORDER BY kind"
    )
    assert [row["kind"] for row in kinds] == ["cards", "matters"]


async def test_what_was_previewed_is_what_then_happens(standing: World) -> None:
    sent = [report("A", "2022M05", 45), report("B", "2022M05", 55)]
    preview = await dry_run(standing, *sent)

    answer = await standing.report(*sent)
    await standing.evaluated(answer.json()["batch"])

    shown = (
        await standing.admin.get("/v1/scorecards?period=2022M05&kind=province")
    ).json()["items"]
    provinces = [c for c in preview["scorecards"] if c["kind"] == "province"]
    strip = [{**card, "known_at": ""} for card in provinces]
    assert strip == [{**card, "known_at": ""} for card in shown]
    opened = (await standing.admin.get("/v1/escalations?unit=A")).json()["items"]
    alike = [
        {k: v for k, v in matter.items() if k not in ("id", "opened_at")}
        for matter in (*opened, *preview["opens"])
    ]
    assert alike[0] == alike[1]


async def test_the_year_after_is_previewed_with_the_year(standing: World) -> None:
    """Last year's figure corrected upwards makes this year fall below it."""
    preview = await dry_run(standing, report("A", "2021M05", 70))

    years = {(c["period"], c["unit"]) for c in preview["scorecards"]}
    assert years >= {("2021M05", "A"), ("2022M05", "A")}
    assert [m["unit"] for m in preview["opens"]] == ["A"]


async def test_a_row_that_would_be_withdrawn_is_named(standing: World) -> None:
    taken = {
        "unit": "B",
        "period": "2022M05",
        "figures": [{"measure": "cases", "withdrawn": True}],
    }

    preview = await dry_run(standing, taken)

    gone = [c for c in preview["scorecards"] if c.get("withdrawn")]
    cell = {"period": "2022M05", "measure": "cases", "category": "all"}
    # The nation's sum goes too: a part is not the whole.
    assert gone == [{"unit": unit, **cell, "withdrawn": True} for unit in ("B", "VN")]


async def test_a_key_previews_no_more_than_it_may_see(standing: World) -> None:
    """B's rank would change too, but B is none of this key's business."""
    client = await standing.client("reporter", under="A")
    body = {"reports": [report("A", "2022M05", 30)]}
    answer = await client.post("/v1/reports?dry_run=true", json=body)
    batch = answer.json()["batch"]
    await previewed(standing, batch)

    shown = (await client.get(f"/v1/batches/{batch}")).json()["preview"]

    assert {c["unit"] for c in shown["scorecards"]} == {"A"}
    assert shown["counts"]["scorecards"] == 1


async def test_a_dry_run_of_what_stands_is_previewed_at_once(standing: World) -> None:
    preview = await dry_run(standing, report("A", "2022M05", 60))

    assert preview["counts"] == {"scorecards": 0, "opens": 0, "updates": 0, "closes": 0}


async def test_bad_reports_are_refused_as_ever(standing: World) -> None:
    answer = await standing.report(report("X", "2022M05", 60), dry_run="true")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_unit"
