"""Queries about duties: exemptions, members, who answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from libs.common.database import Connection, Row


async def exempted(
    connection: Connection, rules: Sequence[str], day: date
) -> dict[tuple[str, str], str]:
    """(rule, unit) → the exemption that holds on a day."""
    rows = await connection.fetch(
        "SELECT rule, unit, min(id) AS id FROM alerts.exemption"
        " WHERE rule = ANY($1) AND until >= $2 AND ended_at IS NULL GROUP BY rule, unit",
        list(rules),
        day,
    )
    return {(row["rule"], row["unit"]): row["id"] for row in rows}


async def exemptions(
    connection: Connection,
    units: Sequence[str],
    rule: str | None,
    after: object,
    limit: int,
) -> list[Row]:
    """Exemptions of these units, oldest first."""
    return await connection.fetch(
        "SELECT * FROM alerts.exemption WHERE unit = ANY($1)"
        " AND ($2::text IS NULL OR rule = $2) AND ($3::text IS NULL OR id > $3)"
        " ORDER BY id LIMIT $4",
        list(units),
        rule,
        after,
        limit,
    )


async def exemption_for_update(connection: Connection, id: str) -> Row | None:
    """One exemption, held until the transaction ends."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.exemption WHERE id = $1 FOR UPDATE", id
    )


async def keep_exemption(connection: Connection, row: Mapping[str, object]) -> None:
    """Append an exemption."""
    names = ("id", "unit", "rule", "until", "document", "reason", "author", "made_at")
    await connection.execute(
        f"INSERT INTO alerts.exemption ({', '.join(names)})"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(row[name] for name in names),
    )


async def end_exemption(
    connection: Connection, id: str, *, by: str, reason: str, now: datetime
) -> None:
    """End one before its day."""
    await connection.execute(
        "UPDATE alerts.exemption SET ended_at = $2, ended_by = $3, end_reason = $4"
        " WHERE id = $1",
        id,
        now,
        by,
        reason,
    )


async def open_under(connection: Connection, rule: str, unit: str) -> list[Row]:
    """The matters of a unit under a rule that are not closed, held until the end."""
    return await connection.fetch(
        "SELECT * FROM alerts.escalation WHERE rule = $1 AND unit = $2"
        " AND state <> 'closed' ORDER BY id FOR UPDATE",
        rule,
        unit,
    )


async def is_rule(connection: Connection, rule: str) -> bool:
    """Whether there is a rule of that name, in whichever state."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM alerts.rule WHERE id = $1)", rule
    )
    return found


async def orphans(connection: Connection, day: date) -> list[Row]:
    """Open matters addressed to a unit that has become another, with which."""
    return await connection.fetch(
        "WITH RECURSIVE standing AS (SELECT code FROM platform.unit"
        "  WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)),"
        " heir AS (SELECT DISTINCT addressed_to AS unit, addressed_to AS code"
        "  FROM alerts.escalation WHERE state <> 'closed'"
        "  AND addressed_to NOT IN (SELECT code FROM standing)"
        "  UNION SELECT heir.unit, l.successor FROM heir JOIN platform.lineage l"
        "   ON l.predecessor = heir.code AND l.effective <= $1)"
        " SELECT e.*, h.code AS heir FROM alerts.escalation e"
        " JOIN (SELECT unit, min(code) AS code FROM heir JOIN standing USING (code)"
        "  GROUP BY unit) h ON h.unit = e.addressed_to"
        " WHERE e.state <> 'closed' ORDER BY e.id FOR UPDATE OF e",
        day,
    )


# A matter was answered late if its deadline had passed before anything was handed in.
_ANSWERS = """
SELECT e.unit, count(*)::int AS owed,
  count(first_in.at)::int AS answered,
  count(*) FILTER (WHERE first_in.at IS NOT NULL AND EXISTS (
    SELECT FROM alerts.entry o WHERE o.escalation = e.id AND o.change = 'overdue'
      AND o.at <= first_in.at))::int AS late,
  coalesce(sum(returned.n), 0)::int AS returned,
  count(*) FILTER (WHERE e.closed_as = 'accepted')::int AS accepted,
  count(*) FILTER (WHERE e.state IN ('open', 'returned'))::int AS outstanding,
  count(*) FILTER (WHERE e.state IN ('open', 'returned') AND e.ends_at <= $3)::int
    AS overdue
FROM alerts.escalation e
LEFT JOIN LATERAL (SELECT min(handed_in_at) AS at FROM alerts.explanation x
  WHERE x.escalation = e.id) first_in ON true
LEFT JOIN LATERAL (SELECT count(*) AS n FROM alerts.entry r
  WHERE r.escalation = e.id AND r.change = 'returned') returned ON true
WHERE e.period = $1 AND e.unit = ANY($2) AND e.owes <> 'nothing'
  AND ($4::text IS NULL OR e.unit > $4)
GROUP BY e.unit ORDER BY e.unit LIMIT $5
"""


async def answers(
    connection: Connection,
    period: str,
    units: Sequence[str],
    now: datetime,
    after: object,
    limit: int,
) -> list[Row]:
    """Of each unit, how many duties of a period it had and what it answered."""
    return await connection.fetch(_ANSWERS, period, list(units), now, after, limit)
