"""Queries that keep and erase cases, each under a name that says what it does."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime

from libs.common.database import Connection
from services.ingest.domain.cases import FINISHED
from services.ingest.store import one_writer

_CONTENT = (
    "as_of, officer, decided_on, status, status_since, claims, key_case, due_vnd,"
    " collected_vnd, held_vnd, verified_on, published_on, auctioned_on,"
    " handed_over_on, reason_code"
)
_COLUMNS = _CONTENT.split(", ")
_ARRIVING = (
    "line", "as_of", "unit", "case_no", "year", "officer", "decided_on", "status",
    "status_since", "claims", "key_case", "due_vnd", "collected_vnd", "held_vnd",
    "verified_on", "published_on", "auctioned_on", "handed_over_on", "reason_code",
)  # fmt: skip
_KEY = "unit, case_no, year"

LONG = 3600
"""Seconds that a statement over a million rows, or a slow stream, may take."""

_LOCKS = 64


async def one_writer_of(connection: Connection, units: Iterable[str]) -> None:
    """Hold the cases of these units until the transaction ends; few locks for many."""
    await one_writer(
        connection, {f"cases {zlib.crc32(unit.encode()) % _LOCKS}" for unit in units}
    )


async def predecessors(connection: Connection) -> frozenset[str]:
    """Units that became others."""
    rows = await connection.fetch("SELECT DISTINCT predecessor FROM ingest.lineage")
    return frozenset(row["predecessor"] for row in rows)


async def stage(connection: Connection, rows: AsyncIterator[bytes]) -> None:
    """Take lines in, as they come, to a table of this transaction's own."""
    await connection.execute(
        'CREATE TEMP TABLE arriving (line int, as_of timestamptz, unit text COLLATE "C",'
        ' case_no text COLLATE "C", year smallint, officer text COLLATE "C",'
        ' decided_on date, status text COLLATE "C", status_since date, claims text[],'
        " key_case boolean, due_vnd bigint, collected_vnd bigint, held_vnd bigint,"
        " verified_on date[], published_on date, auctioned_on date,"
        ' handed_over_on date, reason_code text COLLATE "C") ON COMMIT DROP'
    )
    await connection.copy_to_table(
        "arriving", source=rows, columns=_ARRIVING, timeout=LONG
    )
    await connection.execute("SET LOCAL work_mem = '64MB'")
    await connection.execute("ANALYZE pg_temp.arriving", timeout=LONG)


async def keep_intake(connection: Connection, batch: str, now: datetime) -> int:
    """Number a batch, so that its rows need not repeat it."""
    intake: int = await connection.fetchval(
        "INSERT INTO ingest.case_intake (batch, received_at) VALUES ($1, $2)"
        " RETURNING id",
        batch,
        now,
    )
    return intake


async def several_of_one_case(connection: Connection) -> bool:
    """Note the cases of which this request brings more than one record."""
    made = await connection.execute(
        f"CREATE TEMP TABLE twice ON COMMIT DROP AS SELECT {_KEY} FROM pg_temp.arriving"
        f" GROUP BY {_KEY} HAVING count(*) > 1",
        timeout=LONG,
    )
    return made != "SELECT 0"


async def keep_new(connection: Connection, intake: int, *, but_twice: bool) -> int:
    """Keep the cases never heard of, each with its one record; how many."""
    apart = f"WHERE ({_KEY}) NOT IN (SELECT {_KEY} FROM pg_temp.twice)"
    return _count(
        await connection.execute(
            "WITH fresh AS (INSERT INTO ingest.enforcement_case"
            f" ({_KEY}, {_CONTENT}, intake, version, versions)"
            f" SELECT {_KEY}, {_CONTENT}, $1, 1, 1 FROM pg_temp.arriving"
            f" {apart if but_twice else ''} ON CONFLICT DO NOTHING RETURNING *)"
            " INSERT INTO ingest.case_history"
            f" (case_id, {_CONTENT}, intake, version, applied)"
            f" SELECT id, {_CONTENT}, intake, version, true FROM fresh",
            intake,
            timeout=LONG,
        )
    )


_SAME = f"({', '.join(f'e.{c}' for c in _COLUMNS)}) IS NOT DISTINCT FROM ({', '.join(f'l.{c}' for c in _COLUMNS)})"


# A case's only record needs no sorting to be put in order.
_ALONE = (
    ", c.versions + 1 AS version, c.versions + 1 AS all_versions,"
    " a.as_of > c.as_of AS applied"
)


async def compare_rest(connection: Connection, intake: int, *, twice: bool) -> None:
    """Set the remaining records beside what stands; drop those received before."""
    await connection.execute(
        "CREATE TEMP TABLE later ON COMMIT DROP AS SELECT a.*, c.id AS case_id,"
        " c.as_of AS standing, coalesce(c.versions, 0) AS versions"
        f"{'' if twice else _ALONE} FROM pg_temp.arriving a LEFT JOIN ingest.enforcement_case c USING ({_KEY})"
        f" WHERE c.intake IS DISTINCT FROM {intake:d}",
        timeout=LONG,
    )
    await connection.execute("ANALYZE pg_temp.later", timeout=LONG)
    await connection.execute(
        "DELETE FROM pg_temp.later l USING ingest.case_history e"
        f" WHERE e.case_id = l.case_id AND e.as_of = l.as_of AND {_SAME}",
        timeout=LONG,
    )
    if twice:
        await connection.execute(
            "DELETE FROM pg_temp.later l USING pg_temp.later e WHERE e.line < l.line"
            " AND e.unit = l.unit AND e.case_no = l.case_no AND e.year = l.year"
            f" AND e.as_of = l.as_of AND {_SAME}",
            timeout=LONG,
        )


async def rank_rest(connection: Connection, *, twice: bool) -> int:
    """Put each case's records in their order (`as_of`); how many are applied."""
    await connection.execute(
        "ALTER TABLE pg_temp.later RENAME TO ranked"
        if not twice
        else "CREATE TEMP TABLE ranked ON COMMIT DROP AS SELECT *,"
        " versions + row_number() OVER record AS version,"
        f" versions + count(*) OVER (PARTITION BY {_KEY}) AS all_versions,"
        " coalesce(as_of > standing, true)"
        " AND coalesce(as_of > lag(as_of) OVER record, true) AS applied"
        " FROM pg_temp.later"
        f" WINDOW record AS (PARTITION BY {_KEY} ORDER BY as_of, line)",
        timeout=LONG,
    )
    count: int = await connection.fetchval(
        "SELECT count(*) FILTER (WHERE applied) FROM pg_temp.ranked"
    )
    return count


_STANDING = (*_COLUMNS, "intake", "version", "versions")
_REPLACED = ", ".join(f"{c} = excluded.{c}" for c in _STANDING)
_REPLACING = ", ".join(f"r.{c}" for c in _COLUMNS)


async def keep_rest(connection: Connection, intake: int, *, twice: bool) -> None:
    """Let each case's newest record stand, and add every record to the history."""
    await connection.execute(
        "INSERT INTO ingest.enforcement_case"
        f" ({_KEY}, {_CONTENT}, intake, version, versions)"
        f" SELECT DISTINCT ON ({_KEY}) {_KEY}, {_CONTENT}, $1::int, version,"
        " all_versions FROM pg_temp.ranked WHERE applied"
        f" ORDER BY {_KEY}, version DESC"
        f" ON CONFLICT ({_KEY}) DO UPDATE SET {_REPLACED}"
        if twice
        else f"UPDATE ingest.enforcement_case c SET ({', '.join(_STANDING)})"
        f" = ROW({_REPLACING}, $1::int, r.version, r.all_versions)"
        " FROM pg_temp.ranked r WHERE c.id = r.case_id AND r.applied",
        intake,
        timeout=LONG,
    )
    await connection.execute(
        "UPDATE ingest.enforcement_case c SET versions = r.all_versions FROM"
        " (SELECT case_id, max(all_versions) AS all_versions FROM pg_temp.ranked"
        " GROUP BY case_id HAVING NOT bool_or(applied)) r WHERE c.id = r.case_id",
        timeout=LONG,
    )
    await connection.execute(
        f"INSERT INTO ingest.case_history (case_id, {_CONTENT}, intake, version,"
        f" applied) SELECT {'c.id' if twice else 'r.case_id'}, {_REPLACING}, $1,"
        " r.version, r.applied FROM pg_temp.ranked r"
        f"{f' JOIN ingest.enforcement_case c USING ({_KEY})' if twice else ''}",
        intake,
        timeout=LONG,
    )


async def units_of(connection: Connection, intake: int) -> list[str]:
    """The units that have a case as this intake brought it."""
    rows = await connection.fetch(
        "SELECT DISTINCT c.unit FROM pg_temp.arriving"
        f" JOIN ingest.enforcement_case c USING ({_KEY})"
        " WHERE c.intake = $1 ORDER BY 1",
        intake,
        timeout=LONG,
    )
    return [row["unit"] for row in rows]


async def older_lines(connection: Connection, limit: int) -> tuple[int, list[int]]:
    """How many records were not newer than what stands, and the first of them."""
    rows = await connection.fetch(
        "SELECT line, count(*) OVER () AS of FROM pg_temp.ranked WHERE NOT applied"
        " ORDER BY line LIMIT $1",
        limit,
    )
    return (rows[0]["of"] if rows else 0), [row["line"] for row in rows]


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


async def months_ago(connection: Connection, months: int) -> date:
    """Today's business date, months back."""
    day: date = await connection.fetchval(
        "SELECT (platform.business_date() - make_interval(months => $1))::date", months
    )
    return day


_CHOSEN = (
    "FROM ingest.enforcement_case WHERE (status = ANY($1) OR id = $4)"
    " AND ($2::date IS NULL OR status_since < $2)"
    " AND ($3::text[] IS NULL OR unit = ANY($3))"
    " AND ($4::bigint IS NULL OR id = $4)"
)


async def count_erasable(
    connection: Connection,
    before: date | None,
    units: Sequence[str] | None,
    number: int | None,
) -> int:
    """How many cases there are, finished before a day, of units; or one by its id."""
    found: int = await connection.fetchval(
        f"SELECT count(*) {_CHOSEN}", list(FINISHED), before, units, number
    )
    return found


async def erase(
    connection: Connection,
    before: date | None,
    units: Sequence[str] | None,
    number: int | None,
) -> int:
    """Delete them with their history, while no writer adds to it; how many."""
    await connection.execute(
        "LOCK TABLE ingest.enforcement_case, ingest.case_history"
        " IN SHARE ROW EXCLUSIVE MODE"
    )
    gone: int = await connection.fetchval(
        f"WITH gone AS (DELETE {_CHOSEN} RETURNING id),"
        " past AS (DELETE FROM ingest.case_history h USING gone"
        "  WHERE h.case_id = gone.id)"
        " SELECT count(*) FROM gone",
        list(FINISHED),
        before,
        units,
        number,
    )
    return gone


async def keep_erasure(
    connection: Connection,
    *,
    login: str,
    cases: int,
    case: int | None,
    before: date | None,
    unit: str | None,
) -> None:
    """Note who erased how many, and by which conditions."""
    await connection.execute(
        'INSERT INTO ingest.erasure ("at", login, role, cases, case_id, before, unit)'
        " VALUES (platform.business_now(), $1, session_user, $2, $3, $4, $5)",
        login,
        cases,
        case,
        before,
        unit,
    )


async def wipe_erased(connection: Connection) -> None:
    """Free the space of deleted rows, so that new ones overwrite it."""
    await connection.execute("VACUUM ingest.enforcement_case, ingest.case_history")
