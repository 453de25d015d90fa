"""Ranks are monotone: a better rate never stands lower, and finishing never costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.database import Row
from libs.common.periods import Period
from services.scoring import computing, store
from tests.support.databases import Stage, stage

pytestmark = pytest.mark.anyio

PERIOD = Period.parse("2022M05")
NOW = datetime(2022, 3, 8, tzinfo=UTC)
UNITS = [f"P{n}" for n in range(8)]
COUNTS = st.integers(0, 12).flatmap(
    lambda e: st.tuples(st.integers(0, e), st.just(e))
) | st.just((None, None))
"""(done, enforceable), small so that ties are common; nothing reported; no denominator."""

asked = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
async def provinces(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "monotone_ranks") as made:
        await made.world.owner.executemany(
            "INSERT INTO ingest.unit (code, valid_from, name, name_sort, kind, parent,"
            " aliases, codes) VALUES ($1, '2010-01-01', $1, $1, 'province', 'VN', '{}', '[]')",
            [(code,) for code in UNITS],
        )
        yield made


async def _ranked(
    of: Stage, counts: list[tuple[int | None, int | None]], least: int = 0
) -> list[Row]:
    owner = of.world.owner
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.executemany(
            "INSERT INTO ingest.figure (period, unit, measure, category, revision,"
            " received_at, done, enforceable)"
            " VALUES ('2022M05', $1, 'cases', 'all', 1, $4, $2, $3)",
            [
                (u, *c, NOW)
                for u, c in zip(UNITS, counts, strict=True)
                if c[1] is not None
            ],
        )
        await computing.compute(owner, PERIOD, [])
        return await store.ranking(
            owner,
            PERIOD.code,
            PERIOD.end,
            measure="cases",
            category="all",
            kind="province",
            under=UNITS,
            seen=None,
            after=0,
            limit=None,
            min_enforceable=least,
            source=store.COMPUTED,
        )
    finally:
        await transaction.rollback()


EIGHT = st.lists(COUNTS, min_size=8, max_size=8)


@asked
@given(counts=EIGHT, least=st.integers(0, 6))
async def test_down_the_list_rates_fall_and_ranks_never_do(
    provinces: Stage,
    counts: list[tuple[int | None, int | None]],
    least: int,
) -> None:
    lines = await _ranked(provinces, counts, least)

    ranked = [line for line in lines if line["rank"] is not None]
    assert lines[: len(ranked)] == ranked
    for upper, lower in pairwise(ranked):
        assert upper["rate"] >= lower["rate"]
        assert upper["rank"] <= lower["rank"]
        assert (upper["rank"] == lower["rank"]) == (upper["rate"] == lower["rate"])
    for line in ranked:
        better = [other for other in ranked if other["rate"] > line["rate"]]
        assert line["rank"] == 1 + len(better)
    small = {
        u
        for u, (_, e) in zip(UNITS, counts, strict=True)
        if e is not None and e < least
    }
    assert not small & {line["unit"] for line in ranked}


@asked
@given(counts=EIGHT)
async def test_who_has_as_much_to_enforce_is_a_peer_and_has_places_of_its_own(
    provinces: Stage, counts: list[tuple[int | None, int | None]]
) -> None:
    lines = [line for line in await _ranked(provinces, counts) if line["rank"]]

    sizes = sorted(line["enforceable"] for line in lines)
    # The last of each quarter; whoever has as much belongs to it.
    cuts = [sizes[-(-quarter * len(sizes) // 4) - 1] for quarter in (1, 2, 3) if sizes]
    for line in lines:
        assert line["size"] == 1 + sum(line["enforceable"] > cut for cut in cuts)
    for size in {line["size"] for line in lines}:
        peers = [line for line in lines if line["size"] == size]
        for line in peers:
            better = [p for p in peers if p["rate"] > line["rate"]]
            place = (1 + len(better), len(peers))
            assert (line["size_rank"], line["size_of"]) == place


@asked
@given(counts=EIGHT, chosen=st.integers(0, 7))
async def test_finishing_one_more_never_costs_a_place(
    provinces: Stage, counts: list[tuple[int | None, int | None]], chosen: int
) -> None:
    done, enforceable = counts[chosen]
    if done is None or enforceable is None or done == enforceable:
        return
    more = [*counts]
    more[chosen] = (done + 1, enforceable)

    before = {line["unit"]: line["rank"] for line in await _ranked(provinces, counts)}
    after = {line["unit"]: line["rank"] for line in await _ranked(provinces, more)}

    unit = UNITS[chosen]
    assert after[unit] <= before[unit]
    for other in before.keys() - {unit}:
        if before[other] is not None:
            assert after[other] >= before[other]
