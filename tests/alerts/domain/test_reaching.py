"""What cannot be, and what must be, by the exact reading's own word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.checking import parse
from services.alerts.domain.expressions import Condition
from services.alerts.domain.reaching import follows, possible
from services.alerts.engine.native import reading

NAMES = ("rate", "shortfall.points", "done")
TEXTS = ("cases", "money")


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.booleans()):
        word = draw(st.sampled_from([" and ", " or "]))
        parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
        return f"({word.join(parts)})"
    if draw(st.integers(0, 4)) == 0:
        operator = draw(st.sampled_from(["==", "!="]))
        return f'measure {operator} "{draw(st.sampled_from(TEXTS))}"'
    if draw(st.integers(0, 6)) == 0:
        return f"rate is {draw(st.sampled_from(['known', 'unknown']))}"
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    return f"{draw(st.sampled_from(NAMES))} {operator} {draw(st.integers(0, 3))}"


ROWS = st.fixed_dictionaries(
    {"measure": st.sampled_from([*TEXTS, None])},
    optional={
        "rate": st.sampled_from([0, 50, 100, 150, 200, 300, 350]),
        "shortfall.points": st.sampled_from([0, 50, 100, 200, 300, 350]),
        "done": st.integers(0, 4),
    },
)


def condition(text: str) -> Condition:
    return parse(text).condition


@given(text=conditions(), row=ROWS)
def test_what_is_impossible_is_never_true(text: str, row: dict[str, object]) -> None:
    if not possible(condition(text)):
        assert reading(condition(text))(row) is not True  # type: ignore[arg-type]


@given(given_=conditions(), then=conditions(), row=ROWS)
def test_what_follows_is_true_whenever_the_given_is(
    given_: str, then: str, row: dict[str, object]
) -> None:
    true = reading(condition(given_))(row) is True  # type: ignore[arg-type]
    if true and follows(condition(then), condition(given_)):
        assert reading(condition(then))(row) is True  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_", "then"),
    [
        ("rate > 10", "rate > 5"),
        ("rate > 10", "rate is known"),
        ("rate == 7", "rate >= 7 and rate <= 7"),
        ('measure == "cases"', 'measure in ["cases", "money"]'),
        ("10 < rate and done > 1", "done >= 2"),
        ("rate < last_year.rate and done > 1", "rate < last_year.rate"),
        ("rate > 10", "done > 1 or rate > 5"),
    ],
)
def test_plain_cases_are_seen(given_: str, then: str) -> None:
    assert follows(condition(then), condition(given_))


@pytest.mark.parametrize(
    "text",
    [
        "rate > 10 and rate <= 10",
        'measure == "cases" and measure == "money"',
        "rate is unknown and rate > 1",
        "rate > 2.99 and rate < 3",
    ],
)
def test_plain_contradictions_are_seen(text: str) -> None:
    assert not possible(condition(text))
