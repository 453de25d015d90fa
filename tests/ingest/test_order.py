"""Whatever the order of batches, and however often each comes, the same figures stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count, groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.databases import Stage, stage
from tests.support.world import World

pytestmark = pytest.mark.anyio

Cell = tuple[str, str, str, str]
Sent = tuple[Cell, int]
STATE = (
    "SELECT unit, period, measure, category, enforceable, done, published_rate"
    " FROM ingest.current_figure ORDER BY 1, 2, 3, 4"
)

cells = st.tuples(
    st.sampled_from(["A", "B", "C"]),
    st.sampled_from(["2022M04", "2022M05", "2022-03-04"]),
    st.sampled_from(["cases", "money"]),
    st.sampled_from(["all", "credit"]),
)


@st.composite
def batches(
    draw: st.DrawFn,
) -> tuple[list[list[Sent]], list[tuple[int, bool]]]:
    """Cells with their figures, cut into batches; an order in which some come twice.

    Each coming has an idempotency key of its batch's, or none.
    """
    chosen = draw(st.lists(cells, min_size=1, max_size=16, unique=True))
    figures = [(cell, draw(st.integers(0, 100))) for cell in chosen]
    size = draw(st.integers(1, 6))
    cut = [figures[i : i + size] for i in range(0, len(figures), size)]
    places = list(range(len(cut)))
    again = draw(st.lists(st.sampled_from(places), max_size=3))
    order = draw(st.permutations(places + again))
    return cut, [(place, draw(st.booleans())) for place in order]


def reports(batch: Sequence[Sent]) -> Iterator[dict[str, Any]]:
    """One report for each unit and period of a batch."""
    for (unit, period), some in groupby(sorted(batch), lambda sent: sent[0][:2]):
        rows = [
            {"measure": measure, "category": category, **_figures(done)}
            for (_, _, measure, category), done in some
        ]
        yield {"unit": unit, "period": period, "figures": rows}


def _figures(done: int) -> dict[str, Any]:
    if done % 7 == 0:
        return {"published_rate": f"{done}.00"}
    return {"enforceable": 100, "done": done}


async def _end(
    world: World, run: str, cut: list[list[Sent]], order: Any
) -> tuple[Any, ...]:
    await world.owner.execute("TRUNCATE ingest.report, ingest.figure")
    for place, keyed in order:
        headers = {"idempotency-key": f"{run}-{place}"} if keyed else {}
        body = {"money_in": "vnd", "reports": list(reports(cut[place]))}
        answer = await world.admin.post("/v1/reports", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
    revisions = await world.owner.fetchval("SELECT count(*) FROM ingest.report")
    return await world.owner.fetch(STATE), revisions


@pytest.fixture(scope="module")
async def planted(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "reports_in_any_order") as made:
        unit = {"kind": "province", "parent": "VN", "valid_from": "2010-01-01"}
        units = [{"code": code, "name": code, **unit} for code in "ABC"]
        await made.world.admin.put("/v1/units", json={"units": units})
        yield made


_runs = count()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=batches())
async def test_any_order_of_batches_gives_the_same_figures_and_no_more_revisions(
    planted: Stage, drawn: tuple[list[list[Sent]], list[tuple[int, bool]]]
) -> None:
    cut, order = drawn
    run = str(next(_runs))

    in_order = await _end(
        planted.world, f"{run}a", cut, [(place, False) for place in range(len(cut))]
    )
    shuffled = await _end(planted.world, f"{run}b", cut, order)

    assert shuffled == in_order
    assert len(in_order[0]) == sum(map(len, cut))
