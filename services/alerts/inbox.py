"""What alerts hears: scores of a period changed, reports of a batch arrived."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common import lenses
from libs.common.database import Connection
from libs.common.events import Event
from services.alerts import evaluation, store, usecases
from services.alerts.cases.sweeping import sweep
from services.alerts.evaluation import Judge
from services.alerts.shown import escalation, foretold


async def scores_changed(
    connection: Connection, judge: Judge, period: str, events: Sequence[Event]
) -> None:
    """Judge the period once for all that changed in it."""
    now = events[0].claimed_at
    found = await evaluation.evaluate(connection, judge, period, now=now)
    batches = sorted({event.batch for event in events if event.batch})
    await store.count_in_batches(
        connection,
        batches,
        [matter["unit"] for matter in found.opened],
        [matter["unit"] for matter in found.closed],
    )


async def scores_proposed(
    connection: Connection, judge: Judge, period: str, events: Sequence[Event]
) -> None:
    """Say of each dry run which matters would open, change or close."""
    now = events[0].claimed_at
    for event in events:
        if event.batch is None:
            continue
        await lenses.as_proposed(connection, event.batch)
        found = await evaluation.foretell(connection, judge, period, now=now)
        answer = {
            "opens": [foretold(m, now) for m in found.opened],
            "updates": [escalation(m, now) for m in found.updated],
            "closes": [escalation(m, now) for m in found.closed],
        }
        await lenses.propose(connection, event.batch, lenses.MATTERS, period, answer)


async def reports_changed(connection: Connection, events: Sequence[Event]) -> None:
    """Tell subscribers of every report that the batches brought for their periods."""
    now = events[0].claimed_at
    brought = [(event.batch, event.key) for event in events if event.batch]
    await usecases.tell_of_reports(
        connection, [batch for batch, _ in brought], [key for _, key in brought], now
    )


async def cases_changed(
    connection: Connection, judge: Judge, unit: str, events: Sequence[Event]
) -> None:
    """Judge a unit's cases once for all that changed among them."""
    now = events[0].claimed_at
    swept = await sweep(connection, judge, now=now, units=[unit])
    batches = sorted({event.batch for event in events if event.batch})
    await store.count_of_unit(connection, batches, len(swept.opened), len(swept.closed))
