"""Queries of rules: their versions, where they stand, and who moved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.common.database import Connection, Row, insert_many
from services.alerts.domain.rule_life import Change, RuleState


async def one_writer(connection: Connection, id: str) -> None:
    """One change of a rule at a time."""
    await connection.execute("SELECT pg_advisory_xact_lock(12, hashtext($1))", id)


async def listed(
    connection: Connection, after: tuple[object, ...] | None, limit: int
) -> list[Row]:
    """Every version of every rule."""
    return await connection.fetch(
        "SELECT * FROM alerts.rule WHERE $1::text IS NULL"
        " OR (id, version::bigint) > ($1, $2::bigint)"
        " ORDER BY id, version LIMIT $3",
        *(after or (None, None)),
        limit,
    )


async def found(connection: Connection, id: str, version: int | None) -> Row | None:
    """One version, or the active one, or else the newest."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.rule WHERE id = $1 AND ($2::int IS NULL OR version = $2)"
        " ORDER BY state = 'active' DESC, version DESC LIMIT 1",
        id,
        version,
    )


async def newest(connection: Connection, id: str) -> int | None:
    """The highest version there is."""
    highest: int | None = await connection.fetchval(
        "SELECT max(version) FROM alerts.rule WHERE id = $1", id
    )
    return highest


async def ids(connection: Connection) -> set[str]:
    """Of every rule that was ever kept."""
    rows = await connection.fetch("SELECT DISTINCT id FROM alerts.rule")
    return {row["id"] for row in rows}


async def in_state(
    connection: Connection, state: RuleState, id: str | None = None
) -> list[Row]:
    """Versions that stand so, of one rule or of all."""
    return await connection.fetch(
        "SELECT * FROM alerts.rule WHERE state = $1 AND ($2::text IS NULL OR id = $2)"
        " ORDER BY id",
        state,
        id,
    )


async def keep(
    connection: Connection,
    id: str,
    version: int,
    source: str,
    *,
    origin: str,
    now: datetime,
) -> None:
    """A new version, a draft; its text never changes."""
    await connection.execute(
        "INSERT INTO alerts.rule"
        " (id, version, state, source, origin, created_at)"
        " VALUES ($1, $2, 'draft', $3, $4, $5)",
        id,
        version,
        source,
        origin,
        now,
    )


async def move(
    connection: Connection, id: str, version: int, state: RuleState, now: datetime
) -> Row:
    """Let a version stand elsewhere; answers it as it now is."""
    row = await connection.fetchrow(
        "UPDATE alerts.rule SET state = $3::text,"
        " activated_at = CASE WHEN $3 = 'active' THEN $4::timestamptz"
        "  ELSE activated_at END"
        " WHERE id = $1 AND version = $2 RETURNING *",
        id,
        version,
        state,
        now,
    )
    assert row is not None
    return row


async def log(
    connection: Connection,
    id: str,
    version: int,
    change: Change,
    *,
    actor: str,
    reason: str | None,
    now: datetime,
) -> None:
    """Append to a version's history."""
    await connection.execute(
        "INSERT INTO alerts.rule_event (rule, version, change, actor, reason, at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        version,
        change,
        actor,
        reason,
        now,
    )


async def history(connection: Connection, id: str, version: int) -> Sequence[Row]:
    """What became of a version, the oldest first."""
    return await connection.fetch(
        "SELECT * FROM alerts.rule_event WHERE rule = $1 AND version = $2 ORDER BY id",
        id,
        version,
    )


async def backtested(connection: Connection, id: str, version: int) -> bool:
    """Whether a backtest of this version was recorded to its end."""
    done: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM alerts.backtest b WHERE rule = $1 AND version = $2"
        " AND cardinality(periods) = (SELECT count(*) FROM alerts.backtest_period p"
        "  WHERE p.backtest = b.id))",
        id,
        version,
    )
    return done


# Shadows ----------------------------------------------------------------------------

_SHADOW = (
    "rule", "period", "unit", "measure", "category", "version", "verdict", "severity",
    "missing", "active_version", "active_verdict", "cases", "active_cases", "at",
)  # fmt: skip


async def shadows(connection: Connection) -> list[Row]:
    """(id, source, active): each version in shadow, and the text of the active one."""
    return await connection.fetch(
        "SELECT s.id, s.source, a.source AS active FROM alerts.rule s"
        " LEFT JOIN alerts.rule a ON a.id = s.id AND a.state = 'active'"
        " WHERE s.state = 'shadow' ORDER BY s.id"
    )


async def replace_shadow(
    connection: Connection,
    rule: str,
    period: str,
    units: Sequence[str] | None,
    judged: Sequence[tuple[object, ...]],
) -> None:
    """Keep what a version in shadow says now of a period, of all units or of some."""
    await connection.execute(
        "DELETE FROM alerts.shadow_decision WHERE rule = $1 AND period = $2"
        " AND ($3::text[] IS NULL OR unit = ANY ($3))",
        rule,
        period,
        units,
    )
    await insert_many(connection, "alerts.shadow_decision", _SHADOW, judged)


async def forget_shadow(connection: Connection, rule: str) -> None:
    """Forget what was said in shadow."""
    await connection.execute("DELETE FROM alerts.shadow_decision WHERE rule = $1", rule)


_DIFFERENCE = """
CASE WHEN (verdict = 'fired') = (active_verdict IS NOT DISTINCT FROM 'fired') THEN 'same'
  WHEN verdict = 'fired' THEN 'would_open' ELSE 'would_not' END
"""


async def shadow_counts(
    connection: Connection, rule: str, period: str, units: Sequence[str]
) -> Row | None:
    """How often the shadow fires, is held and silent, and how it differs."""
    return await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE verdict = 'fired') AS fired,"
        " count(*) FILTER (WHERE verdict = 'held') AS held,"
        " count(*) FILTER (WHERE verdict = 'silent') AS silent,"
        " count(*) FILTER (WHERE difference = 'would_open') AS would_open,"
        " count(*) FILTER (WHERE difference = 'would_not') AS would_not,"
        " count(*) FILTER (WHERE difference = 'same') AS same, max(at) AS at"
        f" FROM (SELECT *, {_DIFFERENCE} AS difference FROM alerts.shadow_decision"
        "  WHERE rule = $1 AND period = $2 AND unit = ANY ($3)) judged",
        rule,
        period,
        list(units),
    )


async def shadow_rows(
    connection: Connection,
    rule: str,
    period: str,
    *,
    units: Sequence[str],
    difference: str | None,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """What the shadow says of each row, and how that differs from the active one."""
    return await connection.fetch(
        f"SELECT * FROM (SELECT *, {_DIFFERENCE} AS difference"
        "  FROM alerts.shadow_decision) judged"
        " WHERE rule = $1 AND period = $2 AND unit = ANY ($3)"
        " AND ($4::text IS NULL OR difference = $4)"
        " AND ($5::text IS NULL OR (unit, measure, category) > ($5, $6, $7))"
        " ORDER BY unit, measure, category LIMIT $8",
        rule,
        period,
        list(units),
        difference,
        *(after or (None, None, None)),
        limit,
    )


async def left_open(connection: Connection, rule: str | None) -> list[Row]:
    """Matters of a rule, or of any, that are open though it has no active version; held
    until the transaction ends."""
    return await connection.fetch(
        "SELECT e.* FROM alerts.escalation e"
        " WHERE e.state <> 'closed' AND ($1::text IS NULL OR e.rule = $1)"
        " AND NOT EXISTS (SELECT FROM alerts.rule r"
        "  WHERE r.id = e.rule AND r.state = 'active')"
        " ORDER BY e.id FOR NO KEY UPDATE OF e",
        rule,
    )


async def cuts_of_matters(connection: Connection, rule: str) -> list[Row]:
    """(period, null) or, of cases, (null, unit) for which a rule's matters stand open,
    or stood until the rule ended."""
    return await connection.fetch(
        "SELECT DISTINCT period, CASE WHEN period IS NULL THEN unit END AS unit"
        " FROM alerts.escalation WHERE rule = $1"
        " AND (state <> 'closed' OR (closed_as = 'superseded' AND period IS NOT NULL))"
        " ORDER BY 1, 2",
        rule,
    )
