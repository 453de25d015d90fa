"""A scorecard row as rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from libs.common.periods import Period
from services.alerts.domain.facts import (
    COLUMNS,
    LAST_YEAR,
    PREVIOUS,
    facts_of,
    shown,
)
from services.alerts.domain.rules import TraceLeaf
from services.alerts.domain.vocabulary import VOCABULARY

PERIOD = Period.parse("2022M05")
DAY = date(2022, 3, 8)
EMPTY: Mapping[str, object] = dict.fromkeys(COLUMNS.values())


def row(**known: object) -> Mapping[str, object]:
    assert known.keys() <= EMPTY.keys()
    return {**EMPTY, **known}


def test_every_name_of_the_vocabulary_is_a_fact_known_or_not() -> None:
    facts = facts_of(row(), PERIOD, DAY)

    assert facts.keys() == VOCABULARY.keys()
    assert {name for name, value in facts.items() if value is not None} == {
        *("period.months", "period.end", "at", "days_left")
    }


@pytest.mark.parametrize(
    ("column", "stored", "name", "seen"),
    [
        pytest.param("rate", Decimal("41.54"), "rate", 4154, id="a rate in hundredths"),
        pytest.param("rate", Decimal("100.00"), "rate", 10000, id="all of it"),
        pytest.param("rate", Decimal("0"), "rate", 0, id="zero is a number"),
        pytest.param("rate", Decimal("7.5"), "rate", 750, id="however it is written"),
        pytest.param("last_points", Decimal("-3.46"), "last_year.points", -346, id="points below"),
        pytest.param("last_rate", None, "last_year.rate", None, id="unknown stays unknown"),
        pytest.param("shortfall_points", Decimal("10.60"), "shortfall.points", 1060, id="the shortfall"),
        pytest.param("target_rate", Decimal("84.05"), "target.rate", 8405, id="the target"),
        pytest.param("done", 2**53 - 1, "done", 2**53 - 1, id="a count is whole already"),
        pytest.param("met", False, "met", False, id="a flag is not a number"),
        pytest.param("unit", "BG", "unit.code", "BG", id="a code"),
        pytest.param("kind", "province", "unit.kind", "province", id="a kind"),
        pytest.param("rank_from_bottom", 1, "rank.from_bottom", 1, id="a place"),
    ],
)  # fmt: skip
def test_a_column_becomes_a_fact(
    column: str, stored: object, name: str, seen: object
) -> None:
    fact = facts_of(row(**{column: stored}), PERIOD, DAY)[name]

    assert (type(fact), fact) == (type(seen), seen)


EARLIER: Mapping[str, object] = dict.fromkeys({*PREVIOUS.values(), *LAST_YEAR.values()})


def share(enforceable: int, to_enforce: int, percent: str) -> dict[str, object]:
    return {
        "enforceable": enforceable,
        "to_enforce": to_enforce,
        "classification": Decimal(percent),
    }


def test_earlier_cuts_stand_beside_a_row() -> None:
    before = {**EARLIER, "rank_from_bottom": 5, "met": True, "done": 7}
    year = {**EARLIER, "classification": Decimal("82.08")}

    facts = facts_of(row(), PERIOD, DAY, before, year)

    known = {name for name, value in facts.items() if value is not None}
    assert facts["previous.rank.from_bottom"] == 5
    assert (facts["previous.met"], facts["previous.done"]) == (True, 7)
    assert facts["last_year.classification"] == 8208
    assert known & {*PREVIOUS, *LAST_YEAR} == {
        *("previous.rank.from_bottom", "previous.met", "previous.done"),
        "last_year.classification",
    }


@pytest.mark.parametrize(
    ("before", "now", "reclassified"),
    [
        pytest.param(share(80, 100, "80.00"), share(70, 100, "70.00"), 10, id="ten moved"),
        pytest.param(share(80, 100, "80.00"), share(160, 200, "80.00"), 0, id="twice as many"),
        pytest.param(share(70, 100, "70.00"), share(80, 100, "80.00"), -10, id="ten came back"),
        pytest.param(share(1, 2, "50.00"), share(1, 3, "33.33"), 1, id="half a case is one"),
        pytest.param(share(1, 2, "50.00"), {}, None, id="nothing known now"),
        pytest.param(None, share(1, 2, "50.00"), None, id="no month before"),
    ],
)  # fmt: skip
def test_what_moved_is_what_the_share_of_the_month_before_would_have(
    before: dict[str, object] | None,
    now: dict[str, object],
    reclassified: int | None,
) -> None:
    previous = None if before is None else {**EARLIER, **before}

    facts = facts_of(row(**now), PERIOD, DAY, previous)

    assert facts["month.reclassified"] == reclassified


def test_a_float_is_refused_rather_than_rounded() -> None:
    with pytest.raises(TypeError, match="float"):
        facts_of(row(rate=41.54), PERIOD, DAY)


@pytest.mark.parametrize(
    ("at", "left"),
    [
        pytest.param("2022-03-08", 206, id="in March"),
        pytest.param("2022-09-15", 15, id="the telegram's day"),
        pytest.param("2022-09-30", 0, id="the last day"),
        pytest.param("2022-10-01", 0, id="never below zero"),
    ],
)
def test_days_left_in_the_period_s_working_year(at: str, left: int) -> None:
    facts = facts_of(row(), PERIOD, date.fromisoformat(at))

    assert facts["days_left"] == left
    assert facts["at"] == date.fromisoformat(at).toordinal()


def test_the_period_is_a_fact_too() -> None:
    facts = facts_of(row(), PERIOD, DAY)

    assert facts["period.months"] == 5
    assert facts["period.end"] == date(2022, 2, 28).toordinal()


def leaf(name: str, value: str | None, right: str, right_value: str) -> TraceLeaf:
    return TraceLeaf(
        name=name,
        value=value,
        operator="<",
        right=right,
        right_value=right_value,
        verdict=True,
    )


def test_a_matter_shows_both_names_of_a_comparison_but_no_literal() -> None:
    trace = (
        leaf("rate", "41.54", "last_year.rate", "45.00"),
        leaf("last_year.points", "-3.46", "-10 pp", "-10.00"),
    )

    assert shown(trace) == {
        "rate": "41.54",
        "last_year.rate": "45.00",
        "last_year.points": "-3.46",
    }


def test_an_unknown_that_was_read_is_shown_as_unknown() -> None:
    assert shown((leaf("rate", None, "84.05 %", "84.05"),)) == {"rate": None}
