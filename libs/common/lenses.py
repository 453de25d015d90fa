"""What the published views show: by default what stands.

A lens holds to the end of the transaction. `as_known_at` shows figures, targets,
tree and lineage as they were known at a moment; `as_proposed` shows what a dry run
would store as if it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.common.database import Connection

FIGURES, SCORECARDS = "figures", "scorecards"
"""Kinds of proposed rows, which views lay over those that stand."""

ASKED = "asked"
"""A question: the scorecards of a period as they were known at a moment."""

CARDS, MATTERS = "cards", "matters"
"""Kinds of answers, which outlive the dry run."""


async def as_known_at(connection: Connection, moment: datetime) -> None:
    """Show what was known then."""
    await connection.execute(
        "SELECT set_config('dondoc.known_at', $1, true)", moment.isoformat()
    )


async def as_proposed(connection: Connection, batch: str) -> None:
    """Show what this dry run would store, laid over what stands."""
    await connection.execute("SELECT set_config('dondoc.previewed', $1, true)", batch)


async def propose(
    connection: Connection,
    batch: str,
    kind: str,
    period: str,
    rows: Sequence[Any] | dict[str, Any],
) -> None:
    """Keep what a dry run would do in one period; said again, it is replaced."""
    await connection.execute(
        "DELETE FROM platform.preview WHERE batch = $1 AND kind = $2 AND period = $3",
        batch,
        kind,
        period,
    )
    await connection.execute(
        "INSERT INTO platform.preview (batch, kind, period, rows)"
        " VALUES ($1, $2, $3, $4)",
        batch,
        kind,
        period,
        rows,
    )


async def forget_proposals(connection: Connection, batch: str) -> None:
    """Leave nothing of a dry run behind but its answers."""
    await connection.execute(
        "DELETE FROM platform.preview WHERE batch = $1 AND kind = ANY($2)",
        batch,
        [FIGURES, SCORECARDS],
    )


async def answers(connection: Connection, batch: str) -> list[tuple[str, str, Any]]:
    """(kind, period, rows) of what a dry run answers, by period."""
    rows = await connection.fetch(
        "SELECT kind, period, rows FROM platform.preview"
        " WHERE batch = $1 AND kind = ANY($2) ORDER BY period, kind",
        batch,
        [CARDS, MATTERS],
    )
    return [(row["kind"], row["period"], row["rows"]) for row in rows]


async def ask(
    connection: Connection, batch: str, period: str, moment: datetime
) -> None:
    """Ask for a period's scorecards as known at a moment, to be laid over those that
    stand by who sees `as_proposed(batch)`."""
    question = {"known_at": moment.isoformat()}
    await propose(connection, batch, ASKED, period, question)


async def asked(connection: Connection, batch: str, period: str) -> datetime | None:
    """The moment that was asked about."""
    rows = await connection.fetchval(
        "SELECT rows FROM platform.preview"
        " WHERE batch = $1 AND kind = $2 AND period = $3",
        batch,
        ASKED,
        period,
    )
    return None if rows is None else datetime.fromisoformat(rows["known_at"])


async def forget_recalled(connection: Connection, batch: str, period: str) -> None:
    """Leave nothing behind of what was recalled of one period."""
    await connection.execute(
        "DELETE FROM platform.preview WHERE batch = $1 AND period = $2", batch, period
    )
