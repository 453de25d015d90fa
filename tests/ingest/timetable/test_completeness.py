"""Obligations against what came: on time or late, never above 100 %."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.clock import VIETNAM
from libs.common.obligations import Obligation, State, returned
from libs.common.periods import Period
from libs.common.working_days import working_days
from tests.support.world import World

pytestmark = pytest.mark.anyio

FEBRUARY = Period("2022M05")
CELLS = (("cases", "all"), ("money", "all"))


def obligation(**more: Any) -> Obligation:
    given: dict[str, Any] = {
        "name": "o", "kind": "province", "under": "VN", "months": tuple(range(1, 13)),
        "cells": CELLS, "within": 4, "valid_from": date(2020, 1, 5), "valid_to": None,
    }  # fmt: skip
    return Obligation(**{**given, **more})


@pytest.mark.parametrize(
    ("within", "due"),
    [(1, date(2022, 3, 1)), (2, date(2022, 3, 2)), (4, date(2022, 3, 4))],
    ids=["enforcer", "office", "province"],
)
def test_deadlines_of_circular_06_2019(within: int, due: date) -> None:
    """Working days after the period's end: 1 for an enforcer, 2, 4 for a province."""
    assert obligation(within=within).due_on(FEBRUARY, working_days()) == due


@pytest.mark.parametrize(
    ("more", "period", "binds"),
    [
        ({}, "2022M05", True),
        ({"months": (3, 6, 10, 12)}, "2022M05", False),
        ({"months": (3, 6, 10, 12)}, "2022M06", True),
        ({}, "2022-03-05", False),
        ({"valid_from": date(2022, 3, 1)}, "2022M05", False),
        ({"valid_to": date(2022, 2, 28)}, "2022M05", False),
    ],
    ids=["every month", "not that month", "that month", "an ad hoc day", "not yet", "no more"],
)  # fmt: skip
def test_who_is_bound_when(more: Any, period: str, binds: bool) -> None:
    assert obligation(**more).binds(Period(period)) is binds


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2022, 3, day, hour, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("came", "now", "state"),
    [
        ({CELLS[0]: at(3), CELLS[1]: at(4, 23)}, at(9), State.ON_TIME),
        ({CELLS[0]: at(3), CELLS[1]: at(5, 0)}, at(9), State.LATE),
        ({CELLS[0]: at(3)}, at(4, 23), State.AWAITED),
        ({CELLS[0]: at(3)}, at(5, 0), State.MISSING),
        ({}, at(9), State.MISSING),
    ],
    ids=["its last hour", "the next morning", "still time", "half of it", "nothing"],
)
def test_the_last_row_decides(came: Any, now: datetime, state: State) -> None:
    found = returned(obligation(), "A", date(2022, 3, 4), came, now)

    assert found.state is state
    assert set(found.lacks) == set(CELLS) - came.keys()


@given(
    came=st.dictionaries(
        st.sampled_from([*CELLS, ("cases", "credit")]),
        st.integers(0, 500).map(lambda h: at(1) + timedelta(hours=h)),
    ),
    hours=st.integers(0, 500),
)
def test_what_is_complete_lacks_nothing_and_what_lacks_is_not_complete(
    came: Any, hours: int
) -> None:
    found = returned(
        obligation(), "A", date(2022, 3, 4), came, at(1) + timedelta(hours=hours)
    )

    assert (found.complete_at is None) == bool(found.lacks)
    assert (found.state in (State.AWAITED, State.MISSING)) == bool(found.lacks)


# Over HTTP ---------------------------------------------------------------------------

MONTHLY = {
    "name": "province-monthly",
    "kind": "province",
    "months": list(range(1, 13)),
    "rows": [{"measure": "cases"}],
    "within_working_days": 4,
    "valid_from": "2020-01-05",
    "document": {"number": "06/2019/TT-BTP", "date": "2019-11-21"},
}


def unit(
    code: str, parent: str = "VN", kind: str = "province", **more: str
) -> dict[str, Any]:
    return {
        "code": code,
        "name": code,
        "kind": kind,
        "parent": parent,
        "valid_from": "2010-01-01",
        **more,
    }


@pytest.fixture
async def three(still_world: World) -> World:
    """A reported, B only money, C nothing; D ended before. It is 8 March 2022."""
    units = [
        *(unit(c) for c in "ABC"),
        unit("D", valid_to="2021-01-01"),
        unit("A1", "A", "office"),
    ]
    await still_world.admin.put("/v1/units", json={"units": units})
    await still_world.report(
        {
            "unit": "A",
            "period": "2022M05",
            "figures": [{"measure": "cases", "enforceable": 9, "done": 1}],
        },
        {
            "unit": "B",
            "period": "2022M05",
            "figures": [{"measure": "money", "published_rate": "1.00"}],
        },
    )
    return still_world


async def complete(client: Any, **query: str) -> Any:
    answer = await client.get("/v1/completeness", params={"period": "2022M05", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def oblige(world: World, *rows: dict[str, Any]) -> Any:
    return await world.admin.put("/v1/obligations", json={"obligations": list(rows)})


async def test_nobody_owes_a_report_until_an_obligation_says_so(three: World) -> None:
    shown = await complete(three.admin)

    assert (shown["expected"], shown["received_share"], shown["items"]) == (0, None, [])


async def test_what_was_owed_against_what_came(three: World) -> None:
    await oblige(three, MONTHLY)

    shown = await complete(three.admin)

    assert [(i["unit"], i["state"], i["due_on"]) for i in shown["items"]] == [
        ("A", "late", "2022-03-04"),
        ("B", "missing", "2022-03-04"),
        ("C", "missing", "2022-03-04"),
    ]
    assert shown["items"][1]["lacks"] == [{"measure": "cases", "category": "all"}]
    assert (shown["expected"], shown["received"], shown["received_share"]) == (
        3,
        1,
        "33.33",
    )
    assert shown["on_time_share"] == "0.00"


async def test_what_was_owed_and_had_come_is_as_it_was_known_then(
    three: World,
) -> None:
    """On 8 March 8 days were given; on the 9th they became 4, and C reported."""
    await oblige(three, {**MONTHLY, "within_working_days": 8})
    then = await complete(three.admin)
    await three.admin.put("/v1/clock", json={"now": "2022-03-09T08:00:00+07:00"})
    await oblige(three, MONTHLY)
    figures = [{"measure": "cases", "enforceable": 9, "done": 1}]
    await three.report({"unit": "C", "period": "2022M05", "figures": figures})
    days = [{"day": "2022-03-01", "works": False, "name": "illustrative"}]
    await three.admin.put("/v1/calendar/2022", json={"days": days})

    again = await complete(three.admin, known_at="2022-03-08")
    now = await complete(three.admin)
    earlier = await complete(three.admin, known_at="2022-03-07")

    assert again == then
    assert [i["state"] for i in then["items"]] == ["on_time", "awaited", "awaited"]
    assert [i["state"] for i in now["items"]] == ["late", "missing", "late"]
    assert earlier["expected"] == 0
    shown = await three.admin.get("/v1/obligations", params={"known_at": "2022-03-08"})
    assert [o["within_working_days"] for o in shown.json()["items"]] == [8]


async def test_a_swap_day_moves_the_deadline(three: World) -> None:
    """With 1 to 4 March off by decree and Saturday 5 March worked, the 8th is in time."""
    await oblige(three, MONTHLY)
    days = [
        {"day": f"2022-03-0{n}", "works": False, "name": "illustrative"}
        for n in range(1, 5)
    ]
    days.append({"day": "2022-03-05", "works": True, "name": "illustrative"})
    answer = await three.admin.put("/v1/calendar/2022", json={"days": days})
    assert {d["day"]: d["works"] for d in answer.json()["days"]}["2022-03-05"] is True

    shown = await complete(three.admin, state="on_time")

    assert [(i["unit"], i["due_on"]) for i in shown["items"]] == [("A", "2022-03-09")]
    assert shown["expected"] == 3


async def test_a_decree_taken_back_leaves_the_weekday_to_speak(three: World) -> None:
    day = {"day": "2022-03-01", "works": False, "name": "illustrative"}
    await three.admin.put("/v1/calendar/2022", json={"days": [day]})
    off = {"days": [{**day, "works": True}]}

    changed = (await three.admin.put("/v1/calendar/2022", json=off)).json()
    emptied = (await three.admin.put("/v1/calendar/2022", json={"days": []})).json()

    assert [d["works"] for d in changed["days"] if d["day"] == "2022-03-01"] == [True]
    assert "2022-03-01" not in {d["day"] for d in emptied["days"]}
    assert await three.owner.fetchval("SELECT count(*) FROM ingest.calendar_day") == 3


async def test_a_key_counts_what_it_sees(three: World) -> None:
    await oblige(three, MONTHLY)
    a = await three.client("analyst", under="A")

    shown = await complete(a)

    assert (shown["expected"], shown["received_share"]) == (1, "100.00")
    assert (await a.get("/v1/completeness?period=2022M05&under=B")).status_code == 404


async def test_pages_of_a_completeness_are_one_list(three: World) -> None:
    await oblige(three, MONTHLY)
    first = await complete(three.admin, limit="2")

    rest = await complete(three.admin, limit="2", cursor=first["next"])

    assert [i["unit"] for i in (*first["items"], *rest["items"])] == ["A", "B", "C"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("rows", "pointer", "code"),
    [
        ([{**MONTHLY, "under": "X"}], "/obligations/0/under", "unknown_unit"),
        ([{**MONTHLY, "valid_to": "2020-01-05"}], "/obligations/0/valid_to", "bad_interval"),
        ([MONTHLY, {**MONTHLY, "valid_from": "2021-01-01"}], "/obligations/1/valid_from", "overlap"),
        ([MONTHLY, MONTHLY], "/obligations/1/valid_from", "overlap"),
        ([{**MONTHLY, "months": [13]}], "/obligations/0/months/0", "out_of_range"),
        ([{**MONTHLY, "rows": []}], "/obligations/0/rows", "bad_size"),
    ],
    ids=["unknown unit", "ends before it begins", "overlap", "twice", "month 13", "no rows"],
)  # fmt: skip
async def test_bad_obligations_say_what_is_wrong(
    three: World, rows: list[Any], pointer: str, code: str
) -> None:
    answer = await oblige(three, *rows)

    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        (pointer, code)
    ]
    assert (await three.admin.get("/v1/obligations")).json()["items"] == []


async def test_obligations_are_upserted_and_listed(three: World) -> None:
    await oblige(three, MONTHLY)
    ended = {**MONTHLY, "valid_to": "2024-07-26"}
    later = {**MONTHLY, "valid_from": "2024-07-26", "within_working_days": 3}

    counts = (await oblige(three, ended, later)).json()
    again = (await oblige(three, ended, later)).json()
    listed = (await three.admin.get("/v1/obligations")).json()["items"]

    assert counts == {"created": 1, "updated": 1, "unchanged": 0}
    assert again == {"created": 0, "updated": 0, "unchanged": 2}
    assert [(o["valid_from"], o["within_working_days"]) for o in listed] == [
        ("2020-01-05", 4),
        ("2024-07-26", 3),
    ]


async def test_a_steward_neither_takes_nor_sees_the_obligations_of_others(
    three: World,
) -> None:
    await oblige(
        three, {**MONTHLY, "name": "a-offices", "kind": "office", "under": "A"}
    )
    b = await three.client("steward", under="B")

    taken = await b.put(
        "/v1/obligations",
        json={
            "obligations": [
                {
                    **MONTHLY,
                    "name": "a-offices",
                    "valid_from": "2010-01-01",
                    "valid_to": "2011-01-01",
                    "under": "B",
                }
            ]
        },
    )

    assert [e["code"] for e in taken.json()["errors"]] == ["name_taken"]
    assert (await b.get("/v1/obligations")).json()["items"] == []


@pytest.mark.parametrize(
    ("days", "pointer"),
    [
        ([{"day": "2023-05-04", "works": True, "name": "n"}], "/days/0/day"),
        ([{"day": "2022-05-04", "works": True, "name": "n"}] * 2, "/days/0/day"),
    ],
    ids=["another year", "a day twice"],
)
async def test_bad_calendars_are_refused(three: World, days: Any, pointer: str) -> None:
    answer = await three.admin.put("/v1/calendar/2022", json={"days": days})

    assert answer.status_code == 422
    if "2023" in days[0]["day"]:
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_the_calendar_is_everyones_so_only_the_root_decrees(three: World) -> None:
    steward = await three.client("steward", under="A")

    assert (
        await steward.put("/v1/calendar/2022", json={"days": []})
    ).status_code == 403
    shown = (await steward.get("/v1/calendar/2022")).json()
    assert {"day": "2022-09-02", "works": False}.items() <= {
        d["day"]: d for d in shown["days"]
    }["2022-09-02"].items()
