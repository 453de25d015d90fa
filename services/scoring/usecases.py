"""What scoring does: scores a period, keeps targets, shows how figures came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from libs.common import clock, keys
from libs.common.database import Connection, Database, Row
from libs.common.events import FIGURES_CHANGED, News, publish
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import Fault, Text, invalid
from services.scoring import store
from services.scoring.domain.arithmetic import Target, met, shortfall, written
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
    await store.score(connection, code, period.end, period.year_earlier().code, held)


async def put_targets(
    database: Database, principal: Principal, targets: Sequence[TargetRow]
) -> dict[str, int]:
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
    return {
        "created": created,
        "updated": len(changed) - created,
        "unchanged": len(targets) - len(changed),
    }


async def _check_targets(
    connection: Connection, principal: Principal, targets: Sequence[TargetRow]
) -> None:
    known = await store.known_units(connection, [t.unit for t in targets])
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


def scorecard(row: Row, known_at: str | None) -> dict[str, object]:
    """A scorecard as the API gives it; what cannot be known is null with a why."""
    why: dict[str, str] = {}
    rate: Decimal | None = row["rate"]
    if rate is None:
        why["rate"] = "no_denominator" if row["enforceable"] == 0 else "no_figures"
    shown: dict[str, object] = {
        "unit": row["unit"],
        "name": row["name"],
        "kind": row["kind"],
        "period": row["period"],
        "measure": row["measure"],
        "category": row["category"],
        "done": row["done"],
        "enforceable": row["enforceable"],
        "done_basis": row["done_basis"],
        "rate": _text(rate),
        **_against_target(row, rate, why),
        "last_year": _last_year(row, rate),
        "rank": _rank(row),
        "above_national": _text(_minus(rate, row["national_rate"])),
        "illustrative": row["illustrative"],
        "revision": row["revision"],
        "known_at": known_at,
    }
    if why:
        shown["why"] = why
    return shown


def _against_target(
    row: Row, rate: Decimal | None, why: dict[str, str]
) -> dict[str, object]:
    if row["target_rate"] is None:
        why |= dict.fromkeys(("target", "met", "shortfall"), "no_target")
        return {"target": None, "met": None, "shortfall": None}
    own = row["target_unit"] == row["unit"]
    shown = {
        "rate": _text(row["target_rate"]),
        "operator": row["target_operator"],
        "document": row["target_document"],
        "inherited_from": None if own else row["target_unit"],
    }
    if rate is None:
        why |= dict.fromkeys(("met", "shortfall"), why["rate"])
        return {"target": shown, "met": None, "shortfall": None}
    target = Target(row["target_rate"], row["target_operator"])
    lacking = shortfall(rate, target, done=row["done"], enforceable=row["enforceable"])
    for name in ("exact", "needed"):
        if getattr(lacking, name) is None:
            why[f"shortfall.{name}"] = "no_counts"
    return {
        "target": shown,
        "met": met(rate, target),
        "shortfall": {
            "points": _text(lacking.points),
            "exact": written(lacking.exact),
            "needed": lacking.needed,
        },
    }


def _last_year(row: Row, rate: Decimal | None) -> dict[str, object]:
    shown: dict[str, object] = {
        "period": row["last_period"],
        "rate": _text(row["last_rate"]),
        "points": _text(_minus(rate, row["last_rate"])),
        "basis": "none" if row["last_why"] else "as_reported",
        "illustrative": row["last_illustrative"],
    }
    if row["last_why"]:
        shown["why"] = row["last_why"]
    return shown


def _rank(row: Row) -> dict[str, object] | None:
    if row["rank_position"] is None:
        return None
    return {"position": row["rank_position"], "of": row["rank_of"], "under": "VN"}


def ranking_line(row: Row, *, after_national: bool) -> dict[str, object]:
    """One printed line of a ranking."""
    return {
        "stt": row["line"] + after_national,
        "rank": row["rank"],
        "unit": row["unit"],
        "name": row["name"],
        "rate": _text(row["rate"]),
        "above_national": _text(_minus(row["rate"], row["national_rate"])),
    }


def national_line(row: Row) -> dict[str, object]:
    """The national row: first, STT 1, without a rank."""
    return {
        "stt": 1,
        "rank": None,
        "unit": row["unit"],
        "name": row["name"],
        "rate": _text(row["rate"]),
        "above_national": None,
    }


def _minus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)
