"""An enforcer is a unit of the tree, but the name stays with those who may see it."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from tests.support.world import World

pytestmark = pytest.mark.anyio

NAME = "Nguyễn Thị Kín Đáo"


def unit(code: str, parent: str, kind: str, name: str = "") -> dict[str, Any]:
    return {
        "code": code,
        "name": name or code,
        "kind": kind,
        "parent": parent,
        "valid_from": "2010-01-01",
    }


REASON = f"Chấp hành viên {NAME} đếm trùng một việc"

RULE_WAKES = {
    "measure": "cases",
    "enforceable": 100,
    "done": 40,
    "enforceable_over_1y": 30,
}


@pytest.fixture
async def told(world: World) -> tuple[World, list[Any]]:
    """An enforcer of A1 reported, corrected why, and a subscriber heard of it."""
    units = [
        unit("A", "VN", "province"),
        unit("A1", "A", "office"),
        unit("A2", "A", "office"),
        unit("A1-7", "A1", "officer", NAME),
    ]
    with structlog.testing.capture_logs() as logs:
        await world.admin.put("/v1/units", json={"units": units})
        report = {"unit": "A1-7", "period": "2022M05", "figures": [RULE_WAKES]}
        for more in ({}, {"done": 41}):
            sent = {**report, "figures": [{**RULE_WAKES, **more}], "reason": REASON}
            answer = await world.report(sent)
            await world.evaluated(answer.json()["batch"])
    return world, logs


async def test_no_name_leaves_by_webhook_log_or_metric(
    told: tuple[World, list[Any]],
) -> None:
    world, logs = told

    bodies = await world.owner.fetch("SELECT type, body FROM alerts.message")
    metrics = (await world.anonymous.get("/metrics")).text

    assert {"report.accepted", "report.corrected", "escalation.opened"} <= {
        row["type"] for row in bodies
    }
    heard = "".join(row["body"].decode() for row in bodies)
    assert "A1-7" in heard
    assert NAME not in heard
    assert NAME not in str(logs)
    assert NAME not in metrics


@pytest.mark.parametrize(
    ("under", "sees"),
    [("A1-7", True), ("A1", True), ("A", True), ("VN", True), ("A2", False)],
    ids=[
        "themselves",
        "their office",
        "their province",
        "the root",
        "a sibling office",
    ],
)
async def test_rows_of_an_enforcer_are_read_at_their_unit_or_above(
    told: tuple[World, list[Any]], under: str, sees: bool
) -> None:
    world, _ = told
    client = await world.client("analyst", under=under)

    found = [
        (await client.get("/v1/scorecards/A1-7/2022M05")).status_code,
        (await client.get("/v1/reports?unit=A1-7&period=2022M05")).status_code,
        (await client.get("/v1/units/A1-7")).status_code,
    ]
    lists = [
        (await client.get(path)).text
        for path in (
            "/v1/scorecards?period=2022M05",
            "/v1/rankings/2022M05?kind=officer",
            "/v1/rankings/2022M05?kind=officer&format=csv",
            "/v1/units?kind=officer",
            "/v1/escalations",
            "/v1/decisions?period=2022M05",
        )
    ]

    assert found == [200 if sees else 404] * 3
    assert any("A1-7" in text for text in lists) is sees
    assert any(NAME in text for text in lists) is sees
