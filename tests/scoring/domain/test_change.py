"""What a change is made of: two parts that add up to what is published."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT, published
from services.scoring.domain.change import LARGEST_EFFECT, Counts, Effects, effects

numbers = st.one_of(st.integers(0, 300), st.integers(0, LARGEST_COUNT))
sides = (
    st.tuples(numbers, numbers)
    .map(sorted)
    .filter(lambda pair: pair[1] > 0)
    .map(lambda pair: Counts(*pair))
)


def points(now: Counts, last: Counts) -> Decimal:
    one, other = (
        published(now.done, now.enforceable),
        published(last.done, last.enforceable),
    )
    assert one is not None
    assert other is not None
    return one - other


@given(sides, sides)
def test_the_parts_add_up_to_the_published_points(now: Counts, last: Counts) -> None:
    found = effects(points(now, last), now, last)

    if found is not None:
        assert found.numerator + found.denominator == points(now, last)


@given(sides, sides)
def test_the_part_of_finishing_is_the_mean_of_both_orders(
    now: Counts, last: Counts
) -> None:
    more = 100 * (now.done - last.done)
    exact = (Fraction(more, now.enforceable) + Fraction(more, last.enforceable)) / 2

    found = effects(points(now, last), now, last)

    if found is None:
        assert abs(exact) > LARGEST_EFFECT - 1
    else:
        assert abs(Fraction(found.numerator) - exact) <= Fraction(1, 200)


@given(sides, sides)
def test_seen_from_the_other_side_finishing_counts_the_other_way(
    now: Counts, last: Counts
) -> None:
    there, back = (
        effects(points(now, last), now, last),
        effects(points(last, now), last, now),
    )

    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.numerator == -back.numerator
        assert there.denominator_share == back.denominator_share


@pytest.mark.parametrize(
    ("now", "last", "found", "share"),
    [
        pytest.param(
            (60, 100), (50, 100), ("10.00", "0.00"), "0.00", id="only finishing"
        ),
        pytest.param(
            (50, 80),
            (50, 100),
            ("0.00", "12.50"),
            "100.00",
            id="only a smaller denominator",
        ),
        pytest.param(
            (60, 120),
            (50, 100),
            ("9.17", "-9.17"),
            "50.00",
            id="both, and nothing changed",
        ),
        pytest.param((5, 10), (5, 10), ("0.00", "0.00"), None, id="nothing moved"),
    ],
)
def test_examples(
    now: tuple[int, int],
    last: tuple[int, int],
    found: tuple[str, str],
    share: str | None,
) -> None:
    one, other = Counts(*now), Counts(*last)

    split = effects(points(one, other), one, other)

    assert split == Effects(Decimal(found[0]), Decimal(found[1]))
    assert split.denominator_share == (None if share is None else Decimal(share))


@pytest.mark.anyio
async def test_the_database_splits_as_we_do(url: str) -> None:
    sides = [
        (3, 7),
        (0, 5),
        (2**53 - 2, 2**53 - 1),
        (1, 3),
        (9, 9),
        (10**14, 3 * 10**14),
    ]
    connection = await asyncpg.connect(url)
    try:
        for now in sides:
            for last in sides:
                found = effects(Decimal(0), Counts(*now), Counts(*last))
                stored = await connection.fetchval(
                    "SELECT scoring.change_effect($1, $2, $3, $4)", *now, *last
                )
                assert found is None or found.numerator == stored
    finally:
        await connection.close()
