"""Queries of schema `ingest`, each under a name that says what it finds or keeps."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime

from libs.common import lenses
from libs.common.database import Connection, Row
from services.ingest.domain.lineage import Link, Reorganisation
from services.ingest.domain.names import sort_key
from services.ingest.domain.reports import COLUMNS, Report, Stored
from services.ingest.domain.reports import Row as FigureRow
from services.ingest.domain.tree import Unit


@dataclass(frozen=True, slots=True)
class Changed:
    """A report with its new revision and the rows that differ from what stands."""

    report: Report
    revision: int
    rows: tuple[FigureRow, ...]
    correction: bool


_COUNTS = ", ".join(f'"{name}"' for name in COLUMNS)
_FIGURE = (
    "period",
    "unit",
    "measure",
    "category",
    "revision",
    "removed",
    "illustrative",
    "document",
    "document_date",
    "published_rate",
    *COLUMNS,
    "received_at",
)


async def one_writer(connection: Connection, names: Iterable[str]) -> None:
    """Hold these names (periods, or the tree) until the transaction ends.

    Taken in order, so two writers never wait for each other in a circle.
    """
    for name in sorted(names):
        await connection.execute("SELECT pg_advisory_xact_lock(8, hashtext($1))", name)


async def tree(
    connection: Connection, codes: Sequence[str] | None = None
) -> list[Unit]:
    """Every dated row of every unit, or of these."""
    rows = await connection.fetch(
        "SELECT code, name, kind, parent, valid_from, valid_to, aliases, codes"
        " FROM ingest.known_unit WHERE $1::text[] IS NULL OR code = ANY($1)",
        codes,
    )
    return [unit_of(row) for row in rows]


def unit_of(row: Row) -> Unit:
    """A stored row as a value."""
    return Unit(
        row["code"],
        row["name"],
        row["kind"],
        row["parent"],
        row["valid_from"],
        row["valid_to"],
        tuple(row["aliases"]),
        tuple(row["codes"]),
    )


async def put_units(
    connection: Connection, units: Sequence[Unit], now: datetime
) -> None:
    """Insert or replace rows by (code, valid_from); what was known before is kept."""
    await connection.execute(
        "INSERT INTO ingest.unit_past SELECT code, valid_from, valid_to, name,"
        " name_sort, kind, parent, aliases, codes, recorded_at, $3 FROM ingest.unit"
        " JOIN unnest($1::text[], $2::date[]) AS sent (code, valid_from)"
        " USING (code, valid_from) ON CONFLICT DO NOTHING",
        [u.code for u in units],
        [u.valid_from for u in units],
        now,
    )
    await connection.executemany(
        "INSERT INTO ingest.unit (code, name, name_sort, kind, parent, valid_from,"
        " valid_to, aliases, codes, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (code, valid_from) DO UPDATE SET name = excluded.name,"
        " name_sort = excluded.name_sort, kind = excluded.kind,"
        " parent = excluded.parent, valid_to = excluded.valid_to,"
        " aliases = excluded.aliases, codes = excluded.codes,"
        " recorded_at = excluded.recorded_at",
        [
            (
                u.code,
                u.name,
                sort_key(u.name),
                u.kind,
                u.parent,
                u.valid_from,
                u.valid_to,
                list(u.aliases),
                list(u.codes),
                now,
            )
            for u in units
        ],
    )


async def units_on(
    connection: Connection,
    day: date,
    *,
    codes: list[str] | None,
    kind: str | None = None,
    after: tuple[object, ...] | None = None,
    limit: int = 1000,
) -> list[Row]:
    """Units in force on a day, in Vietnamese order of names, among these codes."""
    return await connection.fetch(
        "SELECT * FROM ingest.known_unit WHERE valid_from <= $1"
        " AND (valid_to IS NULL OR valid_to > $1)"
        " AND ($2::text[] IS NULL OR code = ANY($2))"
        " AND ($3::text IS NULL OR kind = $3)"
        " AND ($4::text IS NULL OR (name_sort, code) > ($4, $5))"
        " ORDER BY name_sort, code LIMIT $6",
        day,
        codes,
        kind,
        *(after or (None, None)),
        limit,
    )


async def keep_lineage(
    connection: Connection, change: Reorganisation, author: str, now: datetime
) -> int:
    """Keep each (predecessor, successor) pair with its share, where they say more
    than what stands: an earlier word stays for those who ask what was known.

    Returns how many were new or changed.
    """
    pairs = [(p, s) for p in change.predecessors for s in change.successors]
    shares = change.shares or {}
    rows = await connection.fetch(
        "INSERT INTO ingest.lineage (predecessor, successor, effective, share,"
        "  document, author, recorded_at)"
        " SELECT p, s, $3, share, $5, $6, $7"
        " FROM unnest($1::text[], $2::text[], $4::numeric[]) AS sent (p, s, share)"
        " WHERE NOT EXISTS (SELECT FROM ingest.known_lineage k"
        "  WHERE k.predecessor = p AND k.successor = s AND k.effective = $3"
        "  AND (sent.share IS NULL OR sent.share = k.share)) RETURNING 1",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        change.effective,
        [shares.get(pair[1]) for pair in pairs],
        change.document,
        author,
        now,
    )
    return len(rows)


async def links(connection: Connection) -> list[Link]:
    """Which unit became which, on what day."""
    rows = await connection.fetch(
        "SELECT predecessor, successor, effective FROM ingest.known_lineage"
        " ORDER BY effective, predecessor, successor"
    )
    return [Link(**row) for row in rows]


async def decided_links(
    connection: Connection, codes: Sequence[str] | None = None
) -> list[tuple[Link, dict[str, object]]]:
    """Recorded links, of these units or of all, with the documents that decided them."""
    rows = await connection.fetch(
        "SELECT predecessor, successor, effective, share, document"
        " FROM ingest.known_lineage"
        " WHERE ($1::text[] IS NULL OR predecessor = ANY($1) OR successor = ANY($1))"
        " ORDER BY effective, predecessor, successor",
        codes,
    )
    names = ("predecessor", "successor", "effective", "share")
    return [(Link(*(row[n] for n in names)), row["document"]) for row in rows]


# From one to the next by the index: DISTINCT would read every report.
_PERIODS = """
WITH RECURSIVE found (period) AS (
  SELECT min(period) FROM ingest.report
  UNION ALL SELECT (SELECT min(r.period) FROM ingest.report r WHERE r.period > found.period)
  FROM found WHERE period IS NOT NULL)
SELECT period FROM found WHERE period IS NOT NULL
"""


async def periods_with_reports(connection: Connection) -> list[str]:
    """Every period that any unit has reported."""
    rows = await connection.fetch(_PERIODS)
    return [row["period"] for row in rows]


_HASHED = (
    "SET LOCAL enable_nestloop = {0}; SET LOCAL enable_mergejoin = {0};"
    " SET LOCAL enable_sort = {0}"
)


@asynccontextmanager
async def _along_the_key(connection: Connection) -> AsyncIterator[None]:
    """Read months as they lie.

    The planner does not know how many rows there are; sorted on disk, as it would
    have them, they would take twice as long, and looked up one by one for each other
    far longer, even those of ten units.
    """
    await connection.execute(_HASHED.format("off"))
    yield
    await connection.execute(_HASHED.format("on"))


_MANY_UNITS = 50
"""Units whose rows are read in their order, rather than sorted in memory."""


async def current_rows(
    connection: Connection, period: str, units: Sequence[str]
) -> dict[str, dict[tuple[str, str], Stored]]:
    """What stands for these units in a period: unit → (measure, category) → row."""
    many = len(units) > _MANY_UNITS
    async with _along_the_key(connection) if many else nullcontext():
        rows = await connection.fetch(
            f"SELECT unit, measure, category, illustrative, published_rate, {_COUNTS}"
            " FROM ingest.current_figure WHERE period = $1 AND unit = ANY($2)",
            period,
            units,
        )
    found: dict[str, dict[tuple[str, str], Stored]] = {unit: {} for unit in units}
    for row in rows:
        found[row[0]][row[1], row[2]] = row[3:]
    return found


async def revisions(
    connection: Connection, period: str, units: Sequence[str]
) -> dict[str, int]:
    """The latest revision of each of these units' reports for a period."""
    rows = await connection.fetch(
        "SELECT unit, max(revision) AS latest FROM ingest.report"
        " WHERE period = $1 AND unit = ANY($2) GROUP BY unit",
        period,
        units,
    )
    return {row["unit"]: row["latest"] for row in rows}


async def keep_batch(
    connection: Connection,
    batch: str,
    *,
    key: str,
    request: str | None,
    now: datetime,
    changed: bool,
    dry_run: bool = False,
) -> None:
    """Record a receipt; a batch that changed nothing is at its end at once."""
    await connection.execute(
        "INSERT INTO platform.batch (id, key, request, received_at, scored_at,"
        " evaluated_at, dry_run) VALUES ($1, $2, $3, $4, $5, $5, $6)",
        batch,
        key,
        request,
        now,
        None if changed else now,
        dry_run,
    )


async def keep_revisions(
    connection: Connection,
    changed: Sequence[Changed],
    *,
    batch: str,
    author: str,
    now: datetime,
) -> None:
    """Append (report, revision, changed rows); nothing that stands is touched."""
    await connection.copy_records_to_table(
        "report",
        schema_name="ingest",
        columns=(
            "unit", "period", "revision", "batch", "form", "reason", "illustrative",
            "author", "received_at", "correction",
        ),
        records=[
            (
                r.unit,
                r.period,
                one.revision,
                batch,
                r.form,
                r.reason,
                r.source.illustrative,
                author,
                now,
                one.correction,
            )
            for one in changed
            for r in (one.report,)
        ],
    )  # fmt: skip
    await connection.copy_records_to_table(
        "figure",
        schema_name="ingest",
        columns=_FIGURE,
        records=_figures(changed, now),
    )


async def propose(
    connection: Connection, changed: Sequence[Changed], *, batch: str, now: datetime
) -> None:
    """Lay changed rows beside what stands, for views of this dry run alone."""
    by_period: dict[str, list[dict[str, object]]] = {}
    for values in _figures(changed, now):
        row = dict(zip(_FIGURE, values, strict=True))
        by_period.setdefault(str(row["period"]), []).append(row)
    for period, rows in by_period.items():
        await lenses.propose(connection, batch, lenses.FIGURES, period, rows)


def _figures(changed: Iterable[Changed], now: datetime) -> Iterator[tuple[object, ...]]:
    """Made one by one, so that PostgreSQL takes in some while others are made."""
    return (
        (
            r.period,
            r.unit,
            row.measure,
            row.category,
            one.revision,
            row.removed,
            r.source.illustrative,
            r.source.document,
            r.source.date,
            row.published_rate,
            *row.counts,
            now,
        )
        for one in changed
        for r in (one.report,)
        for row in one.rows
    )


CUMULATIVE = ("carried_over", "newly_accepted", "completed", "done", "resolved")
"""Within a year the first is constant and the others never fall (I8); `enforceable`
may."""


async def cuts_reported(
    connection: Connection, periods: Sequence[str], units: Sequence[str]
) -> list[tuple[str, str]]:
    """(unit, period) of the reports that these units have among these periods."""
    rows = await connection.fetch(
        "SELECT DISTINCT unit, period FROM ingest.report"
        " WHERE unit = ANY($1) AND period = ANY($2)",
        units,
        periods,
    )
    return [(row["unit"], row["period"]) for row in rows]


_CUMULATIVE = ", ".join(CUMULATIVE)
_COUNTED = f"""SELECT period, unit, measure, category, {_CUMULATIVE}
  FROM ingest.current_figure WHERE unit = ANY($2) AND num_nonnulls({_CUMULATIVE}) > 0"""
_NOT_CONSTANT, *_FALLING = CUMULATIVE
_HELD = f"""
SELECT n.unit, n.measure, n.category, {", ".join(f"n.{name}" for name in CUMULATIVE)},
  {", ".join(f"o.{name}" for name in CUMULATIVE)}, o.unit IS NULL AS lacking
FROM unnest($2::text[], $3::text[], $5::int[]) AS sent (unit, cut, revision)
JOIN {{reported}}
LEFT JOIN ({_COUNTED} AND period = ANY($4)) o ON o.unit = n.unit AND o.period = sent.cut
  AND o.measure = n.measure AND o.category = n.category
WHERE o.unit IS NULL OR n.{_NOT_CONSTANT} <> o.{_NOT_CONSTANT}
  OR {{falls}}
"""
_STANDS = f"({_COUNTED} AND period = $1) n ON n.unit = sent.unit"
# What a revision brought needs no looking for the latest of each row.
_CAME = f"""(
  SELECT unit, measure, category, revision, {_CUMULATIVE} FROM ingest.figure
  WHERE period = $1 AND unit = ANY($2) AND NOT removed
    AND num_nonnulls({_CUMULATIVE}) > 0) n
  ON n.unit = sent.unit AND n.revision = sent.revision"""
_HELD_AGAINST = {
    (earlier, whole): _HELD.format(
        reported=_CAME if whole else _STANDS,
        falls=" OR ".join(f"n.{name} {sign} o.{name}" for name in _FALLING),
    )
    for earlier, sign in ((True, "<"), (False, ">"))
    for whole in (True, False)
}


async def held_against(
    connection: Connection,
    period: str,
    cuts: Mapping[str, str],
    revisions: Mapping[str, int],
    *,
    earlier: bool,
    whole: bool,
) -> list[Row]:
    """The rows of these units that fall between a period and a cut of each one's own.

    Unit, measure and category, the CUMULATIVE counts of the period and those of the
    cut, and last whether the cut lacks the row. `whole` takes of the period only what
    these `revisions` brought.
    """
    async with _along_the_key(connection):
        return await connection.fetch(
            _HELD_AGAINST[earlier, whole],
            period,
            list(cuts),
            list(cuts.values()),
            list({*cuts.values()}),
            [revisions[unit] for unit in cuts],
        )


async def report_as_known(
    connection: Connection, unit: str, period: str, known_at: datetime
) -> tuple[Row | None, list[Row]]:
    """The latest revision received by a moment, and its rows as they then stood."""
    head = await connection.fetchrow(
        "SELECT unit, period, revision, form, reason, received_at, correction"
        " FROM ingest.report"
        " WHERE unit = $1 AND period = $2 AND received_at <= $3"
        " ORDER BY revision DESC LIMIT 1",
        unit,
        period,
        known_at,
    )
    if head is None:
        return None, []
    rows = await connection.fetch(
        f"SELECT * FROM (SELECT DISTINCT ON (measure, category) measure, category,"
        f" revision, removed, illustrative, document, document_date, published_rate,"
        f" {_COUNTS} FROM ingest.figure"
        " WHERE period = $2 AND unit = $1 AND revision <= $3"
        " ORDER BY measure, category, revision DESC) f WHERE NOT removed"
        " ORDER BY measure, category",
        unit,
        period,
        head["revision"],
    )
    return head, rows


async def declared_categories(connection: Connection) -> set[str]:
    """The categories that were declared."""
    rows = await connection.fetch("SELECT code FROM ingest.category")
    return {row["code"] for row in rows}


async def revisions_of(
    connection: Connection, unit: str, period: str, after: int, limit: int
) -> list[Row]:
    """The revisions of a report, oldest first, with who sent each."""
    return await connection.fetch(
        "SELECT r.*, k.name AS author_name FROM ingest.report r"
        " LEFT JOIN platform.api_key k ON k.id = r.author"
        " WHERE unit = $1 AND period = $2 AND revision > $3"
        " AND received_at <= (SELECT platform.known_at())"
        " ORDER BY revision LIMIT $4",
        unit,
        period,
        after,
        limit,
    )


async def rows_of_revisions(
    connection: Connection, unit: str, period: str, numbers: Sequence[int]
) -> dict[int, list[Row]]:
    """The rows that each revision brought or took back."""
    rows = await connection.fetch(
        "SELECT * FROM ingest.figure WHERE period = $1 AND unit = $2"
        " AND revision = ANY($3) ORDER BY revision, measure, category",
        period,
        unit,
        numbers,
    )
    found: dict[int, list[Row]] = {number: [] for number in numbers}
    for row in rows:
        found[row["revision"]].append(row)
    return found


async def batch_seen_by(
    connection: Connection, batch: str, key: str | None
) -> Row | None:
    """A batch with its last failure; `key` None sees everyone's."""
    return await connection.fetchrow(
        "SELECT b.*, (SELECT topic || ': ' || error FROM platform.event e"
        " WHERE e.batch = b.id AND e.dead_at IS NOT NULL LIMIT 1) AS problem"
        " FROM platform.batch b WHERE id = $1 AND ($2::text IS NULL OR key = $2)",
        batch,
        key,
    )
