"""What alerts hears: scores of a period changed, reports of a batch arrived."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common import clock
from libs.common.database import Connection
from libs.common.events import Event
from services.alerts import evaluation, store, usecases
from services.alerts.evaluation import Judge


async def scores_changed(
    connection: Connection, judge: Judge, period: str, events: Sequence[Event]
) -> None:
    """Judge the period once for all that changed in it."""
    now = await clock.business_now(connection)
    found = await evaluation.evaluate(connection, judge, period, now=now)
    batches = sorted({event.batch for event in events if event.batch})
    await store.count_in_batches(
        connection, batches, found.opened_units, found.closed_units
    )


async def reports_changed(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Tell subscribers of every report that the batches brought for the period."""
    now = await clock.business_now(connection)
    for event in events:
        if event.batch:
            await usecases.tell_of_reports(connection, event.batch, period, now)
