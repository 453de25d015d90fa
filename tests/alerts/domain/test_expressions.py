"""What an expression means, and what is refused before it can mean anything wrong."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest

from services.alerts.domain.checking import param_value, parse
from services.alerts.domain.expressions import (
    NEGATED,
    TURNED,
    All,
    Anniversary,
    Arithmetic,
    Compare,
    Condition,
    Const,
    Either,
    Has,
    In,
    Known,
    Operator,
    Param,
    ParamTable,
    Ref,
    age_day,
    names_in,
    written,
)
from services.alerts.domain.faults import ExpressionError, Fault
from services.alerts.domain.syntax import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Kind, Name, Names

CASES: Names = {
    name: Name(name, kind, Bilingual(name, name))
    for name, kind in {
        "claims": Kind.LIST,
        "decided_on": Kind.DATE,
        "due_vnd": Kind.VND,
        "late": Kind.WDAYS,
        "found": Kind.CASES,
    }.items()
}
NAMES: Names = {**VOCABULARY, **CASES}

RATE = Ref("rate", Kind.PERCENT)
LAST = Ref("last_year.rate", Kind.PERCENT)
POINTS = Ref("last_year.points", Kind.POINTS)
MET = Ref("met", Kind.FLAG)
DONE = Ref("done", Kind.COUNT)


def tree(text: str, **params: ParamTable) -> Condition:
    return parse(text, names=NAMES, params=params).condition


def fault(text: str, **params: ParamTable) -> Fault:
    with pytest.raises(ExpressionError) as caught:
        tree(text, **params)
    return caught.value.fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "rate < last_year.rate", Compare("lt", RATE, LAST), id="two names"
        ),
        pytest.param(
            "rate >= 84.05 %",
            Compare("ge", RATE, Const(8405, Kind.PERCENT)),
            id="percent is whole hundredths",
        ),
        pytest.param(
            "rate >= 84.05",
            Compare("ge", RATE, Const(8405, Kind.PERCENT)),
            id="a bare number takes the other side's unit",
        ),
        pytest.param(
            "84.05 <= rate",
            Compare("le", Const(8405, Kind.PERCENT), RATE),
            id="on either side",
        ),
        pytest.param(
            "last_year.points <= -10 pp",
            Compare("le", POINTS, Const(-1000, Kind.POINTS)),
            id="a negative literal",
        ),
        pytest.param(
            "due_vnd >= 20_000_000_000 vnd",
            Compare("ge", Ref("due_vnd", Kind.VND), Const(2 * 10**10, Kind.VND)),
            id="đồng with separators",
        ),
        pytest.param(
            "late > 2 wdays",
            Compare("gt", Ref("late", Kind.WDAYS), Const(2, Kind.WDAYS)),
            id="working days",
        ),
        pytest.param(
            "done > 5 cases",
            Compare("gt", DONE, Const(5, Kind.CASES)),
            id="a column against cases",
        ),
        pytest.param(
            "done > 5 vnd",
            Compare("gt", DONE, Const(5, Kind.VND)),
            id="a column against đồng",
        ),
        pytest.param(
            'at >= "2022-03-08"',
            Compare(
                "ge",
                Ref("at", Kind.DATE),
                Const(date(2022, 3, 8).toordinal(), Kind.DATE),
            ),
            id="a text beside a date is a date",
        ),
        pytest.param("met", Compare("eq", MET, Const(True, Kind.FLAG)), id="a flag"),
        pytest.param(
            "met == false",
            Compare("eq", MET, Const(False, Kind.FLAG)),
            id="compared flag",
        ),
        pytest.param(
            "target.rate is known", Known(Ref("target.rate", Kind.PERCENT), True)
        ),
        pytest.param(
            'claims has "credit"', Has(Ref("claims", Kind.LIST), "credit", True)
        ),
        pytest.param(
            'measure in ["cases", "money"]',
            In(Ref("measure", Kind.TEXT), ("cases", "money"), True),
        ),
        pytest.param(
            "age(decided_on, at) > 1 year",
            Compare(
                "gt",
                Ref("at", Kind.DATE),
                Anniversary(Ref("decided_on", Kind.DATE), 1, "year"),
            ),
            id="an age is a comparison of days",
        ),
        pytest.param(
            "30 days >= age(decided_on, at)",
            Compare(
                "le",
                Ref("at", Kind.DATE),
                Anniversary(Ref("decided_on", Kind.DATE), 30, "day"),
            ),
            id="an age on the right",
        ),
        pytest.param(
            "rate > 2 * 20 + 1.5 * 2",
            Compare("gt", RATE, Const(4300, Kind.PERCENT)),
            id="constant arithmetic is folded",
        ),
        pytest.param(
            "rate - last_year.rate < 2 * 5 pp",
            Compare(
                "lt",
                Arithmetic("-", RATE, LAST, Kind.POINTS),
                Const(1000, Kind.POINTS),
            ),
            id="percent minus percent is points",
        ),
        pytest.param(
            "rate + 5 pp > last_year.rate",
            Compare(
                "gt",
                Arithmetic("+", RATE, Const(500, Kind.POINTS), Kind.PERCENT),
                LAST,
            ),
            id="percent plus points is percent",
        ),
        pytest.param(
            "at + 5 > period.end",
            Compare(
                "gt",
                Arithmetic("+", Ref("at", Kind.DATE), Const(5, Kind.DAYS), Kind.DATE),
                Ref("period.end", Kind.DATE),
            ),
            id="a bare number beside a date is days",
        ),
        pytest.param(
            "2 * done < enforceable",
            Compare(
                "lt",
                Arithmetic("*", Const(2, Kind.NUMBER), DONE, Kind.COUNT),
                Ref("enforceable", Kind.COUNT),
            ),
            id="a number times a column is a column",
        ),
    ],
)
def test_reads(text: str, expected: Condition) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("not rate < last_year.rate", "rate >= last_year.rate"),
        ("not not met", "met"),
        ("not met", "met == false"),
        ("not (met or rate > 5)", "not met and rate <= 5"),
        ("not (met and rate is known)", "not met or rate is unknown"),
        ("met and (rate > 5 and rate < 9)", "met and rate > 5 and rate < 9"),
        ("met or rate > 5 and rate < 9", "met or (rate > 5 and rate < 9)"),
        ("not met and rate > 5", "(not met) and rate > 5"),
        ("rate-last_year.rate>1", "(rate - last_year.rate) > 1"),
        ("rate > 1 and\n  met", "rate > 1 and met"),
    ],
)
def test_means_the_same(text: str, same_as: str) -> None:
    left, right = tree(text), tree(same_as)

    assert normal(left) == normal(right)


def normal(condition: Condition) -> Condition:
    """A flag that is not true is false: two spellings of one leaf."""
    if isinstance(condition, (All, Either)):
        return type(condition)(tuple(map(normal, condition.parts)))
    if isinstance(condition, Compare) and isinstance(condition.right, Const):
        value = condition.right.value
        if isinstance(value, bool) and condition.operator == "ne":
            return Compare("eq", condition.left, Const(not value, Kind.FLAG))
    return condition


def test_not_turns_a_list_question_round() -> None:
    has = Has(Ref("claims", Kind.LIST), "credit", False)

    assert tree('not claims has "credit"') == has
    assert tree('not measure in ["cases"]') == In(
        Ref("measure", Kind.TEXT), ("cases",), False
    )


@pytest.mark.parametrize("operator", get_args(Operator))
def test_an_operator_negated_or_turned_twice_is_itself(operator: Operator) -> None:
    assert NEGATED[NEGATED[operator]] == operator
    assert TURNED[TURNED[operator]] == operator


@pytest.mark.parametrize(
    ("text", "line", "column", "suggestion"),
    [
        pytest.param("", 1, 1, None, id="empty"),
        pytest.param("rat > 5", 1, 1, "rate", id="unknown name"),
        pytest.param(
            "met and\n lastyear.rate > 5", 2, 2, "last_year.rate", id="line two"
        ),
        pytest.param("rate < 5 pp", 1, 6, "5 %", id="percent against points"),
        pytest.param(
            "last_year.points < 5 %", 1, 18, "5 pp", id="points against percent"
        ),
        pytest.param("shortfall.points > rate", 1, 18, None, id="two names, two kinds"),
        pytest.param(
            "days_left < 2 wdays", 1, 11, "2 days", id="days against working days"
        ),
        pytest.param("rate > 5 vnd", 1, 6, "5 %", id="percent against đồng"),
        pytest.param("rate > 5 pct", 1, 10, None, id="unknown unit"),
        pytest.param("rate > 5 ppp", 1, 10, "pp", id="nearly a unit"),
        pytest.param("rate > 84.055", 1, 8, None, id="three decimals"),
        pytest.param("done > 1.5", 1, 8, None, id="half a case"),
        pytest.param("done > 9007199254740992", 1, 8, None, id="beyond 2^53 - 1"),
        pytest.param(
            "rate + last_year.rate > 5", 1, 6, None, id="percent plus percent"
        ),
        pytest.param("rate * last_year.rate > 5", 1, 6, None, id="percent by percent"),
        pytest.param("done * enforceable > 5", 1, 6, None, id="count by count"),
        pytest.param("done / 2 > 5", 1, 6, None, id="division"),
        pytest.param('unit.kind > "a"', 1, 11, None, id="text has no order"),
        pytest.param("met > illustrative", 1, 5, None, id="flags have no order"),
        pytest.param('rate == "5"', 1, 6, None, id="number against text"),
        pytest.param("unit.kind == 5", 1, 14, None, id="text against number"),
        pytest.param('at > "2022-02-30"', 1, 6, None, id="no such day"),
        pytest.param("at > 5", 1, 6, None, id="a date against a number"),
        pytest.param("1 < 2", 1, 3, None, id="two constants"),
        pytest.param('"a" == "b"', 1, 5, None, id="two texts"),
        pytest.param("rate", 1, 1, "rate is known", id="a number alone"),
        pytest.param("rate > 5 6", 1, 10, None, id="something left over"),
        pytest.param("(rate > 5", 1, 10, ")", id="no closing bracket"),
        pytest.param("rate > 5)", 1, 9, None, id="no opening bracket"),
        pytest.param("rate = 5", 1, 6, "==", id="single equals"),
        pytest.param("rate > 5 && met", 1, 10, "and", id="and as in C"),
        pytest.param("rate > 5 AND met", 1, 10, "and", id="and in capitals"),
        pytest.param("measure == mony", 1, 12, '"money"', id="nearly, without quotes"),
        pytest.param("cases == measure", 1, 1, '"cases"', id="a word first"),
        pytest.param(
            "claims == credit", 1, 11, 'claims has "credit"', id="a word and a list"
        ),
        pytest.param(
            "credit in claims", 1, 1, 'claims has "credit"', id="a word in a list"
        ),
        pytest.param(
            '"cases" in measure', 1, 1, 'measure == "cases"', id="a text in a text"
        ),
        pytest.param(
            "measure in cases", 1, 1, '["cases"]', id="a list without brackets"
        ),
        pytest.param("measure == 'cases'", 1, 12, '"…"', id="single quotes"),
        pytest.param('measure == "cases', 1, 12, None, id="no closing quote"),
        pytest.param("1 < rate < 5", 1, 10, "and", id="chained"),
        pytest.param("rate is missing", 1, 9, "known", id="is what"),
        pytest.param('rate in ["5"]', 1, 1, None, id="in needs a text"),
        pytest.param(
            'measure has "cases"', 1, 1, 'measure == "cases"', id="has needs a list"
        ),
        pytest.param("measure in [cases]", 1, 13, '"cases"', id="a name in a list"),
        pytest.param("measure in []", 1, 13, '"…"', id="an empty list"),
        pytest.param(
            'claims == "credit"', 1, 8, 'claims has "credit"', id="a list compared"
        ),
        pytest.param("aged(at, at) > 1 year", 1, 1, "age", id="unknown function"),
        pytest.param("age(at) > 1 year", 1, 1, None, id="one date"),
        pytest.param("age(rate, at) > 1 year", 1, 5, None, id="not a date"),
        pytest.param(
            "age(decided_on, at) > 5", 1, 21, "> 5 year", id="age without a unit"
        ),
        pytest.param("age(decided_on, at) > 1.5 year", 1, 23, None, id="half a year"),
        pytest.param("rate > 1 year", 1, 8, None, id="a year alone"),
        pytest.param('rate > param("k")', 1, 14, None, id="no such parameter"),
        pytest.param("rate > param(k)", 1, 8, None, id="a parameter without quotes"),
        pytest.param("reported.late > 5", 1, 1, None, id="a name of a later version"),
        pytest.param("rate > $x", 1, 8, None, id="unreadable"),
        pytest.param("not", 1, 4, None, id="not nothing"),
        pytest.param("rate > 5 and", 1, 13, None, id="and nothing"),
        pytest.param("- met", 1, 1, None, id="minus a flag"),
    ],
)
def test_refuses(text: str, line: int, column: int, suggestion: str | None) -> None:
    found = fault(text)

    assert (found.line, found.column, found.suggestion) == (line, column, suggestion)
    assert found.message.vi
    assert found.message.en


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("met" + " " * MAX_CHARACTERS, id="length"),
        pytest.param(
            "(" * (MAX_DEPTH + 1) + "met" + ")" * (MAX_DEPTH + 1), id="brackets"
        ),
        pytest.param("not " * (MAX_DEPTH + 1) + "met", id="not"),
        pytest.param("rate > " + "-" * (MAX_DEPTH + 1) + "5", id="minus"),
        pytest.param("done > 1" + " + done" * (MAX_DEPTH + 1), id="a long sum"),
        pytest.param(" or ".join(["met"] * MAX_NODES), id="nodes"),
        pytest.param("(" * 1500 + ")" * 1500, id="only brackets"),
        pytest.param("rate > " + "9" * 3000, id="a long number"),
        pytest.param("param(" * 500, id="calls"),
    ],
)
def test_is_bounded_in(text: str) -> None:
    assert fault(text).line == 1


def test_just_inside_the_bounds_is_read() -> None:
    deep = "(" * (MAX_DEPTH - 1) + "met" + ")" * (MAX_DEPTH - 1)
    wide = " or ".join(["met"] * (MAX_NODES - 1))

    assert tree(deep) == tree("met")
    assert isinstance(tree(wide), Either)


def test_texts_are_composed_so_that_two_spellings_are_one() -> None:
    decomposed = 'category == "tie\u0302\u0300n"'

    assert tree(decomposed) == tree('category == "tiền"')


def table(*rows: tuple[str, str]) -> ParamTable:
    return tuple((date.fromisoformat(day), param_value(text)) for day, text in rows)


def test_a_parameter_without_a_unit_takes_the_other_side_s() -> None:
    days = table(("2020-01-05", "4"), ("2021-01-01", "5"))
    first, second = (day.toordinal() for day, _ in days)

    found = tree('last_year.points < param("k")', k=days)

    param = Param("k", Kind.POINTS, ((first, 400), (second, 500)))
    assert found == Compare("lt", POINTS, param)


def test_a_parameter_with_the_wrong_unit_is_refused() -> None:
    assert fault('rate < param("k")', k=table(("2020-01-05", "-4 pp"))).column == 6


def test_a_parameter_may_be_a_text() -> None:
    found = tree('measure == param("m")', m=table(("2020-01-05", "cases")))

    assert isinstance(found, Compare)
    assert isinstance(found.right, Param)
    assert found.right.kind is Kind.TEXT


def test_values_of_a_parameter_agree_in_unit() -> None:
    mixed = table(("2020-01-05", "4 pp"), ("2021-01-01", "5"))

    assert fault('last_year.points < param("k")', k=mixed).column == 20


@pytest.mark.parametrize(
    ("born", "count", "unit", "reached"),
    [
        pytest.param("2021-02-28", 3, "year", "2024-02-28", id="a plain anniversary"),
        pytest.param("2020-02-29", 1, "year", "2021-02-28", id="no 29 February"),
        pytest.param("2020-02-29", 4, "year", "2024-02-29", id="29 February again"),
        pytest.param("2021-01-31", 1, "month", "2021-02-28", id="a shorter month"),
        pytest.param("2021-11-30", 3, "month", "2022-02-28", id="over the new year"),
        pytest.param("2021-12-31", 1, "day", "2022-01-01", id="a day"),
        pytest.param("9000-01-01", 1000, "year", None, id="beyond the calendar"),
    ],
)
def test_anniversary(born: str, count: int, unit: str, reached: str | None) -> None:
    assert unit in ("year", "month", "day")

    found = age_day(date.fromisoformat(born), count, unit)

    assert found == (date.fromisoformat(reached) if reached else None)


def test_names_that_an_expression_reads() -> None:
    found = names_in(
        tree("rate - last_year.rate < 5 pp or age(decided_on, at) > 1 year")
    )

    assert found == {"rate", "last_year.rate", "decided_on", "at"}


@pytest.mark.parametrize(
    "text",
    [
        "rate - last_year.rate",
        "2 * (done - enforceable)",
        "done - (done - enforceable)",
    ],
)
def test_a_term_is_written_as_it_was_read(text: str) -> None:
    found = tree(f"{text} < 5")

    assert isinstance(found, Compare)
    assert written(found.left) == text
