"""Rules and rows by chance: everything that the language has, near its edges."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from services.alerts.domain.checking import parse
from services.alerts.domain.expressions import Expression
from services.alerts.domain.faults import ExpressionError
from services.alerts.domain.rules import (
    Effective,
    Rule,
    Severity,
    SeverityRow,
    Unknown,
)
from services.alerts.domain.vocabulary import Facts, Kind, Value
from services.alerts.domain.watching import EVERY_WORD
from services.alerts.rulebook import RULES, load_text

BASE = load_text((RULES / "below-last-year.yaml").read_text("utf-8"))
OF_KIND: Mapping[Kind, Sequence[str]] = {
    kind: [word.name for word in EVERY_WORD.values() if word.kind is kind][:6]
    for kind in Kind
}
NAMES = [name for names in OF_KIND.values() for name in names]
TEXTS = ("all", "cases", "money", "tín dụng", "Tín dụng", 'a"b', "1", "true", "")
NUMBERS = ("0", "1", "5", "10", "50", "84.05", "0.01", "9007199254740991")
WHOLE = ("0", "1", "5", "10", "20_000_000_000", "9007199254740991")
FIRST = date(2020, 2, 28)
UNIT = {
    Kind.PERCENT: " %",
    Kind.POINTS: " pp",
    Kind.VND: " vnd",
    Kind.CASES: " cases",
    Kind.DAYS: " days",
    Kind.WDAYS: " wdays",
}
FINE = (Kind.PERCENT, Kind.POINTS, Kind.DECIMAL)
NUMBERED = [kind for kind in (*FINE, *UNIT, Kind.COUNT, Kind.NUMBER) if OF_KIND[kind]]


def a_rule(chance: random.Random, id: str) -> Rule:
    """A rule of any scope, condition and severities, in force for some of the rows."""
    start = FIRST + timedelta(days=chance.choice([0, 0, 300, 800]))
    return replace(
        BASE,
        id=id,
        effective=Effective(start, chance.choice([None, start + timedelta(days=500)])),
        where=_parsed(chance, 1) if chance.random() < 0.6 else None,
        when=_parsed(chance, 2),
        unknown=chance.choice(list(Unknown)),
        severity=(
            SeverityRow(_parsed(chance, 1), Severity.HIGH),
            SeverityRow(None, Severity.LOW),
        ),
        examples=(),
    )


def _parsed(chance: random.Random, depth: int) -> Expression:
    """The checker refuses what makes no sense, such as two constants; then another."""
    while True:
        try:
            return parse(a_condition(chance, depth), names=EVERY_WORD)
        except ExpressionError:
            continue


def a_condition(chance: random.Random, depth: int) -> str:
    if depth and chance.random() < 0.6:
        word = chance.choice([" and ", " or "])
        parts = [a_condition(chance, depth - 1) for _ in range(chance.randint(2, 3))]
        joined = f"({word.join(parts)})"
    else:
        joined = chance.choice(_LEAVES)(chance)
    return f"not {joined}" if chance.random() < 0.2 else joined


def _number(chance: random.Random) -> str:
    kind = chance.choice(NUMBERED)
    sign = chance.choice(["<", "<=", ">", ">=", "==", "!="])
    left, right = (chance.choice(OF_KIND[kind]) for _ in range(2))
    literal = chance.choice(NUMBERS if kind in FINE else WHOLE) + UNIT.get(kind, "")
    forms = [
        f"{left} {sign} {literal}",
        f"{left} {sign} {right}",
        f"{left} {sign} {right} + {literal}",
        f"{left} + {right} {sign} {literal}",
        f"{literal} {sign} {left}",
        f"{left} {sign} 2 * {right}",
        f"{left} - {right} {sign} {chance.choice(NUMBERS[:4])}",
    ]
    return chance.choice(forms)


def _date(chance: random.Random) -> str:
    sign = chance.choice(["<", "<=", ">", ">=", "==", "!="])
    left, right = (chance.choice(OF_KIND[Kind.DATE]) for _ in range(2))
    day = FIRST + timedelta(days=chance.randrange(800))
    age = f"{chance.randrange(3)} {chance.choice(['year', 'month', 'days'])}"
    forms = [
        f'{left} {sign} "{day}"',
        f"{left} {sign} {right}",
        f"age({left}, {right}) {sign} {age}",
        f'age({left}, "{day}") {sign} {age}',
    ]
    return chance.choice(forms)


def _text(chance: random.Random) -> str:
    name = chance.choice(OF_KIND[Kind.TEXT])
    texts = [text for text in TEXTS if '"' not in text]
    some = ", ".join(f'"{text}"' for text in chance.sample(texts, 2))
    sign = chance.choice(["==", "!="])
    forms = [f'{name} {sign} "{chance.choice(texts)}"', f"{name} in [{some}]"]
    return chance.choice(forms)


def _question(chance: random.Random) -> str:
    listed = chance.choice(OF_KIND[Kind.LIST])
    return chance.choice(
        [
            chance.choice(OF_KIND[Kind.FLAG]),
            f"{chance.choice(OF_KIND[Kind.FLAG])} == false",
            f"{chance.choice(NAMES)} is {chance.choice(['known', 'unknown'])}",
            f'{listed} has "{chance.choice(TEXTS[:4])}"',
        ]
    )


_LEAVES: Sequence[Callable[[random.Random], str]] = (
    *(_number, _number, _number, _date, _text, _question),
)


def a_row(chance: random.Random) -> Facts:
    """A row in which every fourth value is unknown; numbers crowd at the literals."""
    facts: dict[str, Value | None] = {
        name: None if chance.random() < 0.25 else _value(chance, EVERY_WORD[name].kind)
        for name in NAMES
    }
    end = FIRST + timedelta(days=chance.randrange(1000))
    return facts | {"period.end": end.toordinal()}


def _value(chance: random.Random, kind: Kind) -> Value:
    if kind is Kind.FLAG:
        return chance.random() < 0.5
    if kind is Kind.TEXT:
        return chance.choice(TEXTS)
    if kind is Kind.LIST:
        return tuple(chance.sample(TEXTS[:5], chance.randrange(3)))
    if kind is Kind.DATE:
        return (FIRST + timedelta(days=chance.randrange(800))).toordinal()
    near = (0, 1, 5, 10, 50, 84, *([20_000_000_000] if kind is Kind.VND else []))
    scale = 100 if kind in FINE else 1
    number = chance.choice(near) * scale + chance.choice((-1, 0, 0, 1))
    if kind is Kind.POINTS:
        return chance.choice((-1, 1)) * number
    return abs(number)
