"""Named, dated definitions of computed figures: what is divided by what, since when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from libs.common.figures import published
from services.scoring.domain.arithmetic import Target, met


@dataclass(frozen=True, slots=True)
class Fraction:
    """Columns that are summed above and below the line."""

    numerator: tuple[str, ...]
    denominator: tuple[str, ...]


_RESOLVED = Fraction(("resolved",), ("carried_over", "newly_accepted"))
COMPUTED: Mapping[tuple[str, str | None], Fraction] = {
    ("cases", None): Fraction(("done",), ("enforceable",)),
    ("money", None): Fraction(("done",), ("enforceable",)),
    ("complaints", None): _RESOLVED,
    ("complaints", "carried_over"): Fraction(("resolved",), ("carried_over",)),
    ("complaints", "newly_accepted"): Fraction(("resolved",), ("newly_accepted",)),
    ("administrative", None): _RESOLVED,
    ("decisions", None): Fraction(("resolved",), ("newly_accepted",)),
    ("guidance", None): Fraction(("resolved_in_time",), _RESOLVED.denominator),
}
"""The rates that the database computes; None is every category that has none of its
own. `scoring.numerator` and `scoring.denominator` say the same in SQL."""


def computed(measure: str, category: str | None) -> Fraction:
    """What the rate of such a row divides."""
    return COMPUTED.get((measure, category)) or COMPUTED[measure, None]


@dataclass(frozen=True, slots=True)
class Words:
    """The same words in Vietnamese and in English."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Basis:
    """The document that a definition rests on."""

    document: str
    date: date | None
    at: str | None


@dataclass(frozen=True, slots=True)
class Duty:
    """What a decision asks of everyone."""

    rate: Decimal
    operator: str
    duty: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """A definition in force from its first day in to its first day out."""

    number: int
    valid_from: date
    valid_to: date | None
    fraction: Fraction
    note: Words | None
    basis: Basis | None
    target: Duty | None

    def covers(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.valid_from <= day and (not self.valid_to or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One computed figure; `rate_of` names the measures whose own rate it is.

    With a category, it is that of the rows of this category alone.
    """

    id: str
    title: Words
    explanation: Words
    measures: tuple[str, ...]
    rate_of: tuple[str, ...]
    category: str | None
    versions: tuple[Version, ...]

    def on(self, day: date) -> Version | None:
        """The version in force on a day."""
        return next((v for v in self.versions if v.covers(day)), None)

    def speaks_of(self, measure: str, category: str) -> bool:
        """Whether it is a figure of such a row."""
        return measure in self.measures and self.category in (None, category)

    def rates(self) -> Iterator[tuple[str, str | None]]:
        """(measure, category) of the rows whose own rate it is; None is any other."""
        return ((measure, self.category) for measure in self.rate_of)


def definition(
    indicators: Sequence[Indicator], measure: str, category: str
) -> Indicator | None:
    """The indicator that the rate of a row is."""
    own = {cell: one for one in indicators for cell in one.rates()}
    return own.get((measure, category)) or own.get((measure, None))


@dataclass(frozen=True, slots=True)
class Row:
    """A row's columns, and the rate that was computed of it with its two counts."""

    measure: str
    category: str
    columns: Mapping[str, int | None]
    done: int | None
    enforceable: int | None
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Value:
    """One indicator of one row; what cannot be known is None with a why.

    `met` is None without a value or where no decision sets a target for everyone.
    """

    indicator: str
    version: int
    numerator: int | None
    denominator: int | None
    value: Decimal | None
    why: str | None
    target: Duty | None
    met: bool | None


def values(indicators: Sequence[Indicator], row: Row, day: date) -> Iterator[Value]:
    """Every indicator of a row as defined on its last day."""
    for indicator in indicators:
        version = indicator.on(day)
        if version is not None and indicator.speaks_of(row.measure, row.category):
            yield _value(indicator.id, version, row)


def _value(id: str, version: Version, row: Row) -> Value:
    fraction, duty = version.fraction, version.target
    if fraction == computed(row.measure, row.category):
        # It is the row's own rate, whatever that came from: counts, sums, or a letter.
        above, below, found = row.done, row.enforceable, row.rate
    else:
        above = _sum(row.columns, fraction.numerator)
        below = _sum(row.columns, fraction.denominator)
        found = _rate(above, below)
    return Value(
        id,
        version.number,
        above,
        below,
        found,
        None if found is not None else _why_unknown(above, below),
        duty,
        _met(found, duty),
    )


def _rate(above: int | None, below: int | None) -> Decimal | None:
    if above is None or below is None or above > below:
        return None
    return published(above, below)


def _met(found: Decimal | None, duty: Duty | None) -> bool | None:
    if found is None or duty is None:
        return None
    return met(found, Target(duty.rate, duty.operator))


def _why_unknown(above: int | None, below: int | None) -> str:
    if above is None or below is None:
        return "no_counts"
    return "no_denominator" if below == 0 else "more_than_the_whole"


def _sum(counts: Mapping[str, int | None], columns: Sequence[str]) -> int | None:
    parts = [counts.get(name) for name in columns]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
