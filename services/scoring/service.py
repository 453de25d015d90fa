"""The only place that wires scoring."""

from __future__ import annotations

from datetime import timedelta

from libs.common.database import Database
from libs.common.events import (
    FIGURES_CHANGED,
    FIGURES_PROPOSED,
    SCORES_ASKED,
    consume_one,
)
from libs.common.loops import Loop
from libs.common.service import Service
from services.scoring import indicators, routes, routes_workload
from services.scoring.inbox import figures_changed, figures_proposed, scores_asked


def build(url: str, *, backoff: timedelta = timedelta(seconds=1)) -> Service:
    """The service under its own database role, with the loop that scores."""
    database = Database(url, "dondoc_scoring")
    indicators.shipped()  # a mistake in the file stops here, not at the first reader

    async def score() -> bool:
        return await consume_one(
            database, FIGURES_CHANGED, figures_changed, backoff=backoff
        )

    async def preview() -> bool:
        return await consume_one(
            database, FIGURES_PROPOSED, figures_proposed, backoff=backoff
        )

    async def recall() -> bool:
        return await consume_one(database, SCORES_ASKED, scores_asked, backoff=backoff)

    return Service(
        name="scoring",
        summary="Figures become comparisons: rates, yardsticks, ranks.",
        database=database,
        routers=[routes.router, routes_workload.router],
        loops=[
            Loop("scoring inbox", score, poll=1.0, topic=FIGURES_CHANGED),
            Loop("scoring previews", preview, poll=1.0, topic=FIGURES_PROPOSED),
            Loop("scoring recollections", recall, poll=1.0, topic=SCORES_ASKED),
        ],
    )
