"""Matters through HTTP: opened once, kept true, handed in, overdue, seen by whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from libs.common.events import FIGURES_CHANGED, consume_one
from services.scoring import inbox
from tests.support.databases import Copy, Stage, copy_of, stage
from tests.support.world import World, until

pytestmark = pytest.mark.anyio
MAY, LAST_MAY = "2022M05", "2021M05"
BELOW, OVER_A_YEAR = "below-last-year", "over-one-year-in-figures"
EXPLANATION = {
    "causes": ["pandemic", "tet_holiday"],
    "text": "Dịch bệnh kéo dài; nhiều việc phải hoãn.",
    "remedies": [{"text": "Tổ chức đợt cao điểm", "by": "2022-04-30"}],
    "attachments": ["https://example.org/giai-trinh.pdf"],
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture(scope="module")
async def copied(template: str) -> AsyncIterator[Copy]:
    async with copy_of(template, "escalations") as made:
        yield made


@pytest.fixture
async def url(copied: Copy) -> str:
    await copied.as_new()
    return copied.url


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "escalations_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    world = await staged.as_new()
    await provinces(world)
    return world


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    """Loops running, and two provinces in the tree with an office each."""
    async with World.running(url, rule_engine="native") as running:
        await provinces(running)
        yield running


async def provinces(world: World) -> None:
    kinds = {"A": "province", "B": "province", "A1": "office", "B1": "office"}
    units = [
        {"code": code, "name": f"Đơn vị {code}", "kind": kind, "parent": "VN" if len(code) == 1 else code[0], "valid_from": "2010-01-01"}
        for code, kind in kinds.items()
    ]  # fmt: skip
    answer = await world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200, answer.text


def rate(percent: str, unit: str = "A", period: str = MAY) -> dict[str, Any]:
    return {"unit": unit, "period": period, "figures": [{"measure": "cases", "published_rate": percent}]}  # fmt: skip


def over_a_year(count: int, unit: str = "A1") -> dict[str, Any]:
    figures = {"measure": "cases", "enforceable": 120, "done": 70, "enforceable_over_1y": count}  # fmt: skip
    return {"unit": unit, "period": MAY, "figures": [figures]}


async def sent(world: World, *reports: dict[str, Any]) -> dict[str, Any]:
    """Post, and come back when all that follows from it is done."""
    answer = await world.report(*reports)
    assert answer.status_code == 202, answer.text
    return await world.evaluated(answer.json()["batch"])


async def matters(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/escalations", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def below_last_year(world: World) -> dict[str, Any]:
    """The matter of a province that did worse than a year ago."""
    await sent(world, rate("45.00", period=LAST_MAY), rate("41.54"))
    (matter,) = await matters(world.admin, rule=BELOW)
    return matter


async def whole(world: World, matter: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.get(f"/v1/escalations/{matter['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def changes(matter: dict[str, Any]) -> list[str]:
    return [entry["change"] for entry in matter["history"]]


async def clock_at(world: World, moment: str) -> None:
    answer = await world.admin.put("/v1/clock", json={"now": moment})
    assert answer.status_code == 200, answer.text


async def evaluated(world: World, **body: Any) -> dict[str, Any]:
    answer = await world.admin.post("/v1/evaluations", json={"period": MAY, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told(world: World, matter: dict[str, Any]) -> list[tuple[int, str]]:
    """What subscribers hear of a matter, in its order."""
    rows = await world.owner.fetch(
        "SELECT sequence, type FROM alerts.message WHERE escalation = $1"
        " ORDER BY sequence",
        matter["id"],
    )
    return [(row["sequence"], row["type"].partition(".")[2]) for row in rows]


async def scored(world: World, *reports: dict[str, Any]) -> None:
    """Scorecards without any matter: only scoring does its work."""
    answer = await world.report(*reports)
    assert answer.status_code == 202, answer.text
    scoring = world.database("scoring")
    while await consume_one(
        scoring, FIGURES_CHANGED, inbox.figures_changed, backoff=timedelta(hours=1)
    ):
        pass


# Opening -------------------------------------------------------------------------------


async def test_a_matter_says_what_is_owed_by_when_and_why(world: World) -> None:
    matter = await below_last_year(world)

    assert matter["rule"] == {"id": BELOW, "version": 2}
    assert (matter["unit"], matter["period"]) == ("A", MAY)
    assert (matter["measure"], matter["category"]) == ("cases", "all")
    assert (matter["state"], matter["severity"], matter["sequence"]) == ("open", "medium", 1)  # fmt: skip
    assert (matter["owes"], matter["level"], matter["addressed_to"]) == ("explanation", 0, "A")  # fmt: skip
    assert matter["due"] == {"on": "2022-03-15", "inclusive": True, "ends_at": "2022-03-16T00:00:00+07:00"}  # fmt: skip
    assert matter["facts"].items() >= {"rate": "41.54", "last_year.rate": "45.00"}.items()  # fmt: skip
    assert [leaf["name"] for leaf in matter["trace"] if leaf["right"] == "last_year.rate"] == ["rate"]  # fmt: skip
    assert matter["basis"] == [{"document": "679/TCTHADS-TKDLCN", "date": "2022-03-08", "at": "mục 9"}]  # fmt: skip
    assert (matter["overdue"], matter["illustrative"]) == (False, False)
    full = await whole(world, matter)
    assert matter.items() <= full.items()
    assert [(e["n"], e["change"], e["actor"]) for e in full["history"]] == [(1, "opened", "dondoc")]  # fmt: skip


async def test_a_receipt_counts_what_its_figures_opened_and_closed(
    world: World,
) -> None:
    opened = await sent(world, over_a_year(15), over_a_year(3, "B1"))
    closed = await sent(world, over_a_year(0))

    assert opened["escalations"] == {"opened": 2, "closed": 0}
    assert closed["escalations"] == {"opened": 0, "closed": 1}


async def test_a_matter_opens_once_however_often_it_is_judged(
    still_world: World,
) -> None:
    await scored(
        still_world, rate("45.00", period=LAST_MAY), rate("41.54"), over_a_year(15)
    )

    answers = await asyncio.gather(*(evaluated(still_world) for _ in range(20)))

    assert sum(answer["opened"] for answer in answers) == 2
    assert sum(answer["updated"] + answer["closed"] for answer in answers) == 0
    assert {len(answer["fired"]) for answer in answers} == {2}
    found = await matters(still_world.admin)
    assert sorted(m["rule"]["id"] for m in found) == [BELOW, OVER_A_YEAR]
    for matter in found:
        assert changes(await whole(still_world, matter)) == ["opened"]
        assert await told(still_world, matter) == [(1, "opened")]


async def test_the_same_figures_again_change_nothing(world: World) -> None:
    matter = await below_last_year(world)
    reports = [rate("45.00", period=LAST_MAY), rate("41.54")]

    answers = await asyncio.gather(*(world.report(*reports) for _ in range(10)))

    assert {a.json()["unchanged"] for a in answers} == {2}
    assert await matters(world.admin) == [matter]
    assert await told(world, matter) == [(1, "opened")]


async def test_judging_and_reporting_at_once_still_open_it_once(world: World) -> None:
    await sent(world, rate("45.00", period=LAST_MAY))

    answers = await asyncio.gather(
        *(world.report(rate(f"41.{n}0")) for n in range(5)),
        *(world.admin.post("/v1/evaluations", json={"period": MAY}) for _ in range(8)),
    )

    assert {a.status_code for a in answers} == {200, 202}
    for answer in answers[:5]:
        await world.evaluated(answer.json()["batch"])
    (matter,) = await matters(world.admin)
    assert (await told(world, matter)) == [(1, "opened")]
    current = (await world.admin.get(f"/v1/scorecards/A/{MAY}")).json()["items"][0]
    assert matter["facts"]["rate"] == current["rate"]


# Figures are revised -------------------------------------------------------------------


async def test_data_close_it_and_open_the_same_matter_again(world: World) -> None:
    await sent(world, over_a_year(15))
    (opened,) = await matters(world.admin)

    await sent(world, over_a_year(0))
    closed = await whole(world, opened)
    await sent(world, over_a_year(5))
    (again,) = await matters(world.admin)

    assert (opened["owes"], opened["due"]) == ("nothing", None)
    assert (closed["state"], closed["closed_as"], closed["sequence"]) == ("closed", "data", 2)  # fmt: skip
    assert closed["facts"]["enforceable_over_1y"] == 0
    assert again["id"] == opened["id"]
    assert (again["state"], again["sequence"]) == ("open", 3)
    assert "closed_as" not in again
    assert again["facts"]["enforceable_over_1y"] == 5
    assert changes(await whole(world, again)) == ["opened", "closed", "reopened"]
    assert await told(world, again) == [(1, "opened"), (2, "closed"), (3, "opened")]


async def test_a_duty_outlives_the_figures_that_caused_it(world: World) -> None:
    opened = await below_last_year(world)

    await sent(world, rate("50.00"))
    await evaluated(world)

    stands = await whole(world, opened)
    assert (stands["state"], stands["due"]) == ("open", opened["due"])
    assert changes(stands) == ["opened", "facts_changed"]
    assert stands["history"][1]["detail"]["facts"]["rate"] == "50.00"
    assert stands["sequence"] == 1
    assert await told(world, opened) == [(1, "opened")]


async def test_worse_figures_raise_its_severity(world: World) -> None:
    opened = await below_last_year(world)

    await sent(world, rate("30.00"))

    raised = await whole(world, opened)
    assert (opened["severity"], raised["severity"]) == ("medium", "high")
    assert changes(raised) == ["opened", "updated"]


async def test_what_is_handed_in_while_a_period_is_judged_is_not_written_over(
    still_world: World,
) -> None:
    await scored(still_world, rate("45.00", period=LAST_MAY), rate("41.54"))
    await evaluated(still_world)
    (matter,) = await matters(still_world.admin)
    await scored(still_world, rate("40.00"))
    place = f"/v1/escalations/{matter['id']}/explanations"

    async with still_world.database("alerts").transaction() as connection:
        # One moment for both: they wait here for the same row.
        await connection.execute("SELECT FROM alerts.escalation WHERE id = $1 FOR UPDATE", matter["id"])  # fmt: skip
        handing_in = asyncio.create_task(
            still_world.admin.post(place, json=EXPLANATION)
        )
        await until(lambda: waiting(still_world, 1))
        judging = asyncio.create_task(evaluated(still_world))
        await until(lambda: waiting(still_world, 2))
    answer, found = await handing_in, await judging

    after = await whole(still_world, matter)
    assert (answer.status_code, found["updated"]) == (201, 1)
    assert (after["state"], after["sequence"]) == ("explained", 2)
    assert after["facts"]["rate"] == "40.00"
    assert sorted(changes(after)) == ["explained", "opened", "updated"]


async def waiting(world: World, for_a_row: int) -> bool:
    """Whether so many backends of ours wait for one another's rows."""
    found: int = await world.owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return found == for_a_row


# What people do ------------------------------------------------------------------------


async def test_acknowledging_is_noted_once_and_never_stops_the_clock(
    world: World,
) -> None:
    matter = await below_last_year(world)
    responder = await world.client("responder", under="A")
    place = f"/v1/escalations/{matter['id']}/acknowledge"

    first = await responder.post(place, json={"note": "Đã nhận."})
    second = await responder.post(place)
    noted = await whole(world, matter)
    told_by_then = await told(world, matter)
    await clock_at(world, "2022-03-16T00:00:00+07:00")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["acknowledged_at"].startswith("2022-03-08T08:00")
    assert second.json() == first.json()
    assert (noted["sequence"], changes(noted)) == (2, ["opened", "acknowledged"])
    assert noted["history"][1]["detail"] == {"note": "Đã nhận."}
    assert told_by_then == [(1, "opened"), (2, "acknowledged")]
    after = await whole(world, matter)
    assert (after["state"], after["overdue"]) == ("open", True)


async def test_handing_in_is_kept_with_who_did_it(world: World) -> None:
    matter = await below_last_year(world)
    responder = await world.client("responder", under="A")

    answer = await responder.post(
        f"/v1/escalations/{matter['id']}/explanations", json=EXPLANATION
    )

    assert answer.status_code == 201, answer.text
    assert (answer.json()["state"], answer.json()["n"]) == ("explained", 1)
    after = await whole(world, matter)
    (kept,) = after["explanations"]
    assert EXPLANATION.items() <= kept.items()
    assert kept["handed_in_at"].startswith("2022-03-08T08:00")
    author = responder.headers["authorization"].split("_")[2]
    assert after["history"][1].items() >= {"n": 2, "change": "explained", "actor": author, "detail": {"n": 1}}.items()  # fmt: skip
    assert await told(world, matter) == [(1, "opened"), (2, "explained")]


async def test_what_is_not_possible_now_says_when_it_is(world: World) -> None:
    matter = await below_last_year(world)
    place = f"/v1/escalations/{matter['id']}/explanations"
    await world.admin.post(place, json=EXPLANATION)

    again = await world.admin.post(place, json=EXPLANATION)

    assert again.status_code == 409
    assert again.json()["code"] == "impossible_transition"
    assert again.json()["state"] == "explained"
    assert again.json()["possible_in"] == ["open", "returned"]
    assert len((await whole(world, matter))["explanations"]) == 1


async def test_of_many_that_hand_in_at_once_one_is_taken(world: World) -> None:
    matter = await below_last_year(world)
    place = f"/v1/escalations/{matter['id']}/explanations"

    answers = await asyncio.gather(
        *(world.admin.post(place, json=EXPLANATION) for _ in range(8))
    )

    assert sorted(a.status_code for a in answers) == [201, *[409] * 7]
    assert changes(await whole(world, matter)) == ["opened", "explained"]


async def test_where_nothing_is_owed_nothing_can_be_handed_in(world: World) -> None:
    await sent(world, over_a_year(15))
    (matter,) = await matters(world.admin)

    answer = await world.admin.post(
        f"/v1/escalations/{matter['id']}/explanations", json=EXPLANATION
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_owed")
    assert (await whole(world, matter))["state"] == "open"


async def test_a_closed_matter_cannot_be_acknowledged(world: World) -> None:
    await sent(world, over_a_year(15))
    (matter,) = await matters(world.admin)
    await sent(world, over_a_year(0))

    answer = await world.admin.post(f"/v1/escalations/{matter['id']}/acknowledge")

    assert (answer.status_code, answer.json()["state"]) == (409, "closed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"causes": []}, "/causes", id="no cause"),
        pytest.param({"causes": ["Dịch bệnh"]}, "/causes/0", id="a cause is a code"),
        pytest.param({"text": ""}, "/text", id="no text"),
        pytest.param({"text": "a\x00b"}, "/text", id="NUL"),
        pytest.param({"remedies": [{"text": "x"}]}, "/remedies/0/by", id="a remedy without a day"),
        pytest.param({"attachments": ["file:///etc/passwd"]}, "/attachments/0", id="no link"),
        pytest.param({"state": "closed"}, "/state", id="a field that is not asked for"),
    ],
)  # fmt: skip
async def test_a_bad_explanation_is_refused_by_pointer(
    still_world: World, body: dict[str, Any], pointer: str
) -> None:
    answer = await still_world.admin.post(
        "/v1/escalations/any/explanations", json={**EXPLANATION, **body}
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


# Deadlines -----------------------------------------------------------------------------


async def test_it_is_overdue_from_the_first_instant_after_its_day(world: World) -> None:
    matter = await below_last_year(world)

    await clock_at(world, "2022-03-15T23:59:00+07:00")
    in_time = await whole(world, matter)
    listed_in_time = await matters(world.admin, overdue="true")
    await clock_at(world, "2022-03-16T00:00:00+07:00")
    late = await whole(world, matter)

    assert (in_time["overdue"], late["overdue"]) == (False, True)
    assert listed_in_time == []
    assert [m["id"] for m in await matters(world.admin, overdue="true")] == [matter["id"]]  # fmt: skip
    assert await matters(world.admin, overdue="false") == []
    assert (late["level"], late["addressed_to"]) == (0, "A")


async def test_what_is_explained_is_not_overdue(world: World) -> None:
    matter = await below_last_year(world)
    place = f"/v1/escalations/{matter['id']}/explanations"

    await clock_at(world, "2022-03-20T00:00:00+07:00")
    late = await whole(world, matter)
    await world.admin.post(place, json=EXPLANATION)
    after = await whole(world, matter)

    assert (late["overdue"], after["overdue"]) == (True, False)
    assert await matters(world.admin, overdue="true") == []


async def test_a_matter_that_opens_after_its_deadline_is_overdue_at_once(
    world: World,
) -> None:
    await clock_at(world, "2022-06-01T08:00:00+07:00")

    matter = await below_last_year(world)

    assert (matter["overdue"], matter["level"]) == (True, 0)
    assert matter["due"]["on"] == "2022-03-15"


async def test_where_nothing_is_owed_nothing_is_overdue(world: World) -> None:
    await sent(world, over_a_year(15))
    await clock_at(world, "2030-01-01T00:00:00+07:00")

    (matter,) = await matters(world.admin)

    assert matter["overdue"] is False
    assert await matters(world.admin, overdue="true") == []


# Who sees and reaches what -------------------------------------------------------------


async def test_a_matter_outside_the_subtree_is_one_that_does_not_exist(
    world: World,
) -> None:
    matter = await below_last_year(world)
    outsider = await world.client("admin", under="B")

    async def answers(id: str) -> list[tuple[int, str]]:
        place = f"/v1/escalations/{id}"
        got = [
            await outsider.get(place),
            await outsider.post(f"{place}/acknowledge"),
            await outsider.post(f"{place}/explanations", json=EXPLANATION),
        ]
        return [(a.status_code, a.text.replace(id, "?")) for a in got]

    assert await answers(matter["id"]) == await answers("esc_nothing")
    assert {status for status, _ in await answers(matter["id"])} == {404}
    assert await matters(outsider, under="B") == []
    assert changes(await whole(world, matter)) == ["opened"]


async def test_each_level_sees_its_own_and_what_lies_below(world: World) -> None:
    await sent(world, *(over_a_year(3, unit) for unit in ("A", "A1", "B", "B1")))

    seen = {
        under: {m["unit"] for m in await matters(await world.client("analyst", under=under), under=under)}
        for under in ("VN", "A", "A1", "B1")
    }  # fmt: skip

    assert seen == {"VN": {"A", "A1", "B", "B1"}, "A": {"A", "A1"}, "A1": {"A1"}, "B1": {"B1"}}  # fmt: skip


async def test_a_list_is_filtered_and_paged(world: World) -> None:
    await sent(world, *(over_a_year(3, unit) for unit in ("A", "A1", "B", "B1")))
    await sent(world, rate("45.00", "B", LAST_MAY))

    async def units(**query: str) -> list[str]:
        return sorted(m["unit"] for m in await matters(world.admin, **query))

    assert await units(under="A") == ["A", "A1"]
    assert await units(unit="A") == ["A"]
    assert await units(unit="A", under="B") == []
    assert await units(severity="low") == ["A", "A1", "B", "B1"]
    assert await units(severity="critical") == []
    assert await units(state="closed") == []
    assert await units(rule=OVER_A_YEAR) == ["A", "A1", "B", "B1"]
    pages, cursor = [], None
    while True:
        query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = (await world.admin.get("/v1/escalations", params=query)).json()
        pages.append([m["id"] for m in page["items"]])
        cursor = page["next"]
        if cursor is None:
            break
    assert [len(page) for page in pages] == [3, 1]
    assert [id for page in pages for id in page] == [
        m["id"] for m in await matters(world.admin)
    ]


@pytest.mark.parametrize(
    "cursor", ["!", "WyJ4IiwgInkiXQ", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzA3OjAwIiwgInkiXQ"]
)
async def test_a_cursor_of_no_list_is_refused(still_world: World, cursor: str) -> None:
    answer = await still_world.admin.get(f"/v1/escalations?cursor={cursor}")

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


async def test_a_supervisor_reaches_only_what_lies_strictly_below(
    still_world: World,
) -> None:
    units = ("VN", "A", "A1", "B", "B1")
    await scored(still_world, *(over_a_year(3, unit) for unit in units))

    async def reached(*roles: str, under: str) -> set[str]:
        client = await still_world.client(*roles, under=under)
        answer = await client.post("/v1/evaluations", json={"period": MAY, "dry_run": True})  # fmt: skip
        assert answer.status_code == 200, answer.text
        return {fired["unit"] for fired in answer.json()["fired"]}

    assert await reached("supervisor", under="VN") == {"A", "A1", "B", "B1"}
    assert await reached("supervisor", under="A") == {"A1"}
    assert await reached("supervisor", under="A1") == set()
    assert await reached("admin", under="VN") == {"VN", "A", "A1", "B", "B1"}
    assert await reached("admin", under="A") == {"A", "A1"}


async def test_what_a_supervisor_judges_leaves_the_others_as_they_were(
    still_world: World,
) -> None:
    await scored(still_world, *(over_a_year(3, unit) for unit in ("A", "A1", "B1")))
    await evaluated(still_world)
    await scored(still_world, *(over_a_year(0, unit) for unit in ("A", "A1", "B1")))
    supervisor = await still_world.client("supervisor", under="A")

    answer = await supervisor.post("/v1/evaluations", json={"period": MAY})

    assert answer.json()["closed"] == 1
    states = {m["unit"]: m["state"] for m in await matters(still_world.admin)}
    assert states == {"A": "open", "A1": "closed", "B1": "open"}
    verdicts = (await still_world.admin.get(f"/v1/decisions?period={MAY}&rule={OVER_A_YEAR}")).json()["items"]  # fmt: skip
    judged = {v["unit"]: v["verdict"] for v in verdicts}
    assert {unit: judged[unit] for unit in states} == {"A": "fired", "A1": "silent", "B1": "fired"}  # fmt: skip
    (matter,) = await matters(still_world.admin, unit="A1")
    actor = (await whole(still_world, matter))["history"][-1]["actor"]
    assert actor == supervisor.headers["authorization"].split("_")[2]


# Judging to see ------------------------------------------------------------------------


async def everything(world: World) -> dict[str, str]:
    """Every table of ours with a sum of all that stands in it."""
    tables = await world.owner.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
        " WHERE schemaname IN ('platform', 'ingest', 'scoring', 'alerts')"
    )
    return {
        row["name"]: await world.owner.fetchval(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY"
            f" t::text)), '') FROM {row['name']} t"
        )
        for row in tables
    }


async def test_a_dry_run_says_what_would_be_and_leaves_nothing(
    still_world: World,
) -> None:
    await scored(still_world, rate("45.00", period=LAST_MAY), rate("41.54"), over_a_year(9))  # fmt: skip
    before = await everything(still_world)

    seen = await evaluated(still_world, dry_run=True)

    assert (seen["opened"], len(seen["fired"])) == (2, 2)
    assert await everything(still_world) == before
    assert len(before) > 15
    done = await evaluated(still_world)
    assert {**seen, "evaluation": ""} == {**done, "evaluation": ""}
    assert await everything(still_world) != before


async def test_judging_by_one_rule_leaves_the_others(still_world: World) -> None:
    await scored(still_world, rate("45.00", period=LAST_MAY), rate("41.54"), over_a_year(9))  # fmt: skip

    seen = await evaluated(still_world, rules=[OVER_A_YEAR])

    assert {fired["rule"] for fired in seen["fired"]} == {OVER_A_YEAR}
    assert [m["rule"]["id"] for m in await matters(still_world.admin)] == [OVER_A_YEAR]


async def test_a_missing_figure_is_held_not_guessed(still_world: World) -> None:
    await scored(still_world, rate("41.54"))

    seen = await evaluated(still_world)

    assert seen["fired"] == []
    held = [h for h in seen["held"] if h["rule"] == BELOW]
    assert [(h["unit"], h["missing"]) for h in held] == [("A", ["last_year.rate"])]
    assert await matters(still_world.admin) == []
    verdicts = (await still_world.admin.get(f"/v1/decisions?period={MAY}&verdict=held&rule={BELOW}")).json()["items"]  # fmt: skip
    assert [(v["unit"], v["rule"]["id"]) for v in verdicts] == [("A", BELOW)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"period": "2022M13"}, id="no period"),
        pytest.param({"period": MAY, "at": "9999-12-31"}, id="where calendars end"),
        pytest.param({"period": MAY, "at": "0001-01-01"}, id="where they begin"),
        pytest.param({"period": MAY, "rules": []}, id="no rule"),
        pytest.param({"period": MAY, "dry_run": "yes"}, id="a loose flag"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(
    still_world: World, body: dict[str, Any]
) -> None:
    answer = await still_world.admin.post("/v1/evaluations", json=body)

    assert answer.status_code == 422
