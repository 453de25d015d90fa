"""Queries of scorecards: what rules read of them, and of which rows any rule speaks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.alerts.domain.expressions import names_in
from services.alerts.domain.facts import ALL, COLUMNS, Words
from services.alerts.domain.past_words import PAST_WORDS
from services.alerts.domain.rules import Rule
from services.alerts.domain.vocabulary import VOCABULARY
from services.alerts.engine.sql import Sql, of_kind

_SCORED = {
    *("unit", "measure", "category", "done", "enforceable", "rate", "illustrative"),
    *("target_rate", "target_operator", "last_rate", "last_points", "national_rate"),
    *("shortfall_points", "above_national", "met"),
    *("rank_position", "rank_of", "rank_from_bottom", "to_enforce"),
    *(column for _, _, column, _, _ in PAST_WORDS),
}
QUALIFIED = {
    column: f"{'s' if column in _SCORED else 'u' if column == 'kind' else 'f'}.{column}"
    for column in COLUMNS.values()
}
"""Each column with where it stands: s(corecard), f(igures) or u(nit)."""

WRITTEN: Mapping[str, str] = {
    "at": "$2::bigint",
    "days_left": "$3::bigint",
    "period.months": "$4::bigint",
    "period.end": "$5::bigint",
    **{
        name: of_kind(QUALIFIED[column], VOCABULARY[name].kind)
        for name, column in COLUMNS.items()
    },
}
"""name in a rule → SQL of its value as facts have it, in a query over `rows_of`."""

_NAMED = "num_nulls($2::bigint, $3::bigint, $4::bigint, $5::bigint) >= 0"
"""Every parameter is named, also where no rule asks for it."""

_OF_FIGURES = re.compile(r"\bf\.")

_ALWAYS = ("unit", "measure", "category", "rate", "done", "enforceable", "illustrative")

Cell = tuple[str, str, str]
"""Unit, measure and category."""


def given(
    period: Period,
    at: date,
    units: Sequence[str] | None,
    categories: Sequence[str] | None = None,
) -> list[object]:
    """The parameters of a query over `rows_of`."""
    return [
        period.code,
        at.toordinal(),
        max(0, (period.year_end - at).days),
        period.months,
        period.end.toordinal(),
        period.end,
        units,
        categories,
    ]


def rows_of(*written: str) -> str:
    """FROM and WHERE of a period's rows, joined with what these expressions read."""
    # A sum of children has no reported row: its other columns are unknown.
    reported = (
        " LEFT JOIN ingest.current_figure f ON f.period = $1 AND f.unit = s.unit"
        f" AND f.measure = s.measure AND f.category = s.category AND {_among('f')}"
    )
    figures = any(_OF_FIGURES.search(expression) for expression in written)
    return (
        f" FROM scoring.published_scorecard s{reported if figures else ''}"
        " JOIN platform.unit u ON u.code = s.unit AND u.valid_from <= $6"
        "  AND (u.valid_to IS NULL OR u.valid_to > $6)"
        f" WHERE s.period = $1 AND {_among('s')} AND {_NAMED}"
    )


def _among(table: str) -> str:
    return (
        f"($7::text[] IS NULL OR {table}.unit = ANY ($7))"
        f" AND ($8::text[] IS NULL OR {table}.category = ANY ($8))"
    )


@asynccontextmanager
async def hashing(connection: Connection) -> AsyncIterator[None]:
    """Join by hashes, in a transaction. The planner cannot know how many rows the scopes
    of rules leave; a loop inside a loop over a national month takes seconds."""
    await connection.execute("SET LOCAL enable_nestloop = off; SET LOCAL jit = off")
    yield
    await connection.execute(
        "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL jit TO DEFAULT"
    )


def scopes(sql: Sql, rules: Sequence[Rule]) -> str:
    """What is false only of rows in no rule's scope."""
    found = [
        f"{sql.scope(rule)} IS NOT FALSE" if _readable(rule) else "true"
        for rule in rules
    ]
    return f"({' OR '.join(dict.fromkeys(found)) or 'false'})"


def _readable(rule: Rule) -> bool:
    return rule.where is None or names_in(rule.where.condition) <= WRITTEN.keys()


async def scorecard_rows(
    connection: Connection,
    period: Period,
    at: date,
    units: Sequence[str] | None,
    rules: Sequence[Rule] | None = None,
    words: Words = ALL,
) -> list[Row]:
    """The rows of a period of which any of these rules speaks, with the columns of
    these words; without rules every row."""
    columns = [QUALIFIED[column] for column in words.now.values()]
    read = dict.fromkeys([*(f"s.{name}" for name in _ALWAYS), *columns])
    async with hashing(connection):
        categories = None
        if rules is not None:
            categories = await categories_of(connection, period, at, units, rules)
        sql = Sql(WRITTEN, given(period, at, units, categories))
        within = "true" if rules is None else scopes(sql, rules)
        return await connection.fetch(
            f"SELECT {', '.join(read)}, s.last_illustrative, u.name AS unit_name"
            f"{rows_of(*read, within)} AND {within}"
            " ORDER BY s.unit, s.measure, s.category",
            *sql.parameters,
        )


async def categories_of(
    connection: Connection,
    period: Period,
    at: date,
    units: Sequence[str] | None,
    rules: Sequence[Rule],
) -> list[str]:
    """The categories of the rows of which any of these rules speaks.

    Most rules speak of one category in fifteen: what they read of the others need not
    be worked out.
    """
    sql = Sql(WRITTEN, given(period, at, units))
    within = scopes(sql, rules)
    rows = await connection.fetch(
        f"SELECT DISTINCT s.category{rows_of(within)} AND {within}", *sql.parameters
    )
    return sorted(row["category"] for row in rows)


async def earlier_rows(
    connection: Connection,
    period: Period | None,
    units: Sequence[str] | None,
    categories: Sequence[str],
    columns: Sequence[str],
) -> dict[Cell, Row]:
    """These columns of an earlier cut, by row; nothing where there is none."""
    if period is None or not columns:
        return {}
    read = dict.fromkeys(("unit", "measure", "category", "illustrative", *columns))
    rows = await connection.fetch(
        f"SELECT {', '.join(read)} FROM scoring.published_scorecard"
        " WHERE period = $1 AND ($2::text[] IS NULL OR unit = ANY($2))"
        " AND category = ANY($3)",
        period.code,
        units,
        categories,
    )
    return {(row["unit"], row["measure"], row["category"]): row for row in rows}
