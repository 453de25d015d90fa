"""What scoring hears: figures changed, so the scorecards of their period change."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.database import Connection
from libs.common.events import SCORES_CHANGED, Event, publish
from services.scoring import usecases


async def figures_changed(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Score the period once for all that changed in it, and say so for each."""
    await usecases.rescore(connection, period)
    await publish(connection, [event.followed_by(SCORES_CHANGED) for event in events])
