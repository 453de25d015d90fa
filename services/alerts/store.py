"""Queries of schema `alerts`: rules, decisions and the matters they open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.database import Connection, Row, insert_many
from libs.common.periods import Period
from services.alerts.domain.deadlines import VIETNAM
from services.alerts.domain.rules import Step
from services.alerts.domain.timers import Timer

# Facts ------------------------------------------------------------------------------


async def obligations(connection: Connection) -> list[Row]:
    """Every dated row of who owes which report."""
    return await connection.fetch("SELECT * FROM ingest.published_obligation")


async def units_of_kind(connection: Connection, kind: str, on: date) -> list[Row]:
    """Units of a kind in force on a day."""
    return await connection.fetch(
        "SELECT code, name FROM platform.unit WHERE kind = $1 AND valid_from <= $2"
        " AND (valid_to IS NULL OR valid_to > $2)",
        kind,
        on,
    )


async def arrivals(
    connection: Connection, period: str
) -> dict[str, dict[tuple[str, str], datetime]]:
    """When each row that stands for a period was first there, by unit and cell."""
    rows = await connection.fetch(
        "SELECT unit, measure, category, came FROM ingest.published_arrival"
        " WHERE period = $1",
        period,
    )
    found: dict[str, dict[tuple[str, str], datetime]] = {}
    for row in rows:
        cells = found.setdefault(row["unit"], {})
        cells[row["measure"], row["category"]] = row["came"].astimezone(VIETNAM)
    return found


async def latest_cuts(connection: Connection, day: date) -> dict[str, list[str]]:
    """Of each unit the last cut of a day's working year by then: period → units."""
    rows = await connection.fetch("SELECT DISTINCT period FROM ingest.published_report")
    year = Period.ending(day).working_year
    cuts = (Period.parse(row["period"]) for row in rows)
    known = {c.code: c for c in cuts if c.end < day and c.working_year == year}
    rows = await connection.fetch(
        "SELECT DISTINCT period, unit FROM scoring.published_scorecard"
        " WHERE period = ANY($1)",
        list(known),
    )
    latest: dict[str, Period] = {}
    for row in rows:
        unit, cut = row["unit"], known[row["period"]]
        if unit not in latest or latest[unit].end < cut.end:
            latest[unit] = cut
    found: dict[str, list[str]] = {}
    for unit, cut in sorted(latest.items()):
        found.setdefault(cut.code, []).append(unit)
    return found


async def last_day(connection: Connection, today: date) -> date:
    """The last day that was judged; the first of all days counts as judged.

    One worker at a time asks; the others wait until it has done its day.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(7, 1)")
    last: date | None = await connection.fetchval("SELECT max(day) FROM alerts.day")
    if last is None:
        await day_done(connection, today)
    return last or today


async def day_done(connection: Connection, day: date) -> None:
    """Note that a day was judged."""
    await connection.execute("INSERT INTO alerts.day (day) VALUES ($1)", day)


async def one_evaluation(connection: Connection, period: str) -> None:
    """Hold the period's evaluation; the same lock that its events are claimed under."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(7, hashtext('scores.changed' || $1))", period
    )


# Rules ------------------------------------------------------------------------------


async def active_rules(connection: Connection) -> list[Row]:
    """id, version and source of every active rule."""
    return await connection.fetch(
        "SELECT id, version, source FROM alerts.rule WHERE state = 'active' ORDER BY id"
    )


# Decisions --------------------------------------------------------------------------

_DECISION = (
    "period", "rule", "unit", "measure", "category", "rule_version", "verdict",
    "missing", "severity", "at", "decided_by", "why", "trace", "inhibited_by",
)  # fmt: skip


async def replace_decisions(
    connection: Connection,
    period: str,
    rules: Sequence[str],
    units: Sequence[str] | None,
    decisions: Sequence[tuple[object, ...]],
) -> None:
    """Keep the last verdict per rule and row of a period."""
    await connection.execute(
        "DELETE FROM alerts.decision WHERE period = $1 AND rule = ANY($2)"
        " AND ($3::text[] IS NULL OR unit = ANY($3))",
        period,
        list(rules),
        units,
    )
    await insert_many(connection, "alerts.decision", _DECISION, decisions)


async def decisions(
    connection: Connection,
    *,
    units: Sequence[str],
    period: str,
    rule: str | None,
    verdict: str | None,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """The last verdicts of a period among these units."""
    return await connection.fetch(
        "SELECT * FROM alerts.decision WHERE period = $1 AND unit = ANY($2)"
        " AND ($3::text IS NULL OR rule = $3) AND ($4::text IS NULL OR verdict = $4)"
        " AND ($5::text IS NULL OR (rule, unit, measure, category) > ($5, $6, $7, $8))"
        " ORDER BY rule, unit, measure, category LIMIT $9",
        period,
        list(units),
        rule,
        verdict,
        *(after or (None, None, None, None)),
        limit,
    )


# Matters ----------------------------------------------------------------------------

MATTER = (
    "id", "rule", "rule_version", "unit", "period", "measure", "category", "state",
    "closed_as", "severity", "opened_at", "acknowledged_at", "level", "addressed_to",
    "owes", "closes", "due_on", "due_inclusive", "ends_at", "facts", "trace", "basis",
    "title", "decided_by", "why", "illustrative", "sequence", "message", "visibility",
    "members",
)  # fmt: skip


Key = tuple[str, str, str | None, str | None]
"""Of a matter within its period: rule, unit, measure, category."""


async def open_matters_of(connection: Connection, rules: Sequence[str]) -> list[Row]:
    """What of these rules is not closed, whichever the period."""
    return await connection.fetch(
        "SELECT id, rule, unit, period, measure, category FROM alerts.escalation"
        " WHERE rule = ANY($1) AND state <> 'closed' ORDER BY opened_at, id",
        list(rules),
    )


async def matters_of(
    connection: Connection, period: str, rules: Sequence[str]
) -> dict[Key, Row]:
    """Every matter of a period under these rules, by (rule, unit, measure, category).

    They are held until the transaction ends: what a unit hands in meanwhile waits,
    and is not written over.
    """
    rows = await connection.fetch(
        "SELECT * FROM alerts.escalation WHERE period = $1 AND rule = ANY($2)"
        " ORDER BY id FOR NO KEY UPDATE",
        period,
        list(rules),
    )
    return {(r["rule"], r["unit"], r["measure"], r["category"]): r for r in rows}


async def open_matters(
    connection: Connection, matters: Sequence[Mapping[str, object]]
) -> None:
    """Insert new matters; their unique key refuses a second one."""
    await insert_many(
        connection,
        "alerts.escalation",
        MATTER,
        [tuple(matter[name] for name in MATTER) for matter in matters],
    )


async def save_matters(
    connection: Connection, matters: Sequence[Mapping[str, object]]
) -> None:
    """Write matters back as they now stand."""
    columns = [name for name in MATTER if name != "id"]
    places = ", ".join(f"{name} = ${i}" for i, name in enumerate(columns, start=2))
    await connection.executemany(
        f"UPDATE alerts.escalation SET {places} WHERE id = $1",
        [(m["id"], *(m[name] for name in columns)) for m in matters],
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a matter's log."""

    escalation: str
    change: str
    at: datetime
    actor: str
    detail: Mapping[str, object]


async def log_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Append to the logs of matters, which are numbered from 1, in this order."""
    names = ("escalation", "change", "at", "actor", "detail")
    await connection.execute(
        "INSERT INTO alerts.entry (escalation, n, change, at, actor, detail)"
        " SELECT escalation, row_number() OVER (PARTITION BY escalation ORDER BY place)"
        "  + (SELECT count(*) FROM alerts.entry e WHERE e.escalation = new.escalation),"
        "  change, at, actor, detail FROM unnest($1::text[], $2::text[],"
        "  $3::timestamptz[], $4::text[], $5::jsonb[]) WITH ORDINALITY"
        "  AS new (escalation, change, at, actor, detail, place)",
        *([getattr(entry, name) for entry in entries] for name in names),
    )


async def count_in_batches(
    connection: Connection,
    batches: Sequence[str],
    opened: Sequence[str],
    closed: Sequence[str],
) -> None:
    """Add to each receipt the matters opened and closed of the units it reported."""
    await connection.execute(
        # Locked in order, as those who settle batches do.
        "WITH held AS (SELECT id FROM platform.batch WHERE id = ANY($1)"
        '  ORDER BY id COLLATE "C" FOR UPDATE),'
        " ours AS (SELECT DISTINCT batch, unit FROM ingest.published_report"
        "  WHERE batch = ANY($1))"
        " UPDATE platform.batch b SET"
        "  opened = opened + (SELECT count(*) FROM unnest($2::text[]) u"
        "   JOIN ours ON ours.unit = u WHERE ours.batch = b.id),"
        "  closed = closed + (SELECT count(*) FROM unnest($3::text[]) u"
        "   JOIN ours ON ours.unit = u WHERE ours.batch = b.id)"
        " FROM held WHERE b.id = held.id",
        list(batches),
        list(opened),
        list(closed),
    )


async def count_of_unit(
    connection: Connection, batches: Sequence[str], opened: int, closed: int
) -> None:
    """Add to each receipt the matters of a unit's cases that were opened and closed."""
    await connection.execute(
        "UPDATE platform.batch SET opened = opened + $2, closed = closed + $3"
        " WHERE id = ANY($1)",
        list(batches),
        opened,
        closed,
    )


async def arm(connection: Connection, timers: Sequence[tuple[str, Timer]]) -> None:
    """Set the timers of matters; a deadline set anew can pass once more."""
    rows = [
        (
            id,
            timer.n,
            timer.step and timer.step.working_days,
            timer.step and timer.step.levels,
            timer.due_at,
        )
        for id, timer in timers
    ]
    if not rows:
        return
    await connection.execute(
        "INSERT INTO alerts.timer (escalation, n, working_days, levels, due_at)"
        " SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::int[],"
        "  $5::timestamptz[]) ON CONFLICT (escalation, n) DO UPDATE SET"
        " due_at = excluded.due_at,"
        " fired_at = CASE WHEN excluded.n > 0 THEN timer.fired_at END",
        *map(list, zip(*rows, strict=True)),
    )


async def steps_of(connection: Connection, id: str) -> list[Step]:
    """The policy that a matter was opened under."""
    rows = await connection.fetch(
        "SELECT working_days, levels FROM alerts.timer"
        " WHERE escalation = $1 AND n > 0 ORDER BY n",
        id,
    )
    return [Step(row["working_days"], row["levels"]) for row in rows]


async def due_timers(connection: Connection, now: datetime, most: int) -> list[Row]:
    """What has come due, in the order of its moments; one worker at a time.

    A matter that is explained or closed waits for nothing: its timers rest.
    """
    alone = await connection.fetchval("SELECT pg_try_advisory_xact_lock(7, 0)")
    if not alone:
        return []
    # What follows is written row by row, hundreds of times the same statement.
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    return await connection.fetch(
        "SELECT t.n, t.levels, t.due_at, e.* FROM alerts.timer t"
        " JOIN alerts.escalation e ON e.id = t.escalation"
        " WHERE t.fired_at IS NULL AND t.due_at <= $1"
        "  AND e.state IN ('open', 'returned')"
        # One that is being moved by someone else is left for the next time.
        " ORDER BY t.due_at, e.opened_at, e.id, t.n LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        most,
    )


async def fired(connection: Connection, timers: Sequence[tuple[str, int]]) -> None:
    """Mark timers as done, by true time."""
    await connection.executemany(
        "UPDATE alerts.timer SET fired_at = now() WHERE escalation = $1 AND n = $2",
        timers,
    )


# An ended unit's way up begins at what it became.
_ABOVE = """
WITH RECURSIVE heir AS (
  SELECT $1::text AS code
  UNION SELECT l.successor FROM heir JOIN platform.lineage l
    ON l.predecessor = heir.code AND l.effective <= $2),
standing AS (
  SELECT code, parent FROM platform.unit
  WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)),
up AS (
  SELECT * FROM (SELECT s.code, s.parent, 0 AS steps FROM heir JOIN standing s USING (code)
    ORDER BY s.code LIMIT 1) first
  UNION ALL SELECT s.code, s.parent, steps + 1 FROM up JOIN standing s ON s.code = up.parent)
SELECT code FROM up WHERE steps > 0 ORDER BY steps
"""


async def units_above(connection: Connection, unit: str, day: date) -> list[str]:
    """The units above one as the tree stood on a day, the nearest first."""
    rows = await connection.fetch(_ABOVE, unit, day)
    return [row["code"] for row in rows]


def so_far_up(unit: str, above: Sequence[str], levels: int) -> str:
    """The unit so many levels up among those above one; at the root it stays."""
    return above[min(levels, len(above)) - 1] if above and levels else unit


async def matter_for_update(connection: Connection, id: str) -> Row | None:
    """One matter, held until the transaction ends."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.escalation WHERE id = $1 FOR UPDATE", id
    )


async def matter(connection: Connection, id: str) -> Row | None:
    """One matter."""
    return await connection.fetchrow(
        "SELECT * FROM alerts.escalation WHERE id = $1", id
    )


async def history(connection: Connection, id: str) -> list[Row]:
    """A matter's log, oldest first."""
    return await connection.fetch(
        "SELECT * FROM alerts.entry WHERE escalation = $1 ORDER BY n", id
    )


async def explanations(connection: Connection, id: str) -> list[Row]:
    """What was handed in, oldest first."""
    return await connection.fetch(
        "SELECT * FROM alerts.explanation WHERE escalation = $1 ORDER BY n", id
    )


async def keep_explanation(
    connection: Connection,
    id: str,
    *,
    causes: Sequence[str],
    text: str,
    remedies: Sequence[Mapping[str, object]],
    attachments: Sequence[str],
    author: str,
    now: datetime,
) -> int:
    """Append what was handed in; returns its number."""
    n: int = await connection.fetchval(
        "INSERT INTO alerts.explanation (escalation, n, causes, text, remedies,"
        " attachments, author, handed_in_at)"
        " SELECT $1, 1 + count(*), $2, $3, $4, $5, $6, $7 FROM alerts.explanation"
        " WHERE escalation = $1 RETURNING n",
        id,
        list(causes),
        text,
        list(remedies),
        list(attachments),
        author,
        now,
    )
    return n


async def matters_listed(
    connection: Connection,
    *,
    units: Sequence[str],
    state: str | None,
    rule: str | None,
    severity: str | None,
    overdue: bool | None,
    hidden: Sequence[str],
    now: datetime,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """Matters of these units, oldest first; those of `hidden` only as far as a unit
    itself may see them."""
    return await connection.fetch(
        "SELECT * FROM alerts.escalation WHERE unit = ANY($1)"
        " AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR rule = $3)"
        " AND ($4::text IS NULL OR severity = $4)"
        " AND ($5::bool IS NULL OR $5 = (state IN ('open', 'returned')"
        "  AND ends_at IS NOT NULL AND ends_at <= $6))"
        " AND ($7::timestamptz IS NULL OR (opened_at, id) > ($7, $8))"
        " AND (visibility = 'unit' OR unit <> ALL($10))"
        " ORDER BY opened_at, id LIMIT $9",
        list(units),
        state,
        rule,
        severity,
        overdue,
        now,
        *(after or (None, None)),
        limit,
        list(hidden),
    )


# Reports that subscribers hear of ----------------------------------------------------


_BROUGHT = (
    "batch = ANY($1) AND (batch, period) IN"
    " (SELECT * FROM unnest($1::text[], $2::text[]))"
)


async def reports_brought(
    connection: Connection, batches: Sequence[str], periods: Sequence[str]
) -> list[Row]:
    """The revisions that each batch brought for the period beside it."""
    return await connection.fetch(
        f"SELECT * FROM ingest.published_report WHERE {_BROUGHT}"
        " ORDER BY period, unit, revision",
        batches,
        periods,
    )


async def closings_brought(
    connection: Connection, batches: Sequence[str], periods: Sequence[str]
) -> list[Row]:
    """That a period was closed or reopened, where a batch did so."""
    return await connection.fetch(
        f"SELECT * FROM ingest.published_closing WHERE {_BROUGHT} ORDER BY id",
        batches,
        periods,
    )
