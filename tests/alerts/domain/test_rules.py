"""What a rule says when it is true, false or cannot be told."""

from __future__ import annotations

from datetime import date

import pytest

from services.alerts.domain.expressions import All
from services.alerts.domain.rules import Effective, Outcome, Severity, Unknown, outcome
from services.alerts.rulebook import load_text

RULE = """
id: try
version: 1
title: {vi: Thử, en: A try}
basis: [{document: 679/TCTHADS-TKDLCN, date: 2022-03-08}]
effective: {from: 2020-01-05}
watches: scorecard
where: unit.kind == "province" and category == "all"
when: rate < last_year.rate
severity: [{is: medium}]
owes: nothing
closes: data
"""


@pytest.mark.parametrize(
    ("judged", "unknown", "expected"),
    [
        (True, Unknown.HOLD, Outcome.FIRED),
        (False, Unknown.RAISE, Outcome.SILENT),
        (None, Unknown.HOLD, Outcome.HELD),
        (None, Unknown.RAISE, Outcome.FIRED),
        (None, Unknown.IGNORE, Outcome.SILENT),
    ],
)
def test_outcome(judged: bool | None, unknown: Unknown, expected: Outcome) -> None:
    assert outcome(judged, unknown) is expected


def test_effective_is_half_open() -> None:
    effective = Effective(date(2020, 1, 5), date(2022, 3, 1))

    assert not effective.covers(date(2020, 1, 4))
    assert effective.covers(date(2020, 1, 5))
    assert effective.covers(date(2022, 2, 28))
    assert not effective.covers(date(2022, 3, 1))


def test_severities_have_an_order() -> None:
    order = [severity.order for severity in Severity]

    assert order == [0, 1, 2, 3]


def test_where_and_when_are_one_condition_without_nesting() -> None:
    condition = load_text(RULE).condition

    assert isinstance(condition, All)
    assert len(condition.parts) == 3


def test_without_where_the_condition_is_when() -> None:
    rule = load_text(
        "\n".join(each for each in RULE.split("\n") if "where" not in each)
    )

    assert rule.condition == rule.when.condition
