"""Cases as they stood at a cut-off, as known today and as known when it was reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.database import Connection, Row


@dataclass(frozen=True, slots=True)
class Cut:
    """Which cases, when; `reported_at` is None where nothing was reported."""

    units: Sequence[str]
    start: date
    start_moment: datetime
    end_moment: datetime
    reported_at: datetime | None

    @property
    def arguments(self) -> tuple[object, ...]:
        """In the order in which the queries name them."""
        return (
            list(self.units),
            self.start,
            self.start_moment,
            self.end_moment,
            self.reported_at,
        )


def _part(of: str) -> str:
    # What was finished before the working year began belongs to none of it.
    return (
        f"CASE WHEN {of}.status IN ('completed', 'terminated')"
        f" THEN CASE WHEN {of}.status_since >= $2::date THEN {of}.status END"
        f" WHEN {of}.status = 'enforceable' THEN 'in_progress'"
        f" WHEN {of}.status IN ('postponed', 'suspended') THEN 'postponed_suspended'"
        f" WHEN {of}.status = 'ledger' THEN 'separate_ledger'"
        f" ELSE {of}.status END"
    )


_NEWEST = (
    "SELECT DISTINCT ON (case_id) h.* FROM ingest.case_history h"
    " JOIN ours ON ours.id = h.case_id"
)
_FIRST = "ORDER BY case_id, as_of DESC, version"

# Of records of the same moment the first received stands, hence the order by version.
_PLACED = f"""
WITH ours AS (SELECT * FROM ingest.enforcement_case WHERE unit = ANY($1)),
standing AS ({_NEWEST} WHERE h.as_of <= $4 {_FIRST}),
reported AS ({_NEWEST} JOIN ingest.case_intake i ON i.id = h.intake
  WHERE h.as_of <= $4 AND i.received_at <= $5 {_FIRST}),
before AS ({_NEWEST} WHERE h.as_of <= $3 {_FIRST}),
placed AS (
  SELECT ours.id, ours.unit, ours.case_no, ours.year, s.status, s.status_since, s.as_of,
    {_part("s")} AS part, {_part("r")} AS part_then,
    ours.status AS latest, ours.as_of AS latest_as_of,
    s.due_vnd, s.collected_vnd,
    CASE WHEN s.decided_on >= $2::date THEN 0 ELSE b.collected_vnd END AS collected_before
  FROM ours JOIN standing s ON s.case_id = ours.id
  LEFT JOIN reported r ON r.case_id = ours.id
  LEFT JOIN before b ON b.case_id = ours.id)
"""


async def groups(connection: Connection, cut: Cut) -> list[Row]:
    """Cases by where they stand and where they stood when it was reported, summed."""
    return await connection.fetch(
        _PLACED + "SELECT part, part_then, count(*) AS cases,"
        " CASE WHEN bool_and(collected_before IS NOT NULL)"
        "  THEN sum(due_vnd - collected_before)::bigint END AS owed,"
        " CASE WHEN bool_and(collected_before IS NOT NULL)"
        "  THEN sum(collected_vnd - collected_before)::bigint END AS collected"
        " FROM placed GROUP BY part, part_then",
        *cut.arguments,
    )


async def cases(
    connection: Connection,
    cut: Cut,
    wanted: Sequence[str],
    *,
    likely: bool,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """Cases that some parts count, or counted when it was reported, by (unit, number)."""
    return await connection.fetch(
        _PLACED + "SELECT * FROM (SELECT *, coalesce(part = ANY($6), false) AS counted,"
        " coalesce(part_then = ANY($6), false) AS counted_then,"
        " latest <> status AS changed_later FROM placed) p"
        " WHERE (counted OR counted_then) AND (NOT $7 OR changed_later"
        "  OR ($5::timestamptz IS NOT NULL AND counted <> counted_then))"
        " AND ($8::text IS NULL OR (unit, case_no, year) > ($8, $9::text, $10::bigint))"
        " ORDER BY unit, case_no, year LIMIT $11",
        *cut.arguments,
        list(wanted),
        likely,
        *(after or (None, None, None)),
        limit,
    )
