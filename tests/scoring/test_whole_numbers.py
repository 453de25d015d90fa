"""Shares and movements in whole numbers are rounded as exact fractions are."""

from __future__ import annotations

from fractions import Fraction

import asyncpg
import pytest

from libs.common.figures import LARGEST_COUNT, hundredths

pytestmark = pytest.mark.anyio

MOST = 10**15
"""No movement counts for more ten thousandths than these."""

EDGES = (
    *(0, 1, 2, 3, 7, 199, 200, 20_000, 399_999_999_999_999, 400_000_000_000_000),
    *(400_000_000_000_001, 3_999_999_999_999, 4_000_000_000_000, 4_000_000_000_001),
    *(LARGEST_COUNT - 1, LARGEST_COUNT),
)


def rounded(part: int, whole: int) -> int:
    """Half away from zero, and never more than MOST."""
    exact = Fraction(1_000_000 * abs(part), whole) + Fraction(1, 2)
    return min(MOST, int(exact)) * (-1 if part < 0 else 1)


async def test_sql_rounds_like_exact_fractions(url: str) -> None:
    parts = [sign * part for part in EDGES for sign in (1, -1)]
    pairs = [(part, whole) for part in parts for whole in EDGES]
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT part, whole, scoring.ten_thousandths(part, whole) AS moved,"
            " CASE WHEN part BETWEEN 0 AND whole THEN scoring.hundredths(part, whole)"
            " END AS share FROM unnest($1::bigint[], $2::bigint[]) AS p (part, whole)",
            [part for part, _ in pairs],
            [whole for _, whole in pairs],
        )
    finally:
        await connection.close()
    for part, whole, moved, share in rows:
        assert moved == (rounded(part, whole) if whole else None)
        if 0 <= part <= whole:
            assert share == hundredths(part, whole)


async def test_what_is_unknown_moved_by_nobody_knows_what(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "SELECT scoring.ten_thousandths(NULL, 5), scoring.ten_thousandths(5, NULL),"
            " scoring.hundredths(NULL, 5), scoring.hundredths(5, NULL)"
        )
    finally:
        await connection.close()
    assert row is not None
    assert set(row) == {None}
