"""Queries of backtests: whole months by SQL, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.alerts.cards import (
    WRITTEN,
    categories_of,
    given,
    hashing,
    rows_of,
    scopes,
)
from services.alerts.domain.expressions import names_in
from services.alerts.domain.rules import Rule, Unknown
from services.alerts.engine.sql import Sql

LONG = 600
"""Seconds that one month of a whole country may take at most."""

SILENT, HELD, FIRED = 1, 2, 3
_UNKNOWN = {Unknown.IGNORE: SILENT, Unknown.HOLD: HELD, Unknown.RAISE: FIRED}


def readable(rule: Rule) -> bool:
    """Whether every name of a rule is a column; what is not, native reads."""
    return names_in(rule.condition) <= WRITTEN.keys()


async def outcomes(
    connection: Connection,
    rules: Sequence[Rule],
    period: Period,
    at: date,
    units: Sequence[str],
) -> list[Row]:
    """(unit, measure, category, r0, m0, r1, …): the outcome of each rule on the rows of
    some units, null out of its scope, and the places of the names that it misses."""
    sql = Sql(WRITTEN, given(period, at, units))
    inner, _ = _judged(sql, rules)
    return await connection.fetch(inner, *sql.parameters, timeout=LONG)


async def counted(
    connection: Connection, rules: Sequence[Rule], period: Period, at: date
) -> Mapping[str, object]:
    """Over a whole month, for the n-th rule: `firedn` as rows that are joined by tabs,
    `heldn` and `silentn` as counts, `missingn` as counts of held rows by name."""
    async with hashing(connection):
        categories = await categories_of(connection, period, at, None, rules)
        sql = Sql(WRITTEN, given(period, at, None, categories))
        inner, names = _judged(sql, rules)
        wanted = ", ".join(_counts(n, len(each)) for n, each in enumerate(names))
        row = await connection.fetchrow(
            f"SELECT {wanted} FROM ({inner} OFFSET 0) judged",
            *sql.parameters,
            timeout=LONG,
        )
    assert row is not None
    lacking = {
        f"missing{n}": {name: count for name, count in zip(each, row[f"lacks{n}"], strict=True) if count}
        for n, each in enumerate(names)
    }  # fmt: skip
    return dict(row) | lacking


def _counts(n: int, names: int) -> str:
    """What is counted of the n-th rule, which may miss so many names."""
    lacks = ", ".join(
        f"count(*) FILTER (WHERE r{n} = {HELD} AND {place} = ANY (m{n}))"
        for place in range(names)
    )
    return (
        "coalesce(array_agg(concat_ws(E'\\t', unit, measure, category)"
        f" ORDER BY unit, measure, category) FILTER (WHERE r{n} = {FIRED}),"
        f" '{{}}') AS fired{n}, count(*) FILTER (WHERE r{n} = {HELD}) AS held{n},"
        f" count(*) FILTER (WHERE r{n} = {SILENT}) AS silent{n},"
        f" ARRAY[{lacks}]::bigint[] AS lacks{n}"
    )


def _judged(sql: Sql, rules: Sequence[Rule]) -> tuple[str, list[list[str]]]:
    """The rows in any rule's scope, each with its outcomes, and the names that each rule
    may miss; what no rule reads is not looked up."""
    columns: list[str] = []
    names: list[list[str]] = []
    for n, rule in enumerate(rules):
        scope, fires = sql.scope(rule), sql.fires(rule)
        columns.append(
            f"CASE WHEN {scope} IS FALSE THEN NULL WHEN {fires} THEN {FIRED} WHEN"
            f" {fires} IS FALSE THEN {SILENT} ELSE {_UNKNOWN[rule.unknown]} END AS r{n}"
        )
        each: list[str] = []
        lacks = "NULL::int[]"
        if rule.unknown is Unknown.HOLD:
            each, places = sql.missing(rule.condition)
            unknown = f"{fires} IS NULL AND {scope} IS NOT FALSE"
            lacks = f"CASE WHEN {unknown} THEN {places} END"
        columns.append(f"{lacks} AS m{n}")
        names.append(each)
    written = ", ".join(columns)
    return (
        f"SELECT s.unit, s.measure, s.category, {written}{rows_of(written)}"
        f" AND {scopes(sql, rules)}",
        names,
    )


def missable(rules: Sequence[Rule]) -> list[list[str]]:
    """The names to which the places in `outcomes` point, by rule."""
    return _judged(Sql(WRITTEN), rules)[1]


async def some_units(connection: Connection, period: Period, most: int) -> list[str]:
    """A few units with scorecards of a period, spread over their codes."""
    rows = await connection.fetch(
        "SELECT DISTINCT unit FROM scoring.published_scorecard WHERE period = $1"
        " AND measure = 'cases' AND category = 'all' ORDER BY unit",
        period.code,
    )
    every = max(1, len(rows) // max(1, most))
    return [row["unit"] for row in rows[::every][:most]]


async def keep(
    connection: Connection,
    id: str,
    *,
    rule: str,
    version: int,
    against: int | None,
    periods: Sequence[str],
    known: str,
    actor: str,
    now: datetime,
) -> None:
    """A backtest that begins."""
    await connection.execute(
        "INSERT INTO alerts.backtest"
        " (id, rule, version, against, periods, known, actor, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id,
        rule,
        version,
        against,
        list(periods),
        known,
        actor,
        now,
    )


async def keep_period(
    connection: Connection, id: str, period: str, found: Mapping[str, object]
) -> None:
    """What was found in one period."""
    await connection.execute(
        "INSERT INTO alerts.backtest_period (backtest, period, found)"
        " VALUES ($1, $2, $3)",
        id,
        period,
        found,
    )


async def listed(
    connection: Connection,
    rule: str,
    id: str | None,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """Backtests of a rule, the newest first, each with what was found by period."""
    return await connection.fetch(
        "SELECT b.*, coalesce((SELECT jsonb_object_agg(period, found)"
        "  FROM alerts.backtest_period p WHERE p.backtest = b.id), '{}') AS found"
        " FROM alerts.backtest b WHERE rule = $1 AND ($2::text IS NULL OR id = $2)"
        " AND ($3::text IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        rule,
        id,
        *(after or (None,)),
        limit,
    )


async def asked(connection: Connection, id: str) -> Row | None:
    """A backtest with the texts of its version and of the one it is held against."""
    return await connection.fetchrow(
        "SELECT b.*, r.source, o.source AS other FROM alerts.backtest b"
        " JOIN alerts.rule r ON r.id = b.rule AND r.version = b.version"
        " LEFT JOIN alerts.rule o ON o.id = b.rule AND o.version = b.against"
        " WHERE b.id = $1",
        id,
    )
