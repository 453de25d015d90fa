"""Whatever the order of batches, the same records end in the same state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingest.cases.sending import case, plant, sent
from tests.support.databases import Stage, stage
from tests.support.world import World

pytestmark = pytest.mark.anyio

STATE = (
    "SELECT unit, case_no, year, as_of, status, due_vnd, versions"
    " FROM ingest.enforcement_case ORDER BY unit, case_no, year"
)
RECEIVED = (
    "SELECT c.case_no, h.as_of, h.due_vnd FROM ingest.case_history h"
    " JOIN ingest.enforcement_case c ON c.id = h.case_id ORDER BY 1, 2, 3"
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[list[dict[str, Any]]], list[int]]:
    """Records of a few cases, each at a moment of its own, cut into batches; an order.

    Some batches come twice.
    """
    moments = st.tuples(st.integers(1, 4), st.integers(1, 28))
    chosen = draw(st.lists(moments, min_size=1, max_size=14, unique=True))
    records = [
        case(
            number,
            as_of=f"2022-02-{day:02d}",
            due_vnd=number * 100 + day,
            status="completed" if day % 3 == 0 else "enforceable",
        )
        for number, day in chosen
    ]
    size = draw(st.integers(1, 5))
    cut = [records[i : i + size] for i in range(0, len(records), size)]
    places = list(range(len(cut)))
    again = draw(st.lists(st.sampled_from(places), max_size=2))
    return cut, draw(st.permutations(places + again))


async def _end(world: World, cut: Any, order: Any) -> tuple[Any, Any]:
    await world.owner.execute(
        "TRUNCATE ingest.enforcement_case, ingest.case_history, ingest.case_intake"
    )
    for place in order:
        await sent(world, *cut[place])
    return await world.owner.fetch(STATE), await world.owner.fetch(RECEIVED)


@pytest.fixture(scope="module")
async def planted(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "cases_in_any_order") as made:
        await plant(made.world)
        yield made


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=batches())
async def test_any_order_of_batches_gives_the_same_state(
    planted: Stage, drawn: tuple[list[list[dict[str, Any]]], list[int]]
) -> None:
    cut, order = drawn

    in_order = await _end(planted.world, cut, range(len(cut)))
    shuffled = await _end(planted.world, cut, order)

    assert shuffled == in_order


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=batches())
async def test_one_request_with_all_gives_the_same_state(
    planted: Stage, drawn: tuple[list[list[dict[str, Any]]], list[int]]
) -> None:
    cut, order = drawn

    in_order = await _end(planted.world, cut, range(len(cut)))
    at_once = await _end(planted.world, [[r for p in order for r in cut[p]]], [0])

    assert at_once == in_order
