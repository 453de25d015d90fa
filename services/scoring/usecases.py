"""What scoring does: scores a period, keeps targets, shows how figures came about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache

from libs.common import clock, keys, lenses
from libs.common.clock import written
from libs.common.database import Connection, Database
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Fault, Text, invalid
from libs.common.upserts import Upserted
from libs.common.working_days import working_days
from services.scoring import computing, shown, store
from services.scoring.domain.pace import Days
from services.scoring.domain.yardsticks import rate_for
from services.scoring.store import TargetRow


async def rescore(connection: Connection, period: Period) -> None:
    """Recompute every scorecard of a period from the rows that stand."""
    await computing.score(connection, period, await _held(connection, period))


async def cards_as_known(
    connection: Connection, period: Period, known_at: datetime | None
) -> str:
    """Where the scorecards stand that were known at a moment; None is now.

    From here to the end of the transaction, everything is seen as known then.
    """
    if known_at is None:
        return store.STORED
    await lenses.as_known_at(connection, known_at)
    await computing.compute(connection, period, await _held(connection, period))
    return store.COMPUTED


async def preview(connection: Connection, batch: str, period: Period) -> None:
    """Compute the scorecards that a dry run would change, and keep them as proposed."""
    await lenses.as_proposed(connection, batch)
    await computing.compute(connection, period, await _held(connection, period))
    changed = [dict(row) for row in await computing.changes(connection, period)]
    await lenses.propose(connection, batch, lenses.SCORECARDS, period.code, changed)
    now = await clock.business_now(connection)
    cells = {(c["unit"], c["measure"], c["category"]) for c in changed}
    cards = await store.scorecards(
        connection,
        period.code,
        period.end,
        source=store.COMPUTED,
        units=sorted({unit for unit, _, _ in cells}),
        limit=None,
    )
    shown_ = [
        shown.scorecard(card, written(now), days_at(period, now))
        for card in cards
        if (card["unit"], card["measure"], card["category"]) in cells
    ]
    gone = [shown.gone(card) for card in changed if card["revision"] is None]
    answer = {"scorecards": [*shown_, *gone]}
    await lenses.propose(connection, batch, lenses.CARDS, period.code, answer)


def days_at(period: Period, moment: datetime) -> Days:
    """The days that a pace of this period is measured in, asked at a moment."""
    return Days.of(period, clock.day_of(moment), _calendar())


@cache
def _calendar() -> Callable[[date], bool]:
    return working_days()


async def _held(connection: Connection, period: Period) -> list[TargetRow]:
    """The targets of the working year as they hold for one of its periods."""
    targets = await store.current_targets(connection, period.working_year)
    return [
        replace(target, rate=rate)
        for target in targets
        if (rate := rate_for(target.rate, target.basis, period)) is not None
    ]


async def put_targets(
    database: Database, principal: Principal, targets: Sequence[TargetRow]
) -> Upserted:
    """Keep new and amended targets, and queue the periods of their years."""
    async with database.transaction() as connection:
        await _check_targets(connection, principal, targets)
        now = await clock.business_now(connection)
        before = {
            held.cell: held
            for year in sorted({t.year for t in targets})
            for held in await store.current_targets(connection, year)
        }
        changed = [t for t in targets if before.get(t.cell) != t]
        await store.keep_targets(connection, changed, principal.key, now)
        years = {t.year for t in changed}
        periods = await store.scored_periods(connection)
        touched = [p for p in periods if Period.parse(p).working_year in years]
        await publish(
            connection, [News(FIGURES_CHANGED, p, None, None) for p in sorted(touched)]
        )
    created = sum(t.cell not in before for t in changed)
    return Upserted(
        created=created,
        updated=len(changed) - created,
        unchanged=len(targets) - len(changed),
    )


async def _check_targets(
    connection: Connection, principal: Principal, targets: Sequence[TargetRow]
) -> None:
    known = await keys.known_units(connection, [t.unit for t in targets])
    faults, seen = [], set()
    for index, target in enumerate(targets):
        if target.unit not in known or not principal.sees(target.unit):
            faults.append(
                Fault(
                    f"/targets/{index}/unit",
                    "unknown_unit",
                    Text(
                        f"Không có đơn vị «{target.unit}».",
                        f"There is no unit {target.unit!r}.",
                    ),
                )
            )
        if target.cell in seen:
            faults.append(Fault(f"/targets/{index}", "duplicate_row", _TWICE))
        seen.add(target.cell)
    if faults:
        raise invalid(faults)


_TWICE = Text(
    "Chỉ tiêu này đã có trong cùng yêu cầu.", "This target stands twice in one request."
)


async def everyone_under(
    connection: Connection, under: str, period: Period
) -> list[str]:
    """All units that a rank under `under` counts, seen by the key or not."""
    return sorted(await keys.subtree(connection, [under], period.end))
