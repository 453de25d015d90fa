"""When a rule ends, its matters do; another version of it takes them over."""

from __future__ import annotations

from typing import Any

import pytest

from services.alerts.rulebook import RULES, load_text
from tests.alerts.test_cases import old, send
from tests.alerts.test_reports_owed import clock_at
from tests.ingest.cases.sending import plant
from tests.support.world import World, until

pytestmark = pytest.mark.anyio

SOURCE = (RULES / "below-last-year.yaml").read_text("utf-8")
OF_CASES = (RULES / "enforceable-over-one-year.yaml").read_text("utf-8")
PERIOD = "2022M05"


def after(source: str) -> str:
    """The shipped rule as its next version."""
    current = load_text(source).version
    return source.replace(f"\nversion: {current}\n", f"\nversion: {current + 1}\n")


async def retired(world: World, source: str) -> None:
    rule = load_text(source)
    answer = await world.admin.post(
        f"/v1/rules/{rule.id}/retire",
        json={"version": rule.version, "reason": "Thay bằng văn bản mới"},
    )
    answer.raise_for_status()


async def activated(world: World, text: str) -> None:
    rule = load_text(text)
    path = f"/v1/rules/{rule.id}"
    headers = {"content-type": "application/yaml"}
    (await world.admin.put(path, content=text, headers=headers)).raise_for_status()
    wanted: dict[str, Any] = {"version": rule.version}
    months = {"from": "2022M05", "to": "2022M05"}
    tried = await world.admin.post(f"{path}/backtest", json={**months, **wanted})
    tried.raise_for_status()
    (await world.admin.post(f"{path}/activate", json=wanted)).raise_for_status()


async def judged(world: World) -> None:
    """What follows from an event commits with the event's end."""

    async def done() -> bool:
        return not await world.owner.fetchval("SELECT count(*) FROM platform.event")

    await until(done)


async def whole(world: World, matter: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.get(f"/v1/escalations/{matter['id']}")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def told(world: World, matter: dict[str, Any]) -> list[str]:
    rows = await world.owner.fetch(
        "SELECT type FROM alerts.message WHERE escalation = $1 ORDER BY sequence",
        matter["id"],
    )
    return [row["type"] for row in rows]


async def test_a_retired_rule_closes_what_it_left_open(
    world: World, matter: dict[str, Any]
) -> None:
    await retired(world, SOURCE)

    closed = await whole(world, matter)
    assert (closed["state"], closed["closed_as"]) == ("closed", "superseded")
    last = closed["history"][-1]
    assert last["change"] == "superseded"
    assert last["detail"]["reason"] == "Thay bằng văn bản mới"
    rule = await world.admin.get(
        "/v1/rules/below-last-year", params={"version": matter["rule"]["version"]}
    )
    assert last["actor"] == rule.json()["history"][-1]["actor"]
    assert await told(world, matter) == ["escalation.opened", "escalation.closed"]


async def test_a_draft_that_is_given_up_closes_nothing(
    world: World, matter: dict[str, Any]
) -> None:
    text = after(SOURCE)
    headers = {"content-type": "application/yaml"}
    path = f"/v1/rules/{load_text(text).id}"
    (await world.admin.put(path, content=text, headers=headers)).raise_for_status()

    await retired(world, text)

    assert (await whole(world, matter))["state"] == "open"


async def test_another_version_keeps_matters_open_and_judges_them(
    world: World, matter: dict[str, Any]
) -> None:
    await activated(world, after(SOURCE))
    await judged(world)

    found = await whole(world, matter)
    assert found["state"] == "open"
    assert "superseded" not in [entry["change"] for entry in found["history"]]
    [decision] = (
        await world.admin.get(
            "/v1/decisions", params={"period": PERIOD, "rule": matter["rule"]["id"]}
        )
    ).json()["items"]
    assert decision["rule"]["version"] == matter["rule"]["version"] + 1


async def test_a_rule_that_comes_back_opens_the_same_matter_again(
    world: World, matter: dict[str, Any]
) -> None:
    await retired(world, SOURCE)

    await activated(world, after(SOURCE))
    await judged(world)

    found = await whole(world, matter)
    assert (found["state"], found["rule"]["version"]) == (
        "open",
        matter["rule"]["version"] + 1,
    )
    assert [entry["change"] for entry in found["history"]][-2:] == [
        "superseded",
        "reopened",
    ]


async def test_a_new_day_closes_what_was_left_open(
    world: World, matter: dict[str, Any]
) -> None:
    await world.owner.execute(
        "UPDATE alerts.rule SET state = 'retired' WHERE id = $1", matter["rule"]["id"]
    )

    await clock_at(world, "2022-03-09T08:00:00+07:00")

    assert (await whole(world, matter))["closed_as"] == "superseded"


async def test_matters_of_cases_end_with_their_rule_as_well(world: World) -> None:
    await plant(world)
    await send(world, old(1))
    rule = load_text(OF_CASES).id
    [matter] = (await world.admin.get("/v1/escalations", params={"rule": rule})).json()[
        "items"
    ]

    await retired(world, OF_CASES)

    assert (await whole(world, matter))["closed_as"] == "superseded"
