"""`dondoc`, killed with SIGKILL the first time that it comes to a named point.

    python -m faults.crashing POINT serve all

A point is `before` or `after` one of: a report's commit, the commit of what scoring or
alerts made of it, the commits of a lease and of an outcome, and the post itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

PLACES = ("report", "scored", "judged", "leased", "posted", "settled")
POINTS = [f"{when} {place}" for place in PLACES for when in ("before", "after")]

_HERE: ContextVar[str] = ContextVar("here", default="")
"""What the running transaction has done, so that its commit has a name."""


def arm(point: str) -> None:
    """From now on this process dies at the point."""
    from asyncpg.transaction import Transaction

    from libs.common import events
    from services.alerts import leases
    from services.alerts.sender import Sender
    from services.ingest import store as ingest

    when, place = point.split()

    def die(at: str) -> None:
        if at == when:
            os.kill(os.getpid(), signal.SIGKILL)

    def names(owner: Any, name: str, said: Callable[[Any, Any], str]) -> None:
        """Have a function name the transaction that it works in."""
        real = getattr(owner, name)

        async def naming(*given: Any, **more: Any) -> Any:
            answer = await real(*given, **more)
            if said(given, answer):
                _HERE.set(said(given, answer))
            return answer

        setattr(owner, name, naming)

    names(ingest, "keep_revisions", lambda given, _: "report")
    names(
        leases,
        "settle_and_claim",
        lambda given, found: "settled" if given[1] else "leased" if found[1] else "",
    )

    consume = events.consume_one

    async def consuming(database: Any, topic: str, handle: Any, **more: Any) -> bool:
        made = {events.FIGURES_CHANGED: "scored", events.SCORES_CHANGED: "judged"}

        async def handled(*given: Any) -> None:
            await handle(*given)
            _HERE.set(made.get(topic, ""))

        return await consume(database, topic, handled, **more)

    commit_name = "_Transaction__commit"
    commit: Callable[[Any], Awaitable[None]] = getattr(Transaction, commit_name)

    async def committing(self: Any) -> None:
        here = _HERE.get() == place and not self._nested
        if here:
            die("before")
        await commit(self)
        if here:
            die("after")
        if not self._nested:
            _HERE.set("")

    setattr(Transaction, commit_name, committing)
    post = Sender.post

    async def posting(self: Any, *given: Any, **more: Any) -> Any:
        if place == "posted":
            die("before")
        outcome = await post(self, *given, **more)
        if place == "posted":
            die("after")
        return outcome

    Sender.post = posting  # type: ignore[method-assign]
    # Services hold the function by its name.
    import services.alerts.service
    import services.scoring.service

    for module in (services.alerts.service, services.scoring.service):
        module.consume_one = consuming  # type: ignore[attr-defined]


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    from services.__main__ import main

    main()
