"""Indicators, and how a figure came about, as the API gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.figures import published
from services.scoring.domain.indicators import (
    Basis,
    Duty,
    Indicator,
    Value,
    Version,
    Words,
)
from services.scoring.shown import Scorecard
from services.scoring.shown_past import text
from services.scoring.store import FIGURE_COLUMNS


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


class Reported(TypedDict):
    """The row as it was reported."""

    revision: int
    document: str | None
    date: str | None
    form: str | None
    received_at: str | None
    published_rate: str | None
    columns: dict[str, int]


class Definition(TypedDict):
    """Which version of which indicator the rate is."""

    indicator: str
    version: int


class Predecessor(TypedDict):
    """What a unit that this one came from had, a year earlier."""

    unit: str
    share: str | None
    done: int | None
    enforceable: int | None
    rate: str | None


class Origin(TypedDict):
    """How a row's figures came about; not reported means summed from children."""

    reported: Reported | None
    definition: Definition | None
    predecessors: list[Predecessor]


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
    card: Scorecard,
    figure: Row | None,
    values: Iterable[Value],
    definition: Indicator | None,
    day: date,
    predecessors: Sequence[Row],
) -> ExplainedScorecard:
    """A scorecard with what it was computed from."""
    version = definition and definition.on(day)
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
        origin=Origin(
            reported=_reported(figure) if figure else None,
            definition=Definition(indicator=definition.id, version=version.number)
            if definition and version
            else None,
            predecessors=[_predecessor(row) for row in predecessors],
        ),
    )


def _reported(row: Row) -> Reported:
    return Reported(
        revision=row["revision"],
        document=row["document"],
        date=_day(row["document_date"]),
        form=row["form"],
        received_at=written(row["received_at"]),
        published_rate=text(row["published_rate"]),
        columns={n: row[n] for n in FIGURE_COLUMNS if row[n] is not None},
    )


def _predecessor(row: Row) -> Predecessor:
    done, enforceable = row["done"], row["enforceable"]
    known = done is not None and enforceable is not None
    return Predecessor(
        unit=row["part"],
        share=None if row["share"] is None else f"{row['share'].normalize():f}",
        done=done,
        enforceable=enforceable,
        rate=text(published(done, enforceable)) if known else None,
    )
