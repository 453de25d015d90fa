"""Queries of sweeps: who is a member of which matter, and who speaks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

from libs.common.database import Connection, Row
from services.alerts.domain.case_facts import COLUMNS
from services.alerts.domain.rules import Rule, Severity, Unknown
from services.alerts.domain.vocabulary import Kind
from services.alerts.domain.watching import WORDS, Watch
from services.alerts.engine.sql import Sql, day_number

LONG = 600
"""Seconds that a sweep of a million cases may take at most."""

_HERE = "AT TIME ZONE 'Asia/Ho_Chi_Minh'"
# Where a fact is more than a column: the unit's kind on the day ($1), the last of several
# days, the day of a moment.
_COMPUTED = {
    "unit_kind": "(SELECT kind FROM platform.unit u WHERE u.code = c.unit"
    " AND u.valid_from <= $1 AND (u.valid_to IS NULL OR u.valid_to > $1))",
    "verified_last": "(SELECT max(day) FROM unnest(c.verified_on) day)",
    "verifications": "cardinality(c.verified_on)",
    "held_since": f"(c.held_since {_HERE})::date",
}
_FACTS = {column: _COMPUTED.get(column, f"c.{column}") for column in COLUMNS.values()}


def _written(day: str, facts: Mapping[str, str] = _FACTS) -> dict[str, str]:
    """Each name of the watch as the SQL reading needs it."""
    words = WORDS[Watch.CASE]
    columns = {
        name: day_number(f"{facts[column]}")
        if words[name].kind is Kind.DATE
        else facts[column]
        for name, column in COLUMNS.items()
    }
    return columns | {"at": day_number(day), "period.end": day_number(day)}


_KEY = ("unit", "id", "case_no", "year", "decided_on")
_ONCE = _written("$1::date", {column: f"c.{column}" for column in COLUMNS.values()})
_COSTLY = {*_COMPUTED, "previous_status", "not_enforceable_since"}
"""Columns that take a look at other rows or into a list."""


def _looked_at(sql: Sql, rule: Rule, also: str) -> tuple[str, Sql]:
    """Which cases a rule is asked of, as an SQL FROM and WHERE, and how it asks them.

    Where it reads what is costly, those in its scope are fenced off with all that it
    reads, so that this is worked out once, however often the rule asks.
    """
    read = {COLUMNS[name] for name in rule.judges_by & COLUMNS.keys()}
    if not read & _COSTLY:
        return f"ingest.published_case c WHERE {also}", sql
    columns = [f"{_FACTS[column]} AS {column}" for column in sorted(read - {*_KEY})]
    fenced = (
        f"(SELECT {', '.join([f'c.{name}' for name in _KEY] + columns)}"
        f" FROM ingest.published_case c WHERE {also}"
        f" AND {sql.scope(rule)} IS NOT FALSE OFFSET 0) c WHERE true"
    )
    return fenced, sql.over(_ONCE)


async def one_sweep(connection: Connection) -> None:
    """One sweep at a time: whole tables and single units move the same matters."""
    await connection.execute("SELECT pg_advisory_xact_lock(7, 2)")


async def fired(
    connection: Connection,
    rule: Rule,
    day: date,
    units: Sequence[str] | None,
    most: int,
) -> list[Row]:
    """For each unit: the case that is worst under a rule, how many the rule fires on,
    how many it holds, and the first of them, the worst and the oldest before the others.

    One pass over the cases, of which none is written down on the way.
    """
    cases, sql = _looked_at(
        Sql(_written("$1::date"), [day, units, most]),
        rule,
        "($2::text[] IS NULL OR c.unit = ANY ($2))",
    )
    fires = sql.fires(rule)
    severity = sql.severity(rule.severity)
    if rule.unknown is Unknown.HOLD:
        # What it cannot judge has no severity.
        severity = f"CASE WHEN {fires} THEN {severity} END"
    wanted = fires if rule.unknown is Unknown.IGNORE else f"{fires} IS NOT FALSE"
    order = "severity DESC NULLS LAST, decided_on, id"
    named = ", ".join(
        f"array_agg({column} ORDER BY {order})"
        f" FILTER (WHERE place <= $3 AND severity IS NOT NULL) AS {column}"
        for column in ("id", "case_no", "year", "severity")
    )
    async with sorting(connection):
        return await connection.fetch(
            "SELECT unit, count(severity)::int AS total,"
            f"  (count(*) - count(severity))::int AS held, {named}"
            "  FROM (SELECT *, row_number() OVER (PARTITION BY unit"
            f"   ORDER BY {order}) AS place FROM (SELECT {', '.join(_KEY)},"
            # Fenced off from that order: for its sake the planner would fetch a million
            # cases one by one by their keys.
            f"    ({severity})::smallint AS severity FROM {cases} AND {wanted}"
            "    OFFSET 0) found) placed"
            " GROUP BY unit ORDER BY unit",
            *sql.parameters,
            timeout=LONG,
        )


@asynccontextmanager
async def sorting(connection: Connection) -> AsyncIterator[None]:
    """Sort what a rule fires on in memory, where it fits."""
    await connection.execute("SET LOCAL work_mem = '64MB'")
    yield
    await connection.execute("SET LOCAL work_mem TO DEFAULT")


async def counted(
    connection: Connection, rule: Rule, day: date, units: Sequence[str] | None = None
) -> list[Row]:
    """(unit, fired, held, silent, missing) of the cases that there were by a day, as
    they stand; `missing` counts those held by each name that they lack."""
    cases, sql = _looked_at(
        Sql(_written("$1::date"), [day, units]),
        rule,
        "c.decided_on <= $1::date AND ($2::text[] IS NULL OR c.unit = ANY ($2))",
    )
    unknown = {
        Unknown.IGNORE: "silent",
        Unknown.HOLD: "held",
        Unknown.RAISE: "fired",
    }[rule.unknown]
    conditions = {"fired": "fires", "held": "false", "silent": "fires IS FALSE"}
    conditions[unknown] = f"({conditions[unknown]} OR fires IS NULL)"
    wanted = ", ".join(
        f"count(*) FILTER (WHERE {condition}) AS {name}"
        for name, condition in conditions.items()
    )
    names, places = (
        sql.missing(rule.condition) if unknown == "held" else ([], "NULL::int[]")
    )
    counts = ", ".join(
        f"count(*) FILTER (WHERE {place} = ANY (lacks))" for place in range(len(names))
    )
    scope, fires = sql.scope(rule), sql.fires(rule)
    return await connection.fetch(
        f"SELECT unit, {wanted}, jsonb_object(${len(sql.parameters) + 1}::text[],"
        f"  ARRAY[{counts}]::text[]) AS missing FROM (SELECT unit, {fires} AS fires,"
        f"   CASE WHEN {fires} IS NULL THEN {places} END AS lacks FROM {cases}"
        f"   AND {scope} IS NOT FALSE OFFSET 0) judged GROUP BY unit",
        *sql.parameters,
        names,
        timeout=LONG,
    )


async def speakers(
    connection: Connection, day: date, ids: Sequence[int]
) -> dict[int, Row]:
    """These cases with all that rules may read of them, and their units' names."""
    # All units are read once, not once for each case.
    facts = {**_FACTS, "unit_kind": "u.kind"}
    columns = ", ".join(f"{sql} AS {column}" for column, sql in facts.items())
    rows = await connection.fetch(
        f"SELECT c.id, {columns}, u.name AS unit_name"
        " FROM ingest.published_case c LEFT JOIN (SELECT code, kind, name"
        "  FROM platform.unit WHERE valid_from <= $1"
        "  AND (valid_to IS NULL OR valid_to > $1)) u ON u.code = c.unit"
        " WHERE c.id = ANY ($2)",
        day,
        list(ids),
        timeout=LONG,
    )
    return {row["id"]: row for row in rows}


async def open_matters(
    connection: Connection, rule: str, units: Sequence[str] | None
) -> dict[str, Row]:
    """Matters of a rule of cases that are not closed, by unit; held until the end."""
    rows = await connection.fetch(
        "SELECT * FROM alerts.escalation WHERE rule = $1 AND period IS NULL"
        " AND state <> 'closed' AND ($2::text[] IS NULL OR unit = ANY ($2))"
        " ORDER BY id FOR NO KEY UPDATE",
        rule,
        units,
    )
    return {row["unit"]: row for row in rows}


async def members(
    connection: Connection,
    rule: Rule,
    day: date,
    unit: str,
    after: object,
    limit: int,
) -> list[Row]:
    """The cases of a unit on which a rule fires on a day, by their names."""
    sql = Sql(_written("$1::date"), [day, unit, after, limit])
    return await connection.fetch(
        f"SELECT c.id, c.case_no, c.year, {sql.severity(rule.severity)} AS severity"
        " FROM ingest.published_case c WHERE c.unit = $2 AND ($3::bigint IS NULL"
        f" OR c.id > $3) AND {sql.fires(rule)} ORDER BY c.id LIMIT $4",
        *sql.parameters,
        timeout=LONG,
    )


def severity_of(order: int) -> Severity:
    """A severity by its place in their order."""
    return _SEVERITIES[order]


_SEVERITIES = tuple(Severity)
