"""Whatever units become, nothing of their figures is lost and nothing counts twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.database import Row
from libs.common.periods import Period
from services.scoring import behind, computing
from tests.support.databases import Stage, stage

pytestmark = pytest.mark.anyio

CELLS = (("cases", "all"), ("cases", "credit"), ("money", "all"))
FIRST, SINCE = date(2010, 1, 1), date(2021, 6, 1)
NOW = datetime(2022, 3, 8, tzinfo=UTC)
COUNTS = st.integers(0, 10**12)


@dataclass
class Change:
    """One unit split by shares, several merged, or one that became another."""

    effective: date
    ends: list[str]
    begins: list[str]
    shares: list[Decimal | None]


@dataclass
class History:
    """Units with the days they stand, what became of them, and a year-old cut."""

    born: dict[str, date]
    ended: dict[str, date] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    had: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)

    @property
    def standing(self) -> list[str]:
        return [code for code in self.born if code not in self.ended]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Chains of up to five changes between one cut and the same cut a year later."""
    at_first = [f"P{n}" for n in range(draw(st.integers(1, 5)))]
    history = History(dict.fromkeys(at_first, FIRST))
    for step in range(draw(st.integers(0, 5))):
        day = SINCE + timedelta(days=30 * step)
        ends = draw(st.sets(st.sampled_from(history.standing), min_size=1, max_size=3))
        into = draw(st.integers(1, 3)) if len(ends) == 1 else 1
        cuts = sorted(
            draw(st.sets(st.integers(1, 99), min_size=into - 1, max_size=into - 1))
        )
        parts = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
        begins = [f"S{step}{n}" for n in range(into)]
        shares = [Decimal(p) / 100 if into > 1 else None for p in parts]
        history.changes.append(Change(day, sorted(ends), begins, shares))
        history.ended |= dict.fromkeys(ends, day)
        history.born |= dict.fromkeys(begins, day)
    for unit in at_first:
        for cell in CELLS:
            enforceable = draw(COUNTS)
            history.had[unit, *cell] = (draw(st.integers(0, enforceable)), enforceable)
    return history


async def _restated(world_of: Stage, history: History) -> list[Row]:
    """Each standing unit's last year as scoring computes it; nothing is kept."""
    owner = world_of.world.owner
    figures = [
        (period, *cell, done, enforceable)
        for period, rows in (
            ("2021M05", history.had),
            ("2022M05", {(u, *c): (1, 2) for u in history.standing for c in CELLS}),
        )
        for cell, (done, enforceable) in rows.items()
    ]
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.executemany(
            "INSERT INTO ingest.unit (code, valid_from, valid_to, name, name_sort, kind,"
            " parent, aliases, codes) VALUES ($1, $2, $3, $1, $1, 'province', 'VN', '{}', '[]')",
            [(c, day, history.ended.get(c)) for c, day in history.born.items()],
        )
        await owner.executemany(
            "INSERT INTO ingest.lineage (predecessor, successor, effective, share,"
            " document, author, recorded_at) VALUES ($1, $2, $3, $4, '{}', 'test', $5)",
            [
                (end, begin, change.effective, share, NOW)
                for change in history.changes
                for end in change.ends
                for begin, share in zip(change.begins, change.shares, strict=True)
            ],
        )
        await owner.executemany(
            "INSERT INTO ingest.figure (period, unit, measure, category, revision,"
            " received_at, done, enforceable) VALUES ($1, $2, $3, $4, 1, $7, $5, $6)",
            [(*row, NOW) for row in figures],
        )
        await computing.compute(owner, Period.parse("2022M05"), [])
        return await owner.fetch("SELECT * FROM pg_temp.computed WHERE unit <> 'VN'")
    finally:
        await transaction.rollback()


@pytest.fixture(scope="module")
async def empty(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "conservation") as made:
        yield made


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories())
async def test_sums_before_are_sums_after(empty: Stage, history: History) -> None:
    found = await _restated(empty, history)

    for measure, category in CELLS:
        cell = (measure, category)
        rows = [r for r in found if (r["measure"], r["category"]) == cell]
        before = [had for (_, *at), had in history.had.items() if tuple(at) == cell]
        assert sorted(r["unit"] for r in rows) == sorted(history.standing)
        assert sum(r["last_done"] for r in rows) == sum(done for done, _ in before)
        assert sum(r["last_enforceable"] for r in rows) == sum(e for _, e in before)
    for row in found:
        basis = "as_reported" if row["unit"].startswith("P") else "restated"
        assert row["last_basis"] == (basis if row["last_enforceable"] else None)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories(), which=st.integers(0, 4))
async def test_where_one_part_is_missing_nothing_is_restated_of_it(
    empty: Stage, history: History, which: int
) -> None:
    had = sorted({unit for unit, *_ in history.had})
    lost = had[which % len(had)]
    history.had = {cell: had for cell, had in history.had.items() if cell[0] != lost}
    heirs = {lost}
    for change in history.changes:
        if heirs & set(change.ends):
            heirs |= set(change.begins)

    for row in await _restated(empty, history):
        if row["unit"] in heirs:
            assert (row["last_done"], row["last_basis"]) == (None, None)


HAD = st.none() | st.just("a rate") | COUNTS.map(lambda n: (n // 2, n))
"""What a unit reported of the year before: nothing, a rate alone, or its counts."""
BELOW = {"P0": "VN", "P0-A": "P0", "P0-B": "P0", "P0-B1": "P0-B", "P1": "VN"}


async def _explained(
    world_of: Stage, had: dict[str, str | tuple[int, int] | None]
) -> tuple[Row, list[Row]]:
    """The card of what P0 and P1 became, and what is shown of these two."""
    owner, period = world_of.world.owner, Period.parse("2022M05")
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.executemany(
            "INSERT INTO ingest.unit (code, valid_from, valid_to, name, name_sort, kind,"
            " parent, aliases, codes) VALUES ($1, $2, $3, $1, $1, 'other', $4, '{}', '[]')",
            [(unit, FIRST, SINCE, parent) for unit, parent in BELOW.items()]
            + [("S", SINCE, None, "VN")],
        )
        await owner.executemany(
            "INSERT INTO ingest.lineage (predecessor, successor, effective, document,"
            " author, recorded_at) VALUES ($1, 'S', $2, '{}', 'test', $3)",
            [(part, SINCE, NOW) for part in ("P0", "P1")],
        )
        rows = {("2022M05", "S"): (1, 2)} | {("2021M05", u): h for u, h in had.items()}
        await owner.executemany(
            "INSERT INTO ingest.figure (period, unit, measure, category, revision,"
            " received_at, done, enforceable, published_rate)"
            " VALUES ($1, $2, 'cases', 'all', 1, $3, $4, $5, $6)",
            [
                (*of, NOW, *(h if isinstance(h, tuple) else (None, None)), rate)
                for of, h in rows.items()
                if h is not None
                for rate in [Decimal("50.00") if h == "a rate" else None]
            ],
        )
        await computing.compute(owner, period, [])
        card = await owner.fetchrow("SELECT * FROM pg_temp.computed WHERE unit = 'S'")
        assert card is not None
        cell = [("cases", "all")]
        return card, await behind.predecessors_of(owner, "S", period, cell)
    finally:
        await transaction.rollback()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(had=st.fixed_dictionaries(dict.fromkeys(BELOW, HAD)))
async def test_the_parts_that_are_shown_are_those_that_were_summed(
    empty: Stage, had: dict[str, str | tuple[int, int] | None]
) -> None:
    card, parts = await _explained(empty, had)

    assert [part["part"] for part in parts] == ["P0", "P1"]
    missing = [part["why"] for part in parts if part["why"]]
    assert (card["last_why"] == "predecessors_missing") == bool(missing)
    if not missing:
        assert card["last_done"] == sum(part["done"] for part in parts)
        assert card["last_enforceable"] == sum(part["enforceable"] for part in parts)
