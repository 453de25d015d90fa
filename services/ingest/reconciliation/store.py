"""Cases as they stood at a cut-off, as known today and as known when it was reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.database import Connection, Row
from services.ingest.cases.finding import Whose


@dataclass(frozen=True, slots=True)
class Cut:
    """Which cases, when; `reported_at` is None where nothing was reported.

    An officer's are those that the officer dealt with at the cut-off, in `offices`.
    """

    whose: Whose
    start: date
    start_moment: datetime
    end_moment: datetime
    reported_at: datetime | None

    @property
    def arguments(self) -> tuple[object, ...]:
        """In the order in which the queries name them."""
        return (
            list(self.whose.units or ()),
            self.start,
            self.start_moment,
            self.end_moment,
            self.reported_at,
            list(self.whose.officers),
            list(self.whose.offices),
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


# What came later than the moment seen from; nothing does where none is asked for.
_KNOWN = (
    "h.intake NOT IN (SELECT id FROM ingest.case_intake"
    " WHERE received_at > (SELECT platform.known_at()))"
)
_NEWEST = (
    "SELECT DISTINCT ON (case_id) h.* FROM ingest.case_history h"
    f" JOIN ours ON ours.id = h.case_id WHERE {_KNOWN}"
)
_FIRST = "ORDER BY case_id, as_of DESC, version"


# A case of one of the units, or in the hands of one of the officers.
def _ours(of: str) -> str:
    return f"(ours.whole OR {of}.officer = ANY($6))"


# Of records of the same moment the first received stands, hence the order by version.
# A case that a successor had by then, under its number and day, is that one's.
_PLACED = f"""
WITH gone_on AS (
  SELECT c.id FROM ingest.lineage l JOIN ingest.enforcement_case c
    ON c.unit = l.predecessor
  JOIN ingest.enforcement_case n
    ON n.unit = l.successor AND n.case_no = c.case_no AND n.year = c.year
  JOIN ingest.case_history h ON h.case_id = n.id AND h.as_of <= $4
    AND h.decided_on = c.decided_on AND {_KNOWN}
  WHERE l.recorded_at <= (SELECT platform.known_at())
    AND l.effective < ($4 AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
    AND l.predecessor = ANY($1 || $7::text[])),
ours AS (SELECT *, $7::text[] = '{{}}' OR unit = ANY($1) AS whole
  FROM ingest.enforcement_case
  WHERE unit = ANY($1 || $7::text[]) AND id NOT IN (SELECT id FROM gone_on)),
standing AS ({_NEWEST} AND h.as_of <= $4 {_FIRST}),
reported AS ({_NEWEST} AND h.as_of <= $4 AND h.intake IN (
  SELECT id FROM ingest.case_intake WHERE received_at <= $5) {_FIRST}),
before AS ({_NEWEST} AND h.as_of <= $3 {_FIRST}),
placed AS (
  SELECT ours.id, ours.unit, ours.case_no, ours.year, s.status, s.status_since, s.as_of,
    CASE WHEN {_ours("s")} THEN {_part("s")} END AS part,
    CASE WHEN {_ours("r")} THEN {_part("r")} END AS part_then,
    CASE WHEN (SELECT platform.known_at()) = 'infinity' THEN ours.status ELSE (
      SELECT h.status FROM ingest.case_history h WHERE h.case_id = ours.id
      AND {_KNOWN} ORDER BY h.as_of DESC, h.version LIMIT 1) END AS latest,
    s.due_vnd, s.collected_vnd,
    CASE WHEN s.decided_on >= $2::date THEN 0 ELSE b.collected_vnd END AS collected_before
  FROM ours JOIN standing s ON s.case_id = ours.id
  LEFT JOIN reported r ON r.case_id = ours.id
  LEFT JOIN before b ON b.case_id = ours.id
  WHERE {_ours("s")} OR {_ours("r")})
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
        _PLACED + "SELECT * FROM (SELECT *, coalesce(part = ANY($8), false) AS counted,"
        " coalesce(part_then = ANY($8), false) AS counted_then,"
        " latest <> status AS changed_later FROM placed) p"
        " WHERE (counted OR counted_then) AND (NOT $9 OR changed_later"
        "  OR ($5::timestamptz IS NOT NULL AND counted <> counted_then))"
        " AND ($10::text IS NULL"
        "  OR (unit, case_no, year) > ($10, $11::text, $12::bigint))"
        " ORDER BY unit, case_no, year LIMIT $13",
        *cut.arguments,
        list(wanted),
        likely,
        *(after or (None, None, None)),
        limit,
    )
