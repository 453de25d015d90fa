"""What scoring does: scores a period, keeps targets, shows how figures came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from libs.common import clock, keys
from libs.common.database import Connection, Database
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Fault, Text, invalid
from libs.common.upserts import Upserted
from services.scoring import store
from services.scoring.domain.yardsticks import rate_for
from services.scoring.store import TargetRow


async def rescore(connection: Connection, code: str) -> None:
    """Recompute every scorecard of a period from the rows that stand."""
    period = Period.parse(code)
    targets = await store.current_targets(connection, period.working_year)
    held = [
        replace(target, rate=rate)
        for target in targets
        if (rate := rate_for(target.rate, target.basis, period)) is not None
    ]
    await store.score(connection, code, period.end, period.year_earlier(), held)


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
