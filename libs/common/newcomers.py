"""Periods that are reported for the first time, beside changes that concern them all.

Who changes a figure, a target or the tree queues every reported period that looks at
it. A period whose first report is just being committed is not seen by them, and its own
recompute would not see their change yet. So the two wait for each other: whoever comes
second sees the first.
"""

from __future__ import annotations

from collections.abc import Iterable

from libs.common.database import Connection


async def look(connection: Connection) -> None:
    """From here until the transaction ends, no period is reported for the first time.

    Ask after that which periods there are.
    """
    await connection.execute("SELECT pg_advisory_xact_lock_shared(13, 0)")


async def come(connection: Connection, periods: Iterable[str], batch: str) -> None:
    """The same for who reports; with a new period, until nobody else looks any more.

    The caller alone reports these periods, and its rows of this batch are written.
    """
    await connection.execute(
        "SELECT CASE WHEN EXISTS (SELECT FROM unnest($1::text[]) p (period)"
        "  WHERE NOT EXISTS (SELECT FROM ingest.report r"
        "   WHERE r.period = p.period AND r.batch <> $2))"
        " THEN pg_advisory_xact_lock(13, 0)"
        " ELSE pg_advisory_xact_lock_shared(13, 0) END",
        sorted(periods),
        batch,
    )
