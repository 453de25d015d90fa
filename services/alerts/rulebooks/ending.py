"""What becomes of matters when their rule ends, or goes on as another version.

Nobody judges a matter whose rule has no active version: it is closed as superseded, and
its log says by whom and why. Another version takes its matters over and judges them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.common import events
from libs.common.database import Connection
from libs.common.events import CASES_CHANGED, DONDOC, SCORES_CHANGED, News
from services.alerts import messages, outbox
from services.alerts import store as matters
from services.alerts.domain.escalation import Change, State
from services.alerts.rulebooks import store
from services.alerts.store import Entry


async def close(
    connection: Connection,
    now: datetime,
    *,
    rule: str | None = None,
    actor: str = DONDOC,
    reason: str | None = None,
) -> None:
    """Close what is open under a rule, or under any, that has no active version."""
    rows = await store.left_open(connection, rule)
    closed: list[dict[str, Any]] = [
        {
            **row,
            "state": State.CLOSED,
            "closed_as": "superseded",
            "sequence": row["sequence"] + 1,
        }
        for row in rows
    ]
    await matters.save_matters(connection, closed)
    await matters.log_entries(
        connection,
        [
            Entry(
                one["id"],
                Change.SUPERSEDED,
                now,
                actor,
                {"retired": one["rule"], "reason": reason},
            )
            for one in closed
        ],
    )
    news = [messages.of_matter(one, Change.SUPERSEDED, now) for one in closed]
    await outbox.announce(connection, news)


async def judge_anew(connection: Connection, rule: str) -> None:
    """Let the version that is active now judge what earlier ones opened."""
    cuts = await store.cuts_of_matters(connection, rule)
    await events.publish(
        connection,
        [
            News(CASES_CHANGED, cut["unit"], None, None)
            if cut["period"] is None
            else News(SCORES_CHANGED, cut["period"], None, None)
            for cut in cuts
        ],
    )
