"""How the figures of one unit came about: what stands behind each of its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from libs.common.database import Connection, Row
from libs.common.periods import Period
from services.scoring import behind, indicators, shown, shown_indicators
from services.scoring.domain.indicators import Row as IndicatorRow
from services.scoring.domain.indicators import definition, values
from services.scoring.shown_indicators import ExplainedScorecard
from services.scoring.shown_origin import Behind, origin
from services.scoring.usecases import Seen

_Cell = tuple[str, str]


async def explained(
    connection: Connection, cards: Sequence[Row], period: Period, seen: Seen
) -> list[ExplainedScorecard]:
    """Scorecards of one unit, each with the rows and definitions behind it."""
    unit: str = cards[0]["unit"]
    reported = _one_each(await behind.figures_of(connection, unit, period.code))
    children = _by_cell(
        await behind.children_of(connection, unit, period, source=seen.source)
        if any(card["done_basis"] == "rolled_up" for card in cards)
        else ()
    )
    last_year = _one_each(
        await behind.figures_of(connection, unit, period.year_earlier().code)
    )
    above = {card["target_unit"] for card in cards if card["target_unit"]}
    targets = {
        (row["unit"], *_cell(row)): row
        for row in await behind.targets_of(
            connection, period.working_year, sorted(above)
        )
    }
    lineage = await behind.lineage_of(connection, unit, period)
    restated = {
        _cell(card)
        for card in cards
        if lineage
        and card["last_basis"] != "rolled_up"
        and _cell(card) not in last_year
    }
    parts = _by_cell(
        await behind.predecessors_of(connection, unit, period, restated)
        if lineage and restated
        else ()
    )
    found = []
    for card in cards:
        cell = _cell(card)
        row = reported.get(cell)
        columns = {**row, "done": row["counted"]} if row else dict(card)
        counts = (card[name] for name in ("done", "enforceable", "rate"))
        found.append(
            shown_indicators.explained(
                shown.scorecard(card, seen.known_at, seen.days),
                values(
                    indicators.shipped(),
                    IndicatorRow(*cell, columns, *counts),
                    period.end,
                ),
                origin(
                    Behind(
                        row,
                        definition(indicators.shipped(), *cell),
                        period.end,
                        children[cell] if card["done_basis"] == "rolled_up" else (),
                        last_year.get(cell),
                        targets.get((card["target_unit"], *cell)),
                        parts[cell],
                        lineage if cell in restated else (),
                    )
                ),
            )
        )
    return found


def _cell(row: Row) -> _Cell:
    return row["measure"], row["category"]


def _one_each(rows: Iterable[Row]) -> dict[_Cell, Row]:
    return {_cell(row): row for row in rows}


def _by_cell(rows: Iterable[Row]) -> dict[_Cell, list[Row]]:
    found: dict[_Cell, list[Row]] = defaultdict(list)
    for row in rows:
        found[_cell(row)].append(row)
    return found
