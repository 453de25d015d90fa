"""Facts in the words of durable-rules: what may reach it, and how it is written."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from libs.common.figures import LARGEST_COUNT
from services.alerts.domain.vocabulary import NUMERIC, Kind, Value
from services.alerts.engine.columns import Columns
from services.alerts.engine.native import Measure

MAX_TEXT: Final = 1000
_REMEMBERED: Final = 10_000


class FactRefused(ValueError):
    """A value that must not reach the engine."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a fact: where its value comes from and how it is written."""

    spelled: str
    value: Measure
    write: Callable[[Value], str]
    name: str | None = None
    """Of the fact that it is, where it is not worked out."""
    lasting: bool = True
    """Whether its values come again and again, and need not be written anew."""


class Written(dict[Value | None, str]):
    """What has been written of one attribute, by its value: few rates, points and
    counts are not found again in the rows of a month."""

    def __init__(self, field: Attribute) -> None:
        self._head = f',"{field.spelled}":'
        self._field = field

    def __missing__(self, value: Value | None) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        text = self[value] = self._text(value)
        return text

    def column(self, columns: Columns) -> list[str]:
        """The attribute as each row has it; nothing where it is not known. Raises
        FactRefused."""
        return list(map(self._writer(columns), self._values(columns)))

    def where_it_may(self, columns: Columns) -> list[str | None]:
        """The same, and None where it must not reach the engine."""
        write = self._writer(columns)

        def written(value: Value | None) -> str | None:
            try:
                return write(value)
            except FactRefused:
                return None

        return list(map(written, self._values(columns)))

    def _values(self, columns: Columns) -> Iterable[Value | None]:
        if self._field.name is None:
            return map(self._field.value, columns.rows)
        return columns.said[self._field.name]

    def _writer(self, columns: Columns) -> Callable[[Value | None], str]:
        """What is not sound could be equal to something else: True is, to 1."""
        remembered = columns.sound and self._field.lasting
        return self.__getitem__ if remembered else self._text

    def _text(self, value: Value | None) -> str:
        return "" if value is None else self._head + self._field.write(value)


def writer_of(kind: Kind) -> Callable[[Value], str]:
    if kind in NUMERIC:
        return number(LARGEST_COUNT)
    if kind is Kind.LIST:
        return _there  # what it has is worked out; that it is there, the engine asks
    return flag if kind is Kind.FLAG else text


def _there(value: Value) -> str:
    return "1.0"


def number(bound: int) -> Callable[[Value], str]:
    """Always with a decimal point and never an exponent: a double on both sides."""

    def write(value: Value) -> str:
        if type(value) is not int or not -bound <= value <= bound:
            raise FactRefused(f"no number within ±{bound}: {value!r}")
        return f"{value}.0"

    return write


def flag(value: Value) -> str:
    if value is True:
        return "1.0"
    if value is False:
        return "0.0"
    raise FactRefused(f"no flag: {value!r}")


def text(value: Value) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise FactRefused(f"no text of at most {MAX_TEXT} characters: {value!r}")
    if not value.isprintable() or not unicodedata.is_normalized("NFC", value):
        raise FactRefused(f"no printable NFC text: {value!r}")
    return json.dumps(value, ensure_ascii=False)
