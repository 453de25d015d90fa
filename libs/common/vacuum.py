"""What keeps PostgreSQL from clearing old row versions, and how many have piled up.

A transaction that stays open may still read what was since changed or deleted, so none
of it is cleared, in any table: queues grow slow and files grow. Nothing fails, which is
why it is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.database import Connection

OK, WARN = "ok", "warn"
Finding = tuple[str, str]
"""ok or warn, and a word why."""

TOO_LONG: Final = 10 * 60
"""Seconds that a transaction may stay open; a dump of a whole country takes less."""

TOO_MANY: Final = 1_000_000
"""Transactions since then: for slots, and for sessions whose age is not ours to see."""

BLOATED: Final = 100_000
"""Dead rows of a table below which nobody notices; above, no more dead than live."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session (by its process id), a prepared transaction or a replication slot.

    `seconds` since its transaction began, None where that cannot be known;
    `transactions` that began since.
    """

    kind: str
    name: str
    seconds: int | None
    transactions: int

    @property
    def lasts(self) -> bool:
        return (self.seconds or 0) >= TOO_LONG or self.transactions >= TOO_MANY

    def __str__(self) -> str:
        since = "" if self.seconds is None else f"open for {self.seconds} s, "
        return f"{self.kind} {self.name}: {since}{self.transactions} transactions ago"


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows, as PostgreSQL counts them: roughly, and a second late."""

    name: str
    live: int
    dead: int

    @property
    def bloated(self) -> bool:
        return self.dead > max(BLOATED, self.live)

    def __str__(self) -> str:
        return f"{self.name}: {self.dead} dead, {self.live} live"


async def holders(connection: Connection) -> list[Holder]:
    """Whatever may still read old rows of this database, the oldest first."""
    rows = await connection.fetch(
        "SELECT kind, name, seconds, transactions FROM platform.holding_back()"
        " ORDER BY seconds DESC NULLS LAST, transactions DESC"
    )
    return [Holder(*row) for row in rows]


async def tables(connection: Connection) -> list[Table]:
    """Every table of ours, the one with the most dead rows first."""
    rows = await connection.fetch(
        "SELECT schemaname || '.' || relname, n_live_tup, n_dead_tup"
        " FROM pg_stat_user_tables"
        " WHERE schemaname IN ('platform', 'ingest', 'scoring', 'alerts')"
        " ORDER BY n_dead_tup DESC, 1"
    )
    return [Table(*row) for row in rows]


def held_back(found: Sequence[Holder]) -> Finding:
    """Whether anything has been open for so long that dead rows pile up."""
    long = [one for one in found if one.lasts]
    if not long:
        return OK, "no transaction has been open for long"
    return WARN, f"no dead row is cleared: {'; '.join(map(str, long[:3]))}"


def piled_up(found: Sequence[Table]) -> Finding:
    """Whether any table is mostly dead rows."""
    bloated = [str(one) for one in found if one.bloated]
    if not bloated:
        return OK, "no table is mostly dead rows"
    return WARN, "; ".join(bloated[:3])
