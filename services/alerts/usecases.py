"""What alerts does by itself: fires timers, tells news."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from libs.common import clock
from libs.common.database import Connection, Database, Row
from libs.common.problems import NotFound, Text
from services.alerts import messages, outbox, store
from services.alerts.domain.escalation import Change
from services.alerts.domain.timers import DEADLINE
from services.alerts.outbox import Message
from services.alerts.store import Entry

Matter = dict[str, Any]

OURSELVES = "dondoc"


async def tell_of_reports(
    connection: Connection,
    batches: Sequence[str],
    periods: Sequence[str],
    now: datetime,
) -> None:
    """Say of each revision that a batch brought for the period beside it, and of each
    period that it closed."""
    reports = await store.reports_brought(connection, batches, periods)
    news = [messages.of_report(row, now) for row in reports]
    if not {row["batch"] for row in reports}.issuperset(batches):
        # Who closes a period brings no report of it in the same batch.
        closings = await store.closings_brought(connection, batches, periods)
        news += [messages.of_closing(row, now) for row in closings if row["closed"]]
    await outbox.announce(connection, news)


MOST_TIMERS = 500
"""Timers in one transaction; more wait for the next, a moment later."""


async def fire_timers(database: Database) -> bool:
    """Let what has come due happen, each at its own moment; True when anything did."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        rows = await store.due_timers(connection, now, MOST_TIMERS)
        matters: dict[str, Matter] = {}
        entries: list[Entry] = []
        news: list[Message] = []
        above: dict[tuple[str, date], list[str]] = {}
        for row in rows:
            matter = matters.setdefault(row["id"], _matter_of(row))
            change = await _timed(connection, matter, row, above)
            matter["sequence"] += 1
            detail = {"level": matter["level"], "addressed_to": matter["addressed_to"]}
            entries.append(Entry(row["id"], change, row["due_at"], OURSELVES, detail))
            news.append(messages.of_matter(matter, change, row["due_at"]))
        await store.fired(connection, [(row["id"], row["n"]) for row in rows])
        await store.save_matters(connection, list(matters.values()))
        await store.log_entries(connection, entries)
        await outbox.announce(connection, news)
    return bool(rows)


def _matter_of(row: Row) -> Matter:
    return {name: row[name] for name in store.MATTER}


async def _timed(
    connection: Connection,
    matter: Matter,
    row: Row,
    above: dict[tuple[str, date], list[str]],
) -> Change:
    """Move a matter as one timer says; escalating never moves the deadline.

    `above` keeps who stood over a unit on a day: many matters come due together.
    """
    if row["n"] == DEADLINE:
        return Change.OVERDUE
    at = matter["unit"], clock.day_of(row["due_at"])
    if at not in above:
        above[at] = await store.units_above(connection, *at)
    matter["level"] += 1
    matter["addressed_to"] = store.so_far_up(matter["unit"], above[at], row["levels"])
    return Change.ESCALATED


def no_such(kind: str, loai: str, name: str) -> NotFound:
    """404 for something of ours."""
    return NotFound(
        "not_found", Text(f"Không có {loai} «{name}».", f"There is no {kind} {name!r}.")
    )
