"""After a reorganisation the successor inherits what is open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.common import clock
from libs.common.database import Connection
from services.alerts import messages, outbox
from services.alerts import store as matters
from services.alerts.domain.escalation import Change
from services.alerts.duties import store
from services.alerts.store import Entry

OURSELVES = "dondoc"


async def pass_on(connection: Connection, now: datetime) -> None:
    """Address what is open of units that ended to those that they became.

    The matter keeps its unit, whose figures it is about; the successor's keys see and
    answer it, for their subtree holds what a unit came from.
    """
    for row in await store.orphans(connection, clock.day_of(now)):
        matter: dict[str, Any] = {name: row[name] for name in matters.MATTER}
        matter |= {"addressed_to": row["heir"], "sequence": row["sequence"] + 1}
        await matters.save_matters(connection, [matter])
        detail = {"from": row["addressed_to"], "addressed_to": row["heir"]}
        entry = Entry(row["id"], Change.INHERITED, now, OURSELVES, detail)
        await matters.log_entries(connection, [entry])
        news = messages.of_matter(matter, Change.INHERITED, now)
        await outbox.announce(connection, [news])
