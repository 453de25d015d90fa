"""Asking whole columns is only ever quicker, never kinder, than asking row by row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.columnwise import all_hold
from services.ingest.domain.forms import contradictions, form_on
from services.ingest.domain.reports import COLUMNS, Row, faults_of_row

OLD, NEW = date(2015, 12, 31), date(2022, 2, 28)
COMPLETE = {
    "carried_over": 700,
    "newly_accepted": 300,
    "total_accepted": 1000,
    "entrusted": 40,
    "withdrawn": 0,
    "to_enforce": 960,
    "not_enforceable": 160,
    "enforceable": 800,
    "completed": 90,
    "terminated": 10,
    "in_progress": 700,
}


def row(counts: Mapping[str, int | None], measure: str = "cases") -> Row:
    return Row(measure, "all", tuple(counts.get(name) for name in COLUMNS), None)


# Small numbers, so that sums often come out; mostly the same columns in every row.
counts = st.one_of(st.none(), st.integers(0, 3))
rows = st.builds(
    lambda measure, given: row(dict(zip(COLUMNS, given, strict=True)), measure),
    st.sampled_from(("cases", "money", "complaints")),
    st.lists(counts, min_size=len(COLUMNS), max_size=len(COLUMNS)),
)
alike = st.builds(
    lambda rows, absent: [
        Row(
            one.measure,
            one.category,
            tuple(
                None if name in absent else count
                for name, count in zip(COLUMNS, one.counts, strict=True)
            ),
            None,
        )
        for one in rows
    ],
    st.lists(rows, min_size=1, max_size=3),
    st.sets(st.sampled_from(COLUMNS), min_size=8),
)


@given(
    st.one_of(st.lists(rows, min_size=1, max_size=3), alike),
    st.sampled_from((OLD, NEW)),
)
def test_what_holds_in_columns_holds_in_every_row(found: list[Row], end: date) -> None:
    if all_hold(found, end):
        for one in found:
            assert not list(faults_of_row(one))
            assert not contradictions(form_on(end), one)


def test_a_month_as_units_send_it_is_certain_to_hold() -> None:
    money = {name: count * 1000 for name, count in COMPLETE.items()}
    reduced = row(money | {"reduced": 5, "in_progress": 699_995}, "money")
    assert all_hold([row(COMPLETE), row(COMPLETE), reduced], NEW)


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_one_broken_row_is_enough(name: str) -> None:
    broken = COMPLETE | {name: COMPLETE[name] + 1_000}
    assert not all_hold([row(COMPLETE), row(broken)], NEW)


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_a_column_that_some_rows_lack_is_not_certain(name: str) -> None:
    lacking = row(COMPLETE | {name: None})
    assert not all_hold([row(COMPLETE), lacking], NEW)
    assert not all_hold([lacking, row(COMPLETE)], NEW)


def test_the_third_group_silences_only_the_rows_that_give_it() -> None:
    # I3b says that enforceable is at most the rest, unless the third group is given.
    counts = {"to_enforce": 10, "not_enforceable": 8, "enforceable": 9, "completed": 1}
    given = row(counts | {"postponed_suspended": 0})
    assert not all_hold([given, row(counts)], NEW)


def test_rates_and_rows_taken_back_are_asked_one_by_one() -> None:
    sound = row(COMPLETE)
    assert not all_hold([sound._replace(published_rate=Decimal("12.50"))], NEW)
    assert not all_hold([sound._replace(removed=True)], NEW)


def test_a_foreign_column_is_never_certain() -> None:
    assert all_hold([row(COMPLETE)], NEW)
    assert not all_hold([row(COMPLETE | {"reduced": 0})], NEW)
