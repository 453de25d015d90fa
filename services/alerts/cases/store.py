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
        "CREATE TEMP TABLE swept (n int, unit text, case_id bigint, severity smallint)"
        " ON COMMIT DROP"
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
            f"INSERT INTO pg_temp.swept SELECT $3::int, c.unit, c.id, {severity}"
            " FROM ingest.published_case c"
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
        "WITH ordered AS (SELECT s.*, row_number() OVER (PARTITION BY s.n, s.unit"
        "  ORDER BY s.severity DESC, c.decided_on, c.id) AS place, c.case_no, c.year"
        "  FROM pg_temp.swept s JOIN ingest.published_case c ON c.id = s.case_id"
        "  WHERE s.severity IS NOT NULL),"
        " grouped AS (SELECT n, unit, count(*)::int AS total,"
        "  min(case_id) FILTER (WHERE place = 1) AS id,"
        "  jsonb_agg(jsonb_build_object('case', case_id, 'case_no', case_no,"
        "   'year', year, 'severity', severity) ORDER BY place)"
        "   FILTER (WHERE place <= $2) AS first FROM ordered GROUP BY n, unit)"
        f" SELECT g.n, g.total, g.first, g.id, {facts},"
        "  (SELECT name FROM platform.unit u WHERE u.code = c.unit"
        "   AND u.valid_from <= $1 AND (u.valid_to IS NULL OR u.valid_to > $1))"
        "   AS unit_name"
        " FROM grouped g JOIN ingest.published_case c ON c.id = g.id ORDER BY n, unit",
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


async def keep_members(
    connection: Connection, rules: Sequence[str], units: Sequence[str] | None
) -> None:
    """Let the members of open matters be those that were found."""
    wanted = (
        "SELECT e.id AS escalation, s.case_id, s.severity FROM pg_temp.swept s"
        " JOIN unnest($1::text[]) WITH ORDINALITY r (rule, n) ON r.n = s.n + 1"
        " JOIN alerts.escalation e ON e.rule = r.rule AND e.unit = s.unit"
        "  AND e.period IS NULL AND e.state <> 'closed' WHERE s.severity IS NOT NULL"
    )
    await connection.execute(
        f"WITH wanted AS MATERIALIZED ({wanted})"
        " DELETE FROM alerts.member m USING alerts.escalation e WHERE e.id = m.escalation"
        " AND e.rule = ANY ($1) AND e.period IS NULL"
        " AND ($2::text[] IS NULL OR e.unit = ANY ($2))"
        " AND NOT EXISTS (SELECT FROM wanted w WHERE w.escalation = m.escalation"
        "  AND w.case_id = m.case_id)",
        list(rules),
        units,
        timeout=LONG,
    )
    await connection.execute(
        f"INSERT INTO alerts.member AS m {wanted} AND $2::text[] IS NOT DISTINCT FROM $2"
        " ON CONFLICT (escalation, case_id) DO UPDATE SET severity = excluded.severity"
        " WHERE m.severity <> excluded.severity",
        list(rules),
        units,
        timeout=LONG,
    )


def severity_of(order: int) -> Severity:
    """A severity by its place in their order."""
    return list(Severity)[order]
