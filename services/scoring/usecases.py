"""What scoring does: scores a period, keeps targets, shows how figures came about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from libs.common import clock, keys, lenses, newcomers, working_days
from libs.common.clock import written
from libs.common.database import Connection, Database
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Fault, Text, invalid
from libs.common.upserts import Upserted
from services.scoring import computing, shown, store
from services.scoring.domain.amendments import Decision, contradiction
from services.scoring.domain.pace import Days
from services.scoring.domain.yardsticks import in_periods, out_of_year, rate_for
from services.scoring.store import Cell, TargetRow


async def rescore(
    connection: Connection, period: Period, batches: Sequence[str] | None = None
) -> None:
    """Recompute the scorecards of a period from the rows that stand.

    What batches of reports changed can only change scorecards of the same measures and
    categories; None is a change of targets, tree or lineage, which may be anywhere.
    Those that changed nothing but this period leave what the months before say of it.
    """
    held = await _held(connection, period)
    if not batches:
        await computing.score(connection, period, held)
        return
    cells = await store.cells_of(connection, batches, proposed=False)
    remembered = await store.is_remembered(connection, period.code, batches, cells[0])
    await computing.score(connection, period, held, cells, remembered=remembered)


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


async def drift(connection: Connection, period: Period) -> int:
    """How many stored scorecards of a period are not as they would be computed now."""
    await computing.compute(connection, period, await _held(connection, period))
    cells = await store.cells_stored(connection, period.code)
    return len(await computing.changes(connection, period, cells))


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
        await store.one_writer_of_targets(connection, {t.year for t in targets})
        stored = await store.ever_set(connection, {t.cell for t in targets})
        changed = _following(targets, stored)
        now = await clock.business_now(connection)
        await store.keep_targets(connection, changed, principal.key, now)
        years = {t.year for t in changed}
        await newcomers.look(connection)
        periods = await store.scored_periods(connection)
        touched = [p for p in periods if Period.parse(p).working_year in years]
        await publish(
            connection, [News(FIGURES_CHANGED, p, None, None) for p in sorted(touched)]
        )
    created = len({t.cell for t in changed} - {t.cell for t in stored})
    return Upserted(
        created=created,
        updated=len(changed) - created,
        unchanged=len(targets) - len(changed),
    )


async def _check_targets(
    connection: Connection, principal: Principal, targets: Sequence[TargetRow]
) -> None:
    known = await keys.known_units(connection, [t.unit for t in targets])
    faults = []
    for index, target in enumerate(targets):
        where = f"/targets/{index}"
        if target.unit not in known or not principal.sees(target.unit):
            faults.append(
                Fault(
                    f"{where}/unit",
                    "unknown_unit",
                    Text(
                        f"Không có đơn vị «{target.unit}».",
                        f"There is no unit {target.unit!r}.",
                    ),
                )
            )
        for key, code, text in out_of_year(target.basis, target.year):
            faults.append(Fault(f"{where}/basis/{key}", code, text))
    if faults:
        raise invalid(faults)


@dataclass
class _Chain:
    """What was ever set for one cell, by number of document, and the one in force."""

    rows: dict[str, list[TargetRow]] = field(default_factory=lambda: defaultdict(list))
    in_force: Decision | None = None

    def add(self, target: TargetRow) -> None:
        self.in_force = _decision(target)
        self.rows[self.in_force.number].append(target)


def _following(
    targets: Sequence[TargetRow], stored: Iterable[TargetRow]
) -> list[TargetRow]:
    """Those that are new, each of which may follow what stands before it."""
    chains, sent = defaultdict[Cell, _Chain](_Chain), defaultdict[Cell, _Chain](_Chain)
    for target in stored:
        chains[target.cell].add(target)
    faults, changed = [], []
    for index, sent_as in enumerate(targets):
        target = replace(sent_as, basis=in_periods(sent_as.basis))
        where, chain, new = f"/targets/{index}", chains[target.cell], _decision(target)
        if target in sent[target.cell].rows.get(new.number, ()):
            faults.append(Fault(where, "duplicate_row", _TWICE))
        sent[target.cell].add(target)
        if target in chain.rows.get(new.number, ()):
            continue
        wrong = contradiction(chain.rows, chain.in_force, new)
        if wrong:
            member, code, text = wrong
            faults.append(Fault(f"{where}/document/{member}", code, text))
        else:
            chain.add(target)
            changed.append(target)
    if faults:
        raise invalid(faults)
    return changed


def _decision(target: TargetRow) -> Decision:
    document = target.document
    amends = document.get("amends")
    return Decision(
        str(document["number"]),
        date.fromisoformat(str(document["date"])),
        None if amends is None else str(amends),
    )


_TWICE = Text(
    "Chỉ tiêu này đã có trong cùng yêu cầu.", "This target stands twice in one request."
)


async def everyone_under(
    connection: Connection, under: str, period: Period
) -> list[str]:
    """All units that a rank under `under` counts, seen by the key or not."""
    return sorted(await keys.subtree(connection, [under], period.end))
