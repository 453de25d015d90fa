"""What is wrong with a rule file: where, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from yaml import Node

from libs.common.periods import Period
from services.alerts.domain import meant
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.vocabulary import HUNDREDTHS, UNITS, Bilingual, Kind
from services.alerts.rule_places import place_of

_FEW_KEYS: Final = 20

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule file: where it stands and what to write instead."""

    file: str
    line: int
    column: int
    key: str
    message: Bilingual
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" Write: {self.hint}" if self.hint else ""
        place = f"{self.file}:{self.line}:{self.column}: "
        key = f"{self.key}: " if self.key else ""
        return f"{place}{key}{self.message.en}{hint}"

    def as_json(self) -> dict[str, Json]:
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "message": {"vi": self.message.vi, "en": self.message.en},
            "hint": self.hint,
        }


class Refused(Exception):
    """The value at this node cannot be used."""

    def __init__(
        self,
        node: Node | None,
        key: str,
        vi: str,
        en: str,
        hint: str | None = None,
        *,
        place: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(en)
        self.key = key
        self.message = Bilingual(vi, en)
        self.hint = hint
        self.place = place or place_of(node)

    def problem(self, file: str) -> Problem:
        return Problem(file, *self.place, self.key, self.message, self.hint)


# Refusals that recur


def unknown_key(node: Node, key: str, name: str, known: Iterable[str]) -> Refused:
    known = list(known)
    near = meant.nearest(name, known)
    few = ", ".join(known) if near is None and len(known) <= _FEW_KEYS else ""
    return Refused(
        node,
        f"{key}.{name}" if key else name,
        f"Không có khóa {name!r} ở đây" + (f"; có: {few}." if few else "."),
        f"There is no key {name!r} here" + (f"; there are: {few}." if few else "."),
        near,
    )


def absent(node: Node, key: str) -> Refused:
    name = key.rsplit(".", 1)[-1]
    return Refused(
        node,
        key,
        f"Thiếu khóa {name!r}.",
        f"The key {name!r} is missing.",
        f"{name}: …",
    )


def not_among(node: Node, key: str, text: str, known: list[str]) -> Refused:
    listed = ", ".join(known)
    return Refused(
        node,
        key,
        f"{text!r} không phải là một trong: {listed}.",
        f"{text!r} is none of: {listed}.",
        meant.member(text, known),
    )


def not_a_value(node: Node, key: str, text: str, kind: Kind | None = None) -> Refused:
    if kind is Kind.DATE:
        return not_a_day(node, key, text)
    wanted = f" {kind.value}" if kind else ""
    instead = _value_instead(text, kind)
    example = _WRITTEN.get(kind) if kind and instead is None else None
    return Refused(
        node,
        key,
        f"{text!r} không phải là giá trị{wanted}"
        + (f"; ví dụ: {example}." if example else "."),
        f"{text!r} is no{wanted or ' value'}"
        + (f"; for example: {example}." if example else "."),
        instead,
    )


def not_a_day(node: Node, key: str, text: str) -> Refused:
    words = meant.no_day(text)
    return Refused(node, key, words.vi, words.en, meant.day(text))


def not_a_period(node: Node, key: str, text: str) -> Refused:
    """What is read as the working year's month may be meant as the calendar's."""
    instead, other = meant.period(text), meant.period_of_calendar(text)
    vi, en = f"{text!r} không phải là kỳ", f"{text!r} is no period"
    if instead is None:
        vi += "; ví dụ: 2022M05 hoặc 2025-09-12; một năm có M01 đến M12"
        en += "; for example: 2022M05 or 2025-09-12; a year has M01 to M12"
    elif other:
        end = Period.parse(instead).end
        vi += f"; {instead} hết ngày {end}, còn tháng {text} theo lịch là {other}"
        en += f"; {instead} ends on {end}, and the calendar's {text} is {other}"
    return Refused(node, key, f"{vi}.", f"{en}.", instead)


_WITH_UNIT: Final = re.compile(r"(-?[0-9][0-9_]*(?:\.[0-9]+)?) ?(%|[a-z]+)")


def _value_instead(text: str, kind: Kind | None) -> str | None:
    """What was meant; where its kind is given, a number stands without unit."""
    if kind is Kind.FLAG:
        return meant.flag(text)
    other = rewritten(text, whole=kind is not None and kind not in HUNDREDTHS)
    written = other[1] if other is not None and other[0] == text else None
    if kind is None:
        return written
    found = _WITH_UNIT.fullmatch(written or text)
    unit = UNITS.get(found[2]) if found else None
    if found is None or (unit is not kind and not _counts(unit, kind)):
        return _quoted(written, kind) if written and " " not in written else None
    return _quoted(found[1], kind)


def _counts(unit: Kind | None, kind: Kind) -> bool:
    return kind is Kind.COUNT and unit in (Kind.VND, Kind.CASES)


def _quoted(number: str, kind: Kind) -> str:
    return f'"{number}"' if kind in HUNDREDTHS else number


_WRITTEN: Final[Mapping[Kind, str]] = {
    Kind.PERCENT: '"73.45"',
    Kind.POINTS: '"10.60"',
    Kind.DECIMAL: '"3.50"',
    Kind.FLAG: "true, false",
}
