"""Indicators, and scorecards explained by them, as the API gives them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from typing_extensions import TypedDict

from services.scoring.domain.indicators import (
    Basis,
    Duty,
    Indicator,
    Value,
    Version,
    Words,
)
from services.scoring.shown import Scorecard
from services.scoring.shown_origin import Origin
from services.scoring.shown_past import text


class Bilingual(TypedDict):
    """The same words in Vietnamese and in English."""

    vi: str
    en: str


class BasisShown(TypedDict):
    """The document that a definition rests on."""

    document: str
    date: str | None
    at: str | None


class DutyShown(TypedDict):
    """What a decision asks of everyone."""

    rate: str
    operator: str
    duty: str | None


class VersionShown(TypedDict):
    """A definition in force from its first day in to its first day out."""

    version: int
    valid_from: str
    valid_to: str | None
    numerator: list[str]
    denominator: list[str]
    note: Bilingual | None
    basis: BasisShown | None
    target: DutyShown | None


class IndicatorShown(TypedDict):
    """One computed figure, explained; `rate_of` names whose own rate it is.

    With a `category`, it is a figure of the rows of that category alone.
    """

    id: str
    title: Bilingual
    explanation: Bilingual
    measures: list[str]
    rate_of: list[str]
    category: str | None
    versions: list[VersionShown]


class IndicatorValue(TypedDict):
    """One indicator of one row; null with a why.

    `target` is what a decision asks of everyone in that year, `met` whether it is.
    """

    value: str | None
    numerator: int | None
    denominator: int | None
    version: int
    why: str | None
    target: DutyShown | None
    met: bool | None


class ExplainedScorecard(Scorecard):
    """A scorecard with every indicator of its row, and where it comes from."""

    indicators: dict[str, IndicatorValue]
    origin: Origin


class UnitScorecards(TypedDict):
    """All rows of one unit for one period."""

    unit: str
    period: str
    items: list[ExplainedScorecard]


def indicator(one: Indicator) -> IndicatorShown:
    """An indicator with all of its versions."""
    return IndicatorShown(
        id=one.id,
        title=_both(one.title),
        explanation=_both(one.explanation),
        measures=list(one.measures),
        rate_of=list(one.rate_of),
        category=one.category,
        versions=[_version(version) for version in one.versions],
    )


def _version(one: Version) -> VersionShown:
    return VersionShown(
        version=one.number,
        valid_from=one.valid_from.isoformat(),
        valid_to=_day(one.valid_to),
        numerator=list(one.fraction.numerator),
        denominator=list(one.fraction.denominator),
        note=_both(one.note) if one.note else None,
        basis=_basis(one.basis) if one.basis else None,
        target=_duty(one.target) if one.target else None,
    )


def _both(words: Words) -> Bilingual:
    return Bilingual(vi=words.vi, en=words.en)


def _basis(basis: Basis) -> BasisShown:
    return BasisShown(document=basis.document, date=_day(basis.date), at=basis.at)


def _duty(duty: Duty) -> DutyShown:
    return DutyShown(rate=str(duty.rate), operator=duty.operator, duty=duty.duty)


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def explained(
    card: Scorecard, values: Iterable[Value], origin: Origin
) -> ExplainedScorecard:
    """A scorecard with its indicators, and what it was computed from."""
    return ExplainedScorecard(
        **card,
        indicators={
            v.indicator: IndicatorValue(
                value=text(v.value),
                numerator=v.numerator,
                denominator=v.denominator,
                version=v.version,
                why=v.why,
                target=_duty(v.target) if v.target else None,
                met=v.met,
            )
            for v in values
        },
        origin=origin,
    )
