"""A scorecard row as rules see it: every number whole, every unknown None."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from libs.common.periods import Period
from services.alerts.domain.earlier_words import LAST_YEAR_WORDS, PREVIOUS_WORDS
from services.alerts.domain.past_words import PAST_WORDS
from services.alerts.domain.rules import TraceLeaf
from services.alerts.domain.vocabulary import VOCABULARY, Facts, Printed, Value
from services.alerts.domain.watching import EVERY_WORD

# Where a name of the vocabulary has another column's name in the published view.
_COLUMN_OF = {
    "target.rate": "target_rate",
    "target.operator": "target_operator",
    "last_year.rate": "last_rate",
    "last_year.points": "last_points",
    "national.rate": "national_rate",
    "shortfall.points": "shortfall_points",
    "rank.position": "rank_position",
    "rank.of": "rank_of",
    "rank.from_bottom": "rank_from_bottom",
    "unit.code": "unit",
    "unit.kind": "kind",
    **{name: column for name, _, column, _, _ in PAST_WORDS},
}
PREVIOUS: Mapping[str, str] = {name: column for name, _, column, _, _ in PREVIOUS_WORDS}
"""name in a rule → column of the scorecard of the month end before."""

LAST_YEAR: Mapping[str, str] = {
    name: column for name, _, column, _, _ in LAST_YEAR_WORDS
}
"""name in a rule → column of the unit's own scorecard a year earlier."""

_COMPUTED = {
    *("at", "days_left", "period.months", "period.end", "month.reclassified"),
    *PREVIOUS,
    *LAST_YEAR,
}

COLUMNS: Mapping[str, str] = {
    name: _COLUMN_OF.get(name, name) for name in VOCABULARY if name not in _COMPUTED
}
"""name in a rule → column of the published scorecard with its figures."""

_RECLASSIFIED_FROM = frozenset(
    f"{cut}{name}"
    for cut in ("", "previous.")
    for name in ("classification", "enforceable", "to_enforce")
)


@dataclass(frozen=True, slots=True)
class Words:
    """Some names of the vocabulary, each with its column: of the scorecard itself, and
    of those of the two earlier cuts."""

    now: Mapping[str, str]
    previous: Mapping[str, str]
    last_year: Mapping[str, str]
    reclassified: bool

    @classmethod
    def of(cls, names: Collection[str]) -> Words:
        """These names, and those from which they are worked out."""
        reclassified = "month.reclassified" in names
        wanted = {*names, *(_RECLASSIFIED_FROM if reclassified else ())}
        now, previous, last_year = (
            {name: column for name, column in columns.items() if name in wanted}
            for columns in (COLUMNS, PREVIOUS, LAST_YEAR)
        )
        return cls(now, previous, last_year, reclassified)


ALL = Words.of(VOCABULARY)
"""Every name that a row can have."""


class Columns(Protocol):
    """A row of the published view, by column."""

    def __getitem__(self, column: str, /) -> object: ...


def facts_of(
    row: Columns,
    period: Period,
    at: date,
    previous: Columns | None = None,
    last_year: Columns | None = None,
    words: Words = ALL,
) -> Facts:
    """One row on one evaluation day, beside the same row of two earlier cuts: these
    words of it, and its day and period.

    Rates and points are whole hundredths.
    """
    facts = _read(row, words.now)
    earlier_rows = ((words.previous, previous), (words.last_year, last_year))
    for names, earlier in earlier_rows:
        facts |= dict.fromkeys(names) if earlier is None else _read(earlier, names)
    if words.reclassified:
        facts["month.reclassified"] = _reclassified(facts)
    facts["period.months"] = period.months
    facts["period.end"] = period.end.toordinal()
    facts["at"] = at.toordinal()
    facts["days_left"] = max(0, (period.year_end - at).days)
    return facts


def _read(row: Columns, names: Mapping[str, str]) -> dict[str, Value | None]:
    # Most of a row is not known: a national month has two million values.
    return {
        name: None if (value := row[column]) is None else _whole(value)
        for name, column in names.items()
    }


def _reclassified(facts: Facts) -> int | None:
    """What would be enforceable at the share of the month before, less what is.

    Rounded half up; unknown where either share is.
    """
    if facts["classification"] is None or facts["previous.classification"] is None:
        return None
    before, of = facts["previous.enforceable"], facts["previous.to_enforce"]
    now, whole = facts["enforceable"], facts["to_enforce"]
    match before, of, now, whole:
        case int(), int(), int(), int():
            return (2 * before * whole + of) // (2 * of) - now
    return None


def _whole(value: object) -> Value | None:
    match value:
        case Decimal():
            return int(value.scaleb(2))
        case None | bool() | int() | str():
            return value
        case _:
            raise TypeError(f"no fact is a {type(value).__name__}")


def shown(trace: tuple[TraceLeaf, ...]) -> dict[str, Printed]:
    """What a matter rests on: every name that its rule read, with its value."""
    return dict(_named(trace))


def _named(trace: tuple[TraceLeaf, ...]) -> Iterator[tuple[str, Printed]]:
    for leaf in trace:
        yield leaf.name, leaf.value
        if leaf.right is not None and leaf.right in EVERY_WORD:
            yield leaf.right, leaf.right_value
