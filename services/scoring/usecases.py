"""What scoring does: scores a period, keeps targets, shows how figures came about."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime

from libs.common import clock, keys, lenses, working_days
from libs.common.clock import written
from libs.common.database import Connection, Database, Row
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Fault, Text, invalid
from libs.common.upserts import Upserted
from services.scoring import computing, indicators, shown, shown_indicators, store
from services.scoring.domain.indicators import Indicator, values
from services.scoring.domain.pace import Days
from services.scoring.domain.yardsticks import rate_for
from services.scoring.shown_indicators import ExplainedScorecard
from services.scoring.store import TargetRow


async def rescore(
    connection: Connection, period: Period, batches: Sequence[str] | None = None
) -> None:
    """Recompute the scorecards of a period from the rows that stand.

    What batches of reports changed can only change scorecards of the same measures and
    categories; None is a change of targets, tree or lineage, which may be anywhere.
    """
    cells = batches and await store.cells_of(connection, batches, proposed=False)
    held = await _held(connection, period)
    await computing.score(connection, period, held, cells or None)


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the scorecards stand, as known when, and the days of their pace."""

    source: str
    known_at: str | None
    days: Days


async def seen_at(
    connection: Connection, period: Period, known_at: datetime | date | None
) -> Seen:
    """What stands, or what was known at a moment or at the end of a day."""
    now = await clock.business_now(connection)
    moment = None if known_at is None else min(clock.end_of(known_at), now)
    source = await cards_as_known(connection, period, moment)
    days = await days_at(connection, period, moment or now)
    return Seen(source, written(moment or now), days)


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


async def explained(
    connection: Connection, cards: Sequence[Row], period: Period, seen: Seen
) -> list[ExplainedScorecard]:
    """Scorecards of one unit, each with the rows and definitions behind it."""
    unit: str = cards[0]["unit"]
    reported = {
        (row["measure"], row["category"]): row
        for row in await store.figures_of(connection, unit, period.code)
    }
    restated = any(card["last_basis"] == "restated" for card in cards)
    parts = await store.predecessors_of(connection, unit, period) if restated else []
    found = []
    for card in cards:
        cell = card["measure"], card["category"]
        row = reported.get(cell)
        counts = {**row, "done": row["counted"]} if row else dict(card)
        found.append(
            shown_indicators.explained(
                shown.scorecard(card, seen.known_at, seen.days),
                row,
                values(indicators.shipped(), *cell, period.end, counts),
                _definition(card["measure"]),
                period.end,
                [p for p in parts if (p["measure"], p["category"]) == cell]
                if card["last_basis"] == "restated"
                else [],
            )
        )
    return found


def _definition(measure: str) -> Indicator | None:
    """The indicator that the rate of a measure is."""
    return next((i for i in indicators.shipped() if measure in i.rate_of), None)


async def preview(connection: Connection, batch: str, period: Period) -> None:
    """Compute the scorecards that a dry run would change, and keep them as proposed."""
    await lenses.as_proposed(connection, batch)
    cells_ = await store.cells_of(connection, [batch], proposed=True)
    held = await _held(connection, period)
    await computing.compute(connection, period, held, cells_)
    found = await computing.changes(connection, period, cells_)
    changed = [dict(row) for row in found]
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
    days = await days_at(connection, period, now)
    shown_ = [
        shown.scorecard(card, written(now), days)
        for card in cards
        if (card["unit"], card["measure"], card["category"]) in cells
    ]
    gone = [shown.gone(card) for card in changed if card["revision"] is None]
    answer = {"scorecards": [*shown_, *gone]}
    await lenses.propose(connection, batch, lenses.CARDS, period.code, answer)


async def recall(connection: Connection, batch: str, period: Period) -> None:
    """Keep the scorecards of a period as they were known when `batch` asks about, as
    what differs from those that stand."""
    moment = await lenses.asked(connection, batch, period.code)
    if moment is None:
        return
    await cards_as_known(connection, period, moment)
    found = await computing.changes(connection, period, None)
    changed = [dict(row) for row in found]
    await lenses.propose(connection, batch, lenses.SCORECARDS, period.code, changed)


async def days_at(connection: Connection, period: Period, moment: datetime) -> Days:
    """The days that a pace of this period is measured in, asked at a moment."""
    is_working = await working_days.calendar(connection)
    return Days.of(period, clock.day_of(moment), is_working)


async def _held(connection: Connection, period: Period) -> list[TargetRow]:
    """The targets of the working year as they hold for one of its periods."""
    targets = await store.current_targets(connection, period.working_year)
    return [
        replace(target, rate=rate_for(target.rate, target.basis, period))
        for target in targets
        if target.rate is not None
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
    if not faults:
        faults = _out_of_chain(targets, await store.set_before(connection, targets))
    if faults:
        raise invalid(faults)


def _out_of_chain(
    targets: Sequence[TargetRow], set_before: Set[tuple[int, str, date]]
) -> list[Fault]:
    """Amendments of what no document set, or of what was decided later."""
    faults = []
    for index, target in enumerate(targets):
        amends = target.document.get("amends")
        days = [day for i, number, day in set_before if (i, number) == (index, amends)]
        if amends is None:
            continue
        if not days:
            pointer = f"/targets/{index}/document/amends"
            faults.append(Fault(pointer, "amends_unknown", _sets_none(str(amends))))
        elif date.fromisoformat(str(target.document["date"])) < min(days):
            pointer = f"/targets/{index}/document/date"
            faults.append(Fault(pointer, "amends_later", _earlier(min(days))))
    return faults


def _sets_none(number: str) -> Text:
    return Text(
        f"«{number}» chưa giao chỉ tiêu này; hãy gửi văn bản đó trước, hoặc bỏ amends.",
        f"{number!r} set no target of this unit, year, measure and category; send that"
        " document first, or leave `amends` out.",
    )


def _earlier(day: date) -> Text:
    return Text(
        f"Văn bản sửa đổi có ngày trước văn bản được sửa ({day}).",
        f"The amending document is dated before the one it amends ({day}).",
    )


_TWICE = Text(
    "Chỉ tiêu này đã có trong cùng yêu cầu.", "This target stands twice in one request."
)


async def everyone_under(
    connection: Connection, under: str, period: Period
) -> list[str]:
    """All units that a rank under `under` counts, seen by the key or not."""
    return sorted(await keys.subtree(connection, [under], period.end))
