"""Named, dated definitions of computed figures: what is divided by what, since when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from libs.common.figures import published


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
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    note: Words | None
    basis: Basis | None
    target: Duty | None

    def covers(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.valid_from <= day and (not self.valid_to or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One computed figure; `rate_of` names the measures whose own rate it is."""

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


@dataclass(frozen=True, slots=True)
class Value:
    """One indicator of one row; what cannot be known is None with a why."""

    indicator: str
    version: int
    numerator: int | None
    denominator: int | None
    value: Decimal | None
    why: str | None


def values(
    indicators: Sequence[Indicator],
    measure: str,
    category: str,
    day: date,
    counts: Mapping[str, int | None],
) -> Iterator[Value]:
    """Every indicator of a row as defined on its last day."""
    for indicator in indicators:
        version = indicator.on(day)
        if version is not None and indicator.speaks_of(measure, category):
            yield _value(indicator.id, version, counts)


def _value(id: str, version: Version, counts: Mapping[str, int | None]) -> Value:
    above = _sum(counts, version.numerator)
    below = _sum(counts, version.denominator)
    found, why = None, None
    if above is None or below is None:
        why = "no_counts"
    elif below == 0:
        why = "no_denominator"
    elif above > below:
        why = "more_than_the_whole"
    else:
        found = published(above, below)
    return Value(id, version.number, above, below, found, why)


def _sum(counts: Mapping[str, int | None], columns: Sequence[str]) -> int | None:
    parts = [counts.get(name) for name in columns]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
