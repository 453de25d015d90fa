"""What scoring hears: figures changed, so the scorecards of their period change."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.database import Connection
from libs.common.events import (
    SCORES_CHANGED,
    SCORES_PROPOSED,
    SCORES_RECALLED,
    Event,
    publish,
)
from libs.common.periods import Period
from services.scoring import usecases


async def figures_changed(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Score the period once for all that changed in it, and say so for each."""
    batches = [event.batch for event in events if event.batch]
    everywhere = len(batches) < len(events)
    await usecases.rescore(
        connection, Period.parse(period), None if everywhere else batches
    )
    await publish(connection, [event.followed_by(SCORES_CHANGED) for event in events])


async def figures_proposed(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Compute what each dry run would change, one after the other."""
    for event in events:
        if event.batch:
            await usecases.preview(connection, event.batch, Period.parse(period))
    await publish(connection, [event.followed_by(SCORES_PROPOSED) for event in events])


async def scores_asked(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Recall a period's scorecards as they were known, for each that asks."""
    for event in events:
        if event.batch:
            await usecases.recall(connection, event.batch, Period.parse(period))
    await publish(connection, [event.followed_by(SCORES_RECALLED) for event in events])
