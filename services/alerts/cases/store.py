"""Queries of sweeps: who is a member of which matter, and who speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
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


def _written(day: str) -> dict[str, str]:
    """Each name of the watch as the SQL reading needs it."""
    words = WORDS[Watch.CASE]
    columns = {
        name: day_number(f"{_FACTS[column]}")
        if words[name].kind is Kind.DATE
        else _FACTS[column]
        for name, column in COLUMNS.items()
    }
    return columns | {"at": day_number(day), "period.end": day_number(day)}


async def one_sweep(connection: Connection) -> None:
    """One sweep at a time: whole tables and single units move the same matters."""
    await connection.execute("SELECT pg_advisory_xact_lock(7, 2)")


async def find(
    connection: Connection,
    rules: Sequence[Rule],
    day: date,
    units: Sequence[str] | None,
) -> None:
    """Lay into `pg_temp.swept` every case on which a rule fires, with its severity.

    What a rule cannot judge has no severity; it is kept where the rule holds it.
    """
    await connection.execute("DROP TABLE IF EXISTS pg_temp.swept")
    await connection.execute(
        "CREATE TEMP TABLE swept (n int, unit text, case_id bigint, severity smallint,"
        " decided_on date) ON COMMIT DROP"
    )
    for number, rule in enumerate(rules):
        sql = Sql(_written("$1::date"), [day, units, number])
        fires = sql.fires(rule)
        wanted = {
            Unknown.IGNORE: fires,
            Unknown.HOLD: f"{fires} IS NOT FALSE",
            Unknown.RAISE: f"{fires} IS NOT FALSE",
        }[rule.unknown]
        severity = sql.severity(rule.severity)
        if rule.unknown is Unknown.HOLD:
            severity = f"CASE WHEN {fires} THEN {severity} END"
        await connection.execute(
            f"INSERT INTO pg_temp.swept SELECT $3::int, c.unit, c.id, {severity},"
            " c.decided_on FROM ingest.published_case c"
            f" WHERE ($2::text[] IS NULL OR c.unit = ANY ($2)) AND {wanted}",
            *sql.parameters,
            timeout=LONG,
        )
    await connection.execute("ANALYZE pg_temp.swept")


async def counted(
    connection: Connection, rule: Rule, day: date, units: Sequence[str] | None = None
) -> list[Row]:
    """(unit, fired, held, silent) of the cases that there were by a day, as they
    stand."""
    sql = Sql(_written("$1::date"), [day, units])
    scope, fires = sql.scope(rule), sql.fires(rule)
    unknown = {
        Unknown.IGNORE: "silent",
        Unknown.HOLD: "held",
        Unknown.RAISE: "fired",
    }[rule.unknown]
    conditions = {
        "fired": f"{fires}",
        "held": "false",
        "silent": f"{fires} IS FALSE",
    }
    conditions[unknown] = f"({conditions[unknown]} OR {fires} IS NULL)"
    wanted = ", ".join(
        f"count(*) FILTER (WHERE {condition}) AS {name}"
        for name, condition in conditions.items()
    )
    return await connection.fetch(
        f"SELECT c.unit, {wanted} FROM ingest.published_case c"
        " WHERE c.decided_on <= $1::date AND ($2::text[] IS NULL OR c.unit = ANY ($2))"
        f" AND {scope} IS NOT FALSE GROUP BY c.unit",
        *sql.parameters,
        timeout=LONG,
    )


async def held(connection: Connection) -> list[Row]:
    """(n, unit, cases) of what a rule could not judge."""
    return await connection.fetch(
        "SELECT n, unit, count(*) AS cases FROM pg_temp.swept WHERE severity IS NULL"
        " GROUP BY n, unit ORDER BY n, unit"
    )


async def speakers(connection: Connection, day: date, most: int) -> list[Row]:
    """For each rule and unit: its worst case with all facts, how many there are, and
    the first of them, the worst and the oldest before the others."""
    facts = ", ".join(f"{sql} AS {column}" for column, sql in _FACTS.items())
    return await connection.fetch(
        "WITH placed AS (SELECT *, row_number() OVER (PARTITION BY n, unit"
        "   ORDER BY severity DESC, decided_on, case_id) AS place,"
        "  count(*) OVER (PARTITION BY n, unit)::int AS total"
        "  FROM pg_temp.swept WHERE severity IS NOT NULL),"
        " first AS MATERIALIZED (SELECT * FROM placed WHERE place <= $2),"
        " named AS (SELECT n, first.unit, jsonb_agg(jsonb_build_object('case', case_id,"
        "   'case_no', case_no, 'year', year, 'severity', severity) ORDER BY place)"
        "   AS first FROM first JOIN ingest.published_case c ON c.id = case_id"
        "  GROUP BY n, first.unit)"
        f" SELECT n, total, named.first, c.id, {facts},"
        "  (SELECT name FROM platform.unit u WHERE u.code = c.unit"
        "   AND u.valid_from <= $1 AND (u.valid_to IS NULL OR u.valid_to > $1))"
        "   AS unit_name"
        " FROM first JOIN named USING (n, unit)"
        " JOIN ingest.published_case c ON c.id = case_id"
        " WHERE place = 1 ORDER BY n, first.unit",
        day,
        most,
        timeout=LONG,
    )


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
    return list(Severity)[order]
